"""The images that two models put into different classes, as a table for a spreadsheet."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tinyedge.accuracy.result import Flip
from tinyedge.errors import DatasetError
from tinyedge.files import check_replaceable, check_writable
from tinyedge.text import printable

__all__ = ["COLUMNS", "check_flips_file", "flips_csv"]

COLUMNS = (
    *("image", "label", "float", "int8", "float_probability", "int8_probability", "kl"),
    *("label_index", "float_index", "int8_index"),
)
# What a spreadsheet takes for the beginning of a formula, their full-width forms too
# (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def check_flips_file(path: Path) -> None:
    """Say before the work whether the table can be written.

    Raises:
        DatasetError: the file's name does not end in .csv: it may be one of the others named.
        OSError: it cannot be written there.
    """
    if path.suffix.lower() != ".csv":
        raise DatasetError(f"{path}: a table of flips is a .csv file")
    check_replaceable(path)
    check_writable(path.parent)


def flips_csv(flips: Sequence[Flip]) -> bytes:
    """A heading and a line for each flip: UTF-8, fields as RFC 4180 quotes them, never rounded.

    Paths and labels are what strangers wrote: what moves a terminal's cursor or ends a line is
    escaped, and a field that a spreadsheet would compute begins with an apostrophe.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for flip in flips:
        float_answer, int8_answer, truth = flip.float_answer, flip.int8_answer, flip.truth
        writer.writerow(
            [
                _text(str(flip.path)),
                "" if truth is None else _text(truth.label),
                _text(float_answer.label),
                _text(int8_answer.label),
                repr(float_answer.probability),
                repr(int8_answer.probability),
                "" if flip.divergence is None else repr(flip.divergence),
                "" if truth is None else truth.index,
                float_answer.index,
                int8_answer.index,
            ]
        )
    return stream.getvalue().encode()


def _text(value: str) -> str:
    shown = printable(value)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
