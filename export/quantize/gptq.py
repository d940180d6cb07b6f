"""Weights to int8 so that a layer's output, not each weight, is closest to the float one.

GPTQ (Frantar et al. 2022, arXiv:2210.17323), which is optimal brain quantization with a fixed
order: quantize one input's weights, and let the weights not yet quantized make up for the error
as the Hessian says they can.
"""

import numpy as np
from numpy.typing import NDArray

from tinyedge.tflite.quantization import QuantParams

__all__ = ["gptq_round", "gptq_round_few"]

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


def gptq_round_few(
    kernel: NDArray[np.float32],
    params: QuantParams,
    vectors: NDArray[np.float64],
    *,
    variance: float,
    damping: float,
) -> NDArray[np.int8]:
    """As `gptq_round` of the Hessian of a few vectors, for more inputs than it would fit of.

    What the weights not yet quantized can make up for is a matter of the errors of the vectors'
    outputs, of which there are few. With V the vectors of the inputs left, d what is on the
    Hessian's diagonal beside them and r the errors so far, the least of ``|r + V w|^2 + d |w|^2``
    is at ``w = -V' (V V' + d)^-1 r``, and the matrix in brackets is as small as there are vectors.

    Args:
        kernel: float32 (inputs, outputs).
        params: as of `gptq_round`.
        vectors: (vectors, inputs), what the layer reads.
        variance: what quantization adds to each input's, on the diagonal.
        damping: as of `gptq_round`.

    Returns:
        int8 (inputs, outputs).
    """
    rows = vectors / np.sqrt(len(vectors))
    power = np.square(rows).sum(axis=0)
    order = np.argsort(-power, kind="stable")
    diagonal = variance + damping * (float(power.mean()) + variance) + 1e-12
    quantized = np.empty(kernel.shape, np.int8)
    errors = np.zeros((len(rows), kernel.shape[1]))
    # Of the inputs left, the present one included.
    among = rows @ rows.T + diagonal * np.eye(len(rows))
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        read = rows[:, block]
        inverse = np.linalg.inv(among)
        weighed = np.empty_like(read)
        for i in range(len(block)):
            weighed[:, i] = inverse @ read[:, i]
            # The inverse without this input, by Sherman and Morrison.
            left = 1 - read[:, i] @ weighed[:, i]
            inverse += np.outer(weighed[:, i], weighed[:, i]) / left
        wanted = kernel[block].astype(np.float64)
        made = np.empty_like(wanted)
        between, before = weighed.T @ read, weighed.T @ errors
        for i in range(len(block)):
            moved = wanted[i] - before[i] - between[i, :i] @ made[:i]
            quantized[block[i]] = params.quantize(moved)
            made[i] = params.dequantize(quantized[block[i]]) - wanted[i]
        errors += read @ made
        among -= read @ read.T
    return quantized
