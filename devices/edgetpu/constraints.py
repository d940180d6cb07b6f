"""The constraints that rules.toml names: each says of an operation why it breaks it, or None.

Two more things the Edge TPU asks, an operator and a version that it knows, are looked up in the
rules and need no function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tinyedge.tflite.model import Operator, Subgraph, Tensor

__all__ = ["CONSTRAINTS", "Operation"]

_EIGHT_BIT = ("int8", "uint8")
# Biases, axes, shapes and the like are 32 bits wide, and constants.
_CONSTANT_TYPES = (*_EIGHT_BIT, "int32")
_SOFTMAX_ELEMENTS = 16_000


@dataclass(frozen=True)
class Operation:
    """An operator with its tensors, and which of its inputs are parameters.

    Attributes:
        operator: what the file says of it.
        inputs: None where an optional one is left out.
        outputs: at least one in a file that runs.
        parameters: positions of the inputs that must be constants.
    """

    operator: Operator
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    parameters: tuple[int, ...] = ()

    @staticmethod
    def of(operator: Operator, graph: Subgraph, parameters: tuple[int, ...] = ()) -> "Operation":
        """The operation of an operator of `graph`."""
        inputs = tuple(graph.tensors[n] if n >= 0 else None for n in operator.inputs)
        outputs = tuple(graph.tensors[n] for n in operator.outputs)
        return Operation(operator, inputs, outputs, parameters)

    @property
    def computed(self) -> list[Tensor]:
        """The tensors, in and out, that are neither constants nor a state it keeps."""
        tensors = [tensor for tensor in (*self.inputs, *self.outputs) if tensor is not None]
        return [tensor for tensor in tensors if not tensor.constant and not tensor.variable]

    def parameter(self, position: int) -> list[int] | None:
        """The numbers of a constant input of integers; None where it is none."""
        tensor = self.inputs[position] if position < len(self.inputs) else None
        data = None if tensor is None else tensor.data()
        if data is None or not np.issubdtype(data.dtype, np.integer):
            return None
        return [int(number) for number in data.reshape(-1)]


def eight_bit(operation: Operation) -> str | None:
    """Everything computed is int8 or uint8; constants may be int32 too."""
    for role, tensors in (("input", operation.inputs), ("output", operation.outputs)):
        for tensor in tensors:
            if tensor is None or tensor.variable:
                continue
            allowed = _CONSTANT_TYPES if tensor.constant else _EIGHT_BIT
            if tensor.type not in allowed:
                constant = "constant " if tensor.constant else ""
                return f"its {constant}{role} is {tensor.type}"
    return None


def quantized(operation: Operation) -> str | None:
    """Every tensor of 8 bits has a scale."""
    for tensor in (*operation.inputs, *operation.outputs):
        if tensor is not None and tensor.type in _EIGHT_BIT and tensor.qparams is None:
            return f"its {tensor.type} numbers have no scale: it is not quantized"
    return None


def fixed_shapes(operation: Operation) -> str | None:
    """No side is left open, but for a batch stored as one, which is compiled as one."""
    for tensor in operation.computed:
        batch_of_one = tensor.shape[:1] == (1,)
        sides = tensor.signature[1:] if batch_of_one else tensor.signature
        if min(sides, default=1) < 1 or min(tensor.shape, default=1) < 1:
            return f"its tensor of {_shape_text(tensor.signature)} leaves a side open"
    return None


def three_dimensions(operation: Operation) -> str | None:
    """Only the 3 innermost dimensions are above 1."""
    for tensor in operation.computed:
        if any(side != 1 for side in tensor.shape[:-3]):
            return f"its tensor of {_shape_text(tensor.shape)} has more than 3 dimensions above 1"
    return None


def constant_parameters(operation: Operation) -> str | None:
    """Kernels, biases, axes and the like are constants."""
    for position in operation.parameters:
        tensor = operation.inputs[position] if position < len(operation.inputs) else None
        if tensor is not None and not tensor.constant:
            return f"its input {position} has to be a constant"
    return None


def no_fused_activation(operation: Operation) -> str | None:
    """No activation is fused into it."""
    activation = operation.operator.options["fused_activation"]
    return None if activation == "NONE" else f"{activation} is fused into it"


def constant_only_pads(operation: Operation) -> str | None:
    """A constant among what is concatenated is all zero, and one of two."""
    for tensor in operation.inputs:
        if tensor is None or not tensor.constant:
            continue
        if len(operation.inputs) != 2:
            return f"it joins a constant with {len(operation.inputs) - 1} others, not with one"
        data = tensor.data()
        zero = 0 if tensor.qparams is None else int(tensor.qparams.zero_points[0])
        if data is None or not np.all(data == zero):
            return "it joins a constant that is not all zero"
    return None


def same_dilation(operation: Operation) -> str | None:
    """It is dilated as much in x as in y."""
    across, down = (operation.operator.options[name] for name in ("dilation_w", "dilation_h"))
    return None if across == down else f"its dilation is {across} in x and {down} in y"


def default_weights_format(operation: Operation) -> str | None:
    """Its weights lie in the default order."""
    layout = operation.operator.options["weights_format"]
    return None if layout == "DEFAULT" else f"its weights have the format {layout}"


def output_of_one_dimension(operation: Operation) -> str | None:
    """Only one dimension of its output is above 1."""
    return _one_dimension("output", operation.outputs)


def input_of_one_dimension(operation: Operation) -> str | None:
    """Only one dimension of its input is above 1."""
    return _one_dimension("input", operation.inputs)


def sixteen_thousand_elements(operation: Operation) -> str | None:
    """It has at most 16,000 elements."""
    elements = max((tensor.elements for tensor in operation.computed), default=0)
    return None if elements <= _SOFTMAX_ELEMENTS else f"it has {elements:,} elements, over 16,000"


def not_over_batch(operation: Operation) -> str | None:
    """It does not reduce the batch's dimension."""
    return "it reduces the batch's dimension" if 0 in _axes(operation) else None


