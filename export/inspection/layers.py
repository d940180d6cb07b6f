"""A .tflite graph's operators by the Darknet layer they belong to."""

from collections.abc import Collection
from dataclasses import dataclass, field

from tinyedge.export.inspection.graph import Graph, Operator
from tinyedge.export.inspection.requantize import INPUT

__all__ = ["LayerGroup", "find_groups"]


@dataclass(frozen=True)
class LayerGroup:
    """A layer that has weights or joins others, and what follows it up to the next such.

    Attributes:
        index: Darknet's number, or None.
        kind: Darknet's name of it.
        positions: of its operators in the graph; INPUT stands for the pixels' own rounding.
        weighted: those of them that multiply by a kernel.
        roundings: those of them that round.
        output: the tensor that its last operator computes.
    """

    index: int | None
    kind: str
    positions: frozenset[int]
    weighted: tuple[int, ...]
    roundings: tuple[int, ...]
    output: int


@dataclass(eq=False)
class _Open:
    index: int | None
    kind: str
    positions: list[int] = field(default_factory=list)


def find_groups(graph: Graph, rounding: Collection[int]) -> list[LayerGroup]:
    """The groups that round values or weights, in the order of the graph.

    Args:
        graph: of the int8 file.
        rounding: positions of the operators (and INPUT) that round their output.
    """
    pixels = _Open(None, "input", [INPUT])
    groups = [pixels]
    owners = {graph.input: pixels}
    for position, operator in enumerate(graph.operators):
        group = _group(graph, operator, owners, groups)
        group.positions.append(position)
        owners.update(dict.fromkeys(operator.outputs, group))
    closed = [_closed(graph, group, rounding) for group in groups]
    return [group for group in closed if group.weighted or group.roundings]


def _group(
    graph: Graph, operator: Operator, owners: dict[int, _Open], groups: list[_Open]
) -> _Open:
    """The group an operator belongs to, opened where there is none yet."""
    coming = [owners[number] for number in graph.computed_inputs(operator)]
    if not graph.is_weighted(operator) and len({id(group) for group in coming}) == 1:
        return coming[0]
    index, kind = graph.darknet_layer(operator) or (None, operator.name.lower())
    for group in groups:
        if index is not None and group.index == index:
            return group
    groups.append(_Open(index, kind))
    return groups[-1]


def _closed(graph: Graph, group: _Open, rounding: Collection[int]) -> LayerGroup:
    operators = [position for position in group.positions if position != INPUT]
    last = graph.operators[operators[-1]].outputs[0] if operators else graph.input
    return LayerGroup(
        index=group.index,
        kind=group.kind,
        positions=frozenset(group.positions),
        weighted=tuple(p for p in operators if graph.is_weighted(graph.operators[p])),
        roundings=tuple(position for position in group.positions if position in rounding),
        output=last,
    )
