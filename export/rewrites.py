"""Exact rewrites: the same function of the pixels in fewer operations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.weights import BatchNorm, ConvolutionalWeights

__all__ = ["FoldedConvolution", "fold_batch_norm"]

# batchnorm_layer.c divides by (sqrt(variance) + .000001f): the epsilon stands outside the
# root, unlike in Keras, and 1e-6 is not small beside the variances Darknet's nets hold.
_EPSILON = 1e-6


@dataclass(frozen=True, eq=False)
class FoldedConvolution:
    """A convolution with its batch norm inside it.

    Attributes:
        kernel: float32 (size, size, input channels / groups, filters), TensorFlow's order.
        bias: float32 (filters,).
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


def fold_batch_norm(weights: ConvolutionalWeights) -> FoldedConvolution:
    """Scale the kernel and shift the bias so that no batch norm is left; computed in float64."""
    kernel = weights.weights.astype(np.float64)
    bias = weights.biases.astype(np.float64)
    if weights.batch_norm is not None:
        factor = batch_norm_factor(weights.batch_norm)
        kernel *= factor[:, np.newaxis, np.newaxis, np.newaxis]
        bias -= weights.batch_norm.mean * factor
    return FoldedConvolution(
        kernel=np.ascontiguousarray(kernel.transpose(2, 3, 1, 0), np.float32),
        bias=bias.astype(np.float32),
    )


def batch_norm_factor(norm: BatchNorm) -> NDArray[np.float64]:
    """What the batch norm multiplies each filter's output by, float64 (filters,)."""
    deviation = np.sqrt(norm.variance.astype(np.float64)) + _EPSILON
    return np.asarray(norm.scales.astype(np.float64) / deviation)
