"""What the layers are called in the Keras model, and so in the .tflite."""

from tinyedge.darknet.layers import Layer

__all__ = ["activation_name", "layer_name"]


def layer_name(layer: Layer) -> str:
    """Darknet's number and the section's name: ``12_convolutional``."""
    return f"{layer.index}_{layer.kind}"


def activation_name(layer: Layer, activation: str) -> str:
    """That of the layer's activation: ``12_convolutional_leaky``."""
    return f"{layer_name(layer)}_{activation}"
