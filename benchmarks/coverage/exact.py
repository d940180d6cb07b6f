"""Coverage computed, not sampled: the probability of every outcome that matters is summed.

The intervals are those that ship. Of an outcome's interval only its side of the true value counts,
and both ends grow with the images lost (or hit), so that few of them need be computed.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy.statistics import Interval, drop_interval, wilson_interval

__all__ = [
    "MISSING",
    "Coverage",
    "agreement_coverage",
    "drop_coverage",
    "drop_width",
    "images_to_pass",
    "pass_probability",
    "uninformed_width",
]

MISSING = 1e-9
"""Probability, at most, of the outcomes that are left out: far from the expected ones."""

_DEVIATIONS, _MORE = 7, 25
_Z = NormalDist().inv_cdf(0.975)


class Coverage(NamedTuple):
    """Where a 95 % interval lies, as probabilities.

    Attributes:
        within: it holds the true value.
        below: the whole of it is below.
        above: the whole of it is above.
    """

    within: float
    below: float
    above: float


def drop_coverage(images: int, flips: float, lost: float) -> Coverage:
    """Of the interval of the drop.

    Args:
        images: n.
        flips: the share of the images that only one of the models names rightly.
        lost: the share of those that is lost, the rest being gained.
    """
    drop = 100 * flips * (2 * lost - 1)
    below = above = total = 0.0
    for gained, losses, likely in _outcomes(images, flips * lost, flips * (1 - lost)):
        first = _first(losses, gained, images, lambda found: found.high >= drop)
        last = _first(losses, gained, images, lambda found: found.low > drop)
        below += float(likely[:first].sum())
        above += float(likely[last:].sum())
        total += float(likely.sum())
    assert 1 - total < MISSING, (images, flips, lost)
    return Coverage(total - below - above, below, above)


def pass_probability(images: int, flips: float, lost: float, budget: float) -> float:
    """How likely the whole interval of the drop is at most `budget`, in points."""
    passes = 0.0
    for gained, losses, likely in _outcomes(images, flips * lost, flips * (1 - lost)):
        end = _first(losses, gained, images, lambda found: found.high > budget)
        passes += float(likely[:end].sum())
    return passes


def images_to_pass(flips: float, budget: float, chance: float) -> int:
    """How many images pass a budget with such a chance where as many are lost as gained.

    Within one percent.
    """
    # As many as a normal interval without a correction takes; one with takes more.
    distances = _Z + NormalDist().inv_cdf(chance)
    images = math.ceil(distances**2 * flips / (budget / 100) ** 2)
    while pass_probability(images, flips, 0.5, budget) < chance:
        images = math.ceil(1.01 * images)
    return images


def drop_width(images: int, flips: float, lost: float) -> float:
    """The expected width of the interval of the drop, points."""
    width = 0.0
    for gained, losses, likely in _outcomes(images, flips * lost, flips * (1 - lost)):
        for count, probability in zip(losses, likely.tolist(), strict=True):
            if probability > MISSING / 100:
                found = _drop(count, gained, images)
                width += probability * (found.high - found.low)
    return width


def uninformed_width(images: int, flips: float, lost: float) -> float:
    """That of a normal interval which knew the true shares, points."""
    variance = flips - (flips * (2 * lost - 1)) ** 2
    return 100 * 2 * _Z * math.sqrt(variance / images)


def agreement_coverage(images: int, share: float) -> Coverage:
    """Of the interval of a share, such as the agreement."""
    hits, likely = _binomial(images, share)
    first = bisect_left(hits, True, key=lambda n: wilson_interval(n, images).high >= 100 * share)
    last = bisect_left(hits, True, key=lambda n: wilson_interval(n, images).low > 100 * share)
    below, above, total = (float(part.sum()) for part in (likely[:first], likely[last:], likely))
    assert 1 - total < MISSING, (images, share)
    return Coverage(total - below - above, below, above)


def _first(losses: range, gained: int, images: int, holds: Callable[[Interval], bool]) -> int:
    """How many of the losses come before that from which on it holds of the interval."""
    return bisect_left(losses, True, key=lambda lost: holds(_drop(lost, gained, images)))


@cache
def _drop(lost: int, gained: int, images: int) -> Interval:
    return drop_interval(lost, gained, images)


def _outcomes(
    images: int, lost: float, gained: float
) -> Iterator[tuple[int, range, NDArray[np.float64]]]:
    """For each count of images gained, those of images lost with the probability of both."""
    for count, probability in zip(*_binomial(images, gained), strict=True):
        losses, likely = _binomial(images, lost / (1 - gained), trials=images - count)
        yield count, losses, likely * probability


def _binomial(
    images: int, share: float, trials: int | None = None
) -> tuple[range, NDArray[np.float64]]:
    """Counts of hits around the expected one, with their probabilities."""
    trials = images if trials is None else trials
    if share in (0.0, 1.0):
        only = round(trials * share)
        return range(only, only + 1), np.ones(1)
    mean, deviation = trials * share, math.sqrt(trials * share * (1 - share))
    low = max(0, math.floor(mean - _DEVIATIONS * deviation) - _MORE)
    high = min(trials, math.ceil(mean + _DEVIATIONS * deviation) + _MORE)
    hits = np.arange(low, high + 1)
    logs = _log_factorials(images)
    log_ways = logs[trials] - logs[hits] - logs[trials - hits]
    likely = np.exp(log_ways + hits * math.log(share) + (trials - hits) * math.log1p(-share))
    return range(low, high + 1), likely


@cache
def _log_factorials(most: int) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])