def depth_of_fours(operation: Operation) -> str | None:
    """Where it reduces the depth, that is a multiple of 4."""
    image = operation.inputs[0] if operation.inputs else None
    if image is None or not image.shape or len(image.shape) - 1 not in _axes(operation):
        return None
    depth = image.shape[-1]
    return None if depth % 4 == 0 else f"it reduces a depth of {depth}, no multiple of 4"


def no_batch_packing(operation: Operation) -> str | None:
    """It does not pack along the batch's dimension."""
    rank = len(operation.outputs[0].shape) if operation.outputs else 1
    axis = operation.operator.options["axis"]
    return "it packs along the batch's dimension" if axis in (0, -rank) else None


def no_batch_padding(operation: Operation) -> str | None:
    """It does not pad the batch's dimension."""
    amounts = operation.parameter(1) or []
    return "it pads the batch's dimension" if any(amounts[:2]) else None


def alpha_of_one_dimension(operation: Operation) -> str | None:
    """Its alpha has one dimension, the innermost (Keras: shared_axes=[1, 2])."""
    alpha = operation.inputs[1] if len(operation.inputs) > 1 else None
    if alpha is None or all(side == 1 for side in alpha.shape[:-1]):
        return None
    return f"its alpha of {_shape_text(alpha.shape)} has more than one number a channel"


def leading_ones(operation: Operation) -> str | None:
    """It drops only dimensions before any that is above 1."""
    image = operation.inputs[0] if operation.inputs else None
    if image is None:
        return None
    above = [n for n, side in enumerate(image.shape) if side != 1]
    given = operation.operator.options["squeeze_dims"]
    assert isinstance(given, tuple)
    ones = [n for n, side in enumerate(image.shape) if side == 1]
    dropped = [n % len(image.shape) for n in given] if given and image.shape else ones
    if not above or max(dropped, default=-1) < above[0]:
        return None
    return f"it drops a dimension of {_shape_text(image.shape)} that does not lead"


def unit_strides(operation: Operation) -> str | None:
    """Its strides are all 1."""
    strides = operation.parameter(3) or []
    return (
        None
        if all(stride == 1 for stride in strides)
        else f"its strides are {_shape_text(strides)}"
    )


def _axes(operation: Operation) -> set[int]:
    """The dimensions it reduces, from 0; nothing is known of axes that are no constants."""
    image = operation.inputs[0] if operation.inputs else None
    if image is None or not image.shape:
        return set()
    return {axis % len(image.shape) for axis in operation.parameter(1) or []}


def _one_dimension(role: str, tensors: tuple[Tensor | None, ...]) -> str | None:
    tensor = tensors[0] if tensors else None
    if tensor is None or sum(side != 1 for side in tensor.shape) <= 1:
        return None
    return f"its {role} of {_shape_text(tensor.shape)} has more than one dimension above 1"


def _shape_text(shape: tuple[int, ...] | list[int]) -> str:
    return "x".join("?" if side < 0 else str(side) for side in shape)


CONSTRAINTS: Mapping[str, Callable[[Operation], str | None]] = {
    function.__name__: function
    for function in (
        eight_bit,
        quantized,
        fixed_shapes,
        three_dimensions,
        constant_parameters,
        no_fused_activation,
        constant_only_pads,
        same_dilation,
        default_weights_format,
        output_of_one_dimension,
        input_of_one_dimension,
        sixteen_thousand_elements,
        not_over_batch,
        depth_of_fours,
        no_batch_packing,
        no_batch_padding,
        alpha_of_one_dimension,
        leading_ones,
        unit_strides,
    )
}
