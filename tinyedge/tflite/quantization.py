"""Uniform quantization of a tensor, as TFLite defines it."""

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["XNNPACK_SLOPE_ONE", "QuantParams", "per_channel"]

XNNPACK_SLOPE_ONE = 256
"""XNNPACK's leaky ReLU (qs8-vlrelu) multiplies by slopes that are whole numbers over this."""

# A tensor whose values lie no farther apart holds nothing but what rounding left of zeros.
_NOTHING = 1e-6
# A bias has the product of its weights' scale and their input's, which has to be a float32 above 0.
_LEAST_WEIGHT = 1e-25
_Number = TypeVar("_Number", bound=np.generic)
Floats = NDArray[np.float32] | NDArray[np.float64]


class QuantParams:
    """Quantization parameters: ``real = scale * (stored - zero_point)``.

    TFLite's specification of int8 quantization: per-tensor for activations; for weights
    per-channel, symmetric, from -127 to 127.

    Attributes:
        scales: float64, (1,) per-tensor or (channels,) per-channel; each more than 0.
        zero_points: int64 of the same shape.
        dtype: of the stored integers.
        axis: the dimension that a per-channel tensor has its scales along.
        narrow: whether the lowest stored integer is left out, as in weights.
    """

    def __init__(
        self,
        scales: NDArray[np.float64],
        zero_points: NDArray[np.int64],
        dtype: np.dtype[np.generic],
        axis: int = 0,
        narrow: bool = False,
    ) -> None:
        """Parameters that nobody changes."""
        self.scales = scales
        self.zero_points = zero_points
        self.dtype = dtype
        self.axis = axis
        self.narrow = narrow

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int, dtype: DTypeLike = np.int8) -> "QuantParams":
        """One scale and one zero point for the whole tensor."""
        return cls(np.array([scale], np.float64), np.array([zero_point], np.int64), np.dtype(dtype))

    @classmethod
    def from_range(cls, low: float, high: float, dtype: DTypeLike = np.int8) -> "QuantParams":
        """Per-tensor parameters that represent `low` to `high`, and 0 exactly.

        A range of nothing but 0 gets the scale of numbers up to 1.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        if high - low < _NOTHING:
            high = 1.0
        limits = np.iinfo(np.dtype(dtype))
        scale = (high - low) / (limits.max - limits.min)
        zero_point = int(np.clip(np.rint(limits.min - low / scale), limits.min, limits.max))
        return cls.per_tensor(scale, zero_point, dtype)

    @classmethod
    def pixels(cls, dtype: DTypeLike = np.int8) -> "QuantParams":
        """Those of pixels in [0, 1] whose bytes are their own integers; int8 moves them by 128."""
        limits = np.iinfo(np.dtype(dtype))
        return cls.per_tensor(1 / 255, int(limits.min), dtype)

    @classmethod
    def symmetric(cls, largest: ArrayLike, axis: int) -> "QuantParams":
        """Per-channel int8 parameters of weights whose largest magnitudes are `largest`.

        A channel of nothing but zeros gets the scale of a largest weight of 1, and so does one of
        what is left of weights that training had decay.
        """
        magnitudes = np.asarray(largest, np.float64)
        scales = np.where(magnitudes > _LEAST_WEIGHT, magnitudes, 1.0) / np.iinfo(np.int8).max
        zeros = np.zeros(len(scales), np.int64)
        return cls(scales, zeros, np.dtype(np.int8), axis, narrow=True)

    @property
    def is_per_tensor(self) -> bool:
        """Whether one scale serves the whole tensor."""
        return len(self.scales) == 1

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantization."""
        (scale,) = self.scales.tolist()
        return float(scale)

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantization."""
        (zero_point,) = self.zero_points.tolist()
        return int(zero_point)

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest stored integer."""
        limits = np.iinfo(self.dtype.name)
        return int(limits.min) + self.narrow, int(limits.max)

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest real number of a per-tensor quantization."""
        low, high = self.limits
        return (low - self.zero_point) * self.scale, (high - self.zero_point) * self.scale

    def quantize(self, values: Floats) -> NDArray[np.generic]:
        """The nearest stored integer to each of `values`, saturated; ties go to even.

        Values are multiplied by the reciprocal of the scale in their own precision, as XNNPACK
        does (f32-qs8-vcvt).
        """
        low, high = self.limits
        reciprocals = (1 / self._along(self.scales, values.ndim)).astype(values.dtype)
        scaled: Floats = np.multiply(values, reciprocals)
        np.rint(scaled, out=scaled)
        scaled += self._along(self.zero_points, values.ndim).astype(values.dtype)
        np.clip(scaled, low, high, out=scaled)
        return np.asarray(scaled.astype(self.dtype))

    def dequantize(self, stored: NDArray[np.generic]) -> NDArray[np.float64]:
        """The real numbers that stored integers stand for."""
        numbers = stored.astype(np.float64)
        numbers -= self._along(self.zero_points, stored.ndim)
        numbers *= self._along(self.scales, stored.ndim)
        return numbers

    def rows(self, part: slice, dimensions: int) -> "QuantParams":
        """Of these rows, along the first axis, of a tensor of so many dimensions."""
        if self.is_per_tensor or self.axis % dimensions != 0:
            return self
        return self.of_channels(part)

    def of_channels(self, channels: slice | NDArray[np.intp]) -> "QuantParams":
        """Of some channels, in that order; per-tensor ones serve them all."""
        if self.is_per_tensor:
            return self
        scales, zero_points = self.scales[channels], self.zero_points[channels]
        return QuantParams(scales, zero_points, self.dtype, self.axis, self.narrow)

    def fake_quantize(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """`values` quantized and dequantized, in float32 throughout."""
        offsets = self.quantize(values).astype(np.float32) - self._along(
            self.zero_points, values.ndim
        ).astype(np.float32)
        return np.asarray(
            offsets * self._along(self.scales, values.ndim).astype(np.float32), np.float32
        )

    def shifted(self, dtype: DTypeLike) -> "QuantParams":
        """The same real numbers on integers of another type of eight bits."""
        moved = int(np.iinfo(np.dtype(dtype)).min) - int(np.iinfo(self.dtype.name).min)
        return QuantParams(
            self.scales, self.zero_points + moved, np.dtype(dtype), self.axis, self.narrow
        )

    def with_scales(self, scales: NDArray[np.float64]) -> "QuantParams":
        """The same stored integers with other scales, as many."""
        return QuantParams(scales, self.zero_points, self.dtype, self.axis, self.narrow)

    def __repr__(self) -> str:
        return f"QuantParams({', '.join(map(repr, vars(self).values()))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QuantParams) and (
            self.dtype == other.dtype
            and np.array_equal(self.scales, other.scales)
            and np.array_equal(self.zero_points, other.zero_points)
            and (self.is_per_tensor or self.axis == other.axis)
        )

    def __hash__(self) -> int:
        return hash((self.dtype.name, self.scales.tobytes(), self.zero_points.tobytes()))

    def _along(self, numbers: NDArray[_Number], dimensions: int) -> NDArray[_Number]:
        return per_channel(numbers, self.axis, dimensions)


def per_channel(numbers: NDArray[_Number], axis: int, dimensions: int) -> NDArray[_Number]:
    """A number a channel, or one for all, as it broadcasts against a tensor's dimensions.

    Args:
        numbers: (channels,) or (1,).
        axis: the tensor's dimension that the channels lie along.
        dimensions: how many the tensor has.
    """
    shape = [1] * dimensions
    if len(numbers) > 1:
        shape[axis] = -1
    return numbers.reshape(shape)
