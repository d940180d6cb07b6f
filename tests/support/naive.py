"""A network's forward pass written as plainly as its definition, in double precision.

Slow and independent of every other implementation here: no folding, no tricks. Planar arrays.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.support.activations import FUNCTIONS
from tests.support.random_weights import random_weights
from tinyedge.darknet.layers import (
    Activation,
    AvgPool,
    BatchNormalization,
    Connected,
    Convolutional,
    Crop,
    L2Norm,
    Layer,
    Local,
    LocalAvgPool,
    Logistic,
    MaxPool,
    Normalization,
    Reorg,
    Route,
    Sam,
    ScaleChannels,
    Shape,
    Shortcut,
    Softmax,
    Upsample,
)
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConnectedWeights,
    ConvolutionalWeights,
    LayerParameters,
    LocalWeights,
    ShortcutWeights,
    Weights,
)

__all__ = ["activate", "forward", "pre_activation", "random_weights"]

Planes = NDArray[np.float64]


def forward(network: Network, weights: Weights, pixels: NDArray[np.float32]) -> Planes:
    """The last layer's flat output for `pixels` (height, width, channels)."""
    now: Planes = pixels.transpose(2, 0, 1).astype(np.float64)
    outputs: list[Planes] = []
    for layer in network.layers:
        parameters = weights.layers.get(layer.index)
        inside = weights.batch_norm == "inside"
        now = activate(layer, pre_activation(layer, now, outputs, parameters, inside=inside))
        outputs.append(now)
    return now.ravel()


def activate(layer: Layer, values: Planes) -> Planes:
    """The layer's output, of what comes before its activation."""
    match layer:
        case (
            Activation()
            | Convolutional()
            | Connected()
            | Local()
            | Sam()
            | ScaleChannels()
            | Shortcut()
        ):
            return FUNCTIONS[layer.activation](values)
        case Logistic():
            return FUNCTIONS["logistic"](values)
    return values


def pre_activation(  # noqa: PLR0911, PLR0912 - a case a layer
    layer: Layer,
    now: Planes,
    outputs: Sequence[Planes],
    parameters: LayerParameters | None,
    *,
    inside: bool = False,
) -> Planes:
    """What the layer makes of `now`, and of earlier layers' `outputs`, before its activation.

    `inside` says where the epsilon of its batch norm stands.
    """
    match layer:
        case Convolutional():
            assert isinstance(parameters, ConvolutionalWeights)
            out = _convolve(layer, now, parameters)
            if parameters.batch_norm is not None:
                out = _normalize(out, parameters.batch_norm, inside=inside)
            return out + parameters.biases[:, None, None]
        case Connected():
            assert isinstance(parameters, ConnectedWeights)
            out = (parameters.weights.astype(np.float64) @ now.ravel())[:, None, None]
            if parameters.batch_norm is not None:
                out = _normalize(out, parameters.batch_norm, inside=inside)
            return out + parameters.biases[:, None, None]
        case Local():
            assert isinstance(parameters, LocalWeights)
            return _local(layer, now, parameters)
        case BatchNormalization():
            assert isinstance(parameters, BatchNorm)
            return _normalize(now, parameters, inside=inside)
        case MaxPool():
            return _pool(layer, now)
        case LocalAvgPool():
            return _pool(layer, now)
        case AvgPool():
            return np.asarray(now.mean(axis=(1, 2), keepdims=True))
        case Crop():
            middle = now[:, layer.top :, layer.left :]
            middle = middle[:, : layer.output.height, : layer.output.width]
            return 2 * middle - 1 if layer.adjust else middle
        case Upsample():
            return _upsample(layer, now)
        case Reorg():
            return _reorg(layer, now)
        case Normalization():
            return _local_response(layer, now)
        case L2Norm():
            return np.asarray(now / np.sqrt((now**2).sum(axis=0)))
        case Route():
            parts = [np.split(outputs[source], layer.groups) for source in layer.sources]
            return np.concatenate([part[layer.group] for part in parts])
        case Shortcut() if parameters is not None or len(layer.sources) > 1:
            assert isinstance(parameters, ShortcutWeights | None)
            return _weighted_sum(layer, [now, *(outputs[at] for at in layer.sources)], parameters)
        case Shortcut():
            (source,), (added,) = layer.sources, layer.added
            return _shortcut(layer, now, outputs[source], added)
        case ScaleChannels() | Sam():
            return outputs[layer.sources[0]] * now
        case Softmax():
            runs = now.reshape(layer.groups, -1) / layer.temperature
            powers = np.exp(runs - runs.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True)).reshape(now.shape)
    return now


def _convolve(layer: Convolutional, now: Planes, parameters: ConvolutionalWeights) -> Planes:
    p, s, d = layer.padding, layer.stride, layer.dilation
    padded = np.pad(now, ((0, 0), (p, p), (p, p)))
    rows, columns = layer.output[:2]
    kernels = parameters.weights.astype(np.float64)
    filters, channels = layer.filters // layer.groups, len(now) // layer.groups
    kernels = kernels.reshape(layer.groups, filters, channels, layer.size, layer.size)
    out = np.zeros((layer.groups, filters, rows * columns))
    # Tap by tap: what each sees of the image, times its weights.
    for y, x in np.ndindex(layer.size, layer.size):
        seen = padded[:, y * d :: s, x * d :: s][:, :rows, :columns]
        out += kernels[..., y, x] @ seen.reshape(layer.groups, channels, rows * columns)
    return out.reshape(layer.filters, rows, columns)


