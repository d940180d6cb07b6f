"""What a comparison kept is there again, and what is no such thing counts as none."""

import json
from pathlib import Path

import pytest

from tinyedge.accuracy.comparison_journal import open_comparison_journal
from tinyedge.accuracy.observations import Answer, ImageAnswers

FACTS = {"tinyedge": "0"}
ANSWERS = ImageAnswers((Answer(1, 0, False, 0.1 + 0.2), Answer(0, 1, True, -3.5)), (1e-320,))
UNLABELLED = ImageAnswers((Answer(1, None, False, 0.5), Answer(1, None, False, 0.5)), (0.0,))


def recorded(path: Path) -> list[tuple[int, ImageAnswers]]:
    with open_comparison_journal(path, FACTS, resume=True) as journal:
        return list(journal.recorded())


def test_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with open_comparison_journal(path, FACTS, resume=False) as journal:
        journal.append([(7, ANSWERS), (0, UNLABELLED)])
        journal.append([])
        journal.append([(3, ANSWERS)])
    assert recorded(path) == [(7, ANSWERS), (0, UNLABELLED), (3, ANSWERS)]


DAMAGED = [
    "[" * 100_000,
    "[[Infinity, [[1, 0, false, 0.5], [1, 0, false, 0.5]], [0.1]]]",
    "[[1, [[1, 0, false, 1e999], [1, 0, false, 0.5]], [0.1]]]",
    "[[1, [[1, 0, false, 0.5], [1, 0, false, 0.5]], [1" + "0" * 400 + "]]]",
    "[[1, [[1, 0, false, 0.5], [1, 0, false, 0.5]], [NaN]]]",
    "[[1, [[1, 0, false, 0.5], [1, 0, false, 0.5]], [1e308]]]",
    "[[1, [[1, 0, false, 0.5], [1, 0, false, 0.5]], [-0.1]]]",
    "[[1, [[1, 0, false, -1e308], [1, 0, false, 0.5]], [0.1]]]",
    "[[-1, [[1, 0, false, 0.5], [1, 0, false, 0.5]], [0.1]]]",
    '[[1, [["x", 0, false, 0.5], [1, 0, false, 0.5]], [0.1]]]',
    "[[1, [[1, 0, 2, 0.5], [1, 0, false, 0.5]], [0.1]]]",
    "[[1, [[1, 0, false], [1, 0, false, 0.5]], [0.1]]]",
    "[[1, 2]]",
    "{}",
    "null",
    "",
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_entry_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "j"
    with open_comparison_journal(path, FACTS, resume=False) as journal:
        journal.append([(7, ANSWERS)])
    with path.open("a") as stream:
        stream.write(json.dumps({"answers": text}) + "\n")
    assert recorded(path) == [(7, ANSWERS)]
