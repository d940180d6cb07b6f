"""A full-integer .tflite in mixed precision: some layers compute in float, their weights in int8.

What is rounded is what costs answers, and activations are rounded most coarsely. A layer in float
rounds none. A hybrid layer, which TFLite also calls dynamic-range quantized, rounds its input once,
to the range that it has at each inference, and multiplies integers; XNNPACK, which takes a 1x1
convolution for a product of matrices, to the range of each pixel's channels. An int8 layer rounds
what it gives out, to a range fixed at export. Weights stay the int8 file's in all of them, integer
by integer, so that the file stays small: XNNPACK unpacks those of a float layer as it loads.

Where a float tensor meets an int8 layer it is quantized to the parameters that it has in the
integer file, and dequantized where an int8 tensor meets a float one; before a leaky activation, so
that it is not rounded once more behind it.
"""

from collections.abc import Collection, Mapping

import numpy as np

from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.schema_types import OperatorT
from tinyedge.modelcard import Precision
from tinyedge.tflite.schema import OPS_WITH_WEIGHTS

__all__ = [
    "can_be_dequantized_before",
    "can_be_hybrid",
    "follows_float",
    "head_operators",
    "int8_tensors",
    "mixed_file",
]


def mixed_file(
    int8: bytes, precision: Mapping[int, Precision], rounded: Collection[int] = ()
) -> bytes:
    """The file with its layers in these precisions, and its head in float.

    The head is what stands behind the last activation: averages, the last linear layer, reshapes,
    a softmax. Pools and activations that read nothing but float are in float too.

    Args:
        int8: a full-integer file as export makes it, without a card, its input int8.
        precision: of layers with weights, by their numbers; ``int8`` of those left out.
        rounded: layers whose input is rounded as the integer file does it, whatever they are in: to
            measure what that costs.

    Raises:
        KeyError: there is no such layer.
    """
    editor = ModelEditor(int8)
    layers = editor.layer_operators()
    wanted = {id(layers[number]): kind for number, kind in precision.items() if kind != "int8"}
    wanted |= dict.fromkeys(map(id, head_operators(editor)), "float32")
    for operator in reversed(editor.operators):
        readers = editor.consumers(int(operator.outputs[0]))
        if can_be_dequantized_before(editor, operator) and all(id(r) in wanted for r in readers):
            wanted[id(operator)] = "float32"
    writer = _Writer(editor, {int(layers[number].inputs[0]) for number in rounded})
    for operator in list(editor.operators):
        writer.write(operator, wanted.get(id(operator)))
    editor.operators = writer.operators
    editor.set_output(writer.as_float(editor.int8_output()))
    editor.drop_unused()
    return editor.content(aligned=True)


def int8_tensors(content: bytes) -> frozenset[str]:
    """The names of the tensors that a file computes in int8.

    Those of a mixed file are named as in the integer file.
    """
    editor = ModelEditor(content)
    return frozenset(
        editor.tensor_name(int(index))
        for operator in editor.operators
        for index in operator.outputs
        if editor.qparams(int(index)) is not None
    ) | {editor.tensor_name(index) for index in editor.inputs}


def can_be_dequantized_before(editor: ModelEditor, operator: OperatorT) -> bool:
    """Whether an activation in float, of what was int8 before it, saves a rounding.

    It costs no more conversions, where all that reads it is in float.
    """
    return editor.op_name(operator) == "LEAKY_RELU"


def can_be_hybrid(editor: ModelEditor, operator: OperatorT) -> bool:
    """Whether TFLite has a hybrid kernel of per-channel weights: of convolutions of one group."""
    if editor.op_name(operator) != "CONV_2D":
        return False
    return editor.shape(operator.inputs[0])[-1] == editor.shape(operator.inputs[1])[-1]


def follows_float(editor: ModelEditor, operator: OperatorT, computed: Collection[int]) -> bool:
    """Whether an operator weighs nothing, and TFLite has it in float as in int8.

    `computed` are the tensors among its inputs that are no constants.
    """
    if not computed or editor.op_name(operator) not in _FOLLOWING_OPS:
        return False
    constants = {int(index) for index in operator.inputs if index >= 0} - set(computed)
    # Positions and shapes are int32, and not quantized.
    return all(editor.qparams(index) is None for index in constants)


