"""Which of a file's operators TFLite Micro has kernels for, and how much memory tensors take."""

from collections.abc import Iterator
from dataclasses import dataclass

from tinyedge.devices.tflm.rules import Rules
from tinyedge.tflite.model import Operator, Subgraph, Tensor, TfliteModel

__all__ = ["OperatorKernel", "find_kernels", "tensor_arena_bytes"]

# tensorflow/lite/micro/micro_arena_constants.h, MicroArenaBufferAlignment().
_ALIGNMENT = 16


@dataclass(frozen=True)
class OperatorKernel:
    """One operator of a file, and whether there is a kernel for it.

    Attributes:
        graph: the number of its graph in the file, from 0.
        index: its place in the order they run, from 0.
        operator: its name in TFLite's schema, or a custom one's own.
        custom: whether it is a custom one.
        tensor: the name of its first output, which tells the layer.
        reason: why there is none, for people; None where there is one.
        doubt: why it may fail all the same; None where nothing is known against it.
    """

    graph: int
    index: int
    operator: str
    custom: bool
    tensor: str
    reason: str | None
    doubt: str | None = None


def find_kernels(model: TfliteModel, rules: Rules) -> list[OperatorKernel]:
    """Of every operator of every graph, in the order they run: operators call the other graphs."""
    return [
        OperatorKernel(
            number,
            index,
            operator.name,
            operator.custom,
            graph.tensors[operator.outputs[0]].name if operator.outputs else "",
            _missing(operator, graph, rules),
            _doubt(operator, graph, rules),
        )
        for number, graph in enumerate(model.subgraphs)
        for index, operator in enumerate(graph.operators)
    ]


def tensor_arena_bytes(graph: Subgraph) -> int:
    """The most bytes that tensors alive at the same time take, each rounded up to 16 bytes.

    What any plan of an arena needs at least. A tensor is alive from the operator that makes it, an
    input of the graph from the start, to the last that reads it, an output of the graph to the
    end; constants stay in the file.
    """
    last = len(graph.operators)
    first_use = dict.fromkeys(graph.inputs, 0)
    last_use = dict.fromkeys(graph.inputs, 0)
    for index, operator in enumerate(graph.operators):
        for number in operator.outputs:
            first_use.setdefault(number, index)
            last_use[number] = index
        for number in operator.inputs:
            if number in first_use:
                last_use[number] = index
    last_use |= {number: last for number in graph.outputs if number in first_use}
    change = [0] * (last + 2)
    for number, first in first_use.items():
        tensor = graph.tensors[number]
        if tensor.constant or tensor.variable:
            continue
        size = -(-tensor.bytes // _ALIGNMENT) * _ALIGNMENT
        change[first] += size
        change[last_use[number] + 1] -= size
    most = alive = 0
    for size in change:
        alive += size
        most = max(most, alive)
    return most


def _missing(operator: Operator, graph: Subgraph, rules: Rules) -> str | None:
    if operator.custom:
        return "custom: the firmware would have to bring its kernel"
    if operator.name not in rules.types:
        return "TFLite Micro has no kernel for it"
    types = rules.types[operator.name]
    computed = list(_computed(operator, graph))
    for role, tensor in computed:
        if types is not None and tensor.type not in types:
            return f"its {role} is {tensor.type}; it has kernels for {_listed(types)}"
    weights = _weights(operator, graph) if operator.name in rules.weighted else None
    if weights is not None:
        for role, tensor in computed:
            allowed = rules.weights.get(tensor.type)
            if allowed is not None and weights.type not in allowed:
                return (
                    f"its {role} is {tensor.type} and its weights are {weights.type}: hybrid, which"
                    " TFLite Micro has no kernels for"
                )
    return None


def _doubt(operator: Operator, graph: Subgraph, rules: Rules) -> str | None:
    doubt = None if operator.custom else rules.doubts.get(operator.name)
    if doubt is None:
        return None
    tensors = [tensor for _, tensor in _computed(operator, graph) if tensor.type == doubt.type]
    depth = max((tensor.shape[-1] for tensor in tensors if tensor.shape), default=0)
    return doubt.reason if depth >= doubt.depth else None


def _computed(operator: Operator, graph: Subgraph) -> Iterator[tuple[str, Tensor]]:
    """The tensors that it reads and makes, with their role; not constants, nor its states."""
    for role, numbers in (("input", operator.inputs), ("output", operator.outputs)):
        for number in numbers:
            tensor = graph.tensors[number] if number >= 0 else None
            if tensor is not None and not tensor.constant and not tensor.variable:
                yield role, tensor


def _weights(operator: Operator, graph: Subgraph) -> Tensor | None:
    number = operator.inputs[1] if len(operator.inputs) > 1 else -1
    return graph.tensors[number] if number >= 0 else None


def _listed(types: tuple[str, ...]) -> str:
    return types[0] if len(types) == 1 else f"{', '.join(types[:-1])} and {types[-1]}"
