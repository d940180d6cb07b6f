"""The two batch norms of Darknet's engines, which differ in where the epsilon stands.

``outside`` the square root, (x - mean) / (sqrt(variance) + 1e-6), is the original engine's on a CPU
(``normalize_cpu`` in its ``blas.c``). ``inside`` it, (x - mean) / sqrt(variance + 1e-5), are the
original's on a GPU since 2017-10 (``blas_kernels.cu``), AlexeyAB's on a GPU since 2020-02 and on a
CPU since 2020-04, and hank-ai's. Nothing in a .weights says which it was trained with. AlexeyAB and
those after him write revision 5 into its header since 2018-10, which is a hint and no more.
"""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from tinyedge.modelcard import BatchNormFormula

__all__ = [
    "BATCH_NORM_FORMULAS",
    "NOTED_DIFFERENCE",
    "difference",
    "formula_of_revision",
    "has_deviation",
    "standard_deviation",
]

BATCH_NORM_FORMULAS = get_args(BatchNormFormula)
NOTED_DIFFERENCE = 0.001
"""Of a layer's output, beyond which the choice is told.

The nets that Darknet publishes stay below 0.0002 of it, an int8 value is rounded by more than
this, and variances of 1e-5 make it 0.3.
"""

_INSIDE_EPSILON = 1e-5
_OUTSIDE_EPSILON = 1e-6
_REVISION_OF_ALEXEYAB = 5


def formula_of_revision(revision: int) -> BatchNormFormula:
    """The likelier one, by the revision in the header of a .weights."""
    return "inside" if revision >= _REVISION_OF_ALEXEYAB else "outside"


def has_deviation(variance: NDArray[np.float32], formula: BatchNormFormula) -> NDArray[np.bool_]:
    """Where the engine's float32 arithmetic finds a number other than 0 to divide by."""
    if formula == "inside":
        return np.asarray(variance + np.float32(_INSIDE_EPSILON) > 0)
    return np.asarray(variance >= 0)


def standard_deviation(
    variance: NDArray[np.float32], formula: BatchNormFormula
) -> NDArray[np.float64]:
    """What the engine divides x - mean by, epsilon included: float64 (channels,)."""
    exact = variance.astype(np.float64)
    if formula == "inside":
        return np.asarray(np.sqrt(exact + _INSIDE_EPSILON))
    return np.asarray(np.sqrt(exact) + _OUTSIDE_EPSILON)


def difference(
    scales: NDArray[np.float32], mean: NDArray[np.float32], variance: NDArray[np.float32]
) -> float:
    """How far apart the formulas put a layer's output: RMS over its RMS deviation, from 0.

    A channel counts by its scale, and by how far its input is from the mean: by the variance, its
    root. Where that is next to nothing the input is a constant, which may be the mean, whose output
    is 0 by either formula, or none that the mean knows of: of a channel that was pruned it is 0.
    There the mean counts. A negative variance counts as 0.

    Args:
        scales: (channels,), finite.
        mean: (channels,), finite.
        variance: (channels,), finite.
    """
    seen = np.maximum(variance, 0)
    inside, outside = (1 / standard_deviation(seen, formula) for formula in BATCH_NORM_FORMULAS)
    deviation = np.sqrt(seen.astype(np.float64))
    constant = deviation < _OUTSIDE_EPSILON
    deviation[constant] = np.maximum(deviation, np.abs(mean.astype(np.float64)))[constant]
    squares = np.square(scales.astype(np.float64))
    if not squares.any():
        return 0.0
    apart = np.sum(squares * (deviation * (inside - outside)) ** 2)
    return float(np.sqrt(apart / np.sum(squares)))
