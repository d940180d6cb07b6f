"""Where TensorFlow puts a layer's windows, and where Darknet does."""

from tinyedge.darknet.layers import Shape

__all__ = ["same_padding_matches"]


def same_padding_matches(source: Shape, result: Shape, size: int, stride: int, before: int) -> bool:
    """Whether TensorFlow's SAME padding puts windows of `size` where Darknet puts them.

    Darknet's first window begins `before` pixels outside of the image.
    """
    for inputs, outputs in zip(source[:2], result[:2], strict=True):
        total = max(0, (outputs - 1) * stride + size - inputs)
        if outputs != -(-inputs // stride) or total // 2 != before:
            return False
    return True
