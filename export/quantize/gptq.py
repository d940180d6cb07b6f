"""Weights to int8 so that a layer's output, not each weight, is closest to the float one.

GPTQ (Frantar et al. 2022, arXiv:2210.17323), which is optimal brain quantization with a fixed
order: quantize one input's weights, and let the weights not yet quantized make up for the error
as the Hessian says they can.
"""

import numpy as np
from numpy.typing import NDArray

from tinyedge.tflite.quantization import QuantParams

__all__ = ["gptq_round"]

_BLOCK = 128  # inputs whose corrections to the rest are gathered into one product


def gptq_round(
    kernel: NDArray[np.float64],
    params: QuantParams,
    hessian: NDArray[np.float64],
    *,
    damping: float,
) -> NDArray[np.int8]:
    """Quantize (inputs, outputs) so as to keep the layer's outputs.

    Args:
        kernel: float64 (inputs, outputs).
        params: per-channel along the last axis, one scale an output.
        hessian: (inputs, inputs), of the squared error of an output by its weights: the mean
            product of any two inputs, half the second derivative.
        damping: added to the diagonal, of its mean; keeps inputs that never vary from being used.

    Returns:
        int8 (inputs, outputs).
    """
    inputs = len(kernel)
    diagonal = np.diag(hessian) + (damping * np.mean(np.diag(hessian)) + 1e-12)
    # Inputs that carry most go first, while there are still many left to make up for them.
    order = np.argsort(-diagonal, kind="stable")
    left = kernel[order].astype(np.float64)
    upper = _upper_of_inverse(hessian[np.ix_(order, order)], diagonal[order])
    quantized = np.empty(left.shape, np.int8)
    for start in range(0, inputs, _BLOCK):
        stop = min(start + _BLOCK, inputs)
        errors = np.empty((stop - start, left.shape[1]))
        for i in range(start, stop):
            quantized[i] = params.quantize(left[i])
            errors[i - start] = (left[i] - params.dequantize(quantized[i])) / upper[i, i]
            left[i + 1 : stop] -= np.outer(upper[i, i + 1 : stop], errors[i - start])
        left[stop:] -= upper[start:stop, stop:].T @ errors
    restored = np.empty_like(quantized)
    restored[order] = quantized
    return restored


def _upper_of_inverse(
    hessian: NDArray[np.float64], diagonal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The upper Cholesky factor of the inverse of `hessian`, which is given this diagonal.

    Of 4,608 inputs each matrix takes 170 MB: there are no more of them than LAPACK wants.
    """
    np.fill_diagonal(hessian, diagonal)
    inverse = np.linalg.inv(hessian)
    symmetric = inverse + inverse.T
    del inverse
    symmetric /= 2
    return np.asarray(np.linalg.cholesky(symmetric).T)
