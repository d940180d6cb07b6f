"""The one graph of a classifier's .tflite file, its constants as numbers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import named_layer
from tinyedge.errors import ModelError
from tinyedge.tflite import model
from tinyedge.tflite.flatbuffer import FlatbufferError
from tinyedge.tflite.model import Operator, Quantization, parse_tflite

__all__ = ["WEIGHTED", "Graph", "Operator", "Quantization", "Tensor", "read_graph"]

# Operators with a kernel as their second input and, if any, a bias as their third.
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph.

    Attributes:
        name: the converter's; tensors fused into one have theirs joined by semicolons.
        shape: the batch of one included.
        type: numpy's.
        quantization: None where the numbers stand for themselves.
        data: a constant's numbers as they are stored, None of what is computed.
    """

    name: str
    shape: tuple[int, ...]
    type: Any
    quantization: Quantization | None
    data: NDArray[Any] | None

    def values(self) -> NDArray[Any]:
        """A constant's values, dequantized."""
        if self.data is None:
            raise ValueError(f"{self.name} is no constant")
        if self.quantization is None:
            return self.data
        along = [1] * self.data.ndim
        if len(self.quantization.scales) > 1:
            along[self.quantization.axis] = -1
        zero_points = self.quantization.zero_points.reshape(along)
        scales = self.quantization.scales.astype(np.float64).reshape(along)
        return np.asarray((self.data.astype(np.float64) - zero_points) * scales, np.float32)


@dataclass(frozen=True, eq=False)
class Graph:
    """The one subgraph of a classifier, its operators in the order they run."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    input: int
    output: int

    @cached_property
    def makers(self) -> dict[int, int]:
        """By tensor, the position of the operator that computes it."""
        return {
            tensor: position
            for position, operator in enumerate(self.operators)
            for tensor in operator.outputs
        }

    def computed_inputs(self, operator: Operator) -> tuple[int, ...]:
        """The tensors an operator reads that are no constants, each once."""
        found = (n for n in operator.inputs if n >= 0 and self.tensors[n].data is None)
        return tuple(dict.fromkeys(found))

    def is_weighted(self, operator: Operator) -> bool:
        """Whether it multiplies by a constant kernel."""
        return operator.name in WEIGHTED and self.tensors[operator.inputs[1]].data is not None

    def darknet_layer(self, operator: Operator) -> tuple[int, str] | None:
        """The number and kind of the Darknet layer it was made of, by the names of its tensors."""
        # The last operator's output may bear the signature's name; its constants have their own,
        # but may be shared by layers with equal ones.
        for number in (*operator.outputs, *operator.inputs[1:]):
            found = named_layer(self.tensors[number].name) if number >= 0 else None
            if found:
                return found
        return None


def read_graph(content: bytes, source: str) -> Graph:
    """The graph in a .tflite file's bytes; `source` names it in errors.

    Raises:
        ModelError: it is none, or has several graphs, inputs or outputs, or custom operators.
    """
    try:
        graphs = parse_tflite(content).subgraphs
    except FlatbufferError as error:
        raise ModelError(f"{source}: no readable .tflite file: {error}") from error
    if len(graphs) != 1:
        raise ModelError(f"{source}: it has {len(graphs)} subgraphs; a classifier has one")
    (graph,) = graphs
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(f"{source}: a classifier has one input and one output")
    for operator in graph.operators:
        if operator.custom:
            raise ModelError(f"{source}: it has the custom operator {operator.name!r}")
    return Graph(
        tensors=tuple(_tensor(tensor) for tensor in graph.tensors),
        operators=graph.operators,
        input=graph.inputs[0],
        output=graph.outputs[0],
    )


def _tensor(tensor: model.Tensor) -> Tensor:
    kind = np.dtype(tensor.type).type if tensor.has_numbers else None
    return Tensor(tensor.name, tensor.shape, kind, tensor.quantization, tensor.data())
