"""A network as Darknet prints it while it loads a .cfg, and the same as plain data."""

from functools import singledispatch
from typing import Any

from tinyedge.darknet.layers import (
    Activation,
    AvgPool,
    BatchNormalization,
    Connected,
    Convolutional,
    Cost,
    Crop,
    Dropout,
    L2Norm,
    Layer,
    Local,
    Logistic,
    MaxPool,
    Normalization,
    Reorg,
    Route,
    Shape,
    Shortcut,
    Softmax,
    Upsample,
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
def _(layer: Connected) -> str:
    inputs, outputs = layer.input.elements, layer.output.elements
    return f"connected                            {inputs:4d}  ->  {outputs:4d}"


@_line.register
def _(layer: Local) -> str:
    return (
        f"Local Layer: {_rows_first(layer.input)} image, {layer.filters} filters"
        f" -> {_rows_first(layer.output)} image"
    )


@_line.register
def _(layer: BatchNormalization) -> str:
    return f"Batch Normalization Layer: {_columns_first(layer.input)} image"


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
def _(layer: Shortcut) -> str:
    return (
        f"res  {layer.source:3d}                {_extent(layer.added)}"
        f"   ->  {_extent(layer.output)}"
    )


@_line.register
def _(layer: Crop) -> str:
    given, kept = layer.input, layer.output
    return f"Crop Layer: {given.height} x {given.width} -> {_rows_first(kept)} image"


@_line.register
def _(layer: Upsample) -> str:
    name = "downsample" if layer.reverse else "upsample  "
    return (
        f"{name}         {layer.stride:2d}x  {_extent(layer.input)}   ->  {_extent(layer.output)}"
    )


@_line.register
def _(layer: Reorg) -> str:
    if layer.extra:
        return f"reorg              {layer.input.elements:4d}   ->  {layer.output.elements:4d}"
    extents = f"{_extent(layer.input)}   ->  {_extent(layer.output)}"
    return f"reorg              /{layer.stride:2d}  {extents}"


@_line.register
def _(layer: Normalization) -> str:
    extent = _columns_first(layer.input)
    return f"Local Response Normalization Layer: {extent} image, {layer.size} size"


@_line.register
def _(layer: L2Norm) -> str:
    return f"l2norm                                         {layer.input.elements:4d}"


@_line.register
def _(layer: Activation) -> str:
    return f"Activation Layer: {layer.input.elements} inputs"


@_line.register
def _(layer: Logistic) -> str:
    return f"logistic x entropy                             {layer.input.elements:4d}"


@_line.register
def _(layer: Softmax) -> str:
    return f"softmax                                        {layer.input.elements:4d}"


@_line.register
def _(layer: Cost) -> str:
    return f"cost                                           {layer.input.elements:4d}"


def _extent(shape: Shape) -> str:
    return f"{shape.width:4d} x{shape.height:4d} x{shape.channels:4d}"


def _rows_first(shape: Shape) -> str:
    return f"{shape.height} x {shape.width} x {shape.channels}"


def _columns_first(shape: Shape) -> str:
    return f"{shape.width} x {shape.height} x {shape.channels}"
