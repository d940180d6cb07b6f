"""Rows that are measured once and kept."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import measured, row_arguments


@dataclass(frozen=True)
class Row:
    name: str


@dataclass(frozen=True)
class Result:
    time: int
    named: list[str]


ROWS = (Row("first"), Row("second"), Row("third"))


class Clockwork:
    """Measures the number of measurements."""

    def __init__(self) -> None:
        self.rows: list[str] = []

    def __call__(self, row: Row) -> Result:
        self.rows.append(row.name)
        return Result(len(self.rows), [row.name])


def test_each_row_is_measured_once(tmp_path: Path) -> None:
    measure, folder = Clockwork(), tmp_path / "new" / "folder"
    assert measured(ROWS[:2], Result, measure, folder, minutes=1) == {
        "first": Result(1, ["first"]),
        "second": Result(2, ["second"]),
    }
    found = measured(ROWS, Result, measure, folder, minutes=1)
    assert list(found) == ["first", "second", "third"]
    assert measure.rows == ["first", "second", "third"]
    assert measured(ROWS, Result, measure, folder, minutes=1) == found
    assert len(measure.rows) == 3


def test_what_is_named_is_measured_again_and_nothing_else(tmp_path: Path) -> None:
    measure = Clockwork()
    measured(ROWS[:1], Result, measure, tmp_path, minutes=1)
    found = measured(ROWS, Result, measure, tmp_path, minutes=1, only=["first"])
    assert found == {"first": Result(2, ["first"])}
    found = measured(ROWS, Result, measure, tmp_path, minutes=1, only=["third"])
    assert found == {"first": Result(2, ["first"]), "third": Result(3, ["third"])}


def test_no_row_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    measure = Clockwork()
    measured(ROWS[:1], Result, measure, tmp_path, minutes=1)
    assert measured(ROWS, Result, measure, tmp_path, minutes=0) == {"first": Result(1, ["first"])}
    assert measure.rows == ["first"]


def test_the_arguments_are_those_of_every_such_table(tmp_path: Path) -> None:
    given = row_arguments("A table.", "some").parse_args(["--minutes", "1.5"])
    assert (given.output, given.minutes) == (None, 1.5)
    assert given.folder.parts[-2:] == ("tinyedge-benchmarks", "some")
    given = row_arguments("A table.", "some").parse_args(["--folder", str(tmp_path), "-o", "page"])
    assert (given.output, given.minutes, given.folder) == (Path("page"), float("inf"), tmp_path)
