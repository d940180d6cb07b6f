"""What was computed as the last section of docs/statistics.md, and of what it was computed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.coverage.exact import Coverage
from benchmarks.coverage.sampled import LOG_DEVIATION, MIXTURE, Gate, Verdicts

__all__ = [
    "AGREEMENTS",
    "AVERAGE",
    "CHANCE",
    "CHECKED",
    "FEW_FLIPS",
    "FEW_OF",
    "FLIPS",
    "FLOOR",
    "IMAGES",
    "LOOKS",
    "MARGINS",
    "MEANS_OF",
    "SPLITS",
    "Looked",
    "Measured",
    "markdown",
    "mean_runs",
]

IMAGES = (100, 200, 500, 650, 1000, 2000, 5000, 10_000)
FLIPS = (0.01, 0.02, 0.05, 0.1, 0.2)
SPLITS = {"1:1": 0.5, "3:1": 0.75, "9:1": 0.9, "all lost": 1.0}
"""Images lost to images gained, and the share of the flips that is lost."""
FLOOR = 0.94
AVERAGE = (0.95, 0.96)
CHECKED = ((100, 0.05, 0.75), (650, 0.05, 0.5), (2000, 0.02, 1.0))
"""Cells that are sampled too."""
FEW_OF = 1000
FEW_FLIPS = (1, 2, 3, 5, 7, 10, 20, 50)
AGREEMENTS = (80, 85, 90, 95, 97, 98, 99, 99.5)
MARGINS = (0.5, 1.0, 2.0)
CHANCE = 0.9
MEANS_OF = (100, 200, 500, 650, 1000, 2000)


LOOKS = (Gate(0.05, 0.6, 1.0), Gate(0.1, 0.6, 2.0), Gate(0.02, 0.75, 1.0))


def mean_runs(images: int) -> int:
    """How many sets of so many KLs are drawn."""
    return 1000 if images <= 650 else 500


class Looked(NamedTuple):
    """The verdicts of one look, of looks all along, of a second look at more, or at new images."""

    once: Verdicts
    each: Verdicts
    more: Verdicts
    new: Verdicts


@dataclass(frozen=True)
class Measured:
    """All that the section holds.

    Attributes:
        drops: by images, flips and share lost.
        few: by flips expected of `FEW_OF` images and share lost: the coverage, and the expected
            width as a multiple of that of a normal interval which knew the true shares.
        agreements: by images and percent.
        needed: images to pass with `CHANCE`, by margin and flips.
        looks: by gate.
        means: by images.
    """

    drops: Mapping[tuple[int, float, float], Coverage]
    few: Mapping[tuple[int, float], tuple[Coverage, float]]
    agreements: Mapping[tuple[int, float], Coverage]
    needed: Mapping[tuple[float, float], int]
    looks: Mapping[Gate, Looked]
    means: Mapping[int, Coverage]


def markdown(found: Measured) -> str:
    """The section."""
    lines = [
        "## Measured",
        "",
        *_drops(found.drops),
        *_few(found.few),
        *_agreements(found.agreements),
        *_means(found.means),
        *_needed(found.needed),
        *_looks(found.looks),
    ]
    return "\n".join(lines)


def _drops(drops: Mapping[tuple[int, float, float], Coverage]) -> list[str]:
    within = [each.within for each in drops.values()]
    usual = [each.within for (n, flips, _), each in drops.items() if n * flips >= 10]
    rows = [
        [f"{n:,}", split, *(_percent(drops[n, flips, lost].within) for flips in FLIPS)]
        for n in IMAGES
        for split, lost in SPLITS.items()
    ]
    false_pass = max(each.below for each in drops.values())
    false_fail = max(each.above for each in drops.values())
    return [
        "### Of the drop",
        "",
        "Percent of the cases in which the interval holds the true drop, by *images*, by how the",
        "flips are split into lost and gained ones, and by the share of images that flip. Summed",
        "over all outcomes but 1e-9 of the probability, not sampled.",
        "",
        *_table(["images", "lost:gained", *(f"{100 * flips:g} %" for flips in FLIPS)], rows, 2),
        "",
        f"Lowest {_percent(min(within))}, on average {_percent(sum(within) / len(within))}; where",
        f"ten flips or more are expected, on average {_percent(sum(usual) / len(usual))}. The true",
        "drop is above the whole interval, so that a budget just below it would be passed, in at",
        f"most {_percent(false_pass)} % of the cases; below the whole of it in at most",
        f"{_percent(false_fail)} %.",
        "",
    ]


def _few(few: Mapping[tuple[int, float], tuple[Coverage, float]]) -> list[str]:
    rows = [
        [
            f"{expected:g}",
            *(_percent(few[expected, lost][0].within) for lost in SPLITS.values()),
            *(f"{few[expected, lost][1]:.2f}" for lost in SPLITS.values()),
        ]
        for expected in FEW_FLIPS
    ]
    return [
        "### Of few flips",
        "",
        f"Of {FEW_OF:,} images, by how many flips are expected: the coverage, and how many times",
        "as wide the interval is as a normal one that knew the true shares.",
        "",
        *_table(["flips", *SPLITS, *(f"width, {split}" for split in SPLITS)], rows, 1),
        "",
    ]


def _agreements(agreements: Mapping[tuple[int, float], Coverage]) -> list[str]:
    within = [each.within for each in agreements.values()]
    rows = [
        [f"{n:,}", *(_percent(agreements[n, each].within) for each in AGREEMENTS)] for n in IMAGES
    ]
    false_pass = max(each.above for each in agreements.values())
    return [
        "### Of the agreement",
        "",
        "Likewise, by the true agreement.",
        "",
        *_table(["images", *(f"{share:g} %" for share in AGREEMENTS)], rows, 1),
        "",
        f"Lowest {_percent(min(within))}, on average {_percent(sum(within) / len(within))}.",
        "The true agreement is below the whole interval, so that a budget just above it would be",
        f"passed, in at most {_percent(false_pass)} % of the cases.",
        "",
    ]


def _means(means: Mapping[int, Coverage]) -> list[str]:
    rows = [
        [
            f"{n:,}",
            _percent(each.within, 1),
            _percent(each.below, 1),
            _percent(each.above, 1),
            f"{mean_runs(n):,}",
            f"{196 * (0.05 * 0.95 / mean_runs(n)) ** 0.5:.1f}",
        ]
        for n, each in means.items()
    ]
    mixture = ", ".join(f"{share:g} of exp N({log:g}, {LOG_DEVIATION})" for share, log in MIXTURE)
    return [
        "### Of the mean KL",
        "",
        "Sampled: KLs from a mixture of two lognormal distributions that was fitted to those of",
        f"Tiny Darknet on 650 photos ({mixture}).",
        "*below*: the interval ends below the true mean, so that a budget between them would be",
        "passed wrongly. *+-*: the 95 % error of sampling a 95.",
        "",
        *_table(["images", "within", "below", "above", "sets", "+-"], rows, 1),
        "",
    ]


def _needed(needed: Mapping[tuple[float, float], int]) -> list[str]:
    rows = [
        [f"{margin:g}", *(_about(needed.get((margin, flips))) for flips in FLIPS)]
        for margin in MARGINS
    ]
    return [
        "### Images to pass",
        "",
        f"About how many pass `--max-drop` with a chance of {100 * CHANCE:g} % where in truth",
        "nothing is lost: as many flips go one way as the other.",
        "",
        *_table(["points", *(f"{100 * flips:g} % flip" for flips in FLIPS)], rows, 1),
        "",
    ]


def _looks(looks: Mapping[Gate, Looked]) -> list[str]:
    rows = [
        [
            f"{100 * row.flips:g} %, {row.budget:g} points",
            *(f"{_percent(each.passed, 1)} / {_percent(each.failed, 1)}" for each in verdicts),
        ]
        for row, verdicts in looks.items()
    ]
    images, every, first, most = LOOKS[0][3:]
    return [
        "### Of looking more than once",
        "",
        "Percent of pass / fail where the true drop is the budget, so that each is wrong but for",
        f"a hair. *once*: one look at {images:,} images. *each {every}*: a look after each {every}",
        f"of them, until there is a pass or a fail. *more*: a look at {first}, and where they",
        f"cannot tell a second one at as many in all as `compare` says would, {most:,} at most.",
        "*new*: the same, the second look at new images alone.",
        "",
        *_table(["flips, true drop", "once", f"each {every}", "more", "new"], rows, 1),
        "",
    ]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> list[str]:
    rule = ["---"] * left + ["---:"] * (len(headings) - left)
    return [
        "| " + " | ".join(headings) + " |",
        "|" + "|".join(rule) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f}"


def _about(count: int | None) -> str:
    """To two digits: more are not known."""
    return "-" if count is None else f"{float(f'{count:.1e}'):,.0f}"
