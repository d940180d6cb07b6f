"""A .tflite file's operators, tensors and constants, to be read and not changed."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tinyedge.errors import ModelError

__all__ = ["WEIGHTED", "Graph", "Operator", "Quantization", "Tensor", "read_graph"]

# Operators with a kernel as their second input and, if any, a bias as their third.
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")

_OPERATORS = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
_TYPES: dict[int, Any] = {
    schema.TensorType.BOOL: np.bool_,
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
    schema.TensorType.UINT8: np.uint8,
}
# How tinyedge's export names what it makes of Darknet's layer 12: network_1/12_convolutional_1/..
_DARKNET = re.compile(r"(?:^|[/;])(\d+)_([a-z0-9]+)")


@dataclass(frozen=True, eq=False)
class Quantization:
    """value = scale * (integer - zero_point), along `axis` where there are several scales."""

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int

    def equals(self, other: "Quantization | None", *, moved: int = 0) -> bool:
        """Whether the same values lie on the same integers, or on integers `moved` up."""
        return (
            other is not None
            and np.array_equal(self.scales, other.scales)
            and np.array_equal(self.zero_points + moved, other.zero_points)
        )


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
class Operator:
    """An operator: its name in TFLite's schema, its tensors by number (-1: left out)."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


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
            match = _DARKNET.search(self.tensors[number].name) if number >= 0 else None
            if match:
                return int(match[1]), match[2]
        return None


def read_graph(content: bytes, source: str) -> Graph:
    """The graph in a .tflite file's bytes; `source` names it in errors.

    Raises:
        ModelError: it has several subgraphs, inputs or outputs, or custom operators.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    if len(model.subgraphs) != 1:
        raise ModelError(f"{source}: it has {len(model.subgraphs)} subgraphs; a classifier has one")
    graph = model.subgraphs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(f"{source}: a classifier has one input and one output")
    names = [_operator_name(code, source) for code in model.operatorCodes]
    return Graph(
        tensors=tuple(_tensor(tensor, model.buffers) for tensor in graph.tensors),
        operators=tuple(
            Operator(
                names[operator.opcodeIndex],
                tuple(map(int, operator.inputs)),
                tuple(map(int, operator.outputs)),
                operator.builtinOptions,
            )
            for operator in graph.operators
        ),
        input=int(graph.inputs[0]),
        output=int(graph.outputs[0]),
    )


def _operator_name(code: Any, source: str) -> str:
    # Old files have the first of the two alone.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if number == schema.BuiltinOperator.CUSTOM:
        raise ModelError(f"{source}: it has the custom operator {code.customCode!r}")
    return str(_OPERATORS[number])


def _tensor(tensor: Any, buffers: Any) -> Tensor:
    shape = tuple(map(int, tensor.shape)) if tensor.shape is not None else ()
    kind = _TYPES.get(tensor.type)
    data = buffers[tensor.buffer].data
    stored = None
    if data is not None and len(data) and kind is not None:
        stored = np.frombuffer(bytes(data), kind).reshape(shape)
    return Tensor(tensor.name.decode(), shape, kind, _quantization(tensor.quantization), stored)


def _quantization(found: Any) -> Quantization | None:
    if found is None or found.scale is None or not len(found.scale):
        return None
    return Quantization(
        np.asarray(found.scale, np.float32),
        np.asarray(found.zeroPoint, np.int64),
        int(found.quantizedDimension),
    )