def _normalize(now: Planes, norm: BatchNorm, *, inside: bool) -> Planes:
    mean, variance, scales = (
        array.astype(np.float64)[:, None, None] for array in (norm.mean, norm.variance, norm.scales)
    )
    deviation = np.sqrt(variance + 1e-5) if inside else np.sqrt(variance) + 1e-6
    out = (now - mean) / deviation * scales
    return out if norm.biases is None else out + norm.biases.astype(np.float64)[:, None, None]


def _local(layer: Local, now: Planes, parameters: LocalWeights) -> Planes:
    p, k = layer.padding, layer.size
    padded = np.pad(now, ((0, 0), (p, p), (p, p)))
    out = parameters.biases.astype(np.float64)
    for y, x in np.ndindex(out.shape[1:]):
        top, left = y * layer.stride, x * layer.stride
        window = padded[:, top : top + k, left : left + k]
        out[:, y, x] += (window * parameters.weights[y, x]).sum(axis=(1, 2, 3))
    return out


def _pool(layer: MaxPool | LocalAvgPool, now: Planes) -> Planes:
    """Of the pixels that each window holds."""
    out = np.zeros((len(now), layer.output.height, layer.output.width))
    before = layer.padding // 2
    for y in range(layer.output.height):
        for x in range(layer.output.width):
            top, left = y * layer.stride - before, x * layer.stride - before
            bottom, right = top + layer.size, left + layer.size
            window = now[:, max(top, 0) : bottom, max(left, 0) : right]
            if isinstance(layer, MaxPool):
                out[:, y, x] = window.max(axis=(1, 2))
            else:
                out[:, y, x] = window.mean(axis=(1, 2))
    return out


def _upsample(layer: Upsample, now: Planes) -> Planes:
    s = layer.stride
    if not layer.reverse:
        return layer.scale * now.repeat(s, axis=1).repeat(s, axis=2)
    out = np.zeros((layer.output.channels, layer.output.height, layer.output.width))
    for c, y, x in np.ndindex(out.shape):
        out[c, y, x] = layer.scale * now[c, y * s : y * s + s, x * s : x * s + s].sum()
    return out


def _reorg(layer: Reorg, now: Planes) -> Planes:
    if layer.extra:
        return np.append(now.ravel(), np.zeros(layer.extra))[:, None, None]
    height, width, channels = layer.input
    if layer.flatten:
        pixels = height * width
        flat = now.reshape((pixels, channels) if layer.reverse else (channels, pixels))
        return flat.T.reshape(now.shape)
    # reorg_cpu, index by index.
    s, given = layer.stride, now.ravel()
    out = np.zeros(given.size)
    planes = channels // (s * s)
    for k, j, i in np.ndindex(channels, height, width):
        here = i + width * (j + height * k)
        x, y = i * s + k // planes % s, j * s + k // planes // s
        there = x + width * s * (y + height * s * (k % planes))
        if layer.reverse:
            out[there] = given[here]
        else:
            out[here] = given[there]
    return out.reshape(layer.output.channels, layer.output.height, layer.output.width)


def _local_response(layer: Normalization, now: Planes) -> Planes:
    """Channel by channel, as the running sum in normalization_layer.c goes."""
    squares, out = now**2, np.zeros(now.shape)
    sums = layer.kappa + layer.alpha * squares[: layer.size // 2].sum(axis=0)
    for k in range(len(now)):
        if k > 0:
            gone, new = k - (layer.size - 1) // 2 - 1, k + layer.size // 2
            if gone >= 0:
                sums = sums - layer.alpha * squares[gone]
            if new < len(now):
                sums = sums + layer.alpha * squares[new]
        out[k] = now[k] * sums**-layer.beta
    return out


def _shortcut(layer: Shortcut, now: Planes, other: Planes, added: Shape) -> Planes:
    """shortcut_cpu: every stride-th row and column is added to every sample-th."""
    out = now.copy()
    stride = max(1, added.width // layer.output.width)
    sample = max(1, layer.output.width // added.width)
    rows, columns, channels = map(min, added, layer.output)
    met = out[:channels, : rows * sample : sample, : columns * sample : sample]
    met *= layer.alpha
    met += layer.beta * other[:channels, : rows * stride : stride, : columns * stride : stride]
    return out


def _weighted_sum(
    layer: Shortcut, parts: Sequence[Planes], parameters: ShortcutWeights | None
) -> Planes:
    """shortcut_multilayer_cpu of AlexeyAB's blas.c, channel by channel."""
    out = np.zeros(parts[0].shape)
    for channel in range(len(out)):
        weights = [1.0] * len(parts)
        if parameters is not None:
            table = parameters.weights.astype(np.float64)
            weights = [each[channel % len(each)] for each in table]
        if layer.normalizing == "relu":
            kept = [max(weight, 0) for weight in weights]
            weights = [weight / (sum(kept) + 0.0001) for weight in kept]
        elif layer.normalizing == "softmax":
            powers = [np.exp(weight - max(weights)) for weight in weights]
            weights = [power / (sum(powers) + 0.0001) for power in powers]
        for part, weight in zip(parts, weights, strict=True):
            if channel < len(part):
                out[channel] += weight * part[channel]
    return out
