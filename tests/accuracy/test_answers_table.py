"""The table of flips, read back by another reader, and as a spreadsheet would take it."""

import csv
import io
from pathlib import Path

import pytest

from tinyedge.accuracy.answers_table import (
    answers_csv,
    check_table_file,
    flips_csv,
    names_of_files,
)
from tinyedge.accuracy.budgets import Budgets
from tinyedge.accuracy.compare import Comparisons
from tinyedge.accuracy.observations import Answer, ImageAnswers, ObservationTable
from tinyedge.accuracy.result import ModelFile, conclude
from tinyedge.errors import DatasetError

LABELS = ("0", "dog", "2", "cat")


def compared(
    *paths: str, label: str = "cat", labelled: bool = True, softmax: bool = True, others: int = 1
) -> Comparisons:
    """Images of class 3, which float answers with 3, the others with 1 as often as their number."""
    labels = (*LABELS[:3], label)
    table = ObservationTable(len(paths), 1 + others, labelled=labelled)
    for number in range(len(paths)):
        answers = [Answer(3, 0 if labelled else None, False, 1 / 3)]
        for other in range(others):
            top1 = 1 if number >= other else 3
            rank = int(top1 != 3) if labelled else None
            answers.append(Answer(top1, rank, False, 1e-07))
        divergences = tuple(0.1234567890123 + number for _ in range(others))
        table.record(number, ImageAnswers(tuple(answers), divergences))
    seen = table.observations(list(map(Path, paths)), [3] * len(paths) if labelled else None)
    each = [
        conclude(
            seen.pair(1 + other),
            files=(ModelFile(Path("f"), 1, 1.0), ModelFile(Path(f"{other}/m"), 1, 1.0)),
            classes=4,
            labels=labels,
            softmax=softmax,
            budgets=Budgets(),
            top_k=1,
            fed_rightly=True,
            skipped=(),
            duplicates=0,
        )
        for other in range(others)
    ]
    return Comparisons(tuple(each), seen, (), labels, ("",) * (1 + others))


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def test_every_number_is_read_back_whole() -> None:
    (row,) = read(flips_csv(compared("photos/a, b.jpg", label='the "cat"')))
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
    (row,) = read(flips_csv(compared("a.jpg", labelled=False, softmax=False)))
    assert (row["label"], row["label_index"], row["kl"]) == ("", "", "")


def test_flips_are_those_of_any_model_the_worst_first() -> None:
    found = compared("a", "b", "c", others=3)
    assert [row["image"] for row in read(flips_csv(found))] == ["c", "b", "a"]
    (last,) = read(flips_csv(compared("a", others=1)))
    assert last["image"] == "a"


def test_a_line_an_image_and_a_column_a_model() -> None:
    rows = read(answers_csv(compared("a", "b", "c", others=3)))
    assert [row["image"] for row in rows] == ["a", "b", "c"]
    assert [[row[name] for name in ("float", "0/m", "1/m", "2/m")] for row in rows] == [
        ["cat", "dog", "cat", "cat"],
        ["cat", "dog", "dog", "cat"],
        ["cat", "dog", "dog", "dog"],
    ]
    assert [row["2/m_kl"] for row in rows] == [repr(0.1234567890123 + n) for n in range(3)]
    assert [row["1/m_index"] for row in rows] == ["3", "1", "1"]


def test_files_are_called_by_what_tells_them_apart() -> None:
    assert names_of_files([Path("a/x.tflite"), Path("b/y.tflite")]) == ("x.tflite", "y.tflite")
    assert names_of_files([Path("a/x"), Path("b/x"), Path("b/y")]) == ("a/x", "b/x", "b/y")
    assert names_of_files([Path("a/x"), Path("a/x")]) == ("a/x (1)", "a/x (2)")


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
    (row,) = read(flips_csv(compared(text, label=text)))
    for column in ("image", "label", "float"):
        assert row[column].lstrip()[0] not in "=+-@\t\r\n\uff1d"
        assert row[column].endswith(text[-3:])


def test_no_text_of_strangers_ends_a_line_or_moves_a_cursor() -> None:
    content = flips_csv(compared("a\n=1\x1b[2J\udcff.jpg", label="b\r\n\u202eb"))
    assert content.count(b"\n") == 2
    assert b"\x1b" not in content
    (row,) = read(content)
    assert row["image"] == r"a\n=1\x1b[2J\xff.jpg"
    assert row["label"] == r"b\r\n\u202eb"


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"net_int8\.tflite: a table of answers is a \.csv file"):
        check_table_file(tmp_path / "net_int8.tflite")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        check_table_file(tmp_path / "folder.csv")
    check_table_file(tmp_path / "new.CSV")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]
