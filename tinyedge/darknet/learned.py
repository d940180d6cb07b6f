"""What each kind of layer learned: its arrays, and their order in a .weights file."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import BatchNormalization, Connected, Convolutional, Local

__all__ = [
    "BatchNorm",
    "ConnectedWeights",
    "ConvolutionalWeights",
    "Learned",
    "LearnedLayer",
    "LocalWeights",
    "arrays_by_name",
    "from_arrays",
    "layout",
]

Floats = NDArray[np.float32]
LearnedLayer = Convolutional | Connected | Local | BatchNormalization


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """Of each channel: scale, rolling mean and rolling variance, shape (channels,).

    Part of a convolution or a connected layer, or all that a [batchnorm] learned.
    """

    scales: Floats
    mean: Floats
    variance: Floats


@dataclass(frozen=True, eq=False)
class ConvolutionalWeights:
    """What a convolution learned.

    Attributes:
        biases: shape (filters,).
        weights: shape (filters, channels / groups, size, size).
        batch_norm: of a batch-normalized convolution, else None.
    """

    biases: Floats
    weights: Floats
    batch_norm: BatchNorm | None = None


@dataclass(frozen=True, eq=False)
class ConnectedWeights:
    """What a connected layer learned.

    Attributes:
        biases: shape (outputs,).
        weights: shape (outputs, inputs), whichever way round the file has them; inputs in planar
            order.
        batch_norm: of a batch-normalized layer, else None.
    """

    biases: Floats
    weights: Floats
    batch_norm: BatchNorm | None = None


@dataclass(frozen=True, eq=False)
class LocalWeights:
    """What a local layer learned.

    Attributes:
        biases: shape (filters, output rows, output columns).
        weights: shape (output rows, output columns, filters, channels, size, size).
    """

    biases: Floats
    weights: Floats


Learned = ConvolutionalWeights | ConnectedWeights | LocalWeights | BatchNorm


def layout(layer: LearnedLayer, *, transposed: bool) -> list[tuple[str, tuple[int, ...]]]:
    """The layer's arrays by name with their shapes, in the file's order (load_*_weights).

    A convolution's batch norm stands before its kernels, a connected layer's behind its matrix,
    and in a `transposed` file that matrix is [inputs][outputs].
    """
    match layer:
        case Convolutional():
            channels = layer.input.channels // layer.groups
            kernel = (layer.filters, channels, layer.size, layer.size)
            norm = _norm(layer.filters) if layer.batch_normalize else []
            return [("biases", (layer.filters,)), *norm, ("weights", kernel)]
        case Connected():
            outputs, inputs = layer.output.elements, layer.input.elements
            matrix = (inputs, outputs) if transposed else (outputs, inputs)
            norm = _norm(outputs) if layer.batch_normalize else []
            return [("biases", (outputs,)), ("weights", matrix), *norm]
        case Local():
            rows, columns, filters = layer.output
            kernels = (rows, columns, filters, layer.input.channels, layer.size, layer.size)
            return [("biases", (filters, rows, columns)), ("weights", kernels)]
        case BatchNormalization():
            return _norm(layer.input.channels)


def from_arrays(layer: LearnedLayer, arrays: Mapping[str, Floats], *, transposed: bool) -> Learned:
    """What the layer learned, from the arrays of :func:`layout`."""
    norm = None
    if "scales" in arrays:
        norm = BatchNorm(arrays["scales"], arrays["mean"], arrays["variance"])
    match layer:
        case Convolutional():
            return ConvolutionalWeights(arrays["biases"], arrays["weights"], norm)
        case Connected():
            matrix = arrays["weights"].T if transposed else arrays["weights"]
            return ConnectedWeights(arrays["biases"], matrix, norm)
        case Local():
            return LocalWeights(arrays["biases"], arrays["weights"])
        case BatchNormalization():
            return BatchNorm(arrays["scales"], arrays["mean"], arrays["variance"])


def arrays_by_name(learned: Learned, *, transposed: bool) -> dict[str, Floats]:
    """The arrays of :func:`layout`, from what a layer learned."""
    match learned:
        case BatchNorm():
            return {
                "scales": learned.scales,
                "mean": learned.mean,
                "variance": learned.variance,
            }
        case LocalWeights():
            return {"biases": learned.biases, "weights": learned.weights}
    weights = learned.weights
    if isinstance(learned, ConnectedWeights) and transposed:
        weights = weights.T
    arrays = {"biases": learned.biases, "weights": weights}
    if learned.batch_norm is not None:
        arrays |= arrays_by_name(learned.batch_norm, transposed=transposed)
    return arrays


def _norm(channels: int) -> list[tuple[str, tuple[int, ...]]]:
    return [("scales", (channels,)), ("mean", (channels,)), ("variance", (channels,))]
