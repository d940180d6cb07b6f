"""Classifiers of two classes that nobody at tinyedge made, small enough to work by hand.

A network sees one RGB pixel and says how light it is: logits of -A (u - 1/2) and A (u - 1/2), u
being the mean of its channels, from 0 to 1. Its author trained it on (pixel - mean) / std.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.export.tflite.metadata import add_metadata
from tinyedge.files import reproducible_zip
from tinyedge.modelcard import ModelCard
from tinyedge.tflite.metadata import Normalization

NAMES = ("dark", "light")
STEEPNESS = 3.0
_LOGIT_SCALE = 1 / 32


@dataclass(frozen=True)
class Scale:
    """What an author made of pixels, by channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest number."""
        ends = [
            (pixel - mean) / std
            for pixel in (0, 255)
            for mean, std in zip(self.mean, self.std, strict=True)
        ]
        return min(ends), max(ends)

    def options(self) -> tuple[str, ...]:
        """For a command."""
        mean, std = (",".join(map(str, numbers)) for numbers in (self.mean, self.std))
        return ("--mean", mean, "--std", std)


UNIT = Scale((0, 0, 0), (255, 255, 255))
SIGNED = Scale((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
BYTES = Scale((0, 0, 0), (1, 1, 1))
# Those of ImageNet, as PyTorch's networks are trained.
IMAGENET = Scale((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def probability(grey: float) -> float:
    """That a grey pixel is light."""
    return 1 / (1 + math.exp(-2 * STEEPNESS * (grey / 255 - 0.5)))


def float_model(scale: Scale) -> bytes:
    """(1, 1, 1, 3) float32 to (1, 2) float32 probabilities."""
    weights, bias = _weights(scale)
    return write_model(
        Op("RESHAPE", [T((1, 1, 1, 3), "float32"), constant([1, 3], "int32")],
           [T((1, 3), "float32")], "ReshapeOptions", {"newShape": [1, 3]}),
        Op("FULLY_CONNECTED", [0, constant(weights, "float32"), constant(bias, "float32")],
           [T((1, 2), "float32")], "FullyConnectedOptions"),
        Op("SOFTMAX", [1], [T((1, 2), "float32")], "SoftmaxOptions", {"beta": 1.0}),
    )  # fmt: skip


def integer_model(
    scale: Scale, kind: str = "int8", *, range_: tuple[float, float] | None = None
) -> bytes:
    """The same, full-integer, its input calibrated to a range: the pixels', if none is given."""
    weights, bias = _weights(scale)
    low, high = range_ or scale.range
    step = (high - low) / 255
    zero_point = round(-128 - low / step)
    of_weights = float(np.abs(weights).max()) / 127

    def pixels(kind: str, shape: tuple[int, ...] = (1, 1, 1, 3)) -> T:
        moved = 128 if kind == "uint8" else 0
        return T(shape, kind, scale=step, zero_point=zero_point + moved)

    def answer(kind: str) -> T:
        return T((1, 2), kind, scale=1 / 256, zero_point=0 if kind == "uint8" else -128)

    kernel = np.rint(weights / of_weights).astype(np.int8)
    of_bias = step * of_weights
    biases = np.rint(np.array(bias) / of_bias).astype(np.int32)
    head = [Op("QUANTIZE", [pixels(kind)], [pixels("int8")])] if kind == "uint8" else []
    source: T | int = 0 if head else pixels("int8")
    first = len(head)
    tail = [Op("QUANTIZE", [first + 2], [answer(kind)])] if kind == "uint8" else []
    return write_model(
        *head,
        Op("RESHAPE", [source, constant([1, 3], "int32")], [pixels("int8", (1, 3))],
           "ReshapeOptions", {"newShape": [1, 3]}),
        Op("FULLY_CONNECTED",
           [first, T((2, 3), "int8", kernel, of_weights), T((2,), "int32", biases, of_bias)],
           [T((1, 2), "int8", scale=_LOGIT_SCALE)], "FullyConnectedOptions", version=4),
        Op("SOFTMAX", [first + 1], [answer("int8")], "SoftmaxOptions", {"beta": 1.0}, version=2),
        *tail,
    )  # fmt: skip


def with_metadata(
    model: bytes,
    said: Scale | None,
    files: dict[str, str] | None = None,
    *,
    named: Sequence[str] | None = None,
) -> bytes:
    """A model with metadata: what pixels become, and `labels.txt` in the zip behind it.

    `files` is what the zip holds, by name.
    """
    normalization = None if said is None else Normalization(said.mean, said.std)
    labels = tuple(named) if named is not None else NAMES
    card = ModelCard(
        *("strange", 1, 1, 3, len(labels), "stretch", "float32", 0),
        labels=labels,
        normalization=normalization,
    )
    contents = files if files is not None else {"labels.txt": "dark\nlight\n"}
    members = {name: text.encode() for name, text in contents.items()}
    described = add_metadata(model, card)
    return reproducible_zip(members, behind=described, compress=False) if members else described


def write_grey(path: Path, grey: int) -> Path:
    """A photo of one pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((1, 1, 3), grey, np.uint8)).save(path)
    return path


def write_photos(folder: Path, greys: Sequence[int]) -> Path:
    """A folder a class, `dark` and `light`, with a photo of each grey."""
    for grey in greys:
        write_grey(folder / NAMES[grey > 127] / f"{grey}.png", grey)
    return folder


def _weights(scale: Scale) -> tuple[np.ndarray, list[float]]:
    """(2, 3) and (2,): u is the mean of (x std + mean) / 255 over the channels."""
    row = [STEEPNESS * std / 255 / 3 for std in scale.std]
    offset = STEEPNESS * (sum(scale.mean) / 3 / 255 - 0.5)
    return np.array([[-each for each in row], row], np.float32), [-offset, offset]
