"""How often compare's intervals and verdicts are right: the last section of docs/statistics.md.

    python -m benchmarks.coverage [-o docs/statistics.md]

Five minutes on one core. Without -o the section is printed.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

from benchmarks import run
from benchmarks.coverage import exact, sampled
from benchmarks.coverage.table import (
    AGREEMENTS,
    AVERAGE,
    CHANCE,
    CHECKED,
    FEW_FLIPS,
    FEW_OF,
    FLIPS,
    FLOOR,
    IMAGES,
    LOOKS,
    MARGINS,
    MEANS_OF,
    SPLITS,
    Looked,
    Measured,
    markdown,
    mean_runs,
)

_BEGIN = "<!-- begin: benchmarks/coverage writes what follows -->\n"
_END = "<!-- end: benchmarks/coverage -->\n"
_SAMPLES = 20_000
_USERS = 4_000


def main() -> None:
    """Compute all and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="the page [default: print it]")
    output: Path | None = parser.parse_args().output
    section = f"{_BEGIN}{markdown(_measured())}{_END}"
    if output is None:
        print(section, end="")
        return
    before, begin, rest = output.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2] if begin else ""
    output.write_text(f"{before.rstrip()}\n\n{section}{after}", encoding="utf-8")


def _measured() -> Measured:
    drops = {}
    for images, flips, lost in product(IMAGES, FLIPS, SPLITS.values()):
        drops[images, flips, lost] = exact.drop_coverage(images, flips, lost)
    _say("the drop's")
    for cell, found in drops.items():
        assert found.within >= FLOOR, cell
    average = sum(found.within for found in drops.values()) / len(drops)
    assert AVERAGE[0] <= average <= AVERAGE[1], average
    for cell in CHECKED:
        other = sampled.sampled_drop_coverage(*cell, runs=_SAMPLES).within
        deviation = (drops[cell].within * (1 - drops[cell].within) / _SAMPLES) ** 0.5
        assert abs(other - drops[cell].within) < 4 * deviation, (cell, other)
    few = {}
    for expected, lost in product(FEW_FLIPS, SPLITS.values()):
        cell = FEW_OF, expected / FEW_OF, lost
        width = exact.drop_width(*cell) / exact.uninformed_width(*cell)
        few[expected, lost] = (exact.drop_coverage(*cell), width)
    _say("few flips'")
    agreements = {
        (images, share): exact.agreement_coverage(images, share / 100)
        for images, share in product(IMAGES, AGREEMENTS)
    }
    needed = {
        (margin, flips): exact.images_to_pass(flips, margin, CHANCE)
        for margin, flips in product(MARGINS, FLIPS)
        if margin / 100 >= flips / 20
    }
    _say("images to pass")
    looks = {}
    for row in LOOKS:
        once = exact.drop_coverage(row.images, row.flips, row.lost)
        looks[row] = Looked(
            sampled.Verdicts(once.below, once.above),
            sampled.looked_verdicts(row, runs=_USERS),
            sampled.advised_verdicts(row, afresh=False, runs=_USERS),
            sampled.advised_verdicts(row, afresh=True, runs=_USERS),
        )
        _say(f"looks, {row}")
    means = {}
    for images in MEANS_OF:
        means[images] = sampled.mean_coverage(images, runs=mean_runs(images))
        _say(f"means of {images}")
    return Measured(drops, few, agreements, needed, looks, means)


def _say(done: str) -> None:
    print(f"done: {done}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(main)
