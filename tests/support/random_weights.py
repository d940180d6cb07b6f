"""Random weights for any network, scaled so that no layer's values die or explode."""

import numpy as np
from numpy.typing import NDArray

from tests.support.activations import FUNCTIONS
from tinyedge.darknet.layers import (
    BatchNormalization,
    Connected,
    Convolutional,
    L2Norm,
    Layer,
    Local,
    Logistic,
    Route,
    Sam,
    ScaleChannels,
    Shortcut,
)
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConnectedWeights,
    ConvolutionalWeights,
    Header,
    LayerParameters,
    LocalWeights,
    ShortcutWeights,
    WeightedLayer,
    Weights,
)

Floats = NDArray[np.float32]


def random_weights(network: Network, seed: int, header: Header | None = None) -> Weights:
    """Weights that keep the values of every layer in the order of one.

    Each kernel is drawn for the mean square of its input as estimated here: so a hundred
    shortcuts, each of which adds, come to no harm.
    """
    rng = np.random.default_rng(seed)
    layers: dict[int, LayerParameters] = {}
    squares: list[float] = []
    for layer in network.layers:
        before = squares[-1] if squares else 1 / 3
        if isinstance(layer, WeightedLayer) and layer.parameters:
            layers[layer.index] = _parameters(layer, before**-0.5, rng)
        squares.append(_mean_square(layer, before, squares, rng))
    return Weights(header or Header(), layers)


def _parameters(layer: WeightedLayer, scale: float, rng: np.random.Generator) -> LayerParameters:
    shape = layer.output
    match layer:
        case Convolutional():
            kernel = (layer.filters, layer.input.channels // layer.groups, layer.size, layer.size)
            return ConvolutionalWeights(
                biases=_biases((layer.filters,), rng),
                weights=_kernel(kernel, kernel[1:], scale, rng),
                batch_norm=_norm(layer.filters, rng) if layer.batch_normalize else None,
            )
        case Connected():
            matrix = (shape.elements, layer.input.elements)
            return ConnectedWeights(
                biases=_biases((shape.elements,), rng),
                weights=_kernel(matrix, matrix[1:], scale, rng),
                batch_norm=_norm(shape.elements, rng) if layer.batch_normalize else None,
            )
        case Local():
            window = (layer.input.channels, layer.size, layer.size)
            kernels = (shape.height, shape.width, layer.filters, *window)
            return LocalWeights(
                biases=_biases((layer.filters, shape.height, shape.width), rng),
                weights=_kernel(kernels, window, scale, rng),
            )
        case BatchNormalization():
            return _norm(shape.channels, rng)
        case Shortcut():
            drawn = rng.uniform(0.2, 1, layer.weights_shape).astype(np.float32)
            return ShortcutWeights(drawn)


def _biases(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    return rng.normal(0, 0.5, shape).astype(np.float32)


def _kernel(
    shape: tuple[int, ...], window: tuple[int, ...], scale: float, rng: np.random.Generator
) -> Floats:
    return rng.standard_normal(shape, np.float32) * np.float32(scale * np.prod(window) ** -0.5)


def _norm(channels: int, rng: np.random.Generator) -> BatchNorm:
    return BatchNorm(
        scales=rng.uniform(0.5, 1.5, channels).astype(np.float32),
        mean=rng.normal(0, 0.2, channels).astype(np.float32),
        variance=rng.uniform(0.2, 2, channels).astype(np.float32),
    )


def _mean_square(
    layer: Layer, before: float, squares: list[float], rng: np.random.Generator
) -> float:
    """That of the layer's output, roughly: what is linear keeps it, normal values assumed."""
    if isinstance(layer, Route):
        return float(np.mean([squares[source] for source in layer.sources]))
    if isinstance(layer, L2Norm):
        return 1 / layer.input.channels
    if isinstance(layer, Shortcut):
        added = sum(squares[source] for source in layer.sources)
        before = layer.alpha**2 * before + layer.beta**2 * added
        if layer.weighting != "none":
            # E[w^2] of what `_parameters` draws, and of parts that make 1.
            before *= 0.41 if layer.normalizing == "none" else 1 / (1 + len(layer.sources)) ** 2
    if isinstance(layer, ScaleChannels | Sam):
        before *= squares[layer.sources[0]]
    # E[scale^2] E[1 / variance] of _norm, and the biases.
    if isinstance(layer, Convolutional | Connected | Local):
        before = (1.4 if getattr(layer, "batch_normalize", False) else 1.0) + 0.25
    if isinstance(layer, BatchNormalization):
        before = 1.4 * before
    name = "logistic" if isinstance(layer, Logistic) else getattr(layer, "activation", "linear")
    values = rng.normal(0, before**0.5, 10_000)
    return float(np.mean(FUNCTIONS[name](values) ** 2))
