"""What TFLite's kernels take for granted of an operator, and do not look at before they run.

A kernel that is given a tensor too few, an axis that is not there or a stride of 0 may read
beyond a tensor, divide by 0 or end the process. Each rule holds an operator's inputs to the
schema's meaning of it and says which shapes must come out; the kernels' own checks (such as of
types) are left to them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from tinyedge.text import shortened
from tinyedge.tflite.model import Operator, Subgraph, Tensor
from tinyedge.tflite.schema import OptionValue

__all__ = ["OPERATOR_RULES", "OperatorError", "OperatorRule", "check_operator"]

Shape = tuple[int, ...]

_EIGHT_BIT = ("int8", "uint8")
_QUANTIZED = (*_EIGHT_BIT, "int16")
# Of kernels of a convolution, strides and dilations: far above any network's, and their products
# fit an int.
_LARGEST_SIDE = 2**15
# A pool or a convolution keeps a pointer for each place of its window at each place of its output.
_MOST_PLACES = 2**28
_MOST_DIMENSIONS = 6
_LARGEST_FACTOR = 2.0**24
# Of what is computed: beyond it kernels multiply by numbers that they cannot hold.
_LEAST_SCALE = 2.0**-40


class OperatorError(ValueError):
    """An operator that a kernel must not be given; says why."""


@dataclass(frozen=True, eq=False)
class _Call:
    """An operator with its tensors; None where an optional one is left out."""

    operator: Operator
    inputs: Sequence[Tensor | None]
    outputs: Sequence[Tensor]

    def tensor(self, position: int) -> Tensor:
        tensor = self.inputs[position]
        assert tensor is not None  # `check_operator` has seen to it
        return tensor

    def shape(self, position: int) -> Shape:
        return self.tensor(position).shape

    def kind(self, position: int) -> str:
        return self.tensor(position).type

    def has(self, position: int) -> bool:
        return position < len(self.inputs) and self.inputs[position] is not None

    def option(self, name: str) -> OptionValue:
        return self.operator.options[name]

    def number(self, name: str) -> int:
        return int(self.operator.options[name])  # type: ignore[arg-type]

    def constants(self, position: int) -> tuple[int, ...] | None:
        """The numbers of a constant input of integers, in one row; None where it is computed."""
        tensor = self.tensor(position)
        _require(tensor.type in ("int32", "int64"), f"input {position} is {tensor.type}")
        if tensor.elements == 0:
            return ()
        data = tensor.data()
        return None if data is None else tuple(data.reshape(-1).tolist())

    def fixed(self, position: int, count: int | None = None) -> tuple[int, ...]:
        """Those numbers; they must be constant, and `count` where that is said."""
        numbers = self.constants(position)
        if numbers is None:
            raise OperatorError(f"input {position}, which says what it does, is no constant")
        _require(
            count is None or len(numbers) == count, f"input {position} has {len(numbers)} numbers"
        )
        return numbers

    def axis(self, number: int, dimensions: int) -> int:
        _require(-dimensions <= number < dimensions, f"axis {number} of {dimensions} dimensions")
        return number % dimensions

    def constant_axis(self, position: int, dimensions: int) -> int:
        (number,) = self.fixed(position, 1)
        return self.axis(number, dimensions)


class OperatorRule(NamedTuple):
    """The rule of an operator.

    Attributes:
        inputs: how many it has, at least and at most; None for no limit.
        outputs: the shapes that must come out; it raises OperatorError.
        optional: positions of inputs that may be -1.
        empty: positions of inputs that may have no elements: the shape of a single number.
        quantized: whether a tensor of 8 or 16 bits needs a scale.
    """

    inputs: tuple[int, int | None]
    outputs: Callable[[_Call], Sequence[Shape | None]]
    optional: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    quantized: bool = True


def check_operator(graph: Subgraph, operator: Operator) -> None:
    """Hold an operator, whose tensors are all there, to its rule, if it has one.

    Raises:
        OperatorError: it breaks it.
    """
    rule = OPERATOR_RULES.get(operator.name)
    if rule is None or operator.custom:
        return
    least, most = rule.inputs
    found = len(operator.inputs)
    _require(found >= least and (most is None or found <= most), f"it has {found} inputs")
    missing = [n for n, index in enumerate(operator.inputs) if index < 0 and n not in rule.optional]
    _require(not missing, f"its input {missing and missing[0]} is left out")
    call = _Call(
        operator,
        [graph.tensors[n] if n >= 0 else None for n in operator.inputs],
        [graph.tensors[n] for n in operator.outputs],
    )
    _require(bool(call.outputs), "it has no outputs")
    for tensor in (*call.inputs, *call.outputs):
        if tensor is not None:
            _require(
                len(tensor.shape) <= _MOST_DIMENSIONS,
                f"a tensor of it has {len(tensor.shape)} dimensions",
            )
            if rule.quantized:
                _check_quantized(tensor)
    empty = [
        n for n, tensor in enumerate(call.inputs) if tensor is not None and not tensor.elements
    ]
    _require(not set(empty) - {*rule.empty}, "an input has no elements")
    activation = operator.options.get("fused_activation", "NONE")
    _require(activation in ("NONE", "RELU", "RELU_N1_TO_1", "RELU6"), f"it ends in {activation}")
    _require(all(tensor.elements for tensor in call.outputs), "an output has no elements")
    shapes = rule.outputs(call)
    _require(len(shapes) == len(call.outputs), f"it has {len(call.outputs)} outputs")
    for tensor, shape in zip(call.outputs, shapes, strict=True):
        if shape is not None and tensor.shape != shape:
            raise OperatorError(
                f"its output has shape {_shown(tensor.shape)}, of its inputs comes {_shown(shape)}"
            )


def _check_quantized(tensor: Tensor) -> None:
    if tensor.type not in _QUANTIZED:
        return
    qparams = tensor.qparams
    if qparams is None:
        raise OperatorError(f"a tensor of it is {tensor.type} and has no scale")
    if not tensor.constant:
        _require(
            qparams.is_per_tensor, f"a tensor it computes with has {len(qparams.scales)} scales"
        )
        _require(
            _LEAST_SCALE <= qparams.scale <= 1 / _LEAST_SCALE,
            f"a tensor of it has a scale of {qparams.scale:g}",
        )


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise OperatorError(message)


def _shown(shape: Sequence[int]) -> str:
    return shortened(tuple(shape))


# Windows: convolutions and pools.


def _window(call: _Call, size: tuple[int, int], *, batch: int, channels: int) -> Shape:
    """The output of a window of `size` that is moved over the first input."""
    options = call.operator.options
    sides = []
    places = math.prod(size)
    for side, kernel, axis in zip(call.shape(0)[1:3], size, "hw", strict=True):
        stride, dilation = call.number(f"stride_{axis}"), int(options.get(f"dilation_{axis}", 1))  # type: ignore[arg-type]
        for name, number in (("size", kernel), ("stride", stride), ("dilation", dilation)):
            _require(1 <= number < _LARGEST_SIDE, f"its {name} is {number}")
        sides.append(_moved(side, (kernel - 1) * dilation + 1, stride, call.option("padding")))
        _require(sides[-1] >= 1, f"a window of {kernel} does not fit into {side} pixels")
        places *= sides[-1]
    _require(places <= _MOST_PLACES, f"a window of {_shown(size)} at {_shown(sides)} places")
    return (batch, *sides, channels)


def _moved(side: int, window: int, stride: int, padding: OptionValue) -> int:
    """How often a window has room along a side."""
    return -(-side // stride) if padding == "SAME" else (side - window) // stride + 1


def _ranks(call: _Call, *ranks: int) -> None:
    for position, rank in enumerate(ranks):
        found = len(call.shape(position))
        _require(found == rank, f"its input {position} has {found} dimensions, not {rank}")


def _bias(call: _Call, position: int, outputs: int) -> None:
    if call.has(position):
        shape = call.shape(position)
        _require(
            math.prod(shape) == outputs and shape[-1:] == (outputs,),
            f"its bias has shape {_shown(shape)} for {outputs} outputs",
        )
        wanted = {"float32": ("float32",), "int16": ("int32", "int64")}
        kinds = wanted.get(call.kind(0), ("int32",))
        _require(call.kind(position) in kinds, f"its bias is {call.kind(position)}")


def _weights(call: _Call, axis: int) -> None:
    """The kernel's type and, where it is quantized per channel, along which dimension."""
    one, other = call.kind(0), call.kind(1)
    pairs = {
        "float32": ("float32", "int8", "uint8", "int4"),
        "int8": ("int8", "int4"),
        "uint8": ("uint8",),
        "int16": ("int8", "int4"),
    }
    _require(other in pairs.get(one, ()), f"it multiplies {one} by {other}")
    _require(call.outputs[0].type == one, f"it makes {call.outputs[0].type} of {one}")
    qparams = call.tensor(1).qparams
    if qparams is not None and not qparams.is_per_tensor:
        _require(qparams.axis == axis, f"its kernel has its scales along dimension {qparams.axis}")
    _requantized(call, 0, 1)


