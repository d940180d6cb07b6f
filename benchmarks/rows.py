"""Rows of a table, each measured once and kept, so that the table can be made in pieces."""

import argparse
import json
import math
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from benchmarks.places import state

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["measured", "row_arguments"]


class _Row(Protocol):
    """What is known of a row before it is measured."""

    @property
    def name(self) -> str:
        """Of its file."""
        ...


Row = TypeVar("Row", bound=_Row)
Result = TypeVar("Result", bound="DataclassInstance")


def row_arguments(description: str, name: str) -> argparse.ArgumentParser:
    """What such a table's command is asked: ``--output``, ``--minutes`` and ``--folder``.

    `name` is that of the folder that the rows are kept in by default.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("-o", "--output", type=Path, help="the page [default: stdout]")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no row after so many"
    )
    parser.add_argument(
        "--folder", type=Path, default=state() / name, help="[default: %(default)s]"
    )
    return parser


def measured(
    rows: Iterable[Row],
    kind: type[Result],
    measure: Callable[[Row], Result],
    folder: Path,
    *,
    minutes: float,
    only: Collection[str] = (),
) -> dict[str, Result]:
    """What is known of the rows, by name, when those that are not known were measured.

    Args:
        rows: in the order they are measured in.
        kind: of what is kept of one, a dataclass of what JSON has.
        measure: measures one.
        folder: where they are kept, made where it is not there.
        minutes: after which no other row is begun.
        only: names of those to measure, whether they are known or not; all unknown ones if empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    found = {}
    for row in rows:
        place = folder / f"{row.name}.json"
        wanted = row.name in only if only else not place.is_file()
        if wanted and time.monotonic() < end:
            place.write_text(json.dumps(asdict(measure(row))), encoding="utf-8")
        if place.is_file():
            found[row.name] = kind(**json.loads(place.read_text(encoding="utf-8")))
    return found
