"""Where TensorFlow puts a layer's windows, and where Darknet does."""

from tinyedge.darknet.layers import Shape
from tinyedge.tflite.schema import same_padding

__all__ = ["same_padding_matches"]


def same_padding_matches(source: Shape, result: Shape, size: int, stride: int, before: int) -> bool:
    """Whether TensorFlow's SAME padding puts windows of `size` where Darknet puts them.

    Darknet's first window begins `before` pixels outside of the image.
    """
    for inputs, outputs in zip(source[:2], result[:2], strict=True):
        if outputs != -(-inputs // stride) or same_padding(inputs, size, stride)[0] != before:
            return False
    return True
