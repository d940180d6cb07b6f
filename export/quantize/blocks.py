"""The network as the quantizer sees it: weights, then what happens to their output.

A chain is a layer with weights, the max pool behind it if any, its activation, and the average
over the picture if that comes next. Between them TFLite rounds to int8: before the activation,
after it, and after the average.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyedge.darknet.layers import (
    Activation,
    AvgPool,
    Connected,
    Convolutional,
    Cost,
    Dropout,
    Layer,
    MaxPool,
    Route,
    Shortcut,
    Softmax,
    Upsample,
)
from tinyedge.darknet.network import Network

__all__ = ["IMAGE", "Chain", "find_chains", "inputs_of", "joined"]

IMAGE = -1
# Positively homogeneous, f(a x) = a f(x) for a > 0: a channel's gain passes through them.
_HOMOGENEOUS = ("linear", "leaky", "relu", "relie", "ramp")


@dataclass(frozen=True)
class Chain:
    """One layer with weights and what follows it.

    Attributes:
        layer: the layer.
        activation: its own, or that of the activation behind its max pool.
        before: position of the layer whose output goes into the activation: the layer itself,
            or its max pool.
        after: position of the layer whose output comes out of the activation.
        averaged: whether only the average over the picture reads what comes out.
        scalable: whether each of its output channels may be given a gain that those who read
            them take back; see `tinyedge.export.quantize.equalize`.
        last: whether it computes the network's output.
    """

    layer: Convolutional | Connected
    activation: str
    before: int
    after: int
    averaged: bool
    scalable: bool
    last: bool


def find_chains(network: Network) -> list[Chain]:
    """Every chain of the network, in its order."""
    readers = _readers(network)
    chains = []
    for position, layer in enumerate(network.layers):
        if not isinstance(layer, Convolutional | Connected):
            continue
        before = after = position
        activation = layer.activation
        pooled = _only_reader(network, readers, position)
        if activation == "linear" and isinstance(network.layers[position], Convolutional):
            behind = _only_reader(network, readers, pooled) if _is_pool(network, pooled) else None
            if behind is not None and isinstance(network.layers[behind], Activation):
                before, after = pooled or position, behind
                activation = getattr(network.layers[behind], "activation", "linear")
        reader = _only_reader(network, readers, after)
        chains.append(
            Chain(
                layer=layer,
                activation=activation,
                before=before,
                after=after,
                averaged=reader is not None and isinstance(network.layers[reader], AvgPool),
                scalable=activation in _HOMOGENEOUS and _takes_gains(network, readers, after),
                last=_reaches_output(network, readers, after),
            )
        )
    return chains


def joined(network: Network, chains: Sequence[Chain]) -> list[list[Chain]]:
    """The chains in groups that concatenations join, a chain joined to none by itself."""
    readers = _readers(network)
    joins = [(chain, _joins(network, readers, chain.after)) for chain in chains]
    groups: list[tuple[list[Chain], set[int]]] = []
    for chain, routes in joins:
        touching = [group for group in groups if group[1] & routes]
        members = [member for group in touching for member in group[0]]
        places = routes.union(*(group[1] for group in touching))
        groups = [group for group in groups if group not in touching]
        groups.append(([*members, chain], places))
    return [group for group, _ in groups]


def inputs_of(network: Network, position: int) -> tuple[int, ...]:
    """Positions of the layers whose outputs a layer reads; IMAGE is the network's input."""
    layer = network.layers[position]
    if isinstance(layer, Route):
        return layer.sources
    if isinstance(layer, Shortcut):
        return (position - 1, layer.source)
    return (position - 1,)


def _joins(network: Network, readers: dict[int, list[int]], position: int) -> set[int]:
    """Positions of the concatenations a position's integers reach unchanged."""
    found: set[int] = set()
    for reader in readers[position]:
        layer = network.layers[reader]
        if isinstance(layer, Route) and len(layer.sources) > 1:
            found.add(reader)
        if isinstance(layer, Dropout | MaxPool | Route | Upsample):
            found |= _joins(network, readers, reader)
    return found


def _readers(network: Network) -> dict[int, list[int]]:
    readers: dict[int, list[int]] = {position: [] for position in range(-1, len(network.layers))}
    for position in range(len(network.layers)):
        for source in inputs_of(network, position):
            readers[source].append(position)
    return readers


def _only_reader(
    network: Network, readers: dict[int, list[int]], position: int | None
) -> int | None:
    """The one layer that reads a position, dropouts passed over, or None."""
    if position is None or len(readers[position]) != 1:
        return None
    reader = readers[position][0]
    if isinstance(network.layers[reader], Dropout):
        return _only_reader(network, readers, reader)
    return reader


def _is_pool(network: Network, position: int | None) -> bool:
    return position is not None and isinstance(network.layers[position], MaxPool)


def _takes_gains(network: Network, readers: dict[int, list[int]], position: int) -> bool:
    """Whether all that reads a position, at whatever remove, can take back a channel's gain."""
    return bool(readers[position]) and all(
        _takes_gain(network.layers[reader])
        or (_passes_gain(network.layers[reader]) and _takes_gains(network, readers, reader))
        for reader in readers[position]
    )


def _takes_gain(layer: Layer) -> bool:
    return isinstance(layer, Convolutional | Connected)


def _passes_gain(layer: Layer) -> bool:
    if isinstance(layer, Activation):
        return layer.activation in _HOMOGENEOUS
    return isinstance(layer, AvgPool | MaxPool | Dropout | Route | Upsample)


def _reaches_output(network: Network, readers: dict[int, list[int]], position: int) -> bool:
    """Whether nothing but averages, dropouts, softmax and cost stand behind a position."""
    passing = AvgPool | Cost | Dropout | Softmax
    return all(
        isinstance(network.layers[reader], passing) and _reaches_output(network, readers, reader)
        for reader in readers[position]
    )
