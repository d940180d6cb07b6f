"""The one graph of a classifier's .tflite file."""

from collections.abc import Mapping

from tinyedge.devices.latency.instructions import operator_precision
from tinyedge.errors import ModelError
from tinyedge.export.inspection.plain import with_plain_convolutions
from tinyedge.modelcard import Precision
from tinyedge.tflite.model import Operator, Subgraph, parse_named
from tinyedge.tflite.schema import OPS_WITH_WEIGHTS

__all__ = ["Graph", "read_graph"]


class Graph(Subgraph):
    """The one subgraph of a classifier, of one input and one output.

    An operator that reads its kernel through a DEQUANTIZE reads the stored one here, and
    convolutions are plain, whatever form the file has them in.

    Attributes:
        precisions: by its output, what an operator with weights computes in.
    """

    def __init__(self, graph: Subgraph, precisions: Mapping[int, Precision]) -> None:
        """The same graph; nobody changes it."""
        super().__init__(graph.tensors, graph.operators, graph.inputs, graph.outputs)
        self.precisions = precisions

    @property
    def input(self) -> int:
        """The index of the tensor that the pixels arrive in."""
        return self.inputs[0]

    @property
    def output(self) -> int:
        """The index of the tensor of the answers."""
        return self.outputs[0]

    def precision(self, operator: Operator) -> Precision:
        """What an operator with weights computes in."""
        return self.precisions[operator.outputs[0]]


def read_graph(content: bytes, source: str) -> Graph:
    """The graph in a .tflite file's bytes; `source` names it in errors.

    Raises:
        ModelError: it is none, or has several graphs, inputs or outputs, or custom operators.
    """
    subgraphs = parse_named(content, source).subgraphs
    if len(subgraphs) != 1:
        raise ModelError(f"{source}: it has {len(subgraphs)} subgraphs; a classifier has one")
    (graph,) = subgraphs
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(f"{source}: a classifier has one input and one output")
    for operator in graph.operators:
        if operator.custom:
            raise ModelError(f"{source}: it has the custom operator {operator.name!r}")
    return _with_stored_kernels(with_plain_convolutions(graph, source))


def _with_stored_kernels(graph: Subgraph) -> Graph:
    kernels = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if operator.name == "DEQUANTIZE"
        and len(operator.inputs) == len(operator.outputs) == 1
        and operator.inputs[0] >= 0
        and not graph.computed_inputs(operator)
    }
    kernels.pop(graph.outputs[0], None)
    operators: list[Operator] = []
    for operator in graph.operators:
        if kernels.keys().isdisjoint(operator.outputs):
            inputs = tuple(kernels.get(index, index) for index in operator.inputs)
            operators.append(operator._replace(inputs=inputs))
    precisions = {
        operator.outputs[0]: operator_precision(graph, operator)
        for operator in graph.operators
        # Of a stranger's file it may lack either.
        if operator.name in OPS_WITH_WEIGHTS and len(operator.inputs) > 1 and operator.outputs
    }
    stored = Subgraph(graph.tensors, tuple(operators), graph.inputs, graph.outputs)
    return Graph(stored, precisions)
