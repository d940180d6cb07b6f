"""Which layers do more damage than the others, beyond what the choice of images makes of it."""

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy.statistics import student_t_p

__all__ = ["blamed_layers", "standard_errors"]

_MOST = 3
_COMPARABLE = 0.5
_CHANCE = 0.05
# Nats. What float32 makes of a divergence that is 0.
_ROUNDING = 1e-10


def blamed_layers(alone: NDArray[np.float64]) -> set[int]:
    """The few layers that do most damage alone, and each of them more than the others by no chance.

    The noise is the spread over images: of each image the logarithm of the layer's damage is set
    against that of the mean of the other layers' on that image, and the mean of these differences
    against their standard error, by Student's one-sided t test at 5 % over all layers (Bonferroni).
    In logarithms, for damage has a long tail to above: of plain differences one image in thirty may
    make all the spread. Two images at least; one tells no layer from another.

    Args:
        alone: (images, layers), KL with that layer alone in int8, nats.
    """
    images, layers = alone.shape
    if images < 2 or layers < 2:
        return set()
    others = (alone.sum(axis=1, keepdims=True) - alone) / (layers - 1)
    excess = np.log(alone + _ROUNDING) - np.log(others + _ROUNDING)
    errors = standard_errors(excess)
    damage = alone.mean(axis=0)

    def beyond_chance(layer: int) -> bool:
        mean, error = float(excess[:, layer].mean()), float(errors[layer])
        if error == 0 or mean <= 0:
            return mean > 0
        return bool(layers * student_t_p(mean / error, images - 1) < _CHANCE)

    # Among those alone: what a few images make of another tells nothing.
    order = sorted(filter(beyond_chance, range(layers)), key=lambda layer: -damage[layer])
    return {layer for layer in order[:_MOST] if damage[layer] > _COMPARABLE * damage[order[0]]}


def standard_errors(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the means over the first axis; 0 of one value."""
    count = len(values)
    if count < 2:
        return np.zeros(values.shape[1:])
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(count))
