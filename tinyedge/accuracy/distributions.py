"""How a model's answers spread over the images: how sure it is when right, and where KL lies."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "Histogram", "Reliability", "ReliabilityBin", "kl_histogram", "reliability"]

BINS = 15
"""Of equal width, as in the paper that `reliability` follows."""
_BINS_A_DECADE = 3
_LOWEST_DECADE, _HIGHEST_DECADE = -9, 3


class ReliabilityBin(NamedTuple):
    """The images whose answer has a probability above `low` and up to `high`.

    Attributes:
        low, high: 0 to 1.
        images: how many; at least 1.
        confidence: the mean of their probabilities, 0 to 1.
        accuracy: the share of them answered rightly, 0 to 1.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """Whether a model is right as often as its probabilities say.

    Attributes:
        bins: in their order, those without an image left out.
        ece: the expected calibration error, 0 to 1: the mean over the images of how far their
            bin's accuracy is from its confidence.
    """

    bins: tuple[ReliabilityBin, ...]
    ece: float


class Histogram(NamedTuple):
    """Counts of values between consecutive edges; those below the first edge by themselves.

    Attributes:
        edges: ascending; one more than there are counts, and equal factors apart.
        counts: of values of at least an edge and below the next.
        below: of values below the first edge: 0, and what is next to it.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int


def reliability(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> Reliability:
    """Bin answers by their probability.

    After C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, section 2: `BINS` bins of equal width; bin m is ((m - 1) / M, m / M], and the first
    has 0, too.

    Args:
        probability: (n,), n at least 1: of the class that was answered, 0 to 1.
        right: (n,): whether that was the right one.
    """
    number = np.clip(np.ceil(probability * BINS).astype(int) - 1, 0, BINS - 1)
    images = np.bincount(number, minlength=BINS)
    confidence = np.bincount(number, weights=probability, minlength=BINS)
    accuracy = np.bincount(number, weights=right, minlength=BINS)
    bins = tuple(
        ReliabilityBin(
            each / BINS,
            (each + 1) / BINS,
            int(images[each]),
            float(confidence[each] / images[each]),
            float(accuracy[each] / images[each]),
        )
        for each in np.flatnonzero(images).tolist()
    )
    return Reliability(bins, float(np.abs(accuracy - confidence).sum()) / len(probability))


def kl_histogram(divergences: NDArray[np.float64]) -> Histogram:
    """Three bins a decade, from 1e-9 nats at the lowest; empty ones at both ends are left out.

    Args:
        divergences: (n,), n at least 1, nats, 0 or more, finite.
    """
    powers = np.arange(_LOWEST_DECADE * _BINS_A_DECADE, _HIGHEST_DECADE * _BINS_A_DECADE + 1)
    edges = 10.0 ** (powers / _BINS_A_DECADE)
    # The last bin has all that is higher.
    place = np.minimum(np.searchsorted(edges, divergences, side="right"), len(edges) - 1)
    counts = np.bincount(place, minlength=len(edges))
    held = np.flatnonzero(counts[1:])
    if not len(held):
        return Histogram((float(edges[0]),), (), int(counts[0]))
    first, last = int(held[0]), int(held[-1])
    return Histogram(
        tuple(edges[first : last + 2].tolist()),
        tuple(counts[first + 1 : last + 2].tolist()),
        int(counts[: first + 1].sum()),
    )
