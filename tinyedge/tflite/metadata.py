"""TFLite Metadata, which MediaPipe, Model Maker, AutoML and others put into a .tflite.

A FlatBuffer of its own (metadata_schema.fbs of tflite-support, whose fields' numbers are here) in
the model's buffer TFLITE_METADATA, and the files it names in a zip behind the model. It may come
from anybody: what is read is held to its type, range and size.
"""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import TinyedgeWarning
from tinyedge.files import zip_member
from tinyedge.text import MOST_LABEL_BYTES, printable, shortened
from tinyedge.tflite.flatbuffer import FlatbufferError, Table, root_table
from tinyedge.tflite.model import IDENTIFIER as _MODEL

__all__ = [
    "FIELD",
    "IDENTIFIER",
    "LABELS_FILE",
    "MOST_TEXT_BYTES",
    "PIXELS",
    "UNIT_PIXELS",
    "LabelFile",
    "Metadata",
    "Normalization",
    "metadata_told",
    "read_label_file",
    "read_metadata",
    "sound_metadata",
]

FIELD = "TFLITE_METADATA"
"""What the model calls the buffer."""
IDENTIFIER = b"M001"
"""What stands in the 4th to 8th byte of the metadata."""
LABELS_FILE = "labels.txt"
"""What tinyedge calls the file of labels."""

# Numbers of the schema.
_BUFFERS, _METADATA = 4, 6
_AXIS_LABELS = 2
_NORMALIZATION = 1

MOST_TEXT_BYTES = 65_536
"""Of each text in the metadata."""
_MOST_FILES = 256
_SHOWN = 60


class Normalization(NamedTuple):
    """What a network's input numbers are made of pixels by: (pixel - mean) / std.

    Attributes:
        mean, std: of pixels from 0 to 255, a number for each channel or one for all; `std` is
            above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest number that a pixel becomes in any channel."""
        low, high = self(np.zeros(1, np.float32)), self(np.ones(1, np.float32))
        return float(low.min()), float(high.max())

    @property
    def is_finite(self) -> bool:
        """Whether every pixel becomes a number of float32: a std may be too small for that."""
        with np.errstate(all="ignore"):
            return bool(np.isfinite(self.range).all())

    def fits(self, channels: int) -> bool:
        """Whether its numbers are for so many channels."""
        return len(self.mean) in (1, channels) and len(self.std) in (1, channels)

    def for_channels(self, channels: int) -> "Normalization":
        """The same with a number for each channel."""
        mean, std = (
            numbers * channels if len(numbers) == 1 else numbers
            for numbers in (self.mean, self.std)
        )
        return Normalization(mean, std)

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The input's numbers of pixels in [0, 1], (..., channels); the same array for Darknet's.

        That is where a number is the pixel, mean 0 and std 255: nothing is rounded then.
        """
        if set(self.mean) == {0.0} and set(self.std) == {255.0}:
            return pixels
        mean, std = (np.asarray(numbers, np.float32) for numbers in (self.mean, self.std))
        return np.asarray((pixels * np.float32(255) - mean) / std)


UNIT_PIXELS = Normalization((0.0,), (255.0,))
"""Darknet's: a pixel is 0 to 1."""
PIXELS = {
    "0..1": UNIT_PIXELS,
    "-1..1": Normalization((127.5,), (127.5,)),
    "0..255": Normalization((0.0,), (1.0,)),
}
"""Those that have a name: what a pixel becomes."""


class LabelFile(NamedTuple):
    """A file of the zip with a name for each number of the output, a line each; its language."""

    name: str
    locale: str = ""


class Metadata(NamedTuple):
    """What a .tflite says of itself; a text that is left out is empty.

    Attributes:
        name, description, version, author, license: of the model.
        normalization: of the pixels of its first input; None where nothing is said.
        label_files: of its first output, the one to be used first.
    """

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    normalization: Normalization | None = None
    label_files: tuple[LabelFile, ...] = ()


def read_metadata(content: bytes) -> Metadata | None:
    """The metadata of a .tflite's bytes, or None where it has none.

    Raises:
        FlatbufferError: the bytes are no .tflite, or the metadata are damaged.
    """
    model = root_table(content, _MODEL)
    named = [int(each.number(1, "I")) for each in model.tables(_METADATA) if each.text(0) == FIELD]
    if not named:
        return None
    for index, buffer in enumerate(model.tables(_BUFFERS)):
        if index == named[0]:
            return _metadata(root_table(bytes(buffer.bytes(0)), IDENTIFIER))
    raise FlatbufferError("they are in a buffer that is not there")


