"""A full-integer .tflite taken apart, some operators written as others, and put together again."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

__all__ = ["EditableGraph"]

_INT32 = schema.TensorType.INT32
_TYPES: dict[int, Any] = {
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}


class EditableGraph:
    """The one subgraph of a .tflite; tensors are named by their number, operators are the schema's.

    Attributes:
        operators: in the order they run.
    """

    def __init__(self, content: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(content, 0)
        self._graph = self._model.subgraphs[0]
        self.operators: list[Any] = list(self._graph.operators)

    def is_a(self, operator: Any, name: str) -> bool:
        """Whether an operator has this name in TFLite's schema."""
        code = self._model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        return bool(number == getattr(schema.BuiltinOperator, name))

    def replace(self, name: str, write: Callable[[Any], list[Any] | None]) -> bool:
        """Put what `write` makes of each operator of that name in its place.

        None leaves an operator as it is. Gives whether any was replaced.
        """
        written: list[Any] = []
        changed = False
        for operator in self.operators:
            instead = write(operator) if self.is_a(operator, name) else None
            changed = changed or instead is not None
            written += [operator] if instead is None else instead
        self.operators = written
        return changed

    def name(self, operator: Any) -> str:
        """Of an operator's first output, by which the layer is known."""
        return str(self._graph.tensors[operator.outputs[0]].name.decode())

    def tensor(self, number: int) -> Any:
        """The schema's TensorT of that number."""
        return self._graph.tensors[number]

    def shape(self, number: int) -> tuple[int, ...]:
        """A tensor's, the batch included."""
        return tuple(map(int, self._graph.tensors[number].shape))

    def is_output(self, number: int) -> bool:
        """Whether a tensor is an output of the graph."""
        return number in self._graph.outputs

    def constant(self, number: int) -> NDArray[Any] | None:
        """A constant's integers, of its shape; None of what is computed."""
        tensor = self._graph.tensors[number]
        stored = self._model.buffers[tensor.buffer].data
        if stored is None or not len(stored) or tensor.type not in _TYPES:
            return None
        return np.frombuffer(bytes(stored), _TYPES[tensor.type]).reshape(self.shape(number))

    def add_indices(self, values: NDArray[Any] | Sequence[int] | int, name: str) -> int:
        """A constant of int32 that says where, not how much."""
        return self.add_constant(np.asarray(values, np.int32), _INT32, None, name)

    def add_constant(self, values: NDArray[Any], kind: int, quantization: Any, name: str) -> int:
        """A constant of the schema's type `kind`, stored as `values` lie in memory."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        return self._add(values.shape, kind, quantization, len(self._model.buffers) - 1, name)

    def add_like(self, number: int, shape: Sequence[int], name: str) -> int:
        """A computed tensor of another shape, of a tensor's type and steps."""
        like = self._graph.tensors[number]
        return self._add(shape, like.type, copy.deepcopy(like.quantization), 0, name)

    def operator(
        self,
        name: str,
        version: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
    ) -> Any:
        """A new operator, not yet in `operators`; `options` are an object of the schema's."""
        operator = schema.OperatorT()
        operator.inputs = np.asarray(inputs, np.int32)
        operator.outputs = np.asarray(outputs, np.int32)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.set_version(operator, name, version)
        return operator

    def set_version(self, operator: Any, name: str, version: int) -> None:
        """Make an operator one of this name and version."""
        number = getattr(schema.BuiltinOperator, name)
        for index, code in enumerate(self._model.operatorCodes):
            if (code.builtinCode, code.version) == (number, version):
                operator.opcodeIndex = index
                return
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = number, version
        code.deprecatedBuiltinCode = min(number, 127)
        self._model.operatorCodes.append(code)
        operator.opcodeIndex = len(self._model.operatorCodes) - 1

    def content(self) -> bytes:
        """The file: without tensors, constants and kinds of operators that nothing uses now."""
        self._graph.operators = self.operators
        self._drop_kinds()
        self._drop_tensors()
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _add(
        self, shape: Sequence[int], kind: int, quantization: Any, buffer: int, name: str
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = name.encode()
        tensor.shape = np.asarray(shape, np.int32)
        tensor.type, tensor.quantization, tensor.buffer = kind, quantization, buffer
        tensor.hasRank = True
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _drop_kinds(self) -> None:
        used = sorted({operator.opcodeIndex for operator in self.operators})
        moved = {old: new for new, old in enumerate(used)}
        self._model.operatorCodes = [self._model.operatorCodes[index] for index in used]
        for operator in self.operators:
            operator.opcodeIndex = moved[operator.opcodeIndex]

    def _drop_tensors(self) -> None:
        graph = self._graph
        used = {int(number) for _, numbers in self._references() for number in numbers}
        kept = sorted(used - {-1})
        moved = {old: new for new, old in enumerate(kept)} | {-1: -1}
        for owner, name in [(graph, "inputs"), (graph, "outputs")] + [
            (operator, name) for operator in self.operators for name in ("inputs", "outputs")
        ]:
            numbers = [moved[int(number)] for number in getattr(owner, name)]
            setattr(owner, name, np.asarray(numbers, np.int32))
        for signature in self._model.signatureDefs or ():
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = moved[entry.tensorIndex]
        graph.tensors = [graph.tensors[number] for number in kept]
        self._empty_buffers()

    def _references(self) -> Iterator[tuple[Any, Any]]:
        for owner in (self._graph, *self.operators):
            yield owner, owner.inputs
            yield owner, owner.outputs

    def _empty_buffers(self) -> None:
        """Buffers keep their numbers, by which tensors and metadata name them."""
        used = {tensor.buffer for tensor in self._graph.tensors}
        used.update(entry.buffer for entry in self._model.metadata or ())
        for number, buffer in enumerate(self._model.buffers):
            if number not in used:
                buffer.data = None
