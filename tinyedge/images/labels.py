"""The names of classes: lists of labels, and which class a name means.

A model of one output tells two classes apart: the output is the probability of class 1 (as of
Keras' Dense(1, sigmoid), and of a Darknet classifier of one class), above one half where it is it.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.files import read_text
from tinyedge.text import counted, shortened

__all__ = ["ClassNames", "class_count", "class_names", "listed", "read_labels"]

_SHOWN = 5
# The 21,842 names of Darknet's longest list take half a million.
_MOST_BYTES = 2**24
# No network has more classes than an integer of so many digits counts.
_MOST_DIGITS = 10


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
    """The names of the classes of a model of so many outputs: lines of `path`, stripped.

    Surplus lines are cut with a warning: Darknet's own ImageNet list names 21,842 classes, of
    which the first 1,000 are ImageNet-1k. For one output there are one name, of the class whose
    probability it is, or two, of what 0 and what 1 stand for, as Keras has them; a warning says
    which is which.

    Raises:
        DatasetError: the file is no text, has an empty line among those needed, is too short, or
            names more than two classes for one output.
        OSError: the file cannot be read.
    """
    text = read_text(path, limit=_MOST_BYTES, what="a list of labels", error=DatasetError)
    # Not splitlines(), which also breaks at characters that a label may hold: Darknet's get_labels
    # ends lines at the line feed alone.
    lines = text.split("\n")
    names = tuple(line.strip() for line in lines)
    while names and not names[-1]:
        names = names[:-1]
    if len(names) < outputs:
        raise DatasetError(
            f"{path} names {len(names)} classes, the network has {counted(outputs, 'output')}:"
            " use the list that belongs to this network"
        )
    if outputs == 1 and len(names) > class_count(1):
        raise DatasetError(
            f"{path} names {len(names)} classes, the network has 1 output: it needs the name of"
            " the class whose probability that is, or two, first what 0 stands for, then 1"
        )
    if len(names) > class_count(outputs):
        warnings.warn(
            f"{path} names {len(names)} classes; the first {outputs} are used",
            TinyedgeWarning,
            stacklevel=2,
        )
    names = names[: class_count(outputs)]
    if "" in names:
        raise DatasetError(f"{path}:{names.index('') + 1}: this line names no class")
    if len(names) > outputs:
        warnings.warn(
            f"{path} names 2 classes for 1 output: 1 is taken to mean {names[1]!r}, 0"
            f" {names[0]!r}; if it is the other way round, swap the lines",
            TinyedgeWarning,
            stacklevel=2,
        )
    return names


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
