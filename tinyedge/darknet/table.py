"""A network as Darknet prints it while it loads a .cfg, and the same as plain data."""

from functools import singledispatch
from typing import Any

from tinyedge.darknet.layers import (
    AvgPool,
    Convolutional,
    Cost,
    Dropout,
    Layer,
    MaxPool,
    Route,
    Shape,
    Softmax,
)
from tinyedge.darknet.network import Network

__all__ = ["layer_table", "summary"]

_HEADING = "layer     filters    size              input                output"


def layer_table(network: Network) -> list[str]:
    """The lines of Darknet's own table: a heading, then a line a layer.

    The formats are those of the ``fprintf`` in each ``make_*_layer`` of the C engine: widths
    before heights, and a BFLOP is 1e9 operations.
    """
    return [_HEADING, *(f"{layer.index:5d} {_line(layer)}" for layer in network.layers)]


def summary(network: Network) -> dict[str, Any]:
    """The network as plain data for JSON: whole numbers, shapes as [height, width, channels].

    What a layer does not have (the stride of a softmax) is None. ``weight_bytes`` is the size of
    the .weights without its header.
    """
    return {
        "layers": [
            {
                "index": layer.index,
                "type": layer.kind,
                "filters": getattr(layer, "filters", None),
                "size": getattr(layer, "size", None),
                "stride": getattr(layer, "stride", None),
                "input": list(layer.input),
                "output": list(layer.output),
                "operations": layer.operations,
            }
            for layer in network.layers
        ],
        "operations": network.operations,
        "parameters": network.parameters,
        "weight_bytes": network.weight_bytes,
    }


@singledispatch
def _line(layer: Layer) -> str:
    """One layer's line without its index."""
    raise NotImplementedError(f"Darknet's table line of a {layer.kind} layer")


@_line.register
def _(layer: Convolutional) -> str:
    return (
        f"conv  {layer.filters:5d} {layer.size:2d} x{layer.size:2d} /{layer.stride:2d}"
        f"  {_extent(layer.input)}   ->  {_extent(layer.output)}"
        f"  {layer.operations / 1e9:5.3f} BFLOPs"
    )


@_line.register
def _(layer: MaxPool) -> str:
    return (
        f"max          {layer.size} x {layer.size} / {layer.stride}"
        f"  {_extent(layer.input)}   ->  {_extent(layer.output)}"
    )


@_line.register
def _(layer: AvgPool) -> str:
    return f"avg                     {_extent(layer.input)}   ->  {layer.output.channels:4d}"


@_line.register
def _(layer: Dropout) -> str:
    count = layer.input.elements
    return f"dropout       p = {layer.probability:.2f}               {count:4d}  ->  {count:4d}"


@_line.register
def _(layer: Route) -> str:
    return f"route {''.join(f' {source}' for source in layer.sources)}"


@_line.register
def _(layer: Softmax) -> str:
    return f"softmax                                        {layer.input.elements:4d}"


@_line.register
def _(layer: Cost) -> str:
    return f"cost                                           {layer.input.elements:4d}"


def _extent(shape: Shape) -> str:
    return f"{shape.width:4d} x{shape.height:4d} x{shape.channels:4d}"
