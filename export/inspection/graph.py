"""The one graph of a classifier's .tflite file."""

from dataclasses import dataclass

from tinyedge.errors import ModelError
from tinyedge.tflite.model import Subgraph, parse_named

__all__ = ["Graph", "read_graph"]


@dataclass(frozen=True, eq=False)
class Graph(Subgraph):
    """The one subgraph of a classifier, of one input and one output."""

    @property
    def input(self) -> int:
        """The index of the tensor that the pixels arrive in."""
        return self.inputs[0]

    @property
    def output(self) -> int:
        """The index of the tensor of the answers."""
        return self.outputs[0]


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
    return Graph(graph.tensors, graph.operators, graph.inputs, graph.outputs)
