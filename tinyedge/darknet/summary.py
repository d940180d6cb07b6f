"""A network as Darknet prints it while it loads a .cfg, what it costs, and the same as data."""

import re

from tinyedge.darknet.network import Network
from tinyedge.table import WIDTH, folded
from tinyedge.text import size_text

__all__ = ["as_json", "as_text", "layer_table"]

_HEADING = "layer     filters    size              input                output"
_COST = re.compile(r" +[0-9.]+ BFLOPs$")


def layer_table(network: Network) -> list[str]:
    """The lines of Darknet's own table: a heading, then one line per layer.

    See :attr:`~tinyedge.darknet.layers.Layer.table_line`.
    """
    return [_HEADING, *(f"{layer.index:5d} {layer.table_line}" for layer in network.layers)]


def as_text(network: Network, *, width: int = WIDTH) -> str:
    """Darknet's table, and below it operations, parameters and the size of the weights.

    Where the table is wider than `width`, it has no operations of each layer.
    """
    totals = (
        f"{network.operations:,} operations ({network.operations / 1e9:.2f} Bn),"
        f" {network.parameters:,} parameters, {size_text(network.weight_bytes)} of weights"
    )
    lines = layer_table(network)
    if max(map(len, lines)) > width:
        lines = [_COST.sub("", line) for line in lines]
        lines.append("(left out at this width, --json has them: operations)")
    return folded("\n".join([*lines, "", totals]), width=width)


def as_json(network: Network) -> dict[str, object]:
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
