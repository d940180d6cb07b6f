"""Budgets for what int8 may cost, each judged by a 95 % interval of what was measured.

A gate passes where the whole interval is within the budget and fails where the whole of it is
over; else the images cannot tell. A drop of top-1 needs labels and many images; agreement and the
KL divergence see every change of every answer, and are decided by a few hundred.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tinyedge.accuracy import statistics
from tinyedge.accuracy.statistics import Interval, Verdict

__all__ = [
    "WORST_FIRST",
    "Gate",
    "GateName",
    "agreement_gate",
    "drop_gate",
    "kl_gate",
    "undecided",
    "worst_verdict",
]

GateName = Literal["max_drop", "min_agreement", "max_kl"]

WORST_FIRST: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")
"""Verdicts, the worst first: the exit codes 1, 3, 0."""


@dataclass(frozen=True)
class Gate:
    """What the images say of one measure, and of its budget where there is one.

    Attributes:
        name: which budget, as the option is called.
        budget: None where none was named.
        measured: the drop in points, the agreement in percent, or the mean KL in nats.
        interval: of `measured`, in its unit; None of a KL of fewer images than
            `tinyedge.accuracy.statistics.FEWEST_VALUES`.
        verdict: on the budget; None without one.
        images_needed: about how many images would settle an inconclusive verdict; None for the
            others, and where no number would.
        strictest: the strictest budget that these images pass: the smallest drop or KL, the
            greatest agreement; None where there is no interval, or nothing was measured rightly.
    """

    name: GateName
    budget: float | None
    measured: float
    interval: Interval | None
    verdict: Verdict | None
    images_needed: int | None
    strictest: float | None


def drop_gate(lost: int, gained: int, images: int, budget: float | None) -> Gate:
    """The top-1 drop; see `tinyedge.accuracy.statistics.drop_interval`."""
    interval = statistics.drop_interval(lost, gained, images)
    verdict = None if budget is None else statistics.verdict(interval, budget)
    needed = None
    if budget is not None and verdict == "inconclusive":
        needed = statistics.images_needed(lost, gained, images, budget)
    return Gate(
        "max_drop",
        budget,
        100 * (lost - gained) / images,
        interval,
        verdict,
        needed,
        max(0.0, interval.high),
    )


def agreement_gate(agreeing: int, images: int, budget: float | None) -> Gate:
    """The share of images on which both models answer with one class, by Wilson's interval."""
    interval = statistics.wilson_interval(agreeing, images)
    verdict = needed = None
    if budget is not None:
        # At least 95 is at most -95.
        verdict = statistics.verdict(Interval(-interval.high, -interval.low), -budget)
        if verdict == "inconclusive":
            needed = statistics.agreement_images_needed(agreeing, images, budget)
    return Gate(
        "min_agreement",
        budget,
        100 * agreeing / images,
        interval,
        verdict,
        needed,
        interval.low,
    )


def kl_gate(divergences: Sequence[float], budget: float | None) -> Gate:
    """The mean KL divergence, by its bootstrap interval."""
    interval = statistics.mean_interval(divergences)
    mean = float(np.mean(divergences))
    verdict: Verdict | None = None
    needed = None
    if budget is not None:
        verdict = "inconclusive" if interval is None else statistics.verdict(interval, budget)
        if verdict == "inconclusive":
            needed = statistics.mean_images_needed(mean, interval, len(divergences), budget)
    return Gate(
        "max_kl",
        budget,
        mean,
        interval,
        verdict,
        needed,
        None if interval is None else interval.high,
    )


def undecided(gate: Gate) -> Gate:
    """The gate where what was measured is not what int8 cost, or not all of it is there yet."""
    verdict: Verdict | None = None if gate.budget is None else "inconclusive"
    return replace(gate, verdict=verdict, images_needed=None, strictest=None)


def worst_verdict(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """The verdict of all: the worst; None where no budget was named."""
    found = set(verdicts)
    return next((each for each in WORST_FIRST if each in found), None)
