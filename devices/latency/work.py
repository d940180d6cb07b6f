"""What the layers of a Darknet network do, as `tinyedge.devices.latency.roofline` counts it."""

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.layers import (
    Connected,
    Convolutional,
    Cost,
    Dropout,
    Layer,
    Local,
    Route,
    Sam,
    ScaleChannels,
    Shortcut,
)
from tinyedge.darknet.network import Network
from tinyedge.devices.latency.roofline import Work

__all__ = ["network_work"]


def network_work(network: Network) -> list[Work]:
    """Of each layer that costs something, in order; batch norms are folded into the kernels."""
    return [work for layer in network.layers for work in _layer_work(layer)]


def _layer_work(layer: Layer) -> list[Work]:
    inputs, outputs = layer.input.elements, layer.output.elements
    match layer:
        case Convolutional() | Connected() | Local():
            weights, macs = layer.folded_parameters, layer.multiply_accumulates
            depthwise = isinstance(layer, Convolutional) and layer.depthwise
            found = [Work(inputs, outputs, weights, macs, depthwise)]
        case Shortcut():
            # Each sum reads what there is so far and one output more.
            found = [Work(inputs + added.elements, outputs) for added in layer.added]
            if layer.weighting != "none":
                found += [Work(outputs, outputs, layer.output.channels)] * (1 + len(layer.added))
        case ScaleChannels() | Sam():
            found = [Work(inputs + outputs, outputs)]
        case Dropout() | Cost():
            return []
        case Route() if len(layer.sources) == 1 and layer.groups == 1:
            return []  # only a name for what is there
        case _:
            found = [Work(inputs, outputs)]
    # Each operator of an activation that is not fused reads and writes once more.
    operators = len(ACTIVATIONS[getattr(layer, "activation", "linear")].tflite)
    if layer.kind == "activation" and operators:
        operators -= 1
    return found + [Work(outputs, outputs)] * operators
