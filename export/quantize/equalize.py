"""Cross-layer equalization: each channel scaled to make use of its tensor's one int8 scale.

TFLite has one scale for all channels of an activation. A leaky network's channels differ in
range, so that the narrow ones are left with few integers. Dividing a channel by an equalization
scale, and multiplying by it the weights that read the channel, changes nothing in float: max
pools, averages and leaky activations pass a positive factor on. Weights have a scale per output
channel, which takes the division for nothing. Nagel et al. 2019 (arXiv:1906.04721) choose the
equalization scales by the weights' ranges; here `tinyedge.export.quantize.scales` learns them by
the int8 error of the activations.
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
from tinyedge.export.quantize.blocks import IMAGE, producers

__all__ = ["apply_equalization", "input_scales"]

Floats = NDArray[np.float64]


def input_scales(network: Network, output_scales: Mapping[int, Floats]) -> dict[int, Floats]:
    """What each layer with weights has to multiply its input channels by, by layer number.

    Args:
        network: in the order the int8 file will have.
        output_scales: (channels,) by layer number, of the layers whose output is divided by them.
    """
    carried: dict[int, Floats] = {IMAGE: np.ones(network.input.channels)}
    found = {}
    for position, layer in enumerate(network.layers):
        scales = _concatenated(layer, [carried[source] for source in producers(network, position)])
        if isinstance(layer, Convolutional | Connected):
            found[layer.index] = scales
            scales = output_scales.get(layer.index, np.ones(layer.output.channels))
        elif layer.output.channels != len(scales):
            scales = np.ones(layer.output.channels)
        carried[position] = scales
    return found


def apply_equalization(
    network: Network, weights: Weights, output_scales: Mapping[int, Floats]
) -> Weights:
    """Weights of the same function whose layers give their outputs divided by `output_scales`.

    Args:
        network: in the order the int8 file will have.
        weights: without batch norm, see `tinyedge.export.build.fold.without_batch_norm`.
        output_scales: (channels,) by layer number, each positive.
    """
    scales = input_scales(network, output_scales)
    layers: dict[int, LayerParameters] = dict(weights.layers)
    for layer in network.layers:
        learned = layers.get(layer.index)
        if layer.index not in scales or layer.kind not in ("convolutional", "connected"):
            continue
        assert isinstance(learned, ConvolutionalWeights | ConnectedWeights)
        output_scale = output_scales.get(layer.index, np.ones(len(learned.biases)))
        kernel = learned.weights * _along_inputs(layer, scales[layer.index])
        kernel = kernel / output_scale.reshape(-1, *[1] * (kernel.ndim - 1))
        layers[layer.index] = type(learned)(
            (learned.biases / output_scale).astype(np.float32), kernel.astype(np.float32)
        )
    return Weights(weights.header, layers)


def _concatenated(layer: Layer, parts: list[Floats]) -> Floats:
    """The scales of what a layer reads, channel by channel."""
    if not isinstance(layer, Route):
        return parts[0]
    halves = [np.split(part, layer.groups)[layer.group] for part in parts]
    return np.concatenate(halves)


def _along_inputs(layer: Layer, input_scale: Floats) -> Floats:
    """The scale as Darknet's kernel has it: (filters, channels / groups, 1, 1) or (1, inputs)."""
    if isinstance(layer, Connected):
        return np.repeat(input_scale, layer.input.height * layer.input.width)[np.newaxis]
    assert isinstance(layer, Convolutional)
    groups = input_scale.reshape(layer.groups, -1)
    rows = np.repeat(groups, layer.filters // layer.groups, axis=0)
    return np.asarray(rows[:, :, np.newaxis, np.newaxis])