def sound_metadata(content: bytes, model: Path) -> Metadata | None:
    """`read_metadata` of the file `model`; a TinyedgeWarning, and None, where they are damaged."""
    try:
        return read_metadata(content)
    except FlatbufferError as error:
        warnings.warn(
            f"{model}: its metadata are passed over, for they are damaged: {error}",
            TinyedgeWarning,
            stacklevel=3,
        )
        return None


def metadata_told(metadata: Metadata) -> str:
    """What they say but for the description, in one line of some hundred characters."""
    texts = {
        "": metadata.name,
        "author ": metadata.author,
        "licence ": metadata.license,
        "version ": metadata.version,
    }
    parts = [f"{name}{_cut(text)}" for name, text in texts.items() if text]
    if metadata.normalization is not None:
        low, high = metadata.normalization.range
        parts.append(f"pixels become {low:.3g} to {high:.3g}")
    if metadata.label_files:
        parts.append(f"labels in {', '.join(_cut(file.name) for file in metadata.label_files[:3])}")
    return "; ".join(parts) or "they say nothing that is read here"


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def read_label_file(content: bytes, file: LabelFile) -> str:
    """The text of a file that the metadata of a .tflite's bytes name.

    Raises:
        FlatbufferError: it is not in the zip behind the model, too large, or no UTF-8 text.
    """
    try:
        found = zip_member(io.BytesIO(content), file.name, limit=MOST_LABEL_BYTES)
    except ValueError as error:
        raise FlatbufferError(f"{shortened(file.name)} cannot be read: {error}") from error
    if found is None:
        raise FlatbufferError(f"{shortened(file.name)} is not in the zip behind the model")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FlatbufferError(f"{shortened(file.name)} is no UTF-8 text") from error


def _metadata(root: Table) -> Metadata:
    graph = next(root.tables(3), None)
    source, target = (
        None if graph is None else next(graph.tables(field), None) for field in (2, 3)
    )
    return Metadata(
        name=_text(root, 0),
        description=_text(root, 1),
        version=_text(root, 2),
        author=_text(root, 4),
        license=_text(root, 5),
        normalization=None if source is None else _normalization(source),
        label_files=() if target is None else tuple(_label_files(target)),
    )


def _text(table: Table, field: int) -> str:
    if len(table.bytes(field)) > MOST_TEXT_BYTES:
        raise FlatbufferError(f"a text has more than {MOST_TEXT_BYTES:,} bytes")
    return table.text(field)


def _normalization(tensor: Table) -> Normalization | None:
    """Of the first process unit that is one."""
    for unit in tensor.tables(4):
        options = unit.table(1)
        if unit.number(0, "B") == _NORMALIZATION and options is not None:
            mean, std = (_numbers(options, field) for field in (0, 1))
            if not (mean and std) or min(std) <= 0:
                raise FlatbufferError("a mean, or a std above 0, is missing")
            if len(mean) != len(std) and 1 not in (len(mean), len(std)):
                raise FlatbufferError("mean and std are of other channels")
            found = Normalization(mean, std)
            if not found.is_finite:
                raise FlatbufferError("its std makes pixels infinite")
            return found
    return None


def _numbers(options: Table, field: int) -> tuple[float, ...]:
    if len(options.bytes(field, 4)) > MOST_TEXT_BYTES:
        raise FlatbufferError("a normalization is of more channels than an image has")
    numbers = np.array(options.numbers(field, "f"), np.float64)
    if not np.isfinite(numbers).all():
        raise FlatbufferError("a mean, or a std, is no number")
    return tuple(numbers.tolist())


def _label_files(tensor: Table) -> Iterator[LabelFile]:
    for number, file in enumerate(tensor.tables(6)):
        if number == _MOST_FILES:
            raise FlatbufferError(f"they name more than {_MOST_FILES} files")
        if file.number(2, "b") == _AXIS_LABELS:
            yield LabelFile(_text(file, 0), _text(file, 3))
