"""Layers left out that nothing reads: what a route jumps over and nobody comes back to."""

from collections.abc import Mapping
from dataclasses import replace

from tinyedge.darknet.layers import Join, Layer
from tinyedge.darknet.network import Network

__all__ = ["prune", "renumbered"]


def prune(network: Network) -> Network:
    """The network without the layers that its answer does not hang on.

    Darknet computes them and forgets them; Keras and TFLite have no place for them. Layers keep
    their numbers, by which their weights are found; those that join name positions among
    those that are left. A layer that stays still stands behind the one it reads.
    """
    read = _read(network)
    layers: list[Layer] = []
    moved: dict[int, int] = {}
    for position in sorted(read):
        moved[position] = len(layers)
        layers.append(renumbered(network.layers[position], moved))
    return replace(network, layers=tuple(layers))


def renumbered(layer: Layer, moved: Mapping[int, int]) -> Layer:
    """The layer with the positions it names as they have `moved`."""
    if isinstance(layer, Join):
        return replace(layer, sources=tuple(moved[source] for source in layer.sources))
    return layer


def _read(network: Network) -> set[int]:
    """Positions of the last layer and of all that it reads, at whatever remove."""
    read: set[int] = set()
    waiting = [len(network.layers) - 1]
    while waiting:
        position = waiting.pop()
        if position >= 0 and position not in read:
            read.add(position)
            waiting += network.producers(position)
    return read
