"""Gains: each channel scaled so that it makes use of the tensor's one int8 scale.

TFLite has one scale for all channels of an activation. A leaky network's channels differ in
range, so that the narrow ones are left with few steps. Dividing a channel by a gain, and
multiplying by it the weights that read it, changes nothing in float: max pools, averages and
leaky activations pass a positive factor on. Weights have a scale per output channel, which takes
the division for nothing. (Cross-layer equalization, Nagel et al. 2019, arXiv:1906.04721, chooses
gains by the weights' ranges; here `tinyedge.export.quantize.scales` chooses them by the int8
error of the activations.)
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import Connected, Convolutional, Layer, Route
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import (
    ConnectedWeights,
    ConvolutionalWeights,
    LayerParameters,
    Weights,
)
from tinyedge.export.quantize.blocks import IMAGE, inputs_of

__all__ = ["equalized", "input_gains"]

Gains = NDArray[np.float64]


def input_gains(network: Network, gains: Mapping[int, Gains]) -> dict[int, Gains]:
    """What each layer with weights has to multiply its input channels by, by layer number.

    Args:
        network: in the order the int8 file will have.
        gains: (channels,) by layer number, of the layers whose output is divided by them.
    """
    carried: dict[int, Gains] = {IMAGE: np.ones(network.input.channels)}
    taken = {}
    for position, layer in enumerate(network.layers):
        parts = [carried[source] for source in inputs_of(network, position)]
        coming = _joined(layer, parts)
        if isinstance(layer, Convolutional | Connected):
            taken[layer.index] = coming
            coming = gains.get(layer.index, np.ones(layer.output.channels))
        elif layer.output.channels != len(coming):
            coming = np.ones(layer.output.channels)
        carried[position] = coming
    return taken


def equalized(network: Network, weights: Weights, gains: Mapping[int, Gains]) -> Weights:
    """Weights of the same function whose layers give their outputs divided by `gains`.

    Args:
        network: in the order the int8 file will have.
        weights: without batch norm, see `tinyedge.export.build.fold.without_batch_norm`.
        gains: (channels,) by layer number, each positive.
    """
    taken = input_gains(network, gains)
    layers: dict[int, LayerParameters] = dict(weights.layers)
    for layer in network.layers:
        learned = layers.get(layer.index)
        if layer.index not in taken or layer.kind not in ("convolutional", "connected"):
            continue
        assert isinstance(learned, ConvolutionalWeights | ConnectedWeights)
        given = gains.get(layer.index, np.ones(len(learned.biases)))
        kernel = learned.weights * _along_inputs(layer, taken[layer.index])
        kernel = kernel / given.reshape(-1, *[1] * (kernel.ndim - 1))
        layers[layer.index] = type(learned)(
            (learned.biases / given).astype(np.float32), kernel.astype(np.float32)
        )
    return Weights(weights.header, layers)


def _joined(layer: Layer, parts: list[Gains]) -> Gains:
    """The gains of what a layer reads, channel by channel."""
    if not isinstance(layer, Route):
        return parts[0]
    halves = [np.split(part, layer.groups)[layer.group] for part in parts]
    return np.concatenate(halves)


def _along_inputs(layer: Layer, taken: Gains) -> Gains:
    """`taken` as Darknet's kernel has it: (filters, channels / groups, 1, 1) or (1, inputs)."""
    if isinstance(layer, Connected):
        return np.repeat(taken, layer.input.height * layer.input.width)[np.newaxis]
    assert isinstance(layer, Convolutional)
    groups = taken.reshape(layer.groups, -1)
    rows = np.repeat(groups, layer.filters // layer.groups, axis=0)
    return np.asarray(rows[:, :, np.newaxis, np.newaxis])
