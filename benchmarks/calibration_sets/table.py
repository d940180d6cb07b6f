"""The measured rows as the end of docs/calib.md."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration_sets.sets import ROWS, SIZE, Row

__all__ = ["HEADING", "Result", "markdown"]

HEADING = "## Measured\n"
_POOLS = {
    "good": "800 different photos of ImageNet, without labels",
    "bad": "400 of them, and 400 files that show four of these again, a little brighter, nearer or"
    " coarser",
}
_HOWS = {
    "random": "drawn at random",
    "calib": "`tinyedge calib`",
    "farthest": "each the farthest from those before it",
}


@dataclass(frozen=True)
class Result:
    """A row as measured.

    Attributes:
        date: of the measurement.
        calibrated: the sha256 of each photo of the set, sorted.
        evaluated: how many images it was judged on.
        kl_mean, kl_p95: of KL(float, int8), nats.
        agreement: percent of images with the float network's class.
    """

    date: str
    calibrated: list[str]
    evaluated: int
    kl_mean: float
    kl_p95: float
    agreement: float


def markdown(results: Mapping[str, Result]) -> str:
    """The section, of the rows that are measured, by name."""
    dates = sorted({result.date for result in results.values()})
    evaluated = max((result.evaluated for result in results.values()), default=0)
    lines = [
        HEADING,
        "Written by `python -m benchmarks.calibration_sets -o docs/calib.md`.",
        "",
        f"Tiny Darknet by the tuned quantizer, calibrated with sets of {SIZE}, on {evaluated}"
        " validation",
        f"images of ImageNet; measured {' to '.join(sorted({*dates[:1], *dates[-1:]}))}. KL is"
        " KL(float, int8), nats.",
    ]
    for pool, title in _POOLS.items():
        rows = [row for row in ROWS if row.pool == pool and row.name in results]
        if rows:
            lines += ["", f"{title[0].upper()}{title[1:]}:", "", *_table(rows, results)]
    return "\n".join(lines) + "\n"


def _table(rows: list[Row], results: Mapping[str, Result]) -> list[str]:
    seeds = sorted({row.seed for row in rows})
    lines = [
        "| mean KL of | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean | deviation |"
        " p95 KL | agreement |",
        "|---|" + "---:|" * (len(seeds) + 4),
    ]
    for how, title in _HOWS.items():
        found = {row.seed: results[row.name] for row in rows if row.how == how}
        if not found:
            continue
        divergences = [result.kl_mean for result in found.values()]
        cells = [f"{found[seed].kl_mean:.4f}" if seed in found else "" for seed in seeds]
        cells.append(f"{np.mean(divergences):.4f}")
        cells.append(f"{np.std(divergences, ddof=1):.4f}" if len(divergences) > 1 else "")
        cells.append(f"{np.mean([result.kl_p95 for result in found.values()]):.4f}")
        cells.append(f"{np.mean([result.agreement for result in found.values()]):.2f} %")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines
