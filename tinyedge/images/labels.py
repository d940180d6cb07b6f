"""The names of classes: lists of labels, and which class a name means.

A model of one output tells two classes apart: the output is the probability of class 1 (as of
Keras' Dense(1, sigmoid), and of a Darknet classifier of one class), above one half where it is it.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.files import file_sha256, read_text
from tinyedge.images.data_file import is_data_file, read_data_file
from tinyedge.text import MOST_LABEL_BYTES, counted, shortened

if TYPE_CHECKING:
    from tinyedge.tflite.metadata import Metadata

__all__ = [
    "IMAGENET_IDS_SHA256",
    "IMAGENET_NAMES_SHA256",
    "ClassNames",
    "class_count",
    "class_names",
    "labels_in_metadata",
    "listed",
    "read_labels",
]

IMAGENET_NAMES_SHA256 = "6ba751a14e6470ccaf740476ab79df657925d29d9f29311629eed20f7efb0ed5"
IMAGENET_IDS_SHA256 = "862f0b616543c2467bf66c967c173ef748c4d11244ee223ffd13e6591735ca0b"
"""Of Darknet's ``imagenet.shortnames.list`` and ``imagenet.labels.list``."""

_IMAGENET_CLASSES = 1000
_IMAGENET_LISTS = (IMAGENET_NAMES_SHA256, IMAGENET_IDS_SHA256)
_SHOWN = 5
# No network has more classes than an integer of so many digits counts.
_MOST_DIGITS = 10
# Of which not all need be named: one line of a strange file would name thousands of millions.
_MOST_INDEXED = 1 << 20
_INDEXED = r"([0-9]{1,10})[\s,;:]+(\S.*)"
_HEADING = (
    r"(?i)#?\s*(?:(?:id|index|class[_ ]?id)[\s,;:]+)?"
    r"(?:labels?|class(?:es)?|names?|class[_ ]?names?|categor(?:y|ies))"
)
_BACKGROUND = ("background", "__background__", "dummy", "???", "unknown")


def class_count(outputs: int) -> int:
    """How many classes a model of so many outputs tells apart."""
    return 2 if outputs == 1 else outputs


def class_names(names: Sequence[str] | None, outputs: int) -> tuple[str, ...] | None:
    """The name of each class, of a model's labels or ids; None where it has none.

    One name of one output is that of class 1.
    """
    if not names:
        return None
    if outputs == len(names) == 1:
        return f"not {names[0]}", names[0]
    return tuple(names[: class_count(outputs)])


def read_labels(path: Path, outputs: int) -> tuple[str, ...]:
    """The names of the classes of a model of so many outputs.

    `path` is a list, a name a line, or a Darknet .data file, which tells where that is. A list
    names as many classes as the model has, but for what is known: Darknet's own lists name 21,842
    classes, of which the first 1,000 are ImageNet-1k; a first line may be a heading, or name the
    background, a class that the model does not have; lines may all begin with their index, as
    ``3 rose`` or ``3,rose``. For one output there are one name, of the class whose probability it
    is, or two, of what 0 and what 1 stand for, as Keras has them. Warnings (TinyedgeWarning) tell
    what was taken how.

    Raises:
        DatasetError: the file is no text, has an empty line among those needed, or names more or
            fewer classes; or the .data file names no list.
        OSError: the file cannot be read.
    """
    if is_data_file(path):
        data = read_data_file(path)
        data.check_classes(outputs)
        path = data.names()
    lines = _lines_of(
        read_text(path, limit=MOST_LABEL_BYTES, what="a list of labels", error=DatasetError)
    )
    if outputs == _IMAGENET_CLASSES < len(lines) and file_sha256(path) in _IMAGENET_LISTS:
        return lines[:outputs]
    return _name_outputs(lines, outputs, path)


def _name_outputs(lines: tuple[str, ...], outputs: int, path: Path | str) -> tuple[str, ...]:
    """The names that the lines of a list give so many outputs; see `read_labels`.

    Raises:
        DatasetError: as there; it calls the list `path`.
    """
    names = _named(lines, outputs, path)
    if len(names) not in (outputs, class_count(outputs)):
        needed = (
            "it needs the name of the class whose probability that is, or two, first what 0"
            " stands for, then 1"
            if outputs == 1
            else "which lines are its classes cannot be told: use the list that belongs to it"
        )
        raise DatasetError(
            f"{path} names {len(names)} class{'' if len(names) == 1 else 'es'}, the network has"
            f" {counted(outputs, 'output')}: {needed}"
        )
    if "" in names:
        raise DatasetError(f"{path}:{lines.index('') + 1}: this line names no class")
    if len(names) > outputs:
        warnings.warn(
            f"{path} names 2 classes for 1 output: 1 is taken to mean {names[1]!r}, 0"
            f" {names[0]!r}; if it is the other way round, swap the lines",
            TinyedgeWarning,
            stacklevel=2,
        )
    return names


