"""What no sum can have: the bootstrap's coverage, and what looking again and again does."""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage.exact import Coverage
from tinyedge.accuracy.statistics import (
    Verdict,
    drop_interval,
    images_needed,
    mean_interval,
    verdict,
)

__all__ = [
    "LOG_DEVIATION",
    "MIXTURE",
    "Gate",
    "Verdicts",
    "advised_verdicts",
    "looked_verdicts",
    "mean_coverage",
    "sampled_drop_coverage",
]

MIXTURE = ((0.1, -8.4), (0.9, -4.6))
"""Shares, and means of the logarithm, of two lognormal distributions."""
LOG_DEVIATION = 1.2
"""Of both. Fitted to the KLs of Tiny Darknet on 650 photos: mean 0.019 nats, 95th percentile 0.07,
a deviation of twice the mean, and a tail to half a nat."""


class Gate(NamedTuple):
    """A `--max-drop` that is the true drop, and how it is looked at.

    Attributes:
        flips: the share of the images that flips.
        lost: the share of those that is lost.
        budget: points.
        images: in all, where they are looked at once or all along.
        every: after how many of them one looks.
        first: images at the first of two looks.
        most: images at the second.
    """

    flips: float
    lost: float
    budget: float
    images: int = 5000
    every: int = 100
    first: int = 650
    most: int = 20_000

    @property
    def shares(self) -> list[float]:
        """Of images lost, gained, and all others."""
        return [self.flips * self.lost, self.flips * (1 - self.lost), 1 - self.flips]


class Verdicts(NamedTuple):
    """How often a gate said what, as shares of the runs."""

    passed: float
    failed: float


def sampled_drop_coverage(images: int, flips: float, lost: float, *, runs: int) -> Coverage:
    """`exact.drop_coverage` by Monte Carlo."""
    shares = (flips * lost, flips * (1 - lost))
    drop = 100 * (shares[0] - shares[1])
    random = np.random.default_rng(1)
    counts = random.multinomial(images, [*shares, 1 - sum(shares)], runs)
    below = above = 0
    for each, gained, _ in counts.tolist():
        interval = _interval(each, gained, images)
        below += interval[1] < drop
        above += interval[0] > drop
    return Coverage(1 - (below + above) / runs, below / runs, above / runs)


def mean_coverage(images: int, *, runs: int) -> Coverage:
    """Of the interval of the mean KL."""
    random = np.random.default_rng(images)
    mean = sum(share * math.exp(log + LOG_DEVIATION**2 / 2) for share, log in MIXTURE)
    below = above = 0
    for _ in range(runs):
        interval = mean_interval(_divergences(random, images))
        assert interval is not None
        below += interval.high < mean
        above += interval.low > mean
    return Coverage(1 - (below + above) / runs, below / runs, above / runs)


def looked_verdicts(gate: Gate, *, runs: int) -> Verdicts:
    """Of users who look after every so many images, and stop at the first pass or fail."""
    random = np.random.default_rng(2)
    looks = gate.images // gate.every
    counts = random.multinomial(gate.every, gate.shares, (runs, looks)).cumsum(axis=1)
    found = {"pass": 0, "fail": 0, "inconclusive": 0}
    for run in counts:
        said = (_judged(look, gate.budget) for look in run)
        found[next((each for each in said if each != "inconclusive"), "inconclusive")] += 1
    return Verdicts(found["pass"] / runs, found["fail"] / runs)


def advised_verdicts(gate: Gate, *, afresh: bool, runs: int) -> Verdicts:
    """Of users who, where the first images cannot tell, get as many as would, and look again.

    Args:
        gate: what is judged.
        afresh: the second look is at new images alone; else at all of them.
        runs: how many users.
    """
    random = np.random.default_rng(3)
    found = {"pass": 0, "fail": 0, "inconclusive": 0}
    for first in random.multinomial(gate.first, gate.shares, runs):
        said = _judged(first, gate.budget)
        if said == "inconclusive":
            lost, gained, _ = first.tolist()
            total = images_needed(lost, gained, gate.first, gate.budget) or gate.most
            total = min(total, gate.most)
            if afresh:
                second = random.multinomial(total, gate.shares)
            else:
                second = first + random.multinomial(max(total - gate.first, 0), gate.shares)
            said = _judged(second, gate.budget)
        found[said] += 1
    return Verdicts(found["pass"] / runs, found["fail"] / runs)


def _judged(counts: NDArray[np.int64], budget: float) -> Verdict:
    lost, gained, others = counts.tolist()
    return verdict(_interval(lost, gained, lost + gained + others), budget)


def _divergences(random: np.random.Generator, images: int) -> NDArray[np.float64]:
    shares, logs = zip(*MIXTURE, strict=True)
    centres = random.choice(logs, images, p=shares)
    return np.exp(random.normal(centres, LOG_DEVIATION))


_interval = cache(drop_interval)
