"""A converted int8 .tflite taken apart, given other numbers, and put together again.

The schema's classes are the ones TFLite's own schema generates; ai-edge-litert ships them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import bias_layer
from tinyedge.errors import ExportError
from tinyedge.tflite.quantization import QuantParams
from tinyedge.tflite.schema import OPS_WITH_WEIGHTS as WEIGHTED
from tinyedge.tflite.schema import SAME_SCALE_OPS as SAME_VALUES

__all__ = ["Int8File"]

_OPERATORS = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}


class Int8File:
    """The one subgraph of a full-integer .tflite; tensors are named by their number."""

    def __init__(self, content: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(content, 0)
        self._graph = self._model.subgraphs[0]
        self._codes = [
            _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
            for code in self._model.operatorCodes
        ]
        # Biases as floats: their steps follow from those of inputs and weights at the end.
        self._biases = {
            operator.inputs[2]: self._bias(operator) for operator in self._weighted_operators()
        }

    def layer_operators(self) -> dict[int, Any]:
        """By Darknet's layer number, the operator that multiplies by its weights."""
        found = {}
        for operator in self._weighted_operators():
            layer = bias_layer(self._graph.tensors[operator.inputs[2]].name.decode())
            if layer is not None:
                found[layer] = operator
        return found

    def require_layers(self, numbers: Iterable[int]) -> dict[int, Any]:
        """`layer_operators`, all of `numbers` among them.

        Raises:
            ExportError: one is missing, since the converter names tensors in another way.
        """
        found = self.layer_operators()
        for number in numbers:
            if number not in found:
                raise ExportError(
                    f"the converter's file does not name layer {number}: this TensorFlow names"
                    " tensors in a way tinyedge does not know; use --quantizer default"
                )
        return found

    def reader(self, tensor: int, name: str) -> Any | None:
        """The operator called `name` that reads a tensor, max pools and shapes passed over."""
        for operator in self._readers(tensor):
            if self._name(operator) == name:
                return operator
            if self._name(operator) in ("MAX_POOL_2D", "RESHAPE"):
                found = self.reader(operator.outputs[0], name)
                if found is not None:
                    return found
        return None

    def set_steps(self, tensor: int, steps: QuantParams, *, makers: int = 1) -> bool:
        """Give a tensor, and all that share its steps, other ones.

        Nothing is changed, and False is the answer, where more than `makers` operators compute
        values on the same steps: in a concatenation no branch decides alone.
        """
        shared = self._sharing(tensor)
        found = [
            operator
            for operator in self._graph.operators
            if set(operator.outputs) & shared and self._name(operator) not in SAME_VALUES
        ]
        if len(found) > makers:
            return False
        for number in shared:
            self._set(number, steps)
        self._set_interface(shared, steps)
        return True

    def input_tensor(self) -> int:
        """The int8 tensor the pixels arrive in, behind the conversion of a uint8 input."""
        tensor = int(self._graph.inputs[0])
        readers = list(self._readers(tensor))
        if len(readers) == 1 and self._name(readers[0]) == "QUANTIZE":
            return int(readers[0].outputs[0])
        return tensor

    def output_tensor(self) -> int:
        """The int8 tensor of the answers, before the conversion to a uint8 output."""
        tensor = int(self._graph.outputs[0])
        for operator in self._graph.operators:
            if tensor in operator.outputs and self._name(operator) == "QUANTIZE":
                return int(operator.inputs[0])
        return tensor

    def scale(self, operator: Any) -> float:
        """The step of what an operator reads."""
        return float(self._graph.tensors[operator.inputs[0]].quantization.scale[0])

    def set_weights(
        self,
        operator: Any,
        kernel: NDArray[np.int8],
        scales: NDArray[np.float64],
        bias: NDArray[np.float32],
    ) -> None:
        """Give an operator other weights.

        Args:
            operator: one of `layer_operators`.
            kernel: int8, outputs last as in TensorFlow.
            scales: (outputs,), the value of a step.
            bias: (outputs,).

        Raises:
            ExportError: the file's own kernel has another shape.
        """
        weights = self._graph.tensors[operator.inputs[1]]
        if self._name(operator) == "DEPTHWISE_CONV_2D":
            laid_out = kernel.transpose(2, 0, 1, 3)
        else:
            laid_out = np.moveaxis(kernel, -1, 0)
        if laid_out.shape != tuple(weights.shape):
            raise ExportError(
                f"the converter laid a kernel out as {tuple(weights.shape)}, not"
                f" {laid_out.shape}: this TensorFlow is not one tinyedge knows"
            )
        self._set_data(weights, np.ascontiguousarray(laid_out))
        weights.quantization.scale = scales.astype(np.float32)
        weights.quantization.zeroPoint = np.zeros(len(scales), np.int64)
        self._biases[operator.inputs[2]] = bias.astype(np.float64)

    def content(self) -> bytes:
        """The file, each bias rounded to the steps its input and weights now give it."""
        for operator in self._weighted_operators():
            came, weights, biased = (self._graph.tensors[number] for number in operator.inputs[:3])
            scales = np.float32(came.quantization.scale[0]) * weights.quantization.scale
            biased.quantization.scale = scales.astype(np.float32)
            steps = self._biases[operator.inputs[2]] / scales.astype(np.float64)
            limit = np.iinfo(np.int32)
            self._set_data(biased, np.clip(np.rint(steps), limit.min, limit.max).astype(np.int32))
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _weighted_operators(self) -> Iterator[Any]:
        for operator in self._graph.operators:
            if self._name(operator) in WEIGHTED and len(operator.inputs) == 3:
                yield operator

    def _name(self, operator: Any) -> str:
        return str(self._codes[operator.opcodeIndex])

    def _readers(self, tensor: int) -> Iterator[Any]:
        return (operator for operator in self._graph.operators if tensor in operator.inputs)

    def _bias(self, operator: Any) -> NDArray[np.float64]:
        tensor = self._graph.tensors[operator.inputs[2]]
        integers = np.frombuffer(bytes(self._model.buffers[tensor.buffer].data), np.int32)
        return np.asarray(integers * tensor.quantization.scale.astype(np.float64))

    def _sharing(self, tensor: int) -> set[int]:
        """A tensor and all activations whose steps must be the same."""
        shared = {tensor}
        growing = True
        while growing:
            size = len(shared)
            for operator in self._graph.operators:
                if self._name(operator) in SAME_VALUES:
                    touched = {t for t in (*operator.inputs, *operator.outputs) if self._is_int8(t)}
                    if touched & shared:
                        shared |= touched
            growing = len(shared) > size
        return shared

    def _is_int8(self, number: int) -> bool:
        return number >= 0 and self._graph.tensors[number].type == schema.TensorType.INT8

    def _set(self, number: int, steps: QuantParams) -> None:
        quantization = self._graph.tensors[number].quantization
        quantization.scale = np.array([steps.scale], np.float32)
        quantization.zeroPoint = np.array([steps.zero_point], np.int64)
        quantization.min = quantization.max = None

    def _set_interface(self, shared: set[int], steps: QuantParams) -> None:
        """A uint8 input or output is the int8 tensor's behind it, moved by 128."""
        moved = steps.shifted(np.uint8)
        for operator in self._graph.operators:
            if self._name(operator) == "QUANTIZE":
                (came,), (went,) = operator.inputs, operator.outputs
                if went in shared and came == self._graph.inputs[0]:
                    self._set(came, moved)
                if came in shared and went == self._graph.outputs[0]:
                    self._set(went, moved)

    def _set_data(self, tensor: Any, values: NDArray[Any]) -> None:
        """Into a buffer of the tensor's own: equal constants may share one."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        users = [t for t in self._graph.tensors if t.buffer == tensor.buffer]
        if len(users) > 1:
            self._model.buffers.append(buffer)
            tensor.buffer = len(self._model.buffers) - 1
        else:
            self._model.buffers[tensor.buffer] = buffer
