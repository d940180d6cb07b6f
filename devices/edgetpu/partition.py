"""Where each operator of a model runs once it is compiled for the Edge TPU, and what that takes.

The compiler splits a graph once: what comes before the first operator that cannot map becomes one
custom operator for the Edge TPU, and everything after it stays on the CPU, whether it could map
or not (Coral, "Edge TPU Compiler").
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinyedge.devices.edgetpu.constraints import CONSTRAINTS, Operation
from tinyedge.devices.edgetpu.rules import Rules
from tinyedge.tflite.macs import multiply_accumulates
from tinyedge.tflite.model import COMPILED, Subgraph, TfliteModel

__all__ = ["NEWEST_RUNTIME", "OpPlacement", "Partition", "partition"]

# Of libedgetpu 16.0, which no newer one follows.
NEWEST_RUNTIME = 14


@dataclass(frozen=True)
class OpPlacement:
    """Where one operator runs.

    Attributes:
        index: its place in the order they run, from 0.
        operator: its name in TFLite's schema, or a custom one's own.
        custom: whether it is a custom one.
        version: of the operator.
        tensor: the name of its first output, which tells the layer.
        maps: whether it could run on the Edge TPU.
        on_tpu: whether it will.
        constraint: the name of the one it breaks, or ``listed``, ``runtime`` or ``version``; None
            where it could map.
        reason: the same for people; None where it runs on the Edge TPU.
        doubt: why it may fail to map all the same; None where nothing is known against it.
    """

    index: int
    operator: str
    custom: bool
    version: int
    tensor: str
    maps: bool
    on_tpu: bool
    constraint: str | None = None
    reason: str | None = None
    doubt: str | None = None


@dataclass(frozen=True)
class Partition:
    """A model divided between the Edge TPU and the CPU.

    Attributes:
        operators: those of its first graph, in the order they run.
        split: the index of the operator where the Edge TPU's part ends for good; None where it
            does not end before the model does.
        refusal: why the compiler takes nothing of the file, else None.
        graphs: how many the file holds; operators call the others, and only the first is compiled.
        runtime: the oldest runtime of the Edge TPU that knows all that maps; 0 for all.
        parameter_bytes: of the weights and biases of the Edge TPU's part.
        streamed_bytes: the least and the most of them that do not fit on the chip and cross USB
            with each inference.
        input_bytes, output_bytes: of the tensors that go into its part and come out of it.
        macs: multiply-accumulates of its part.
    """

    operators: tuple[OpPlacement, ...]
    split: int | None
    refusal: str | None
    graphs: int
    runtime: int
    parameter_bytes: int
    streamed_bytes: tuple[int, int]
    input_bytes: int
    output_bytes: int
    macs: int

    @property
    def on_tpu(self) -> int:
        """How many operators run on the Edge TPU."""
        return sum(operator.on_tpu for operator in self.operators)

    @property
    def on_cpu(self) -> int:
        """How many stay on the CPU."""
        return len(self.operators) - self.on_tpu

    @property
    def compiled(self) -> bool:
        """Whether the file holds what was compiled for the Edge TPU already."""
        return any(op.custom and op.operator == COMPILED for op in self.operators)

    @property
    def whole(self) -> bool:
        """Whether everything runs on the Edge TPU."""
        return self.on_cpu == 0 and bool(self.operators)


def partition(model: TfliteModel, rules: Rules, *, runtime: int = NEWEST_RUNTIME) -> Partition:
    """Where each operator of the model's first graph runs, for the Edge TPU's `runtime`."""
    graph = model.subgraphs[0]
    alone = [_placed_alone(index, graph, rules, runtime) for index in range(len(graph.operators))]
    refusal = _refusal(model, rules)
    operators, split = _split(alone, graph, rules, refusal)
    inside = {placed.index for placed in operators if placed.on_tpu}
    parameters = _parameter_bytes(graph, inside)
    least, most = rules.memory.parameters
    input_bytes, output_bytes = _crossing_bytes(graph, inside)
    names = {placed.operator for placed in operators if placed.on_tpu} & set(rules.operators)
    return Partition(
        operators=tuple(operators),
        split=split,
        refusal=refusal,
        graphs=len(model.subgraphs),
        runtime=max((rules.operators[name].runtime for name in names), default=0),
        parameter_bytes=parameters,
        streamed_bytes=(max(0, parameters - most), max(0, parameters - least)),
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        macs=sum(multiply_accumulates(graph.operators[index], graph) for index in inside),
    )


def _placed_alone(index: int, graph: Subgraph, rules: Rules, runtime: int) -> OpPlacement:
    """One operator, as if nothing came before it."""
    operator = graph.operators[index]
    outputs = [graph.tensors[tensor].name for tensor in operator.outputs]
    placed = OpPlacement(
        index,
        operator.name,
        operator.custom,
        operator.version,
        (outputs or [""])[0],
        maps=False,
        on_tpu=False,
    )
    if operator.custom:
        if operator.name == COMPILED:
            return replace(placed, maps=True)
        return replace(placed, constraint="listed", reason="the Edge TPU knows no custom operator")
    rule = rules.operators.get(operator.name)
    if rule is None:
        return replace(
            placed, constraint="listed", reason="it is not among the operators the Edge TPU knows"
        )
    if runtime < rule.runtime:
        return replace(
            placed,
            constraint="runtime",
            reason=f"it needs runtime {rule.runtime} of the Edge TPU, not {runtime}",
        )
    operation = Operation.of(operator, graph, rule.parameters)
    for constraint in (*rules.every, *rule.constraints):
        reason = CONSTRAINTS[constraint](operation)
        if reason is not None:
            return replace(placed, constraint=constraint, reason=reason)
    elements = max((tensor.elements for tensor in operation.computed), default=0)
    doubt = rule.doubt.reason if rule.doubt and elements > rule.doubt.elements else None
    return replace(placed, maps=True, doubt=doubt)


def _refusal(model: TfliteModel, rules: Rules) -> str | None:
    for graph in model.subgraphs:
        for operator in graph.operators:
            refused = rules.unreadable.get(operator.name)
            if refused is not None and operator.version >= refused and not operator.custom:
                return (
                    f"compiler 16.0 cannot parse a file with {operator.name} of version"
                    f" {operator.version}; it knows versions below {refused}"
                )
    return None


def _split(
    alone: Sequence[OpPlacement], graph: Subgraph, rules: Rules, refusal: str | None
) -> tuple[list[OpPlacement], int | None]:
    """The operators in view of one another, and where the graph is split."""
    if refusal is not None:
        return [
            replace(
                placed,
                reason=placed.reason or "the compiler cannot parse the file",
                constraint=placed.constraint or "version",
            )
            for placed in alone
        ], 0
    operators: list[OpPlacement] = []
    split: int | None = None
    for placed in alone:
        if split is None and not placed.maps and not _leads(placed, graph, rules):
            split = placed.index
        if split is None or not placed.maps:
            operators.append(replace(placed, on_tpu=placed.maps))
        else:
            operators.append(replace(placed, reason="it comes after the split"))
    return operators, split


def _leads(placed: OpPlacement, graph: Subgraph, rules: Rules) -> bool:
    """Whether it stays on the CPU ahead of the Edge TPU's part and does not end it."""
    rule = rules.operators.get(placed.operator)
    inputs = graph.operators[placed.index].inputs
    return rule is not None and rule.leads and set(inputs) <= set(graph.inputs)


def _parameter_bytes(graph: Subgraph, inside: set[int]) -> int:
    """Of the quantized constants that operators `inside` read, each once."""
    buffers = {}
    for index in inside:
        for read in graph.operators[index].inputs:
            tensor = graph.tensors[read] if read >= 0 else None
            # Axes, shapes and the like have no scale.
            if tensor is not None and tensor.stored is not None and tensor.qparams is not None:
                buffers[tensor.buffer] = len(tensor.stored)
    return sum(buffers.values())


def _crossing_bytes(graph: Subgraph, inside: set[int]) -> tuple[int, int]:
    """Of the tensors that go into what is `inside`, and of those that come out and are used."""
    read = {n for index in inside for n in graph.operators[index].inputs if n >= 0}
    made = {n for index in inside for n in graph.operators[index].outputs}
    outside = [op for index, op in enumerate(graph.operators) if index not in inside]
    wanted = {n for operator in outside for n in operator.inputs} | set(graph.outputs)
    tensors = graph.tensors
    into = [n for n in read - made if not tensors[n].constant and not tensors[n].variable]
    return sum(tensors[n].bytes for n in into), sum(tensors[n].bytes for n in made & wanted)
