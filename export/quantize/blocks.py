"""Blocks: the units in which a network is quantized, as TFLite requantizes within them.

A block is a layer with weights, the max pool behind it if any, its activation, and the global
average pool if that comes next. Between them TFLite rounds to int8: before an activation that it
does not fuse, after it, and after the average.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyedge.darknet.activations import ACTIVATIONS, ActivationFunction
from tinyedge.darknet.layers import (
    Activation,
    AvgPool,
    Connected,
    Convolutional,
    Cost,
    Dropout,
    Layer,
    LocalAvgPool,
    MaxPool,
    Route,
    Softmax,
    Upsample,
)
from tinyedge.darknet.network import Network

__all__ = ["IMAGE", "Block", "concat_groups", "find_blocks"]

IMAGE = -1

Consumers = dict[int, list[int]]


@dataclass(frozen=True)
class Block:
    """One layer with weights and what follows it.

    Attributes:
        layer: the layer.
        activation: its own, or that of the activation behind its max pool.
        pre_activation: position of the layer whose output goes into the activation: the layer
            itself, or its max pool.
        output: position of the layer whose output comes out of the activation.
        averaged: whether a global average pool is all that reads what comes out.
        equalizable: whether each output channel may be divided by a scale that its consumers
            multiply by again; see `tinyedge.export.quantize.equalize`.
        answers: whether what comes out of the activation are a classifier's answers, or go into
            the softmax.
    """

    layer: Convolutional | Connected
    activation: str
    pre_activation: int
    output: int
    averaged: bool
    equalizable: bool
    answers: bool

    @property
    def function(self) -> ActivationFunction:
        """What is known of the activation."""
        return ACTIVATIONS[self.activation]


def find_blocks(network: Network) -> list[Block]:
    """Every block of the network, in its order."""
    consumers = _consumers(network)
    blocks = []
    for position, layer in enumerate(network.layers):
        if not isinstance(layer, Convolutional | Connected):
            continue
        pre_activation = output = position
        activation = layer.activation
        if activation == "linear" and isinstance(layer, Convolutional):
            pooled = _pool_and_activation(network, consumers, position)
            if pooled is not None:
                pre_activation, output, activation = pooled
        consumer = _only_consumer(network, consumers, output)
        blocks.append(
            Block(
                layer=layer,
                activation=activation,
                pre_activation=pre_activation,
                output=output,
                averaged=consumer is not None and isinstance(network.layers[consumer], AvgPool),
                equalizable=ACTIVATIONS[activation].homogeneous
                and _all_undo_scale(network, consumers, output),
                answers=network.features is None and _are_answers(network, consumers, output),
            )
        )
    return blocks


def concat_groups(network: Network, blocks: Sequence[Block]) -> list[list[Block]]:
    """The blocks in groups whose outputs are concatenated; any other block is a group of its own.

    TFLite's CONCATENATION has one scale and zero point for its inputs and its output.
    """
    consumers = _consumers(network)
    groups: list[tuple[list[Block], set[int]]] = []
    for block in blocks:
        reached = _concatenations(network, consumers, block.output)
        touching = [group for group in groups if group[1] & reached]
        members = [member for group in touching for member in group[0]]
        positions = reached.union(*(group[1] for group in touching))
        groups = [group for group in groups if group not in touching]
        groups.append(([*members, block], positions))
    return [group for group, _ in groups]


def _concatenations(network: Network, consumers: Consumers, position: int) -> set[int]:
    """Positions of the concatenations that a position's integers reach unchanged."""
    found: set[int] = set()
    for consumer in consumers[position]:
        layer = network.layers[consumer]
        if isinstance(layer, Route) and len(layer.sources) > 1:
            found.add(consumer)
        if isinstance(layer, Dropout | LocalAvgPool | MaxPool | Route | Upsample):
            found |= _concatenations(network, consumers, consumer)
    return found


def _consumers(network: Network) -> Consumers:
    """By position, the positions of the layers that read its output."""
    consumers: Consumers = {position: [] for position in range(-1, len(network.layers))}
    for position in range(len(network.layers)):
        for source in network.producers(position):
            consumers[source].append(position)
    return consumers


def _only_consumer(network: Network, consumers: Consumers, position: int) -> int | None:
    """The one layer that reads a position, dropouts passed over, or None."""
    if len(consumers[position]) != 1:
        return None
    consumer = consumers[position][0]
    if isinstance(network.layers[consumer], Dropout):
        return _only_consumer(network, consumers, consumer)
    return consumer


def _pool_and_activation(
    network: Network, consumers: Consumers, position: int
) -> tuple[int, int, str] | None:
    """Positions of the max pool behind a layer and of the activation behind that, and its name."""
    pool = _only_consumer(network, consumers, position)
    if pool is None or not isinstance(network.layers[pool], MaxPool):
        return None
    behind = _only_consumer(network, consumers, pool)
    follower = None if behind is None else network.layers[behind]
    if behind is None or not isinstance(follower, Activation):
        return None
    return pool, behind, follower.activation


def _all_undo_scale(network: Network, consumers: Consumers, position: int) -> bool:
    """Whether all that reads a position, at whatever remove, can undo a channel's scale."""
    return bool(consumers[position]) and all(
        isinstance(network.layers[consumer], Convolutional | Connected)
        or (
            _passes_scale(network.layers[consumer])
            and _all_undo_scale(network, consumers, consumer)
        )
        for consumer in consumers[position]
    )


def _are_answers(network: Network, consumers: Consumers, position: int) -> bool:
    """Whether what reads a position, if anything does, is the softmax alone."""
    return all(
        isinstance(network.layers[consumer], Cost | Softmax)
        or (
            isinstance(network.layers[consumer], Dropout)
            and _are_answers(network, consumers, consumer)
        )
        for consumer in consumers[position]
    )


def _passes_scale(layer: Layer) -> bool:
    if isinstance(layer, Activation):
        return ACTIVATIONS[layer.activation].homogeneous
    return isinstance(layer, AvgPool | LocalAvgPool | MaxPool | Dropout | Route | Upsample)
