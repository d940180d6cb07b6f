"""A .tflite graph's operators by the Darknet layer they belong to."""

from collections.abc import Collection
from dataclasses import dataclass, field

from tinyedge.darknet.layer_names import operator_layer
from tinyedge.export.inspection.graph import Graph
from tinyedge.export.inspection.requantize import INPUT
from tinyedge.tflite.model import Operator

__all__ = ["LayerGroup", "find_groups"]


@dataclass(frozen=True)
class LayerGroup:
    """A layer that has weights or joins others, and what follows it up to the next such.

    Attributes:
        index: Darknet's number, or None.
        kind: Darknet's name of it.
        positions: of its operators in the graph; INPUT stands for the pixels' quantization.
        with_weights: those of them that multiply by a kernel.
        requantizing: those of them that round what they give out.
        output: the index of the tensor that its last operator computes.
    """

    index: int | None
    kind: str
    positions: frozenset[int]
    with_weights: tuple[int, ...]
    requantizing: tuple[int, ...]
    output: int


@dataclass(eq=False)
class _Open:
    index: int | None
    kind: str
    positions: list[int] = field(default_factory=list)


def find_groups(graph: Graph, requantizing: Collection[int]) -> list[LayerGroup]:
    """The groups that quantize values or weights, in the order of the graph.

    Args:
        graph: of the int8 file.
        requantizing: positions of the operators (and INPUT) that round what they give out.
    """
    pixels = _Open(None, "input", [INPUT])
    groups = [pixels]
    owners = {graph.input: pixels}
    for position, operator in enumerate(graph.operators):
        group = _group(graph, operator, owners, groups)
        group.positions.append(position)
        owners.update(dict.fromkeys(operator.outputs, group))
    closed = [_closed(graph, group, requantizing) for group in groups]
    return [group for group in closed if group.with_weights or group.requantizing]


def _group(
    graph: Graph, operator: Operator, owners: dict[int, _Open], groups: list[_Open]
) -> _Open:
    """The group an operator belongs to, opened where there is none yet."""
    coming = [owners[index] for index in graph.computed_inputs(operator)]
    if not graph.has_weights(operator) and len({id(group) for group in coming}) == 1:
        return coming[0]
    index, kind = operator_layer(graph, operator) or (None, operator.name.lower())
    for group in groups:
        if index is not None and group.index == index:
            return group
    groups.append(_Open(index, kind))
    return groups[-1]


def _closed(graph: Graph, group: _Open, requantizing: Collection[int]) -> LayerGroup:
    operators = [position for position in group.positions if position != INPUT]
    last = graph.operators[operators[-1]].outputs[0] if operators else graph.input
    return LayerGroup(
        index=group.index,
        kind=group.kind,
        positions=frozenset(group.positions),
        with_weights=tuple(p for p in operators if graph.has_weights(graph.operators[p])),
        requantizing=tuple(p for p in group.positions if p in requantizing),
        output=last,
    )
