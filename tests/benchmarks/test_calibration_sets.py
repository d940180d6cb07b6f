"""The table of calibration sets: worked by hand, and the sets it is of."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.calibration_sets import sets
from benchmarks.calibration_sets.sets import ROWS, Row, make_set
from benchmarks.calibration_sets.table import Result, markdown


def result(kl: float, agreement: float) -> Result:
    return Result("2026-01-02", [], 650, kl, 3 * kl, agreement)


def test_the_table_of_two_seeds() -> None:
    text = markdown(
        {
            "good-random-1": result(0.02, 94),
            "good-random-2": result(0.04, 95),
            "good-calib-1": result(0.01, 96),
        }
    )
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows == [
        "| mean KL of | seed 1 | seed 2 | mean | deviation | p95 KL | agreement |",
        "| drawn at random | 0.0200 | 0.0400 | 0.0300 | 0.0141 | 0.0900 | 94.50 % |",
        "| `tinyedge calib` | 0.0100 |  | 0.0100 |  | 0.0300 | 96.00 % |",
    ]
    assert "on 650 validation" in text
    assert "400 of them" not in text


def test_the_rows_are_five_of_each() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) == 25


def test_sets_are_of_the_pool_and_of_their_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SIZE", 6)
    random = np.random.default_rng(0)
    photos = [tmp_path / f"{number:02}.png" for number in range(20)]
    for path in photos:
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    for how in ("random", "calib", "farthest"):
        made = [
            make_set(Row("good", how, seed), photos, tmp_path / "list")  # type: ignore[arg-type]
            for seed in (1, 1, 2)
        ]
        assert made[0] == made[1] != made[2]
        assert all(len(set(each)) == 6 and set(each) <= set(photos) for each in made)
