"""Exact rewrites: the same function of the pixels in fewer operations, in TensorFlow's order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import Shape
from tinyedge.darknet.weights import (
    BatchNorm,
    ConnectedWeights,
    ConvolutionalWeights,
    LayerParameters,
    LocalWeights,
    Weights,
)

__all__ = [
    "Folded",
    "batch_norm_alone",
    "fold_batch_norm",
    "fold_connected",
    "fold_local",
    "without_batch_norm",
]

# batchnorm_layer.c divides by (sqrt(variance) + .000001f): the epsilon stands outside the
# root, unlike in Keras, and 1e-6 is not small beside the variances Darknet's nets hold.
_EPSILON = 1e-6


@dataclass(frozen=True, eq=False)
class Folded:
    """A linear layer with its batch norm inside it.

    Attributes:
        kernel: float32, outputs last.
        bias: float32 (outputs,).
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]

    def times(self, factor: float) -> "Folded":
        """The same with everything that goes out multiplied by `factor`."""
        if factor == 1:
            return self
        return Folded(self.kernel * np.float32(factor), self.bias * np.float32(factor))


def without_batch_norm(weights: Weights) -> Weights:
    """The same function with every convolution's and connected layer's batch norm folded in."""
    layers: dict[int, LayerParameters] = {}
    for index, learned in weights.layers.items():
        layers[index] = learned
        if isinstance(learned, ConvolutionalWeights | ConnectedWeights):
            kernel, bias = _normalized(learned)
            layers[index] = type(learned)(bias.astype(np.float32), kernel.astype(np.float32))
    return Weights(weights.header, layers)


def fold_batch_norm(weights: ConvolutionalWeights) -> Folded:
    """Scale the kernel and shift the bias so that no batch norm is left; computed in float64.

    The kernel is (size, size, input channels / groups, filters).
    """
    kernel, bias = _normalized(weights)
    return _folded(kernel.transpose(2, 3, 1, 0), bias)


def fold_connected(weights: ConnectedWeights, inputs: Shape) -> Folded:
    """The same of a connected layer that is fed `inputs` in pixel order, channels last.

    The kernel is (inputs, outputs): its rows move from Darknet's planar order to that one.
    """
    kernel, bias = _normalized(weights)
    planar = kernel.reshape(-1, inputs.channels, inputs.height, inputs.width)
    return _folded(planar.transpose(2, 3, 1, 0).reshape(inputs.elements, -1), bias)


def fold_local(weights: LocalWeights) -> Folded:
    """A local layer as a 1x1 convolution with a group for each output pixel.

    It is fed the pixels' windows, one behind the other, each (size, size, channels). The kernel
    is (1, 1, window, output rows * output columns * filters).
    """
    rows, columns, filters, *window = weights.weights.shape
    kernel = weights.weights.transpose(4, 5, 3, 0, 1, 2)
    flat = kernel.reshape(1, 1, int(np.prod(window)), rows * columns * filters)
    return _folded(flat, weights.biases.transpose(1, 2, 0).ravel())


def batch_norm_alone(norm: BatchNorm) -> Folded:
    """A batch norm that stands by itself, as a depthwise 1x1 kernel (1, 1, channels, 1)."""
    factor = batch_norm_factor(norm)
    return _folded(factor[np.newaxis, np.newaxis, :, np.newaxis], -norm.mean * factor)


def batch_norm_factor(norm: BatchNorm) -> NDArray[np.float64]:
    """What the batch norm multiplies each channel by, float64 (channels,)."""
    deviation = np.sqrt(norm.variance.astype(np.float64)) + _EPSILON
    return np.asarray(norm.scales.astype(np.float64) / deviation)


def _normalized(
    weights: ConvolutionalWeights | ConnectedWeights,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The kernel, outputs first as Darknet has it, and the bias, both after the batch norm."""
    kernel = weights.weights.astype(np.float64)
    bias = weights.biases.astype(np.float64)
    if weights.batch_norm is not None:
        factor = batch_norm_factor(weights.batch_norm)
        kernel *= factor.reshape(-1, *[1] * (kernel.ndim - 1))
        bias -= weights.batch_norm.mean * factor
    return kernel, bias


def _folded(
    kernel: NDArray[np.float64] | NDArray[np.float32],
    bias: NDArray[np.float64] | NDArray[np.float32],
) -> Folded:
    return Folded(np.ascontiguousarray(kernel, np.float32), bias.astype(np.float32))
