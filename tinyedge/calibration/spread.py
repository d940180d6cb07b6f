"""Which photos: as many of each class, and spread over what the photos look like."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["quotas", "spread", "standardized"]

_MOST = 2.5  # deviations from the mean that a photo counts with at most
# Three of the features tell of colour: together they weigh as much as each of the others.
_WEIGHTS = 1 / np.sqrt([1, 1, 3, 3, 3, 1])


def quotas(counts: Sequence[int], size: int, random: np.random.Generator) -> list[int]:
    """How many photos to take of each class: as equal as there are photos, `size` together.

    Args:
        counts: how many there are of each, at least `size` together.
        size: how many to take.
        random: draws the classes that give one more than others.
    """
    taken = [0] * len(counts)
    left = size
    while left:
        giving = [place for place, count in enumerate(counts) if count > taken[place]]
        each = min(left // len(giving), *(counts[place] - taken[place] for place in giving))
        if not each:
            giving = [int(place) for place in random.choice(giving, left, replace=False)]
            each = 1
        for place in giving:
            taken[place] += each
        left -= each * len(giving)
    return taken


def standardized(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """What photos look like, (photos, features), in numbers whose distances can be compared."""
    deviations = features.std(axis=0)
    found = (features - features.mean(axis=0)) / np.where(deviations > 0, deviations, 1)
    return np.asarray(np.clip(found, -_MOST, _MOST) * _WEIGHTS)


def spread(features: NDArray[np.float64], size: int, random: np.random.Generator) -> list[int]:
    """`size` of the photos, spread as all of them are: a stratified draw; ascending.

    The photos are halved at the median of the feature that varies most, the halves likewise, down
    to single ones, and their order is then one in which neighbours look alike. It is cut into
    `size` equal stretches, of each of which one photo is taken.

    Args:
        features: (photos, features), of `standardized`.
        size: how many to take, at most all.
        random: draws which half comes first, and the place in the stretches.
    """
    order = _neighbours(features, np.arange(len(features)), random)
    places = (random.random() + np.arange(size)) * len(order) / max(size, 1)
    return sorted(int(order[int(place)]) for place in places)


def _neighbours(
    features: NDArray[np.float64], members: NDArray[np.intp], random: np.random.Generator
) -> NDArray[np.intp]:
    if len(members) < 2:
        return members
    inside = features[members]
    widest = int(np.argmax(inside.var(axis=0)))
    ranked = members[np.argsort(inside[:, widest], kind="stable")]
    halves = [ranked[: len(ranked) // 2], ranked[len(ranked) // 2 :]]
    if random.random() < 0.5:
        halves.reverse()
    return np.concatenate([_neighbours(features, half, random) for half in halves])