def head_operators(editor: ModelEditor) -> list[OperatorT]:
    """What stands behind the last activation, as far as float has it."""
    found: list[OperatorT] = []
    index = editor.int8_output()
    while producers := editor.producers([index]):
        (operator,) = producers
        name = editor.op_name(operator)
        if name in OPS_WITH_WEIGHTS:
            # A layer of one pixel: before an average, or over all that is left.
            pixels = editor.shape(operator.outputs[0])[1:-1]
            if any(found_op in OPS_WITH_WEIGHTS for found_op in map(editor.op_name, found)):
                break
            if operator.builtinOptions.fusedActivationFunction or np.prod(pixels) > 1:
                break
        elif name not in _HEAD_OPS:
            break
        found.append(operator)
        index = int(operator.inputs[0])
    return found


_HEAD_OPS = frozenset(("AVERAGE_POOL_2D", "MEAN", "RESHAPE", "SOFTMAX"))
_FOLLOWING_OPS = _HEAD_OPS | frozenset(
    (
        *("ADD", "CONCATENATION", "LEAKY_RELU", "LOGISTIC", "MAX_POOL_2D", "MUL", "PAD"),
        *("RELU", "RELU6", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPLIT", "SUB", "TANH"),
    )
)
"""What TFLite has in float as in int8, and what has no weights."""


class _Writer:
    """Writes the operators anew, in the order they run."""

    def __init__(self, editor: ModelEditor, rounded: Collection[int]) -> None:
        self._editor = editor
        self._rounded = rounded
        self.operators: list[OperatorT] = []
        # By tensor of the integer file, which of float has its values.
        self._float: dict[int, int] = {}
        self._in_int8: set[int] = set(editor.inputs)
        made = (int(index) for operator in editor.operators for index in operator.outputs)
        self._computed = {*editor.inputs, *made}
        # Of a kernel, what is read in float.
        self._kernels: dict[int, int] = {}

    def write(self, operator: OperatorT, kind: Precision | None) -> None:
        """Write an operator: in `kind`, or without one in what its inputs are in."""
        editor = self._editor
        computed = [int(index) for index in operator.inputs if int(index) in self._computed]
        in_float = all(i in self._float and i not in self._in_int8 for i in computed)
        if kind is None and in_float and follows_float(editor, operator, computed):
            kind = "float32"
        if kind is None:
            for index in computed:
                self._need_int8(index)
            self._in_int8.update(map(int, operator.outputs))
            self.operators.append(operator)
            return
        name = editor.op_name(operator)
        inputs = [self.as_float(i) if i in computed else int(i) for i in operator.inputs]
        if name in OPS_WITH_WEIGHTS:
            if kind == "float32":
                inputs[1] = self._float_kernel(inputs[1])
            if len(inputs) == 3 and inputs[2] >= 0:
                inputs[2] = self._float_bias(operator)
        operator.inputs = np.asarray(inputs, np.int32)
        for index in map(int, operator.outputs):
            self._float[index] = editor.add_float(editor.shape(index), editor.tensor_name(index))
        operator.outputs = np.asarray([self._float[int(i)] for i in operator.outputs], np.int32)
        if name in OPS_WITH_WEIGHTS:
            editor.set_op(operator, name, kind)
        self.operators.append(operator)

    def as_float(self, index: int) -> int:
        """The float tensor of a tensor's values; dequantized, where it has none."""
        index = int(index)
        if index in self._rounded and index not in self._in_int8:
            self._need_int8(index)
            del self._float[index]
        if index not in self._float:
            self._float[index] = self._dequantized(index, "float32")
        return self._float[index]

    def _dequantized(self, index: int, precision: Precision) -> int:
        """A float tensor that a DEQUANTIZE makes of an int8 one; ``hybrid`` of a kernel."""
        editor = self._editor
        made = editor.add_float(editor.shape(index), f"{editor.tensor_name(index)}/dequantized")
        self.operators.append(
            editor.new_operator("DEQUANTIZE", [index], [made], precision=precision)
        )
        return made

    def _need_int8(self, index: int) -> None:
        if index in self._in_int8:
            return
        self._in_int8.add(index)
        self.operators.append(
            self._editor.new_operator(
                "QUANTIZE", [self._float[index]], [index], precision="float32"
            )
        )

    def _float_kernel(self, index: int) -> int:
        if index not in self._kernels:
            self._kernels[index] = self._dequantized(index, "hybrid")
        return self._kernels[index]

    def _float_bias(self, operator: OperatorT) -> int:
        editor, index = self._editor, int(operator.inputs[2])
        stored, qparams = editor.constant(index), editor.qparams(index)
        assert stored is not None
        assert qparams is not None
        values = qparams.dequantize(stored).astype(np.float32)
        return editor.add_constant(values, None, f"{editor.tensor_name(index)}/float")
