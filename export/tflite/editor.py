"""The one editor of full-integer .tflite files; it needs no TensorFlow.

The quantizer sets scales and weights in what the converter wrote; the lowerings for the Edge TPU
replace operators.
"""

import copy
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import bias_layer, named_layer
from tinyedge.errors import ExportError
from tinyedge.export.tflite.schema_types import (
    BufferT,
    ModelT,
    OperatorCodeT,
    OperatorT,
    SubGraphT,
    TensorT,
)
from tinyedge.modelcard import Precision
from tinyedge.tflite.parts import row_parts
from tinyedge.tflite.quantization import QuantParams, per_channel
from tinyedge.tflite.schema import (
    FIXED_OUTPUT_OPS,
    OPERATORS,
    OPS_WITH_WEIGHTS,
    SHARED_SCALE_OPS,
)

__all__ = ["ModelEditor", "Parts"]

Number = TypeVar("Number", bound=np.generic)

_NAMES: dict[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
# Of a scale: as far as rounding moves a number, and a little for the rounding of the scale.
_HALF = 0.51
_FLOAT32 = 1e-5  # of a number: what float32 arithmetic in another order leaves
_DEAD = 1e-7  # the converter's scale of zeros is 1e-8
# In 32 bits, with as much again for what the kernel adds to it.
_LARGEST_BIAS = 2**30
_DTYPES: dict[int, np.dtype[np.generic]] = {
    getattr(schema.TensorType, name.upper()): np.dtype(name)
    for name in ("int8", "uint8", "int32", "int64")
}


class Parts(NamedTuple):
    """A file in two.

    Attributes:
        before: the first part.
        behind: the second, whose inputs are the outputs of the first, in the same order.
    """

    before: bytes
    behind: bytes


class ModelEditor:
    """The one subgraph of a .tflite; tensors go by their index, operators are the schema's.

    Attributes:
        operators: in the order they run.
    """

    def __init__(self, content: bytes) -> None:
        self._model: ModelT = schema.ModelT.InitFromPackedBuf(content, 0)
        self._graph: SubGraphT = self._model.subgraphs[0]
        self.operators: list[OperatorT] = list(self._graph.operators)
        # By index of a bias whose scales no longer are the file's own: its real numbers.
        self._biases: dict[int, NDArray[np.float64]] = {}
        # Indices of the tensors that were given parameters.
        self._given: set[int] = set()

    @property
    def inputs(self) -> tuple[int, ...]:
        """The graph's input tensors."""
        return tuple(map(int, self._graph.inputs))

    def op_name(self, operator: OperatorT) -> str:
        """An operator's name in TFLite's schema, such as ``CONV_2D``."""
        code = self._model.operatorCodes[operator.opcodeIndex]
        return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def output_name(self, operator: OperatorT) -> str:
        """The name of an operator's first output, by which the layer is known."""
        return self.tensor_name(operator.outputs[0])

    def tensor_name(self, index: int) -> str:
        """A tensor's name."""
        return self._graph.tensors[index].name.decode()

    def shape(self, index: int) -> tuple[int, ...]:
        """A tensor's shape, the batch included."""
        return tuple(map(int, self._graph.tensors[index].shape))

    def constant(self, index: int) -> NDArray[np.generic] | None:
        """The stored integers of a constant, of its shape; None of what is computed or float."""
        tensor = self._graph.tensors[index]
        stored = self._stored(index)
        if stored is None or tensor.type not in _DTYPES:
            return None
        return np.frombuffer(stored, _DTYPES[tensor.type]).reshape(self.shape(index))

    def qparams(self, index: int) -> QuantParams | None:
        """A tensor's quantization parameters; None of one that is not quantized to integers."""
        tensor = self._graph.tensors[index]
        stored = tensor.quantization
        if tensor.type not in _DTYPES or stored is None or stored.zeroPoint is None:
            return None
        return QuantParams(
            np.asarray(stored.scale, np.float64),
            np.asarray(stored.zeroPoint, np.int64),
            _DTYPES[tensor.type],
            stored.quantizedDimension,
        )

    def input_scale(self, operator: OperatorT) -> float:
        """The scale of an operator's first input, which is quantized."""
        qparams = self.qparams(operator.inputs[0])
        assert qparams is not None
        return qparams.scale

    def is_output(self, index: int) -> bool:
        """Whether a tensor is an output of the graph."""
        return index in self._graph.outputs

    def consumers(self, index: int) -> list[OperatorT]:
        """The operators that read a tensor."""
        return [operator for operator in self.operators if index in operator.inputs]

    def producers(self, indices: Iterable[int]) -> list[OperatorT]:
        """The operators that compute one of these tensors."""
        wanted = set(indices)
        return [operator for operator in self.operators if wanted & set(operator.outputs)]

    def consumer_named(self, index: int, name: str) -> OperatorT | None:
        """The last operator called `name` that reads a tensor, or what pools and reshapes give."""
        for operator in reversed(self.consumers(index)):
            if self.op_name(operator) == name:
                return operator
            if self.op_name(operator) in ("MAX_POOL_2D", "RESHAPE"):
                found = self.consumer_named(operator.outputs[0], name)
                if found is not None:
                    return found
        return None

    def int8_input(self) -> int:
        """The int8 tensor the pixels arrive in, behind the conversion of a uint8 input."""
        index = int(self._graph.inputs[0])
        consumers = self.consumers(index)
        if len(consumers) == 1 and self.op_name(consumers[0]) == "QUANTIZE":
            return int(consumers[0].outputs[0])
        return index

    def int8_output(self) -> int:
        """The int8 tensor of the answers, before the conversion to a uint8 output."""
        index = int(self._graph.outputs[0])
        for operator in self.producers([index]):
            if self.op_name(operator) == "QUANTIZE":
                return int(operator.inputs[0])
        return index

    def set_int8_output(self, index: int) -> None:
        """Have the graph give this tensor in place of `int8_output`, of whose shape it is.

        Behind a uint8 output's conversion it is converted as that was.
        """
        old, output = self.int8_output(), int(self._graph.outputs[0])
        if old != output:
            (conversion,) = self.producers([output])
            conversion.inputs = np.array([index], np.int32)
            qparams = self.qparams(index)
            assert qparams is not None
            self._write_qparams(output, qparams.shifted(np.uint8))
            # Operators stand in the order they run.
            self.operators.remove(conversion)
            self.operators.append(conversion)
            return
        self.set_output(index)

    def set_output(self, index: int) -> None:
        """Have the graph give this tensor, of the shape of its output."""
        old = int(self._graph.outputs[0])
        self._graph.outputs = np.array([index], np.int32)
        for signature in self._model.signatureDefs or ():
            for entry in signature.outputs:
                if entry.tensorIndex == old:
                    entry.tensorIndex = index

    def operators_with_bias(self) -> list[OperatorT]:
        """Those that multiply by weights and add a bias, in the order they run."""
        return [
            operator
            for operator in self.operators
            if self.op_name(operator) in OPS_WITH_WEIGHTS and len(operator.inputs) == 3
        ]

    def layer_operators(self) -> dict[int, OperatorT]:
        """By Darknet's layer number, the operator that multiplies by its weights."""
        found: dict[int, OperatorT] = {}
        nameless = []
        for operator in self.operators_with_bias():
            layer = bias_layer(self.tensor_name(operator.inputs[2]))
            if layer is None:
                nameless.append(operator)
            else:
                found[layer] = operator
        # Where the converter moved a bias behind what follows, what is left bears other names.
        for operator in nameless:
            for index in operator.inputs[1:]:
                named = named_layer(self.tensor_name(index))
                if named is not None and named[1].endswith(("convolutional", "connected")):
                    found.setdefault(named[0], operator)
        return found

    def require_layers(self, numbers: Iterable[int]) -> dict[int, OperatorT]:
        """`layer_operators`, all of `numbers`, in the order they run, among them.

        Behind a constant, the converter leaves some grouped convolutions without a name: as many as
        layers are missing are those, in their order.

        Raises:
            ExportError: one is missing, since the converter names tensors in another way.
        """
        found = self.layer_operators()
        missing = [number for number in numbers if number not in found]
        known = {id(operator) for operator in found.values()}
        nameless = [
            operator
            for operator in self.operators_with_bias()
            if id(operator) not in known and not self._is_named(operator)
        ]
        if len(missing) != len(nameless) and missing:
            raise ExportError(
                f"the converter's file does not name layer {missing[0]}: this TensorFlow names"
                " tensors in a way tinyedge does not know; use --quantizer default"
            )
        return found | dict(zip(missing, nameless, strict=False))

    def _is_named(self, operator: OperatorT) -> bool:
        names = (self.tensor_name(index) for index in operator.inputs[1:])
        return any(bias_layer(name) or named_layer(name) for name in names)

    def sharing_scale(self, index: int) -> set[int]:
        """A tensor and all activations whose scale must be the same: of pools, concatenations."""
        shared = {int(index)}
        growing = True
        while growing:
            size = len(shared)
            for operator in self.operators:
                if self.op_name(operator) in SHARED_SCALE_OPS:
                    tensors = map(int, (*operator.inputs, *operator.outputs))
                    touched = {each for each in tensors if self._is_int8(each)}
                    if touched & shared:
                        shared |= touched
            growing = len(shared) > size
        return shared

    def set_qparams(self, index: int, qparams: QuantParams, *, producers: int = 1) -> bool:
        """Set per-tensor parameters of an int8 tensor, and of all whose scale must be the same.

        Nothing is changed, and False is the answer, where more than `producers` operators compute
        values of the same scale: in a concatenation no branch decides alone. So it is where TFLite
        fixes the scale of what one of them computes, such as a LOGISTIC.
        """
        shared = self.sharing_scale(index)
        names = [self.op_name(operator) for operator in self.producers(shared)]
        computing = [name for name in names if name not in SHARED_SCALE_OPS]
        if len(computing) > producers or FIXED_OUTPUT_OPS.intersection(computing):
            return False
        for operator in self.operators_with_bias():
            if int(operator.inputs[0]) in shared:
                self._keep_bias(operator)
        for each in shared:
            self._write_qparams(each, qparams)
        self._given |= shared
        self._set_uint8_interface(shared, qparams.shifted(np.uint8))
        return True

    def all_are_given(self) -> bool:
        """Whether `set_qparams` has set all that int8 operators give out, but where TFLite does."""
        return all(
            int(index) in self._given
            for operator in self.operators
            if self.op_name(operator) not in FIXED_OUTPUT_OPS
            for index in operator.outputs
            if self._is_int8(int(index))
        )

    def widen_dead(self) -> bool:
        """Give tensors that were nothing but zeros on all images the scale of numbers up to one.

        The converter's is next to none for them: a runtime cannot add to such a scale, and ends the
        process, nor does the bias of what reads them fit in 32 bits. Returns whether there are any.
        """
        found = False
        for index in {int(each) for operator in self.operators for each in operator.outputs}:
            qparams = self.qparams(index) if self._is_int8(index) else None
            if qparams is not None and qparams.is_per_tensor and qparams.scale < _DEAD:
                wide = QuantParams.per_tensor(1 / 255, qparams.zero_point)
                found |= self.set_qparams(index, wide, producers=len(self.operators))
        return found

    def bound_logarithms(self, least: float) -> bool:
        """Let the calibrated ranges of LOGs that were given a 0 begin at `least`.

        Of a file whose ranges are not turned into scales yet. Returns whether there are any.
        """
        found = False
        for operator in self.operators:
            stored = self._graph.tensors[int(operator.outputs[0])].quantization
            if self.op_name(operator) == "LOG" and stored is not None and stored.min is not None:
                low = np.asarray(stored.min, np.float32)
                found |= not np.isfinite(low).all()
                stored.min = np.where(np.isfinite(low), low, np.float32(least))
        return found

    def infinite(self) -> str | None:
        """The name of the first tensor whose calibrated range no float32 has the width of, or None.

        Of a file whose ranges are not turned into scales yet.
        """
        for operator in self.operators:
            stored = self._graph.tensors[int(operator.outputs[0])].quantization
            if stored is None or stored.min is None or stored.max is None:
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                width = np.asarray(stored.max, np.float32) - np.asarray(stored.min, np.float32)
            if not np.isfinite(width).all():
                return self.output_name(operator)
        return None

    def holds_weights(
        self, operator: OperatorT, kernel: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> bool:
        """Whether an operator's stored weights are these, as far as quantization tells.

        They are not where the converter folded into them what comes behind, a constant that is
        added or multiplied by. To be asked before anything is set.

        Args:
            operator: one of `layer_operators`.
            kernel: real numbers, outputs last as in TensorFlow.
            bias: real numbers, (outputs,).

        Raises:
            ExportError: the file's own kernel has another shape.
        """
        laid_out = self._laid_out(operator, kernel)
        return all(
            self._holds(int(index), values)
            for index, values in zip(operator.inputs[1:], (laid_out, bias), strict=True)
        )

    def set_weights(
        self,
        operator: OperatorT,
        kernel: NDArray[np.generic],
        qparams: QuantParams,
        bias: NDArray[np.float32],
    ) -> None:
        """Set the weights of an operator.

        Args:
            operator: one of `layer_operators`.
            kernel: int8, outputs last as in TensorFlow.
            qparams: of the kernel, per-channel along its outputs.
            bias: real numbers, (outputs,).

        Raises:
            ExportError: the file's own kernel has another shape.
        """
        index = operator.inputs[1]
        self._write_constant(index, self._laid_out(operator, kernel))
        self._write_qparams(index, qparams)
        self._biases[int(operator.inputs[2])] = bias.astype(np.float64)

    def replace(self, name: str, write: Callable[[OperatorT], list[OperatorT] | None]) -> bool:
        """Replace each operator of that name by what `write` returns for it.

        None leaves an operator as it is. Returns whether any was replaced.
        """
        written: list[OperatorT] = []
        changed = False
        for operator in self.operators:
            instead = write(operator) if self.op_name(operator) == name else None
            changed = changed or instead is not None
            written += [operator] if instead is None else instead
        self.operators = written
        return changed

    def new_operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: object = None,
        precision: Precision = "int8",
    ) -> OperatorT:
        """An operator, not yet in `operators`; `options` are an object of the schema's."""
        operator: OperatorT = schema.OperatorT()
        operator.inputs = np.asarray(inputs, np.int32)
        operator.outputs = np.asarray(outputs, np.int32)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            # It is one of them.
            operator.builtinOptions = options  # type: ignore[assignment]
        self.set_op(operator, name, precision)
        return operator

    def set_op(self, operator: OperatorT, name: str, precision: Precision = "int8") -> None:
        """Make an operator one of this name, in its version of that precision."""
        facts = OPERATORS[name]
        version = {
            "int8": facts.int8_version,
            "hybrid": facts.hybrid_version,
            "float32": facts.float_version,
        }[precision]
        assert version is not None
        number = getattr(schema.BuiltinOperator, name)
        for index, code in enumerate(self._model.operatorCodes):
            if (code.builtinCode, code.version) == (number, version):
                operator.opcodeIndex = index
                return
        new: OperatorCodeT = schema.OperatorCodeT()
        new.builtinCode, new.version = number, version
        # The older field is a byte; greater numbers are in the newer one alone.
        greatest = schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
        new.deprecatedBuiltinCode = min(number, greatest)
        self._model.operatorCodes.append(new)
        operator.opcodeIndex = len(self._model.operatorCodes) - 1

    def add_indices(self, values: NDArray[np.generic] | Sequence[int] | int, name: str) -> int:
        """A constant of int32: axes, shapes, positions; not quantized."""
        return self.add_constant(np.asarray(values, np.int32), None, name)

    def add_constant(
        self, values: NDArray[np.generic], qparams: QuantParams | None, name: str
    ) -> int:
        """Add a constant, of its numbers' type: integers or float32; returns its index."""
        kinds = (schema.TensorType.FLOAT32,) if values.dtype == np.float32 else tuple(_DTYPES)
        (kind,) = (kind for kind in kinds if _DTYPES.get(kind, values.dtype) == values.dtype)
        self._model.buffers.append(_buffer(values))
        index = self._add_tensor(values.shape, kind, len(self._model.buffers) - 1, name)
        if qparams is not None:
            self._write_qparams(index, qparams)
        return index

    def add_channels(
        self,
        index: int,
        channels: slice | NDArray[np.intp],
        values: NDArray[np.generic],
        name: str,
    ) -> int:
        """Add a constant of some channels of another's, whose parameters it has of these."""
        qparams = self.qparams(index)
        return self.add_constant(values, qparams and qparams.of_channels(channels), name)

    def add_float(self, shape: Sequence[int], name: str) -> int:
        """Add a computed tensor of float32; returns its index."""
        return self._add_tensor(shape, schema.TensorType.FLOAT32, 0, name)

    def add_like(
        self, index: int, shape: Sequence[int], name: str, qparams: QuantParams | None = None
    ) -> int:
        """Add a computed tensor of another's type, and its parameters where it is quantized.

        They are the other's where no `qparams` are given. Returns its index.
        """
        new = self._add_tensor(shape, self._graph.tensors[index].type, 0, name)
        own = self.qparams(index)
        qparams = own if own is None or qparams is None else qparams
        if qparams is not None:
            self._write_qparams(new, qparams)
        return new

    def extract(
        self, operators: Sequence[OperatorT], outputs: Collection[int] | None = None
    ) -> bytes:
        """A file of these operators alone; what they give out and do not read is its output.

        Or `outputs` are; these and its inputs stand in the order of their indices.
        """
        part = copy.copy(self)
        part.operators = [copy.copy(operator) for operator in operators]
        read, made = _read(operators), _made(operators)
        part._model, part._graph = copy.copy(self._model), copy.copy(self._graph)
        part._model.subgraphs = [part._graph]
        part._model.signatureDefs = part._model.metadata = None
        # What is dropped is dropped of the part.
        part._model.buffers = [copy.copy(buffer) for buffer in self._model.buffers]
        part._graph.tensors = [copy.copy(tensor) for tensor in self._graph.tensors]
        stored = {each for each in read if self._stored(each) is not None}
        part._graph.inputs = np.array(sorted(read - made - stored), np.int32)
        given = made - read if outputs is None else outputs
        part._graph.outputs = np.array(sorted(given), np.int32)
        part.drop_unused()
        return part.content()

    def split(self, layers: Collection[int]) -> Parts | None:
        """The file in two: what runs before any of these layers does, and the rest.

        None where that cannot be: they are not there, nothing runs before them, or what does is
        not all that the rest reads.
        """
        numbered = self.layer_operators()
        first = {id(numbered[number]) for number in layers if number in numbered}
        position = next((n for n, each in enumerate(self.operators) if id(each) in first), 0)
        before, behind = self.operators[:position], self.operators[position:]
        crossing = _made(before) & _read(behind)
        outputs = {int(index) for index in self._graph.outputs}
        if not crossing or _read(behind) & set(self.inputs) or not outputs <= _made(behind):
            return None
        return Parts(self.extract(before, crossing), self.extract(behind, outputs))

    def drop_unused(self) -> None:
        """Drop the tensors, constants and operator codes that no operator uses."""
        used = sorted({operator.opcodeIndex for operator in self.operators})
        moved = {old: new for new, old in enumerate(used)}
        self._model.operatorCodes = [self._model.operatorCodes[index] for index in used]
        for operator in self.operators:
            operator.opcodeIndex = moved[operator.opcodeIndex]
        self._drop_tensors()

    def content(self, *, aligned: bool = False) -> bytes:
        """The file; each bias has the scales that its operator's input and weights give it.

        With `aligned` its constants lie where the converter would have them, at multiples of 16.
        """
        for operator in self.operators_with_bias():
            if int(operator.inputs[2]) in self._biases:
                self._requantize_bias(operator)
        self._graph.operators = self.operators
        # A buffer that has to grow is there twice.
        constants = (buffer.data for buffer in self._model.buffers)
        size = sum(len(data) for data in constants if data is not None)
        builder = (_AligningBuilder if aligned else flatbuffers.Builder)(size + (1 << 20))
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(memoryview(builder.Bytes)[builder.Head() :])

    def _laid_out(self, operator: OperatorT, kernel: NDArray[Number]) -> NDArray[Number]:
        """A kernel with its outputs last as the file has it."""
        shape = self.shape(operator.inputs[1])
        # Depthwise kernels have their inputs first, all others their outputs.
        outputs = OPERATORS[self.op_name(operator)].kernel_outputs
        laid_out = np.moveaxis(kernel, -1 if outputs == 0 else -2, 0)
        if laid_out.shape != shape:
            raise ExportError(
                f"the converter laid a kernel out as {shape}, not"
                f" {laid_out.shape}: this TensorFlow is not one tinyedge knows"
            )
        return laid_out

    def _holds(self, index: int, values: NDArray[np.float32]) -> bool:
        """Whether a constant is `values` quantized: off by half a scale at most."""
        stored, qparams = self.constant(index), self.qparams(index)
        if stored is None or qparams is None:
            return False
        for part in row_parts(values.shape):
            rows, wanted = qparams.rows(part, values.ndim), values[part]
            scales = per_channel(rows.scales, rows.axis, values.ndim)
            allowed = _HALF * scales + _FLOAT32 * np.abs(wanted)
            if not (np.abs(rows.dequantize(stored[part]) - wanted) <= allowed).all():
                return False
        return True

    def _keep_bias(self, operator: OperatorT) -> None:
        """Remember an operator's bias as real numbers, before its scales change."""
        index = int(operator.inputs[2])
        stored, qparams = self.constant(index), self.qparams(index)
        if index not in self._biases and stored is not None and qparams is not None:
            self._biases[index] = qparams.dequantize(stored)

    def _requantize_bias(self, operator: OperatorT) -> None:
        index = int(operator.inputs[2])
        input_scale = np.float32(self.input_scale(operator))
        self._make_room(operator, np.abs(self._biases[index]) / float(input_scale))
        kernel = self.qparams(operator.inputs[1])
        assert kernel is not None
        # TFLite's specification: the product of the input's and the kernel's, here in float32.
        product = input_scale * kernel.scales.astype(np.float32)
        scales = product.astype(np.float64)
        self._write_constant(index, np.rint(self._biases[index] / scales).astype(np.int32))
        zeros = np.zeros(len(scales), np.int64)
        self._write_qparams(index, QuantParams(scales, zeros, np.dtype(np.int32)))

    def _make_room(self, operator: OperatorT, bias: NDArray[np.float64]) -> None:
        """Make kernel scales coarser where `bias`, in the input's scale, would not fit in 32 bits.

        That is so where the input is nothing but a dead layer's zeros, whose scale is tiny.
        """
        index = operator.inputs[1]
        kernel, stored = self.qparams(index), self.constant(index)
        assert kernel is not None
        assert stored is not None
        least = bias / _LARGEST_BIAS
        if kernel.is_per_tensor:
            least = least.max(keepdims=True)
        if (kernel.scales >= least).all():
            return
        coarser = kernel.with_scales(np.maximum(kernel.scales, least))
        self._write_constant(index, coarser.quantize(kernel.dequantize(stored)))
        self._write_qparams(index, coarser)

    def _stored(self, index: int) -> NDArray[np.uint8] | None:
        """The bytes of a constant; None of what is computed."""
        stored = self._model.buffers[self._graph.tensors[index].buffer].data
        return None if stored is None or not len(stored) else stored

    def _is_int8(self, index: int) -> bool:
        return index >= 0 and self._graph.tensors[index].type == schema.TensorType.INT8

    def _set_uint8_interface(self, shared: set[int], qparams: QuantParams) -> None:
        """A uint8 input or output has the int8 tensor's parameters behind it, shifted."""
        for operator in self.operators:
            if self.op_name(operator) == "QUANTIZE":
                (source,), (target,) = operator.inputs, operator.outputs
                if target in shared and source == self._graph.inputs[0]:
                    self._write_qparams(source, qparams)
                if source in shared and target == self._graph.outputs[0]:
                    self._write_qparams(target, qparams)

    def _write_qparams(self, index: int, qparams: QuantParams) -> None:
        tensor = self._graph.tensors[index]
        if tensor.quantization is None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.quantizedDimension = qparams.axis
        stored = tensor.quantization
        stored.scale = qparams.scales.astype(np.float32)
        stored.zeroPoint = qparams.zero_points
        stored.min = stored.max = None

    def _write_constant(self, index: int, values: NDArray[np.generic]) -> None:
        """Into a buffer of the tensor's own: equal constants may share one."""
        tensor = self._graph.tensors[index]
        users = [other for other in self._graph.tensors if other.buffer == tensor.buffer]
        if len(users) > 1:
            self._model.buffers.append(_buffer(values))
            tensor.buffer = len(self._model.buffers) - 1
        else:
            self._model.buffers[tensor.buffer] = _buffer(values)

    def _add_tensor(self, shape: Sequence[int], kind: int, buffer: int, name: str) -> int:
        tensor: TensorT = schema.TensorT()
        tensor.name = name.encode()
        tensor.shape = np.asarray(shape, np.int32)
        tensor.type, tensor.buffer = kind, buffer
        tensor.hasRank = True
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _drop_tensors(self) -> None:
        graph = self._graph
        owners: list[SubGraphT | OperatorT] = [graph, *self.operators]
        used = {int(index) for each in owners for index in (*each.inputs, *each.outputs)}
        kept = sorted(used - {-1})
        moved = {old: new for new, old in enumerate(kept)} | {-1: -1}
        for owner in owners:
            owner.inputs = np.array([moved[int(index)] for index in owner.inputs], np.int32)
            owner.outputs = np.array([moved[int(index)] for index in owner.outputs], np.int32)
        for signature in self._model.signatureDefs or ():
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = moved[entry.tensorIndex]
        graph.tensors = [graph.tensors[index] for index in kept]
        # Buffers keep their indices, by which tensors and metadata name them.
        held = {tensor.buffer for tensor in graph.tensors}
        held.update(entry.buffer for entry in self._model.metadata or ())
        for index, buffer in enumerate(self._model.buffers):
            if index not in held:
                buffer.data = None


def _read(operators: Iterable[OperatorT]) -> set[int]:
    """The tensors that they read, constants among them."""
    return {int(index) for each in operators for index in each.inputs if index >= 0}


def _made(operators: Iterable[OperatorT]) -> set[int]:
    return {int(index) for each in operators for index in each.outputs}


class _AligningBuilder(flatbuffers.Builder):  # type: ignore[misc]  # it carries no types
    """A builder whose vectors of bytes begin at multiples of 16 (the schema's force_align)."""

    def CreateNumpyVector(self, x: NDArray[np.generic]) -> int:  # noqa: N802  # flatbuffers' name
        self.Prep(16, x.nbytes)
        return int(super().CreateNumpyVector(x))


def _buffer(values: NDArray[np.generic]) -> BufferT:
    buffer: BufferT = schema.BufferT()
    buffer.data = np.array(values, order="C").reshape(-1).view(np.uint8)
    return buffer
