"""Layers reordered: the same function in less work at inference.

In float32 the outputs agree to rounding; in int8 they are a different quantization.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import get_args

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.layers import (
    Activation,
    AvgPool,
    Convolutional,
    Join,
    Layer,
    MaxPool,
    Shape,
)
from tinyedge.darknet.network import Network
from tinyedge.export.build.prune import renumbered
from tinyedge.modelcard import Rewrite

__all__ = ["REWRITES", "reorder"]

REWRITES: tuple[Rewrite, ...] = get_args(Rewrite)


def reorder(network: Network, rewrites: Collection[Rewrite]) -> Network:
    """The network with the named rewrites done wherever they apply.

    ``pool-before-leaky``: a leaky activation is monotone, so it may follow the max pool that
    follows it, and touch a quarter of the values. ``average-before-linear``: a 1x1 convolution
    without activation commutes with the average over the image, which then leaves it one pixel.

    Layers keep their numbers, by which their weights are found; routes and shortcuts name
    positions in the new order.
    """
    elsewhere = _read_elsewhere(network)
    layers: list[Layer] = []
    moved: dict[int, int] = {}
    position = 0
    while position < len(network.layers):
        pair = network.layers[position : position + 2]
        swapped = () if position in elsewhere else _swap(pair, rewrites)
        layers += swapped or (renumbered(pair[0], moved),)
        position += len(pair) if swapped else 1
        moved[position - 1] = len(layers) - 1
    return replace(network, layers=tuple(layers))


def _read_elsewhere(network: Network) -> set[int]:
    """Positions that a layer reads which joins."""
    joins = (layer for layer in network.layers if isinstance(layer, Join))
    return {source for layer in joins for source in layer.sources}


def _swap(pair: tuple[Layer, ...], rewrites: Collection[Rewrite]) -> tuple[Layer, ...]:
    """What a rewrite makes of two layers in a row, or nothing."""
    match pair:
        case (Convolutional() as convolution, MaxPool() as pool):
            if "pool-before-leaky" in rewrites and _goes_behind_pool(convolution.activation):
                activation = Activation(
                    index=convolution.index,
                    line=convolution.line,
                    input=pool.output,
                    output=pool.output,
                    activation=convolution.activation,
                )
                return replace(convolution, activation="linear"), pool, activation
        case (Convolutional() as convolution, AvgPool() as average):
            if "average-before-linear" in rewrites and _is_linear_pixelwise(convolution):
                pixel = Shape(1, 1, convolution.input.channels)
                return (
                    replace(average, input=convolution.input, output=pixel),
                    replace(convolution, input=pixel, output=average.output),
                )
    return ()


def _goes_behind_pool(activation: str) -> bool:
    """Whether the activation may follow a max pool, and costs less there.

    TFLite fuses the others into the convolution, where they cost nothing. A factor of the input
    (ramp's 1.1) costs nothing in the convolution's weights, but an operator behind the pool.
    """
    function = ACTIVATIONS[activation]
    return function.leaky and function.monotone and function.input_factor == 1


def _is_linear_pixelwise(convolution: Convolutional) -> bool:
    geometry = (convolution.size, convolution.stride, convolution.padding, convolution.groups)
    return geometry == (1, 1, 0, 1) and convolution.activation == "linear"
