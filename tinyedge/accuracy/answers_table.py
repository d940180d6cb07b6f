"""What each model answered to each image, as a table for a spreadsheet; or of flips alone."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tinyedge.accuracy.compare import Comparisons
from tinyedge.accuracy.observations import Observations
from tinyedge.errors import DatasetError
from tinyedge.files import check_output_file
from tinyedge.text import printable

__all__ = ["answers_csv", "check_table_file", "flips_csv", "names_of_files"]

_INT8 = "int8"
# What a spreadsheet takes for the beginning of a formula, their full-width forms too
# (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def check_table_file(path: Path) -> None:
    """Say before the work whether the table can be written.

    Raises:
        DatasetError: the file's name does not end in .csv: it may be one of the others named.
        OSError: it cannot be written there.
    """
    if path.suffix.lower() != ".csv":
        raise DatasetError(f"{path}: a table of answers is a .csv file")
    check_output_file(path)


def answers_csv(found: Comparisons) -> bytes:
    """A heading and a line for each image, in their order: UTF-8, RFC 4180, never rounded.

    Columns are ``image``, ``label``, then each model's answer, the probability of it, the KL
    divergence from the float model, and at last the numbers of the classes. Models are called
    ``float`` and ``int8``, or where there are several by their files' names.

    Paths and labels are what strangers wrote: what moves a terminal's cursor or ends a line is
    escaped, and a field that a spreadsheet would compute begins with an apostrophe.
    """
    return _table(found, range(len(found.observed)))


def flips_csv(found: Comparisons) -> bytes:
    """The same of the images that a model puts into another class than float, the worst first.

    The worst are those of the greatest divergence; without one those of which float was surest.
    """
    seen = found.observed
    others = [place for place, each in enumerate(found.each) if each.divergence is not None]
    badness = seen.divergence[others].max(axis=0) if others else seen.probability[0]
    flipped = np.flatnonzero((seen.top1[1:] != seen.top1[0]).any(axis=0))
    return _table(found, flipped[np.argsort(-badness[flipped], kind="stable")].tolist())


def names_of_files(paths: Sequence[Path]) -> tuple[str, ...]:
    """What each of several files is called in a table: the end of its path that no other has."""
    for parts in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        names = tuple(str(Path(*path.parts[-parts:])) for path in paths)
        if len(set(names)) == len(names):
            return names
    return tuple(f"{path} ({number})" for number, path in enumerate(paths, start=1))


def _table(found: Comparisons, numbers: Iterable[int]) -> bytes:
    if len(found.each) == 1:
        others: tuple[str, ...] = (_INT8,)
        divergences = ["kl"]
    else:
        others = names_of_files([each.int8_model.path for each in found.each])
        divergences = [f"{name}_kl" for name in others]
    models = ("float", *others)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    heading = [
        *("image", "label", *models, *(f"{name}_probability" for name in models), *divergences),
        *("label_index", *(f"{name}_index" for name in models)),
    ]
    writer.writerow([_text(name) for name in heading])
    with_divergence = [each.divergence is not None for each in found.each]
    for number in numbers:
        writer.writerow(_row(found.observed, number, found.labels, with_divergence))
    return stream.getvalue().encode()


def _row(
    seen: Observations,
    number: int,
    labels: Sequence[str] | None,
    with_divergence: Sequence[bool],
) -> list[str | int]:
    def named(index: int) -> str:
        return _text(str(index) if labels is None else labels[index])

    answers: list[int] = seen.top1[:, number].tolist()
    truth = None if seen.labels is None else int(seen.labels[number])
    divergences = seen.divergence[:, number].tolist()
    return [
        _text(str(seen.paths[number])),
        "" if truth is None else named(truth),
        *map(named, answers),
        *map(repr, seen.probability[:, number].tolist()),
        *(
            repr(each) if known else ""
            for each, known in zip(divergences, with_divergence, strict=True)
        ),
        "" if truth is None else truth,
        *answers,
    ]


def _text(value: str) -> str:
    shown = printable(value)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
