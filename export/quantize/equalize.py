"""Cross-layer equalization: each channel scaled to make use of its tensor's one int8 scale.

TFLite has one scale for all channels of an activation. A leaky network's channels differ in
range, so that the narrow ones are left with few integers. Dividing a channel by an equalization
scale, and multiplying by it the weights that read the channel, changes nothing in float: max
pools, averages and leaky activations pass a positive factor on. Weights have a scale per output
channel, which takes the division for nothing. Nagel et al. 2019 (arXiv:1906.04721) choose the
equalization scales by the weights' ranges; here `tinyedge.export.quantize.scales` learns them by
the int8 error of the activations.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import Connected, Convolutional, Layer, Route
from tinyedge.darknet.network import Network
from tinyedge.export.build.fold import FoldedLayer, FoldedWeights
from tinyedge.export.quantize.blocks import IMAGE
from tinyedge.tflite.parts import row_parts

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
        scales = _concatenated(layer, [carried[source] for source in network.producers(position)])
        if isinstance(layer, Convolutional | Connected):
            found[layer.index] = scales
            scales = output_scales.get(layer.index, np.ones(layer.output.channels))
        elif layer.output.channels != len(scales):
            scales = np.ones(layer.output.channels)
        carried[position] = scales
    return found


def apply_equalization(
    network: Network, weights: FoldedWeights, output_scales: Mapping[int, Floats]
) -> FoldedWeights:
    """Weights of the same function whose layers give their outputs divided by `output_scales`.

    A layer's are computed whenever they are asked for: all at once would be the network's weights a
    second time.

    Args:
        network: in the order the int8 file will have.
        weights: of its layers, by their numbers.
        output_scales: (channels,) by layer number, each positive.
    """
    return _EqualizedWeights(network, weights, output_scales)


class _EqualizedWeights(Mapping[int, FoldedLayer]):
    """See `apply_equalization`."""

    def __init__(
        self, network: Network, weights: FoldedWeights, output_scales: Mapping[int, Floats]
    ) -> None:
        self._weights, self._output_scales = weights, output_scales
        self._input_scales = input_scales(network, output_scales)
        self._layers = {
            layer.index: layer
            for layer in network.layers
            if isinstance(layer, Convolutional | Connected)
        }

    def __getitem__(self, index: int) -> FoldedLayer:
        folded = self._weights[index]
        if index not in self._layers:
            return folded
        output_scale = self._output_scales.get(index, np.ones(len(folded.bias)))
        input_scale = _along_inputs(self._layers[index], self._input_scales[index])
        bias = folded.bias / output_scale
        return FoldedLayer(
            _equalized(folded.kernel, input_scale, output_scale), bias.astype(np.float32)
        )

    def __contains__(self, index: object) -> bool:
        # Mapping's own computes the layer's weights to see whether it can.
        return index in self._weights

    def __iter__(self) -> Iterator[int]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


def _equalized(
    kernel: NDArray[np.float32], input_scale: Floats, output_scale: Floats
) -> NDArray[np.float32]:
    """The kernel times one and over the other, which broadcast against it; in float64 between."""
    equalized = np.empty_like(kernel)
    along = np.broadcast_to(input_scale, kernel.shape)
    for part in row_parts(kernel.shape):
        equalized[part] = kernel[part] * along[part] / output_scale
    return equalized


def _concatenated(layer: Layer, parts: list[Floats]) -> Floats:
    """The scales of what a layer reads, channel by channel."""
    if not isinstance(layer, Route):
        return parts[0]
    halves = [np.split(part, layer.groups)[layer.group] for part in parts]
    return np.concatenate(halves)


def _along_inputs(layer: Convolutional | Connected, input_scale: Floats) -> Floats:
    """The scale in a shape that broadcasts against the folded kernel."""
    if isinstance(layer, Connected):
        return np.tile(input_scale, layer.input.height * layer.input.width)[:, np.newaxis]
    groups = input_scale.reshape(layer.groups, -1)
    return np.repeat(groups, layer.filters // layer.groups, axis=0).T
