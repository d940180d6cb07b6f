"""What a model's input makes of pixels, where its file, its user or its input's scale tell.

A float file does not show on what scale it was trained: [0, 1], [-1, 1] and [0, 255] are all
common. An integer input has a scale and a zero point, and the numbers that it can hold, which the
calibration images spanned, nearly always tell the scale.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tinyedge.errors import ModelError
from tinyedge.text import shortened
from tinyedge.tflite.metadata import PIXELS, UNIT_PIXELS, Normalization
from tinyedge.tflite.quantization import QuantParams

__all__ = ["PixelEncoding", "SaidBy", "encode_as_said", "encode_unsaid", "named_normalization"]

SaidBy = Literal["user", "card", "metadata"]

# As parts of the range: how far its ends may lie from a scale's, for photos seldom span it whole;
# and how much of two ranges must be common to them, or they contradict each other.
_NEAR = 0.25
_COMMON_OF_PIXELS = 0.6
_COMMON_OF_INPUT = 0.4
# Of a mean or a std: no number of a pixel is beyond it, and float32 has it.
_MOST = 1e6


class PixelEncoding(NamedTuple):
    """How pixels become numbers of the input.

    Attributes:
        normalization: what numbers they are.
        quantization: by what those are quantized; None of a float input.
        known: whether that is known, and not taken for granted.
        note: what the user should know of it; None where nothing.
    """

    normalization: Normalization
    quantization: QuantParams | None = None
    known: bool = True
    note: str | None = None


def named_normalization(
    mean: float | Sequence[float] | None, std: float | Sequence[float] | None
) -> Normalization | None:
    """What a user says of the pixels; None where nothing.

    Raises:
        ModelError: one of the two is missing, or a number is none, or a std not above 0.
    """
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise ModelError(
            "a mean without a std, or the other way round: what a pixel becomes is"
            " (pixel - mean) / std, with pixels from 0 to 255"
        )
    numbers = [_numbers(name, given) for name, given in (("mean", mean), ("std", std))]
    if min(numbers[1]) <= 0:
        raise ModelError(f"std is {_given_as(numbers[1])}: it is above 0")
    found = Normalization(*numbers)
    if not found.is_finite:
        raise ModelError(f"std is {_given_as(numbers[1])}, which makes pixels infinite")
    return found


def _numbers(name: str, given: float | Sequence[float]) -> tuple[float, ...]:
    try:
        # A list, a tuple, an array, or one number alone.
        found = tuple(map(float, np.ravel(given)))
    except (TypeError, ValueError, OverflowError):
        raise ModelError(
            f"{name} is {shortened(given)}: it is one number, or three, of RGB"
        ) from None
    if len(found) not in (1, 3):
        raise ModelError(f"{name} is {_given_as(found)}: it is one number, or three, of RGB")
    if any(not abs(number) < _MOST for number in found):
        raise ModelError(
            f"{name} is {_given_as(found)}: its numbers are between {-_MOST:,.0f} and {_MOST:,.0f}"
        )
    return found


def _given_as(numbers: Sequence[float]) -> str:
    """Numbers as an option has them."""
    return ",".join(f"{number:g}" for number in numbers)


def encode_as_said(
    said: Normalization, quantization: QuantParams | None, model: Path, *, by: SaidBy
) -> PixelEncoding:
    """By what is said of the pixels, and by the input's own scale.

    Metadata that contradict that scale are somebody's mistake: then each pixel's own byte is fed.
    A user who does is told.
    """
    if quantization is None or by == "card" or _have_much_in_common(said, quantization):
        return PixelEncoding(said, quantization)
    if by == "user":
        note = (
            f"{model}: its input holds {_told(quantization.range)}, and pixels become"
            f" {_told(said.range)} as you say: is that so?"
        )
        return PixelEncoding(said, quantization, note=note)
    note = (
        f"{model}: its metadata make numbers of {_told(said.range)} of pixels, but its input holds"
        f" {_told(quantization.range)}: each pixel's own byte is fed, unless --mean and --std say"
        " what pixels become"
    )
    return PixelEncoding(UNIT_PIXELS, _bytes(quantization), known=False, note=note)


def encode_unsaid(
    quantization: QuantParams | None, model: Path, like: tuple[Path, Normalization] | None = None
) -> PixelEncoding:
    """Where nothing is said of the pixels.

    Args:
        quantization: of an integer input.
        model: its file, for notes.
        like: another file of the same network, of which it is known.
    """
    if quantization is not None:
        found = _scale_of(quantization)
        if found is not None:
            return PixelEncoding(found, quantization)
        note = (
            f"{model}: it does not say what its pixels are, and its input holds"
            f" {_told(quantization.range)}: each pixel's own byte is fed; if its answers are wrong,"
            " say what pixels become: --mean and --std"
        )
        return PixelEncoding(UNIT_PIXELS, _bytes(quantization), known=False, note=note)
    if like is not None:
        path, normalization = like
        note = (
            f"{model}: it does not say what its pixels are: they become"
            f" {_told(normalization.range)}, as in {path}"
        )
        return PixelEncoding(normalization, note=note)
    note = (
        f"{model}: it does not say what its pixels are: they are fed as 0 to 1, and its answers are"
        " wrong if it was trained on others: --pixels -1..1 or 0..255, or --mean and --std"
    )
    return PixelEncoding(UNIT_PIXELS, known=False, note=note)


def _told(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3g} to {ends[1]:.3g}"


def _bytes(quantization: QuantParams) -> QuantParams:
    return QuantParams.pixels(quantization.dtype)


def _scale_of(quantization: QuantParams) -> Normalization | None:
    """The scale with a name whose ends the range of an input has, or nearly."""
    low, high = quantization.range

    def distance(scale: Normalization) -> float:
        least, greatest = scale.range
        return max(abs(low - least), abs(high - greatest)) / (greatest - least)

    nearest = min(PIXELS.values(), key=distance)
    return nearest if distance(nearest) <= _NEAR else None


def _have_much_in_common(said: Normalization, quantization: QuantParams) -> bool:
    (low, high), (least, greatest) = said.range, quantization.range
    common = min(high, greatest) - max(low, least)
    return common >= _COMMON_OF_PIXELS * (high - low) and common >= _COMMON_OF_INPUT * (
        greatest - least
    )