def labels_in_metadata(
    content: bytes, metadata: "Metadata", outputs: int, model: Path
) -> tuple[str, ...] | None:
    """What the first list of labels that the metadata of `model` name gives so many outputs.

    `content` is the file's. None where they name no list; a TinyedgeWarning, and None, where it is
    no use.
    """
    # They load numpy, and the zoo's list needs this module's constants alone.
    from tinyedge.tflite.flatbuffer import FlatbufferError
    from tinyedge.tflite.metadata import read_label_file

    if not metadata.label_files:
        return None
    file = metadata.label_files[0]
    if len(metadata.label_files) > 1:
        others = ", ".join(shortened(each.name) for each in metadata.label_files[1:4])
        warnings.warn(
            f"{model}: its labels are those of {shortened(file.name)}, the first of"
            f" {len(metadata.label_files)} lists; for {others} unzip it and use --labels",
            TinyedgeWarning,
            stacklevel=2,
        )
    try:
        lines = _lines_of(read_label_file(content, file))
        return _name_outputs(lines, outputs, f"{model}: {shortened(file.name)}")
    except FlatbufferError as error:
        reason = f"{model}: {error}"
    except DatasetError as error:
        reason = str(error)
    warnings.warn(f"{reason}; classes have no names here", TinyedgeWarning, stacklevel=2)
    return None


def _lines_of(text: str) -> tuple[str, ...]:
    """The lines of a text, stripped, without empty ones at its end."""
    # Not splitlines(), which also breaks at characters that a label may hold: Darknet's get_labels
    # ends lines at the line feed alone.
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)


def _named(lines: tuple[str, ...], outputs: int, path: Path | str) -> tuple[str, ...]:
    """What the lines name, without what is no class of the model."""
    most = class_count(outputs)
    if lines and re.fullmatch(_HEADING, lines[0]):
        indexed = _by_index(lines[1:], most)
        if len(lines) == most + 1 or indexed is not None:
            _note(path, f"its first line, {shortened(lines[0])}, is a heading and names no class")
            lines = lines[1:]
    indexed = _by_index(lines, most)
    if indexed is not None:
        _note(path, "its lines begin with the index of their class, and are taken by it")
        lines = indexed
    if len(lines) == most + 1 and lines[0].lower() in _BACKGROUND:
        _note(
            path,
            f"its first line, {shortened(lines[0])}, is no class of this network, which has"
            f" {counted(outputs, 'output')}: the others are",
        )
        lines = lines[1:]
    return lines


def _by_index(lines: tuple[str, ...], most: int) -> tuple[str, ...] | None:
    """The names by their indices, where every line begins with one and they fit; else None.

    One that is left out is a class that has its index for a name.
    """
    found = [re.fullmatch(_INDEXED, line) for line in lines]
    names = {int(match[1]): match[2] for match in found if match is not None}
    # "1 euro" and "2 euro" are names.
    if not names or len(names) < len(lines) or len(set(names.values())) < len(names):
        return None
    count = max(names) + 1
    if count > _MOST_INDEXED:
        return None
    if count != most and not (count == most + 1 and names.get(0, "").lower() in _BACKGROUND):
        return None
    return tuple(names.get(index, str(index)) for index in range(count))


def _note(path: Path | str, text: str) -> None:
    warnings.warn(f"{path}: {text}", TinyedgeWarning, stacklevel=4)


class ClassNames:
    """What a folder or a manifest may call the classes of a model.

    A class has a label, perhaps a WordNet id, and an index; a name is tried as each, in this
    order. In labels case does not matter where it decides nothing, and ``_`` stands for a space
    or for the ``/`` that no folder's name can hold.

    Args:
        labels: the model's, in class order, or None; see `class_names`.
        ids: its WordNet ids in class order, or None; likewise.
        outputs: how many it has.
    """

    def __init__(
        self, labels: Sequence[str] | None, ids: Sequence[str] | None, outputs: int
    ) -> None:
        self._labels = class_names(labels, outputs) or ()
        self._ids = class_names(ids, outputs) or ()
        self._classes = class_count(outputs)
        self._exact = _positions(self._labels)
        self._loose = _positions([_loosened(label) for label in self._labels])
        self._by_id = _positions([name.lower() for name in self._ids])

    def find(self, name: str, where: str) -> int | None:
        """The index of the class called `name`, or None.

        Raises:
            DatasetError: `name` is the label of several classes, as ImageNet's two "crane" are;
                the message begins with `where`.
        """
        for positions, key in (
            (self._exact, name),
            (self._loose, _loosened(name)),
            (self._by_id, name.lower()),
        ):
            indices = positions.get(key, ())
            if len(indices) == 1:
                return indices[0]
            if indices:
                raise DatasetError(
                    f"{where}: {shortened(name)} names {len(indices)} classes"
                    f" ({', '.join(map(self._unambiguous, indices))}); use ids or indices"
                )
        digits = name.lstrip("0") or name[-1:]
        if name.isascii() and name.isdigit() and len(digits) <= _MOST_DIGITS:
            return int(digits) if int(digits) < self._classes else None
        return None

    def expected(self) -> str:
        """What a name may be, with examples, for the end of a message."""
        kinds = []
        if self._labels:
            kinds.append(f"a label ({listed(self._labels)})")
        if self._ids:
            kinds.append(f"an id ({listed(self._ids)})")
        kinds.append(f"an index from 0 to {self._classes - 1}")
        return "expected " + " or ".join(kinds)

    def _unambiguous(self, index: int) -> str:
        return f"{index} = {self._ids[index]}" if self._ids else str(index)


def _positions(names: Sequence[str]) -> dict[str, list[int]]:
    positions = defaultdict(list)
    for index, name in enumerate(names):
        positions[name].append(index)
    return dict(positions)


def _loosened(label: str) -> str:
    return re.sub(r"[\s/_]+", "_", label).casefold()


def listed(names: Sequence[str]) -> str:
    """The first few names, quoted, for a message."""
    shown = ", ".join(map(shortened, names[:_SHOWN]))
    return f"{shown}, ..." if len(names) > _SHOWN else shown
