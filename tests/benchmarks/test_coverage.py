"""The page of coverages: cells of it counted outcome by outcome, and its floor."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.coverage import exact, sampled
from benchmarks.coverage.sampled import Gate
from benchmarks.coverage.table import FLIPS, IMAGES, SPLITS
from tinyedge.accuracy.statistics import drop_interval, verdict, wilson_interval

_PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")


def _cells(heading: str) -> dict[tuple[str, ...], list[str]]:
    """A table's rows under a heading, by the cells before the first number with a point."""
    section = _PAGE.split(f"\n### {heading}\n", 1)[1].split("\n### ", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ][2:]
    assert rows
    split = next(i for i, cell in enumerate(rows[0]) if re.fullmatch(r"\d+\.\d+", cell))
    return {tuple(row[:split]): row[split:] for row in rows}


def _counted(images: int, flips: float, lost: float) -> exact.Coverage:
    """Every outcome there is, its probability by whole numbers of ways."""
    shares = flips * lost, flips * (1 - lost)
    drop = 100 * (shares[0] - shares[1])
    found = [0.0, 0.0, 0.0]
    for each in range(images + 1):
        for gained in range(images + 1 - each):
            ways = math.comb(images, each) * math.comb(images - each, gained)
            likely = ways * shares[0] ** each * shares[1] ** gained
            likely *= (1 - flips) ** (images - each - gained)
            if likely > 1e-13:
                interval = drop_interval(each, gained, images)
                found[1 if interval.high < drop else 2 if interval.low > drop else 0] += likely
    return exact.Coverage(*found)


@pytest.mark.parametrize(("flips", "split"), [(0.05, "3:1"), (0.1, "all lost")])
def test_two_cells_of_the_page_are_what_every_outcome_says(flips: float, split: str) -> None:
    counted = _counted(100, flips, SPLITS[split])
    assert exact.drop_coverage(100, flips, SPLITS[split]) == pytest.approx(counted, abs=1e-8)
    cell = _cells("Of the drop")["100", split][FLIPS.index(flips)]
    assert cell == f"{100 * counted.within:.2f}"


def test_the_page_keeps_its_promise() -> None:
    rows = _cells("Of the drop")
    assert len(rows) == len(IMAGES) * len(SPLITS)
    values = np.array([[float(cell) for cell in row] for row in rows.values()])
    assert values.min() >= 94
    assert 95 <= values.mean() <= 96
    assert f"Lowest {values.min():.2f}, on average {values.mean():.2f};" in _PAGE
    agreements = [float(cell) for row in _cells("Of the agreement").values() for cell in row]
    assert min(agreements) >= 94


def test_the_coverage_of_an_agreement_is_what_every_outcome_says() -> None:
    for share in (0.9, 0.995):
        within = below = 0.0
        for hits in range(201):
            likely = math.comb(200, hits) * share**hits * (1 - share) ** (200 - hits)
            low, high = wilson_interval(hits, 200)
            within += likely * (low <= 100 * share <= high)
            below += likely * (high < 100 * share)
        found = exact.agreement_coverage(200, share)
        assert found[:2] == pytest.approx((within, below), abs=1e-8)


@pytest.mark.long
def test_the_chance_to_pass_is_that_of_samples() -> None:
    random = np.random.default_rng(4)
    draws = random.multinomial(600, [0.02, 0.02, 0.96], 4000).tolist()
    passed = sum(
        verdict(drop_interval(lost, gained, 600), 2) == "pass" for lost, gained, _ in draws
    )
    chance = exact.pass_probability(600, 0.04, 0.5, 2)
    assert passed / 4000 == pytest.approx(chance, abs=4 * (0.25 / 4000) ** 0.5)
    needed = exact.images_to_pass(0.04, 2, chance)
    assert needed == pytest.approx(600, rel=0.03)


@pytest.mark.long
def test_a_second_look_is_wrong_more_often_than_one() -> None:
    gate = Gate(0.1, 0.6, 2.0, images=1000, every=100, first=200, most=1000)
    once = exact.drop_coverage(1000, 0.1, 0.6)
    assert once.below <= 0.025
    assert sampled.looked_verdicts(gate, runs=1000).passed > 2 * once.below
    # Of one look alone it is as the sum says.
    single = sampled.looked_verdicts(gate._replace(every=1000), runs=4000)
    assert single == pytest.approx(once[1:], abs=4 * (0.025 / 4000) ** 0.5)
