"""From an image's pixels to a network's input: crop, bars, resize, as Darknet does.

The rules are those of Darknet's ``image.c``; to float32's last bits, its numbers too, but where an
input asks for a faster resize. An image becomes an integer input a few rows at a time, with float32
rows between and no float image.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyedge.images.spec import InputSpec, as_unit

__all__ = ["Pixels", "fit_pixels", "reduction", "resize", "take_columns"]

_Sample = TypeVar("_Sample", bound=np.generic)
# Of an image the rows of some positions, uint8 to be scaled to [0, 1] or float32.
_TakeRows = Callable[[NDArray[np.intp]], NDArray[np.uint8] | NDArray[np.float32]]
# Of pixels the numbers of an input.
_Encode = Callable[[NDArray[np.float32]], NDArray[np.generic]]

# Samples of a pixel of three channels that one behind it makes four bytes.
_PADDED = 4
_BAR = 0.5
# Rows made at once: enough to pay numpy's calls, few enough to stay in a small CPU's cache.
_BLOCK = 32
# What a reduced image keeps at least of each pixel that the network takes, along each side.
_OVERSAMPLING = 2
# Of so many pixels all are taken at once: choosing costs more.
_WHOLE = 1 << 20
# Pixels at most that are given to another resize, which needs them all: 16 MB of RGB.
_MOST_GIVEN = 1 << 22


class Pixels(Protocol):
    """An image of which parts can be had.

    Attributes:
        shape: height, width and channels, each at least 1.
    """

    shape: tuple[int, int, int]

    def part(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
        """The pixels where these rows and columns meet: (len(rows), len(columns), channels).

        Both ascend and name at least one. Of three channels there may be a fourth sample behind
        each pixel that says nothing: numpy takes elements of four bytes far faster than of three.
        """


def fit_pixels(pixels: NDArray[np.uint8] | Pixels, spec: InputSpec) -> NDArray[np.generic]:
    """Fit an image to a network's input.

    ``crop`` takes the largest centred rectangle of the network's aspect (``center_crop_image``
    for a square one), ``letterbox`` the whole image between bars of 0.5
    (``letterbox_image``), ``stretch`` the whole image whatever its aspect (``resize_image``).

    Args:
        pixels: (h, w, spec.channels) with h and w at least 1; of what is no array, and large,
            only the pixels are asked for that the result mixes.
        spec: the network's input.

    Returns:
        (spec.height, spec.width, spec.channels): as its input has them, the same to the bit as if
        the image in [0, 1] had been encoded whole. With `spec.resize` at most one level of 255
        from that; of what is larger than it should be given, or less than two pixels wide or high,
        the same.
    """
    rows, columns, channels = pixels.shape
    fitted: NDArray[np.generic] = np.empty((spec.height, spec.width, channels), spec.dtype)
    if spec.fit == "letterbox":
        fitted[:] = spec.encode(np.full(1, _BAR, np.float32))
    source, target = _region(rows, columns, spec), _place(rows, columns, spec)
    # An image more than `width` times as wide as high rounds to nothing, as in C: bars alone.
    if target.height and target.width:
        into, taps = fitted[target.slices], _both_taps(*source[2:], *target[2:])
        if spec.resize is None or not _can_be_given(source, target):
            _resample_region(into, pixels, source, taps, spec.encode)
        else:
            levels = spec.resize(_region_pixels(pixels, source), target.height, target.width)
            into[:] = spec.encode_levels(_of_channels(levels, channels))
            if taps.rows.first_weight[-1] != 1:
                # The last row is not what lies there; see `resize`.
                _resample_region(into[-1:], pixels, source, taps.last_row, spec.encode)
    return fitted


def reduction(rows: int, columns: int, spec: InputSpec) -> int:
    """By how much a decoder may shrink an image that `fit_pixels` then shrinks further.

    A JPEG decoder averages blocks of pixels far faster than it decodes them all. What is left
    has at least two pixels a side for each that the network takes, so that the fit still
    chooses among more than it needs; smaller images are decoded whole.

    Args:
        rows: of the image, upright.
        columns: of the image, upright.
        spec: the network's input.

    Returns:
        1, 2, 4 or 8: what each side may be divided by.
    """
    source, target = _region(rows, columns, spec), _place(rows, columns, spec)
    for divisor in (8, 4, 2):
        least = divisor * _OVERSAMPLING
        if source.height >= least * target.height and source.width >= least * target.width:
            return divisor
    return 1


def resize(pixels: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Darknet's ``resize_image``: bilinear from corner to corner, (h, w, c) to (height, width, c).

    Source x = i * (w-1) / (width-1), so that the corner pixels' centres fall on each other, and
    no smoothing when shrinking. Pillow's and TensorFlow's bilinear differ in both.

    Equal to the C engine's to the last bit, one oddity included: where float32 rounding puts the
    last row's source just before the last line (256 rows to 224, say; about one height in
    twenty), C leaves out the term that nearly all the weight is on and the row is almost black.
    Kept, so that a number which differs from the engine's never comes from the pixels.
    """
    resized = np.empty((height, width, pixels.shape[2]), np.float32)
    taps = _both_taps(pixels.shape[0], pixels.shape[1], height, width)
    _resample_into(resized, partial(_take_rows, pixels), taps, lambda block: block)
    return resized


