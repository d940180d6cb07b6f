"""Weights to int8 so that a layer's output, not each weight, is closest to the float one.

GPTQ (Frantar et al. 2022, arXiv:2210.17323), which is optimal brain quantization with a fixed
order: round one input's weights, and let the weights not yet rounded make up for the error as
the inputs' second moment says they can.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["round_to_nearest", "round_with_second_moment", "weight_scales"]

_LIMIT = 127  # TFLite's weights are symmetric: -127 to 127
_DAMPING = 0.01  # of the mean diagonal; keeps inputs that never vary from being used
_BLOCK = 128  # inputs whose corrections to the rest are gathered into one product


def weight_scales(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scale of each output channel of a kernel (inputs, outputs), its largest weight's."""
    largest = np.abs(kernel).max(axis=0)
    return np.asarray(np.where(largest > 0, largest, 1.0) / _LIMIT)


def round_to_nearest(kernel: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.int8]:
    """Each weight of (inputs, outputs) to the nearest step."""
    return np.clip(np.rint(kernel / scales), -_LIMIT, _LIMIT).astype(np.int8)


def round_with_second_moment(
    kernel: NDArray[np.float64], scales: NDArray[np.float64], moment: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Round (inputs, outputs) so as to keep the outputs on inputs of this second moment.

    Args:
        kernel: float64 (inputs, outputs).
        scales: (outputs,), the step of each output's weights.
        moment: (inputs, inputs), mean product of any two inputs.
    """
    inputs = len(kernel)
    damped = moment + np.eye(inputs) * (_DAMPING * np.mean(np.diag(moment)) + 1e-12)
    # Inputs that carry most go first, while there are still many left to make up for them.
    order = np.argsort(-np.diag(damped), kind="stable")
    left = kernel[order].astype(np.float64)
    inverse = np.linalg.inv(damped[np.ix_(order, order)])
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    rounded = np.empty(left.shape, np.int8)
    for start in range(0, inputs, _BLOCK):
        stop = min(start + _BLOCK, inputs)
        errors = np.empty((stop - start, left.shape[1]))
        for i in range(start, stop):
            steps = np.clip(np.rint(left[i] / scales), -_LIMIT, _LIMIT)
            rounded[i] = steps
            errors[i - start] = (left[i] - steps * scales) / upper[i, i]
            left[i + 1 : stop] -= np.outer(upper[i, i + 1 : stop], errors[i - start])
        left[stop:] -= upper[start:stop, stop:].T @ errors
    restored = np.empty_like(rounded)
    restored[order] = rounded
    return restored
