"""Small .tflite files written with the classes of TFLite's own schema: the reader's oracle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

TYPES = {
    name.lower(): value for name, value in vars(schema.TensorType).items() if isinstance(value, int)
}


@dataclass(frozen=True, eq=False)
class T:
    """A tensor: computed, or a constant where it has `data`.

    `scale` 0 means not quantized; int8, int16 and uint8 are, with scale 1/16, unless it is said.
    Several are those of the first dimension, as of a kernel's outputs.
    """

    shape: tuple[int, ...]
    type: str = "int8"
    data: NDArray[Any] | None = None
    scale: float | Sequence[float] | None = None
    signature: tuple[int, ...] | None = None
    variable: bool = False
    zero_point: int = 0
    name: str = ""

    @property
    def scales(self) -> list[float]:
        if isinstance(self.scale, Sequence):
            return list(self.scale)
        default = 1 / 16 if self.type in ("int8", "int16", "uint8") else 0.0
        scale = default if self.scale is None else self.scale
        return [scale] if scale else []


def constant(values: Any, kind: str = "int8") -> T:
    """A constant of these values."""
    data = np.array(values, np.dtype(kind))
    return T(data.shape, kind, data)


@dataclass(frozen=True, eq=False)
class Op:
    """An operator: its name in the schema (else a custom one's), tensors and options.

    Inputs are tensors, None where left out, or the number of an operator whose first output
    comes in. Options are the fields of the schema's `options` class by its own names.
    """

    name: str
    inputs: Sequence[T | int | None]
    outputs: Sequence[T]
    options: str | None = None
    fields: dict[str, Any] | None = None
    version: int = 1


def write_model(*operators: Op, copies: int = 1, outputs: Sequence[int] | None = None) -> bytes:
    """A .tflite that runs `operators` in order, with so many copies of the graph.

    The graph's inputs are the tensors that are no constants and that no operator makes, its
    outputs the last operator's, or the first outputs of the operators numbered in `outputs`.
    """
    model = schema.ModelT()
    model.version = 3
    model.description = "written by a test"
    model.buffers = [schema.BufferT()]
    model.operatorCodes = []
    model.subgraphs = [_graph(model, operators, outputs) for _ in range(copies)]
    return packed(model)


def packed(model: Any) -> bytes:
    """The bytes of the schema's ModelT."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _graph(model: Any, operators: Sequence[Op], outputs: Sequence[int] | None) -> Any:
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.inputs = [], [], []
    made: list[list[int]] = []
    for op in operators:
        indices = []
        for item in op.inputs:
            if isinstance(item, T):
                indices.append(_add_tensor(model, graph, item))
                if item.data is None and not item.variable:
                    graph.inputs.append(indices[-1])
            else:
                indices.append(-1 if item is None else made[item][0])
        made.append([_add_tensor(model, graph, item) for item in op.outputs])
        graph.operators.append(_operator(model, op, indices, made[-1]))
    last = made[-1] if made else []
    graph.outputs = last if outputs is None else [made[number][0] for number in outputs]
    return graph


def _add_tensor(model: Any, graph: Any, item: T) -> int:
    tensor = schema.TensorT()
    tensor.name = item.name or f"t{len(graph.tensors)}"
    tensor.shape = list(item.shape)
    tensor.shapeSignature = None if item.signature is None else list(item.signature)
    tensor.type = TYPES[item.type]
    tensor.isVariable = item.variable
    tensor.buffer = 0
    if item.scales:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = item.scales
        tensor.quantization.zeroPoint = [item.zero_point] * len(item.scales)
    if item.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(item.data.tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _operator(model: Any, op: Op, inputs: list[int], outputs: list[int]) -> Any:
    code = schema.OperatorCodeT()
    code.version = op.version
    code.builtinCode = getattr(schema.BuiltinOperator, op.name, schema.BuiltinOperator.CUSTOM)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    if code.builtinCode == schema.BuiltinOperator.CUSTOM:
        code.customCode = op.name
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = inputs, outputs
    if op.options is not None:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, op.options)
        operator.builtinOptions = getattr(schema, op.options + "T")()
        for name, value in (op.fields or {}).items():
            assert hasattr(operator.builtinOptions, name), f"{op.options} has no {name}"
            setattr(operator.builtinOptions, name, value)
    return operator