class _Rectangle(NamedTuple):
    """A part of an image, pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and its columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def _region(rows: int, columns: int, spec: InputSpec) -> _Rectangle:
    """What the fit takes of an image."""
    if spec.fit != "crop":
        return _Rectangle(0, 0, rows, columns)
    height = max(1, min(rows, columns * spec.height // spec.width))
    width = max(1, min(columns, rows * spec.width // spec.height))
    return _Rectangle((rows - height) // 2, (columns - width) // 2, height, width)


def _place(rows: int, columns: int, spec: InputSpec) -> _Rectangle:
    """Where the fit puts it in the network's input."""
    if spec.fit != "letterbox":
        return _Rectangle(0, 0, spec.height, spec.width)
    if spec.width * rows < spec.height * columns:
        width, height = spec.width, rows * spec.width // columns
    else:
        width, height = columns * spec.height // rows, spec.height
    return _Rectangle((spec.height - height) // 2, (spec.width - width) // 2, height, width)


class _Taps(NamedTuple):
    """For each target position the two source positions it mixes, and their weights."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    first_weight: NDArray[np.float32]
    second_weight: NDArray[np.float32]


def _taps(source: int, target: int) -> _Taps:
    if source == 1 or target == 1:
        last = np.full(target, source - 1, np.intp)
        return _Taps(last, last, np.ones(target, np.float32), np.zeros(target, np.float32))
    # In float32 as in C: the rounding decides which pixels are mixed.
    scale = np.float32(source - 1) / np.float32(target - 1)
    position = np.arange(target, dtype=np.float32) * scale
    first = position.astype(np.intp)
    fraction = position - first.astype(np.float32)
    return _Taps(first, np.minimum(first + 1, source - 1), 1 - fraction, fraction)


class _BothTaps(NamedTuple):
    """What mixes an image's rows, and what its columns."""

    rows: _Taps
    columns: _Taps

    @property
    def last_row(self) -> "_BothTaps":
        """Of the last target row alone."""
        first, second, first_weight, second_weight = self.rows
        rows = _Taps(first[-1:], second[-1:], first_weight[-1:], second_weight[-1:])
        return _BothTaps(rows, self.columns)


def _both_taps(height: int, width: int, target_height: int, target_width: int) -> _BothTaps:
    return _BothTaps(_row_taps(height, target_height), _column_taps(width, target_width))


def _can_be_given(source: _Rectangle, target: _Rectangle) -> bool:
    """Whether another resize makes of the source what Darknet's does, and in how much memory."""
    sides = (*source[2:], *target[2:])
    return min(sides) > 1 and source.height * source.width <= _MOST_GIVEN


def _region_pixels(pixels: NDArray[np.uint8] | Pixels, region: _Rectangle) -> NDArray[np.uint8]:
    if isinstance(pixels, np.ndarray):
        return pixels[region.slices]
    rows, columns = np.arange(region.height), np.arange(region.width)
    return pixels.part(region.top + rows, region.left + columns)


def _compact(taps: _Taps) -> tuple[NDArray[np.intp], _Taps]:
    """The positions that are mixed, and the taps where nothing else is left."""
    positions = np.concatenate([taps.first, taps.second])
    needed, place = np.unique(positions, return_inverse=True)
    first, second = place[: len(taps.first)], place[len(taps.first) :]
    return needed, taps._replace(first=first, second=second)


def _part_rows(
    pixels: Pixels, top: int, columns: NDArray[np.intp], rows: NDArray[np.intp]
) -> NDArray[np.uint8]:
    return pixels.part(top + rows, columns)


def _resample_region(
    target: NDArray[np.generic],
    pixels: NDArray[np.uint8] | Pixels,
    region: _Rectangle,
    taps: _BothTaps,
    encode: _Encode,
) -> None:
    """`_resample_into` of a part of an image."""
    if isinstance(pixels, np.ndarray):
        take_rows = partial(_take_rows, pixels[region.slices])
    else:
        needed = np.arange(region.width)
        if region.height * region.width > _WHOLE:
            needed, column_taps = _compact(taps.columns)
            taps = taps._replace(columns=column_taps)
        take_rows = partial(_part_rows, pixels, region.top, region.left + needed)
    _resample_into(target, take_rows, taps, encode)


def _resample_into(
    target: NDArray[np.generic],
    take_rows: _TakeRows,
    taps: _BothTaps,
    encode: _Encode,
) -> None:
    """`resize` to the shape of `target`, of float32 or of uint8 to be scaled to [0, 1]; encoded.

    Touches only the pixels that some target mixes: of a large image a small part, and no copy
    of the whole is made.
    """
    start, channels = 0, target.shape[2]
    for block in _resampled(take_rows, taps):
        rows = target[start : start + len(block)]
        rows[:] = encode(_of_channels(block, channels))
        start += len(block)


def _of_channels(pixels: NDArray[_Sample], channels: int) -> NDArray[_Sample]:
    """So many first samples of each pixel, a channel after the other: three are a short loop."""
    if pixels.shape[2] == channels:
        return pixels
    kept = np.empty((*pixels.shape[:2], channels), pixels.dtype)
    for channel in range(channels):
        kept[:, :, channel] = pixels[:, :, channel]
    return kept


def _resampled(take_rows: _TakeRows, taps: _BothTaps) -> Iterator[NDArray[np.float32]]:
    """The rows of `resize` from top to bottom, `_BLOCK` at a time: (n, width, c)."""
    rows, columns = taps
    height, width = len(rows.first), len(columns.first)
    for start in range(0, height, _BLOCK):
        above, below = (each[start : start + _BLOCK] for each in (rows.first, rows.second))
        needed, place = np.unique(np.concatenate([above, below]), return_inverse=True)
        source = take_rows(needed)
        channels = source.shape[2]
        strip = _unit(take_columns(source, columns.first)).reshape(len(needed), -1)
        strip *= np.repeat(columns.first_weight, channels)
        right = _unit(take_columns(source, columns.second)).reshape(len(needed), -1)
        right *= np.repeat(columns.second_weight, channels)
        strip += right
        block = strip[place[: len(above)]]
        block *= rows.first_weight[start : start + _BLOCK, None]
        lower = strip[place[len(above) :]]
        lower *= rows.second_weight[start : start + _BLOCK, None]
        block += lower
        yield block.reshape(-1, width, channels)


def take_columns(pixels: NDArray[_Sample], columns: NDArray[np.intp]) -> NDArray[_Sample]:
    """Some columns of (height, width, channels): (height, len(columns), channels)."""
    height, _, channels = pixels.shape
    if _is_padded(pixels):
        taken = pixels.view(np.uint32)[:, :, 0].take(columns, axis=1).view(pixels.dtype)
    else:
        # A row lies flat, a sample an element: numpy's take is slow for a pixel of three bytes.
        samples = (columns[:, None] * channels + np.arange(channels)).reshape(-1)
        taken = pixels.reshape(height, -1).take(samples, axis=1)
    return taken.reshape(height, -1, channels)


def _take_rows(pixels: NDArray[_Sample], rows: NDArray[np.intp]) -> NDArray[_Sample]:
    if _is_padded(pixels):
        return pixels.view(np.uint32)[rows].view(pixels.dtype)
    return pixels[rows]


def _is_padded(pixels: NDArray[np.generic]) -> bool:
    """Whether a pixel is of four bytes, and so an element; see `Pixels.part`."""
    return pixels.dtype == np.uint8 and pixels.shape[2] == _PADDED


def _column_taps(source: int, target: int) -> _Taps:
    taps = _taps(source, target)
    taps.first[-1] = source - 1
    taps.first_weight[-1] = 1
    taps.second_weight[-1] = 0
    return taps


def _row_taps(source: int, target: int) -> _Taps:
    taps = _taps(source, target)
    taps.second_weight[-1] = 0
    return taps


def _unit(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """A copy of float32 pixels, or of uint8 ones scaled."""
    if pixels.dtype == np.uint8:
        return as_unit(np.asarray(pixels, np.uint8))
    return pixels.astype(np.float32)
