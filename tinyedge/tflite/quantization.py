"""Pixels in [0, 1] as the steps of an integer input tensor."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Quantization"]


class Quantization(NamedTuple):
    """How a TFLite tensor stores a real number: ``real = scale * (stored - zero_point)``.

    Attributes:
        dtype: the stored integers', int8 or uint8.
        scale: of one step, more than 0.
        zero_point: what stands for 0.
    """

    dtype: DTypeLike
    scale: float
    zero_point: int

    def quantize(self, pixels: NDArray[np.float32]) -> NDArray[Any]:
        """The nearest step to each of `pixels`, within what the type holds; ties to even."""
        limits = np.iinfo(np.dtype(self.dtype))
        steps = pixels * np.float32(1 / self.scale)
        np.rint(steps, out=steps)
        steps += np.float32(self.zero_point)
        np.clip(steps, limits.min, limits.max, out=steps)
        return steps.astype(self.dtype)