def _requantized(call: _Call, one: int, other: int) -> None:
    """Products of quantized numbers are brought to the output's scale by a shift of an int."""
    scales = [
        float(tensor.qparams.scales.max())
        for tensor in (call.tensor(one), call.tensor(other), call.outputs[0])
        if tensor.type in _QUANTIZED and tensor.qparams is not None
    ]
    if len(scales) == 3:
        factor = scales[0] * scales[1] / scales[2]
        _require(factor < _LARGEST_FACTOR, f"its output's scale is {factor:g} times too small")


def _convolution(call: _Call) -> list[Shape]:
    _ranks(call, 4, 4)
    _weights(call, 0)
    batch, _, _, channels = call.shape(0)
    outputs, height, width, depth = call.shape(1)
    _require(
        depth > 0 and channels % depth == 0 and outputs % (channels // depth or 1) == 0,
        f"its kernel {_shown(call.shape(1))} does not fit its input {_shown(call.shape(0))}",
    )
    _bias(call, 2, outputs)
    return [_window(call, (height, width), batch=batch, channels=outputs)]


def _depthwise(call: _Call) -> list[Shape]:
    _ranks(call, 4, 4)
    _weights(call, 3)
    batch, _, _, channels = call.shape(0)
    one, height, width, outputs = call.shape(1)
    multiplier = call.number("depth_multiplier")
    _require(
        one == 1 and channels > 0 and outputs % channels == 0,
        f"its kernel {_shown(call.shape(1))} does not fit its input {_shown(call.shape(0))}",
    )
    _require(
        multiplier * channels == outputs,
        f"its depth multiplier is {multiplier} for {channels} channels and {outputs} outputs",
    )
    _bias(call, 2, outputs)
    return [_window(call, (height, width), batch=batch, channels=outputs)]


def _transposed_convolution(call: _Call) -> list[Shape]:
    output = call.fixed(0, 4)
    kernel, image = call.shape(1), call.shape(2)
    _require(len(kernel) == 4 and len(image) == 4, "its kernel or its image has not 4 dimensions")
    one, other = call.kind(2), call.kind(1)
    _require((one, other) in (("int16", "int8"), (one, one)), f"it multiplies {one} by {other}")
    _require(call.outputs[0].type == one, f"it makes {call.outputs[0].type} of {one}")
    _require(
        kernel[3] == image[3] and (output[0], output[3]) == (image[0], kernel[0]),
        f"its kernel {_shown(kernel)} does not fit its input {_shown(image)}",
    )
    _requantized(call, 2, 1)
    if call.has(3):
        _require(math.prod(call.shape(3)) == kernel[0], "its bias does not fit its kernel")
    places = math.prod(kernel[1:3])
    for axis, size, made, side in zip("hw", kernel[1:3], output[1:3], image[1:3], strict=True):
        stride = call.number(f"stride_{axis}")
        _require(1 <= size < _LARGEST_SIDE, f"its size is {size}")
        _require(1 <= stride < _LARGEST_SIDE, f"its stride is {stride}")
        _require(
            made >= 1 and _moved(made, size, stride, call.option("padding")) == side,
            f"of {side} pixels it makes {made}",
        )
        places *= made
    _require(places <= _MOST_PLACES, f"a window of {_shown(kernel)} at {_shown(output)} places")
    return [output]


def _pool(call: _Call) -> list[Shape]:
    _ranks(call, 4)
    batch, _, _, channels = call.shape(0)
    size = call.number("filter_h"), call.number("filter_w")
    _same_types(call)
    return [_window(call, size, batch=batch, channels=channels)]


# Products of matrices.


def _dense(call: _Call) -> list[Shape]:
    _require(len(call.shape(1)) == 2, "its weights are no matrix")
    _weights(call, 0)
    _require(call.option("weights_format") == "DEFAULT", "its weights are shuffled")
    outputs, inputs = call.shape(1)
    _bias(call, 2, outputs)
    shape = call.shape(0)
    if call.option("keep_num_dims"):
        _require(shape[-1:] == (inputs,), f"its input has shape {_shown(shape)}")
        return [(*shape[:-1], outputs)]
    elements = math.prod(shape)
    _require(
        inputs > 0 and elements % inputs == 0,
        f"{elements} numbers come into weights of {inputs} columns",
    )
    return [(elements // inputs, outputs)]


def _matrices(call: _Call) -> list[Shape]:
    one, other = call.shape(0), call.shape(1)
    _require(min(len(one), len(other)) >= 2 and max(len(one), len(other)) <= 5, "no matrices")
    _requantized(call, 0, 1)
    rows, inner = one[-2:][::-1] if call.option("adj_x") else one[-2:]
    depth, columns = other[-2:][::-1] if call.option("adj_y") else other[-2:]
    _require(inner == depth, f"{_shown(one)} times {_shown(other)}")
    return [(*_broadcast(one[:-2], other[:-2]), rows, columns)]


# Each number alone, or several together.


def _unchanged(call: _Call) -> list[Shape]:
    _same_types(call)
    return [call.shape(0)]


def _converted(call: _Call) -> list[Shape]:
    return [call.shape(0)]


def _real_unchanged(call: _Call) -> list[Shape]:
    _require(call.kind(0) == "float32", f"it takes {call.kind(0)}")
    return _unchanged(call)


def _image_unchanged(call: _Call) -> list[Shape]:
    _ranks(call, 4)
    return _unchanged(call)


def _over_last(call: _Call) -> list[Shape]:
    _require(len(call.shape(0)) >= 1, "its input is a single number")
    return _unchanged(call)


def _leaky_with_slopes(call: _Call) -> list[Shape]:
    shape = _broadcast(call.shape(0), call.shape(1))
    _same_types(call)
    _require(call.kind(1) == call.kind(0), f"{call.kind(1)} slopes of {call.kind(0)}")
    return [shape]


def _pairwise(call: _Call) -> list[Shape]:
    _same_types(call)
    return _broadcasting(call)


def _compared(call: _Call) -> list[Shape]:
    for tensor in (call.tensor(0), call.tensor(1)):
        if tensor.type in _EIGHT_BIT and tensor.qparams is not None:
            # The kernels multiply by the scales as numbers below 1.
            _require(
                tensor.qparams.scale < 1, f"it compares with a scale of {tensor.qparams.scale:g}"
            )
    return _broadcasting(call)


def _broadcasting(call: _Call) -> list[Shape]:
    one, other = call.kind(0), call.kind(1)
    _require(one == other, f"it takes {one} and {other}")
    return [_broadcast(call.shape(0), call.shape(1))]


def _chosen(call: _Call) -> list[Shape]:
    _check_choice(call)
    return [_broadcast(call.shape(0), _broadcast(call.shape(1), call.shape(2)))]


def _chosen_rows(call: _Call) -> list[Shape]:
    shape = call.shape(1)
    _require(call.shape(2) == shape, "it chooses from tensors of two shapes")
    _require(call.shape(0) in ((), shape, shape[:1]), "its choice has another shape")
    _check_choice(call)
    return [shape]


def _check_choice(call: _Call) -> None:
    _require(call.kind(0) == "bool", f"it chooses by {call.kind(0)}")
    one, other = call.kind(1), call.kind(2)
    _require(one == other == call.outputs[0].type, f"it chooses from {one} and {other}")


def _added(call: _Call) -> list[Shape]:
    scales = [
        tensor.qparams.scale
        for tensor in (call.tensor(0), call.tensor(1), call.outputs[0])
        if tensor.type in _EIGHT_BIT and tensor.qparams is not None
    ]
    # The kernel shifts both by 20 bits, and then multiplies by a number that must be below 1.
    if len(scales) == 3:
        *inputs, output = scales
        _require(max(inputs) < 2**19 * output, "its output's scale is too small for its inputs'")
    return _pairwise(call)


def _summed(call: _Call) -> list[Shape]:
    _same_types(call)
    for position in range(len(call.inputs)):
        _require(
            call.shape(position) == call.shape(0) and call.kind(position) == call.kind(0),
            "it adds tensors of several shapes or types",
        )
    return [call.shape(0)]


def _same_types(call: _Call) -> None:
    for tensor in call.outputs:
        _require(
            tensor.type == call.kind(0) or not call.outputs,
            f"it makes {tensor.type} of {call.kind(0)}",
        )


def _broadcast(one: Shape, other: Shape) -> Shape:
    """The shape of two together, a side of 1 standing for any."""
    length = max(len(one), len(other))
    pairs = zip((1,) * (length - len(one)) + one, (1,) * (length - len(other)) + other, strict=True)
    shape = []
    for a, b in pairs:
        _require(a == b or 1 in (a, b), f"{_shown(one)} and {_shown(other)} do not go together")
        shape.append(b if a == 1 else a)
    return tuple(shape)


# Over dimensions.


def _reduced(call: _Call) -> list[Shape]:
    shape = call.shape(0)
    axes = {call.axis(number, len(shape)) for number in call.fixed(1)}
    keep = call.option("keep_dims")
    _same_types(call)
    return [
        tuple(
            1 if number in axes else side
            for number, side in enumerate(shape)
            if keep or number not in axes
        )
    ]


def _largest(call: _Call) -> list[Shape]:
    shape = call.shape(0)
    axis = call.constant_axis(1, len(shape))
    _require(call.outputs[0].type in ("int32", "int64"), f"it makes {call.outputs[0].type}")
    return [shape[:axis] + shape[axis + 1 :]]


def _top(call: _Call) -> list[Shape]:
    shape = call.shape(0)
    (count,) = call.fixed(1, 1)
    _require(bool(shape) and 1 <= count <= shape[-1], f"the {count} largest of {_shown(shape)}")
    return [(*shape[:-1], count)] * 2


def _accumulated(call: _Call) -> list[Shape]:
    call.constant_axis(1, len(call.shape(0)))
    return _unchanged(call)


def _reversed(call: _Call) -> list[Shape]:
    axes = [call.axis(number, len(call.shape(0))) for number in call.fixed(1)]
    _require(len(set(axes)) == len(axes), "it reverses a dimension twice")
    return _unchanged(call)


def _one_hot(call: _Call) -> list[Shape]:
    shape = call.shape(0)
    (depth,) = call.fixed(1, 1)
    axis = call.number("axis")
    axis = len(shape) if axis == -1 else axis
    _require(0 <= axis <= len(shape) and depth >= 1, f"axis {axis}, depth {depth}")
    for position in (2, 3):
        _require(call.tensor(position).elements == 1, "on and off are no single numbers")
        _require(call.kind(position) == call.outputs[0].type, "on and off are of another type")
    return [(*shape[:axis], depth, *shape[axis:])]


# The same numbers in another place.


def _reshaped(call: _Call) -> list[Shape | None]:
    _same_types(call)
    numbers: tuple[int, ...] | None
    if call.has(1) and call.kind(1) == "int32" and len(call.shape(1)) == 1:
        numbers = call.constants(1)
    else:
        wanted = call.option("new_shape")
        assert isinstance(wanted, tuple)
        # So toco wrote a single number.
        numbers = () if wanted == (0,) else wanted
    elements = call.tensor(0).elements
    if numbers is None:
        # Old converters compute it of a batch left open; the runtime compares the elements.
        _require(call.outputs[0].elements == elements, "its output has other numbers")
        return [None]
    known = math.prod(side for side in numbers if side != -1)
    left_open = numbers.count(-1)
    _require(
        min(numbers, default=0) >= -1 and left_open <= 1 and known > 0 and elements % known == 0,
        f"{_shown(numbers)} is no shape of {elements} numbers",
    )
    shape = tuple(elements // known if side == -1 else side for side in numbers)
    _require(math.prod(shape) == elements, f"{_shown(numbers)} is no shape of {elements} numbers")
    return [shape]


def _squeezed(call: _Call) -> list[Shape]:
    _same_types(call)
    shape, dims = call.shape(0), call.option("squeeze_dims")
    assert isinstance(dims, tuple)
    axes = {call.axis(number, len(shape)) for number in dims}
    axes = axes or {number for number, side in enumerate(shape) if side == 1}
    _require(all(shape[axis] == 1 for axis in axes), f"{_shown(dims)} of {_shown(shape)} are not 1")
    return [tuple(side for number, side in enumerate(shape) if number not in axes)]


def _expanded(call: _Call) -> list[Shape]:
    _same_types(call)
    shape = call.shape(0)
    axis = call.constant_axis(1, len(shape) + 1)
    return [(*shape[:axis], 1, *shape[axis:])]


def _transposed(call: _Call) -> list[Shape]:
    _same_types(call)
    shape = call.shape(0)
    order = [call.axis(number, len(shape)) for number in call.fixed(1, len(shape))]
    _require(sorted(order) == list(range(len(shape))), f"{_shown(order)} is no order of dimensions")
    return [tuple(shape[axis] for axis in order)]


def _concatenated(call: _Call) -> list[Shape]:
    _same_types(call)
    _require(call.option("fused_activation") == "NONE", "it has an activation")
    shape = call.shape(0)
    axis = call.axis(call.number("axis"), len(shape))
    total = 0
    for position in range(len(call.inputs)):
        other = call.shape(position)
        fits = len(other) == len(shape) and (*other[:axis], 0, *other[axis + 1 :]) == (
            *shape[:axis],
            0,
            *shape[axis + 1 :],
        )
        _require(
            fits and call.kind(position) == call.kind(0),
            f"{_shown(shape)} and {_shown(other)} do not go together along axis {axis}",
        )
        total += other[axis]
    return [(*shape[:axis], total, *shape[axis + 1 :])]


def _packed(call: _Call) -> list[Shape]:
    _summed(call)
    shape = call.shape(0)
    _require(call.number("values_count") == len(call.inputs), "its count is not its inputs'")
    axis = call.axis(call.number("axis"), len(shape) + 1)
    return [(*shape[:axis], len(call.inputs), *shape[axis:])]


def _unpacked(call: _Call) -> list[Shape]:
    _same_types(call)
    shape = call.shape(0)
    axis = call.axis(call.number("axis"), len(shape))
    _require(
        call.number("num") == len(call.outputs) == shape[axis], "its count is not its outputs'"
    )
    return [shape[:axis] + shape[axis + 1 :]] * len(call.outputs)


def _split(call: _Call) -> list[Shape]:
    shape, count = call.shape(1), call.number("num_splits")
    axis = call.constant_axis(0, len(shape))
    _require(
        count == len(call.outputs) and count >= 1 and shape[axis] % count == 0,
        f"{_shown(shape)} in {count} parts",
    )
    _require(all(tensor.type == call.kind(1) for tensor in call.outputs), "it changes the type")
    return [(*shape[:axis], shape[axis] // count, *shape[axis + 1 :])] * count


def _split_unequally(call: _Call) -> list[Shape]:
    _same_types(call)
    shape, count = call.shape(0), call.number("num_splits")
    sizes = list(call.fixed(1, count))
    axis = call.constant_axis(2, len(shape))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = shape[axis] - sum(size for size in sizes if size != -1)
    _require(
        min(sizes, default=0) >= 1 and sum(sizes) == shape[axis] and count == len(call.outputs),
        f"{_shown(shape)} in parts of {_shown(sizes)}",
    )
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


def _sliced(call: _Call) -> list[Shape]:
    _same_types(call)
    shape = call.shape(0)
    begins, sizes = call.fixed(1, len(shape)), call.fixed(2, len(shape))
    made = []
    for side, begin, size in zip(shape, begins, sizes, strict=True):
        length = side - begin if size == -1 else size
        _require(
            0 <= begin < side and 1 <= length <= side - begin, f"{size} from {begin} of {side}"
        )
        made.append(length)
    return [tuple(made)]


def _strided(call: _Call) -> list[Shape | None]:
    _same_types(call)
    shape = call.shape(0)
    begins = call.fixed(1)
    ends, strides = call.fixed(2, len(begins)), call.fixed(3, len(begins))
    _require(0 not in strides, "it has a stride of 0")
    if call.number("ellipsis_mask") or call.number("new_axis_mask"):
        return [None]
    _require(len(begins) <= len(shape), f"{len(begins)} slices of {_shown(shape)}")
    made = []
    for number, side in enumerate(shape):
        if number >= len(begins):
            made.append(side)
            continue

        def masked(name: str, bit: int = 1 << number) -> bool:
            return bool(call.number(name) & bit)

        begin = None if masked("begin_mask") else begins[number]
        if masked("shrink_axis_mask"):
            place = begins[number]
            _require(-side <= place < side, f"place {place} of {side}")
            continue
        end = None if masked("end_mask") else ends[number]
        made.append(len(range(side)[begin : end : strides[number]]))
    return [tuple(made)]


def _gathered(call: _Call) -> list[Shape]:
    _same_types(call)
    shape, indices = call.shape(0), call.shape(1)
    axis = call.axis(call.number("axis"), len(shape))
    batch = call.number("batch_dims")
    batch = batch + len(indices) if batch < 0 else batch
    _require(
        0 <= batch <= min(axis, len(indices)) and shape[:batch] == indices[:batch],
        f"{batch} dimensions are batches",
    )
    _require(call.kind(1) in ("int16", "int32", "int64"), f"its indices are {call.kind(1)}")
    if call.kind(1) != "int16":
        _require(
            all(0 <= index < shape[axis] for index in call.constants(1) or ()),
            f"an index is not below {shape[axis]}",
        )
    return [(*shape[:axis], *indices[batch:], *shape[axis + 1 :])]


def _tiled(call: _Call) -> list[Shape]:
    _same_types(call)
    shape = call.shape(0)
    times = call.fixed(1, len(shape))
    _require(min(times, default=1) >= 1, f"{_shown(times)} times")
    return [tuple(side * count for side, count in zip(shape, times, strict=True))]


def _broadcasted(call: _Call) -> list[Shape]:
    _same_types(call)
    target = call.fixed(1)
    _require(
        min(target, default=1) >= 1
        and len(target) >= len(call.shape(0))
        and _broadcast(call.shape(0), target) == target,
        f"{_shown(call.shape(0))} does not become {_shown(target)}",
    )
    return [target]


def _padded(call: _Call) -> list[Shape]:
    _same_types(call)
    pairs = _pairs(call, 1, len(call.shape(0)))
    if call.has(2):
        _require(
            call.tensor(2).elements == 1 and call.kind(2) == call.kind(0),
            "what it pads with is no single number of its type",
        )
    return [tuple(side + sum(pair) for side, pair in zip(call.shape(0), pairs, strict=True))]


def _mirrored(call: _Call) -> list[Shape]:
    most = 1 if call.option("mode") == "REFLECT" else 0
    for side, pair in zip(call.shape(0), _pairs(call, 1, len(call.shape(0))), strict=True):
        _require(max(pair) <= side - most, f"{max(pair)} mirrored of {side}")
    return _padded(call)


def _pairs(call: _Call, position: int, count: int) -> list[tuple[int, int]]:
    shape = call.shape(position)
    _require(shape == (count, 2), f"its input {position} has shape {_shown(shape)}")
    numbers = call.fixed(position)
    _require(min(numbers, default=0) >= 0, "it pads by less than nothing")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _resized(call: _Call) -> list[Shape]:
    _ranks(call, 4)
    _same_types(call)
    height, width = call.fixed(1, 2)
    batch, _, _, channels = call.shape(0)
    _require(min(height, width) >= 1, f"its size is {height}x{width}")
    return [(batch, height, width, channels)]


def _blocked(call: _Call) -> list[Shape]:
    batch, height, width, channels = _image(call)
    block = call.number("block_size")
    _require(
        block >= 1 and height % block == 0 and width % block == 0,
        f"blocks of {block} in {_shown(call.shape(0))}",
    )
    return [(batch, height // block, width // block, channels * block * block)]


def _unblocked(call: _Call) -> list[Shape]:
    batch, height, width, channels = _image(call)
    block = call.number("block_size")
    _require(
        block >= 1 and channels % (block * block) == 0,
        f"blocks of {block} in {_shown(call.shape(0))}",
    )
    return [(batch, height * block, width * block, channels // (block * block))]


def _image(call: _Call) -> Shape:
    _ranks(call, 4)
    _same_types(call)
    return call.shape(0)


def _to_batches(call: _Call) -> list[Shape]:
    blocks, pairs = _batch_blocks(call)
    batch, *sides = call.shape(0)
    inner = []
    for side, block, pair in zip(sides, blocks, pairs, strict=False):
        _require((side + sum(pair)) % block == 0, f"blocks of {block} in {side}")
        inner.append((side + sum(pair)) // block)
    return [(batch * math.prod(blocks), *inner, *sides[len(blocks) :])]


def _from_batches(call: _Call) -> list[Shape]:
    blocks, pairs = _batch_blocks(call)
    batch, *sides = call.shape(0)
    _require(batch % math.prod(blocks) == 0, f"a batch of {batch} from {_shown(blocks)}")
    inner = [
        side * block - sum(pair) for side, block, pair in zip(sides, blocks, pairs, strict=False)
    ]
    _require(min(inner) >= 1, "it cuts all away")
    return [(batch // math.prod(blocks), *inner, *sides[len(blocks) :])]


def _batch_blocks(call: _Call) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    _same_types(call)
    spatial = len(call.shape(0)) - 2
    _require(spatial in (1, 2), f"its input has shape {_shown(call.shape(0))}")
    blocks = call.fixed(1, spatial)
    _require(call.shape(1) == (spatial,) and min(blocks) >= 1, f"blocks of {_shown(blocks)}")
    return blocks, _pairs(call, 2, spatial)


# What makes numbers of nothing.


def _shape_of(call: _Call) -> list[Shape]:
    return [(len(call.shape(0)),)]


def _rank_of(call: _Call) -> list[Shape]:
    del call
    return [()]


def _filled(call: _Call) -> list[Shape]:
    target = call.fixed(0)
    _require(call.tensor(1).elements == 1, "its value is no single number")
    _require(call.kind(1) == call.outputs[0].type, f"it fills with {call.kind(1)}")
    _require(min(target, default=1) >= 1, f"its shape is {_shown(target)}")
    return [target]


def _one(
    rule: Callable[[_Call], Sequence[Shape | None]], *, quantized: bool = True
) -> OperatorRule:
    return OperatorRule((1, 1), rule, quantized=quantized)


def _two(
    rule: Callable[[_Call], Sequence[Shape | None]], *, quantized: bool = True
) -> OperatorRule:
    return OperatorRule((2, 2), rule, quantized=quantized)


def _moving(least: int, rule: Callable[[_Call], Sequence[Shape | None]]) -> OperatorRule:
    return OperatorRule((least, least), rule, quantized=False)


_UNCHANGED = (
    *("ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG"),
    *("LOGICAL_NOT", "LOGISTIC", "NEG", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND"),
    *("RSQRT", "SIGN", "SIN", "SQRT", "SQUARE", "TANH"),
)
_PAIRWISE = (
    *("ATAN2", "DIV", "FLOOR_DIV", "FLOOR_MOD", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM"),
    *("MINIMUM", "MUL", "POW", "SQUARED_DIFFERENCE", "SUB"),
)
_COMPARISONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")
_REDUCERS = (
    *("MEAN", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM"),
)

OPERATOR_RULES: Mapping[str, OperatorRule] = MappingProxyType(
    {
        **{name: _one(_unchanged) for name in _UNCHANGED},
        **{name: _two(_pairwise) for name in _PAIRWISE},
        **{name: _two(_compared) for name in _COMPARISONS},
        **{name: _two(_reduced) for name in _REDUCERS},
        "ADD": _two(_added),
        "ADD_N": OperatorRule((1, None), _summed),
        "ARG_MAX": _two(_largest, quantized=False),
        "ARG_MIN": _two(_largest, quantized=False),
        "AVERAGE_POOL_2D": _one(_pool),
        "BATCH_MATMUL": _two(_matrices),
        "BATCH_TO_SPACE_ND": _moving(3, _from_batches),
        "BROADCAST_TO": _moving(2, _broadcasted),
        "CAST": _one(_converted, quantized=False),
        "CONCATENATION": OperatorRule((1, None), _concatenated, quantized=False),
        "CONV_2D": OperatorRule((2, 3), _convolution, optional=(2,)),
        "CUMSUM": _two(_accumulated),
        # Its kernels read a third input without asking how many there are.
        "DEPTHWISE_CONV_2D": OperatorRule((3, 3), _depthwise, optional=(2,)),
        "DEPTH_TO_SPACE": _moving(1, _unblocked),
        "DEQUANTIZE": _one(_converted),
        "EXPAND_DIMS": _moving(2, _expanded),
        "FAKE_QUANT": _one(_real_unchanged),
        "FILL": _moving(2, _filled),
        "FULLY_CONNECTED": OperatorRule((2, 3), _dense, optional=(2,)),
        "GATHER": _moving(2, _gathered),
        "L2_NORMALIZATION": _one(_over_last),
        "L2_POOL_2D": _one(_pool),
        "LOCAL_RESPONSE_NORMALIZATION": _one(_image_unchanged),
        "LOG_SOFTMAX": _one(_over_last),
        "MAX_POOL_2D": _one(_pool),
        "MIRROR_PAD": _moving(2, _mirrored),
        "ONE_HOT": _moving(4, _one_hot),
        "PACK": OperatorRule((1, None), _packed, quantized=False),
        "PAD": _moving(2, _padded),
        "PADV2": _moving(3, _padded),
        "PRELU": _two(_leaky_with_slopes),
        "QUANTIZE": _one(_converted),
        "RANK": _moving(1, _rank_of),
        "RESHAPE": OperatorRule((1, 2), _reshaped, empty=(1,), quantized=False),
        "RESIZE_BILINEAR": _moving(2, _resized),
        "RESIZE_NEAREST_NEIGHBOR": _moving(2, _resized),
        "REVERSE_V2": _moving(2, _reversed),
        "SELECT": _moving(3, _chosen_rows),
        "SELECT_V2": _moving(3, _chosen),
        "SHAPE": _moving(1, _shape_of),
        "SLICE": _moving(3, _sliced),
        "SOFTMAX": _one(_over_last),
        "SPACE_TO_BATCH_ND": _moving(3, _to_batches),
        "SPACE_TO_DEPTH": _moving(1, _blocked),
        "SPLIT": _moving(2, _split),
        "SPLIT_V": _moving(3, _split_unequally),
        "SQUEEZE": _moving(1, _squeezed),
        "STRIDED_SLICE": _moving(4, _strided),
        "TILE": _moving(2, _tiled),
        "TOPK_V2": _moving(2, _top),
        "TRANSPOSE": _moving(2, _transposed),
        "TRANSPOSE_CONV": OperatorRule((3, 4), _transposed_convolution, optional=(3,)),
        "UNPACK": _moving(1, _unpacked),
        "ZEROS_LIKE": _one(_unchanged, quantized=False),
    }
)
"""By the schema's name; of an operator without a rule nothing is known."""
