"""Batch norms folded: the weights as the exported operators have them, in TensorFlow's layout."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.batch_norm import standard_deviation
from tinyedge.darknet.layers import BatchNormalization, Shape, Shortcut
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConnectedWeights,
    ConvolutionalWeights,
    LayerParameters,
    LocalWeights,
    ShortcutWeights,
    WeightedLayer,
    Weights,
    weighted_layers,
)
from tinyedge.modelcard import BatchNormFormula

__all__ = ["FoldedLayer", "FoldedWeights", "fold"]

Floats = NDArray[np.float32] | NDArray[np.float64]


_SHORTCUT_EPSILON = 0.0001


@dataclass(frozen=True, eq=False)
class FoldedLayer:
    """A layer's weights, with everything linear up to its activation folded into them.

    Attributes:
        kernel: float32, outputs last. Of a convolution (size, size, channels / groups, filters);
            of a connected layer (inputs, outputs), inputs in pixel order, channels last; of a
            local layer (1, 1, window, output rows * output columns * filters), a group for each
            output pixel, windows (row, column, channel); of a batch norm that stands by itself
            (1, 1, channels, 1); of a weighted shortcut (1, 1, channels, 1 + sources), the input's
            weights first.
        bias: float32 (outputs,).
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


FoldedWeights = Mapping[int, FoldedLayer]
"""The folded weights of each layer that has weights, by its number."""


def fold(network: Network, weights: Weights) -> FoldedWeights:
    """The network's weights with every batch norm folded into the kernel and bias it follows.

    The factor that an activation multiplies its input by (`ActivationFunction.input_factor`) is
    folded too. Which batch norm it is, the weights say (`Weights.batch_norm`).
    Computed in float64 where there is a batch norm.
    """
    return {
        layer.index: _fold_layer(layer, weights.layers[layer.index], weights.batch_norm)
        for layer in weighted_layers(network)
    }


def _fold_layer(
    layer: WeightedLayer, parameters: LayerParameters, formula: BatchNormFormula
) -> FoldedLayer:
    match parameters:
        case ConvolutionalWeights():
            kernel, bias = _convolution(parameters, formula)
        case ConnectedWeights():
            kernel, bias = _connected(parameters, layer.input, formula)
        case LocalWeights():
            kernel, bias = _local(parameters)
        case BatchNorm():
            kernel, bias = _batch_norm(parameters, formula)
        case ShortcutWeights():
            assert isinstance(layer, Shortcut)
            kernel, bias = _shortcut(layer, parameters)
    folded = FoldedLayer(np.ascontiguousarray(kernel, np.float32), bias.astype(np.float32))
    if isinstance(layer, BatchNormalization | Shortcut):
        return folded
    factor = np.float32(ACTIVATIONS[layer.activation].input_factor)
    return folded if factor == 1 else FoldedLayer(folded.kernel * factor, folded.bias * factor)


def _convolution(
    parameters: ConvolutionalWeights, formula: BatchNormFormula
) -> tuple[Floats, Floats]:
    kernel, bias = _normalized(parameters, formula)
    return kernel.transpose(2, 3, 1, 0), bias


def _connected(
    parameters: ConnectedWeights, inputs: Shape, formula: BatchNormFormula
) -> tuple[Floats, Floats]:
    """The kernel's rows move from Darknet's planar order to that of pixels."""
    kernel, bias = _normalized(parameters, formula)
    planar = kernel.reshape(-1, inputs.channels, inputs.height, inputs.width)
    return planar.transpose(2, 3, 1, 0).reshape(inputs.elements, -1), bias


def _local(parameters: LocalWeights) -> tuple[Floats, Floats]:
    rows, columns, filters, *window = parameters.weights.shape
    kernel = parameters.weights.transpose(4, 5, 3, 0, 1, 2)
    flat = kernel.reshape(1, 1, int(np.prod(window)), rows * columns * filters)
    return flat, parameters.biases.transpose(1, 2, 0).ravel()


def _batch_norm(parameters: BatchNorm, formula: BatchNormFormula) -> tuple[Floats, Floats]:
    factor = _factor(parameters, formula)
    bias = -parameters.mean * factor
    if parameters.biases is not None:
        bias += parameters.biases
    return factor[np.newaxis, np.newaxis, :, np.newaxis], bias


def _shortcut(layer: Shortcut, parameters: ShortcutWeights) -> tuple[Floats, Floats]:
    """The weights as shortcut_multilayer_cpu normalizes them, a channel at a time."""
    weights = parameters.weights.astype(np.float64)
    if layer.normalizing == "relu":
        weights = np.maximum(weights, 0)
    elif layer.normalizing == "softmax":
        weights = np.exp(weights - weights.max(axis=0))
    if layer.normalizing != "none":
        weights = weights / (weights.sum(axis=0) + _SHORTCUT_EPSILON)
    channels = layer.output.channels
    kernel = np.broadcast_to(weights.T, (channels, len(weights)))
    return kernel[np.newaxis, np.newaxis], np.zeros(channels)


def _normalized(
    parameters: ConvolutionalWeights | ConnectedWeights, formula: BatchNormFormula
) -> tuple[Floats, Floats]:
    """The kernel, outputs first as Darknet has it, and the bias, both after the batch norm."""
    if parameters.batch_norm is None:
        return parameters.weights, parameters.biases
    factor = _factor(parameters.batch_norm, formula)
    kernel = parameters.weights.astype(np.float64)
    kernel *= factor.reshape(-1, *[1] * (kernel.ndim - 1))
    return kernel, parameters.biases - parameters.batch_norm.mean * factor


def _factor(norm: BatchNorm, formula: BatchNormFormula) -> NDArray[np.float64]:
    """What the batch norm multiplies each channel by, (channels,)."""
    deviation = standard_deviation(norm.variance, formula)
    return np.asarray(norm.scales.astype(np.float64) / deviation)
