"""A network's forward pass written as plainly as its definition, in double precision.

Slow and independent of every other implementation here: no folding, no tricks. Planar arrays.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import (
    AvgPool,
    Convolutional,
    Layer,
    MaxPool,
    Route,
    Softmax,
)
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import BatchNorm, ConvolutionalWeights, Header, Weights

Planes = NDArray[np.float64]

_ACTIVATIONS: dict[str, Callable[[Planes], Planes]] = {
    "linear": lambda x: x,
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "relu": lambda x: np.where(x > 0, x, 0),
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


def forward(network: Network, weights: Weights, pixels: NDArray[np.float32]) -> Planes:
    """The last layer's flat output for `pixels` (height, width, channels)."""
    now: Planes = pixels.transpose(2, 0, 1).astype(np.float64)
    outputs: list[Planes] = []
    for layer in network.layers:
        now = _step(layer, now, outputs, weights)
        outputs.append(now)
    return now.ravel()


def random_weights(network: Network, seed: int, header: Header | None = None) -> Weights:
    """Weights that keep the values of every layer in the order of one."""
    rng = np.random.default_rng(seed)
    layers = {}
    for layer in network.layers:
        if isinstance(layer, Convolutional):
            n = layer.filters
            kernel = (n, layer.input.channels // layer.groups, layer.size, layer.size)
            norm = BatchNorm(
                scales=rng.uniform(0.5, 1.5, n).astype(np.float32),
                mean=rng.normal(0, 0.2, n).astype(np.float32),
                variance=rng.uniform(0.2, 2, n).astype(np.float32),
            )
            layers[layer.index] = ConvolutionalWeights(
                biases=rng.normal(0, 0.5, n).astype(np.float32),
                weights=rng.normal(0, np.prod(kernel[1:]) ** -0.5, kernel).astype(np.float32),
                batch_norm=norm if layer.batch_normalize else None,
            )
    return Weights(header or Header(), layers)


def _step(layer: Layer, now: Planes, outputs: list[Planes], weights: Weights) -> Planes:
    match layer:
        case Convolutional():
            return _convolve(layer, now, weights.layers[layer.index])
        case MaxPool():
            return _pool(layer, now)
        case AvgPool():
            means: Planes = now.mean(axis=(1, 2), keepdims=True)
            return means
        case Route():
            return np.concatenate([outputs[source] for source in layer.sources])
        case Softmax():
            runs = now.reshape(layer.groups, -1) / layer.temperature
            powers = np.exp(runs - runs.max(axis=1, keepdims=True))
            softmax: Planes = powers / powers.sum(axis=1, keepdims=True)
            return softmax.reshape(now.shape)
    return now


def _convolve(layer: Convolutional, now: Planes, learned: ConvolutionalWeights) -> Planes:
    p, k = layer.padding, layer.size
    padded = np.pad(now, ((0, 0), (p, p), (p, p)))
    out = np.zeros((layer.filters, layer.output.height, layer.output.width))
    channels, filters = len(now) // layer.groups, layer.filters // layer.groups
    for f in range(layer.filters):
        first = f // filters * channels
        for y in range(layer.output.height):
            for x in range(layer.output.width):
                top, left = y * layer.stride, x * layer.stride
                window = padded[first : first + channels, top : top + k, left : left + k]
                out[f, y, x] = (window * learned.weights[f]).sum()
    if learned.batch_norm is not None:
        norm = learned.batch_norm
        mean, variance, scales = (
            array.astype(np.float64)[:, None, None]
            for array in (norm.mean, norm.variance, norm.scales)
        )
        out = (out - mean) / (np.sqrt(variance) + 1e-6) * scales
    return _ACTIVATIONS[layer.activation](out + learned.biases[:, None, None])


def _pool(layer: MaxPool, now: Planes) -> Planes:
    out = np.zeros((len(now), layer.output.height, layer.output.width))
    before = layer.padding // 2
    for y in range(layer.output.height):
        for x in range(layer.output.width):
            top, left = y * layer.stride - before, x * layer.stride - before
            bottom, right = top + layer.size, left + layer.size
            window = now[:, max(top, 0) : bottom, max(left, 0) : right]
            out[:, y, x] = window.max(axis=(1, 2))
    return out
