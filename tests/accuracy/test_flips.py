"""The table of flips, read back by another reader, and as a spreadsheet would take it."""

import csv
import io
from pathlib import Path

import pytest

from tinyedge.accuracy.flips import COLUMNS, check_flips_file, flips_csv
from tinyedge.accuracy.result import ClassName, Flip, FlipAnswer
from tinyedge.errors import DatasetError


def flip(path: str, label: str = "cat", divergence: float | None = 0.1234567890123) -> Flip:
    return Flip(
        Path(path),
        ClassName(3, label),
        FlipAnswer(3, label, 1 / 3),
        FlipAnswer(1, "dog", 1e-07),
        divergence,
    )


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def test_every_number_is_read_back_whole() -> None:
    (row,) = read(flips_csv([flip("photos/a, b.jpg", 'the "cat"')]))
    assert tuple(row) == COLUMNS
    assert row == {
        "image": "photos/a, b.jpg",
        "label": 'the "cat"',
        "float": 'the "cat"',
        "int8": "dog",
        "float_probability": repr(1 / 3),
        "int8_probability": "1e-07",
        "kl": "0.1234567890123",
        "label_index": "3",
        "float_index": "3",
        "int8_index": "1",
    }


def test_what_is_not_known_is_empty() -> None:
    unknown = Flip(Path("a.jpg"), None, FlipAnswer(0, "0", 0.5), FlipAnswer(1, "1", 0.5), None)
    (row,) = read(flips_csv([unknown]))
    assert (row["label"], row["label_index"], row["kl"]) == ("", "", "")
    assert read(flips_csv([])) == []


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x","y")',
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "  =1+1",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "\uff1d1+1",
    ],
)
def test_no_text_of_strangers_is_a_formula(text: str) -> None:
    (row,) = read(flips_csv([flip(text, text)]))
    for column in ("image", "label", "float"):
        assert row[column].lstrip()[0] not in "=+-@\t\r\n\uff1d"
        assert row[column].endswith(text[-3:])


def test_no_text_of_strangers_ends_a_line_or_moves_a_cursor() -> None:
    content = flips_csv([flip("a\n=1\x1b[2J\udcff.jpg", "b\r\n\u202eb")])
    assert content.count(b"\n") == 2
    assert b"\x1b" not in content
    (row,) = read(content)
    assert row["image"] == r"a\n=1\x1b[2J\xff.jpg"
    assert row["label"] == r"b\r\n\u202eb"


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"net_int8\.tflite: a table of flips is a \.csv file"):
        check_flips_file(tmp_path / "net_int8.tflite")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        check_flips_file(tmp_path / "folder.csv")
    check_flips_file(tmp_path / "new.CSV")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]
