"""Rules of operators that multiply, and of pools, whose windows move as convolutions' do."""

import math

from tinyedge.tflite.rules.call import (
    QUANTIZED,
    OperatorCall,
    Shape,
    broadcast,
    ranks,
    require,
    same_types,
    shown,
)
from tinyedge.tflite.schema import OptionValue

__all__ = [
    "convolution",
    "dense",
    "depthwise",
    "filtered",
    "matrices",
    "pool",
    "transposed_convolution",
]

# Of kernels of a convolution, strides and dilations: far above any network's, and their products
# fit an int.
_LARGEST_SIDE = 2**15
# A pool or a convolution keeps a pointer for each place of its window at each place of its output.
_MOST_PLACES = 2**28
# Kernels shift an int by it; a network's is below 1, or little more.
_LARGEST_FACTOR = 2.0**24
_LARGEST_FACTOR_OF_MATRICES = 2.0**6


def _window(call: OperatorCall, size: tuple[int, int], *, batch: int, channels: int) -> Shape:
    """The output of a window of `size` that is moved over the first input."""
    options = call.operator.options
    sides = []
    places = math.prod(size)
    for side, kernel, axis in zip(call.shape(0)[1:3], size, "hw", strict=True):
        stride, dilation = call.number(f"stride_{axis}"), int(options.get(f"dilation_{axis}", 1))  # type: ignore[arg-type]
        for name, number in (("size", kernel), ("stride", stride), ("dilation", dilation)):
            require(1 <= number < _LARGEST_SIDE, f"its {name} is {number}")
        sides.append(_moved(side, (kernel - 1) * dilation + 1, stride, call.option("padding")))
        require(sides[-1] >= 1, f"a window of {kernel} does not fit into {side} pixels")
        places *= sides[-1]
    require(places <= _MOST_PLACES, f"a window of {shown(size)} at {shown(sides)} places")
    return (batch, *sides, channels)


def _moved(side: int, window: int, stride: int, padding: OptionValue) -> int:
    """How often a window has room along a side."""
    return -(-side // stride) if padding == "SAME" else (side - window) // stride + 1


def _bias(call: OperatorCall, position: int, outputs: int) -> None:
    if call.has(position):
        shape = call.shape(position)
        require(
            math.prod(shape) == outputs and shape[-1:] == (outputs,),
            f"its bias has shape {shown(shape)} for {outputs} outputs",
        )
        wanted = {"float32": ("float32",), "int16": ("int32", "int64")}
        kinds = wanted.get(call.kind(0), ("int32",))
        require(call.kind(position) in kinds, f"its bias is {call.kind(position)}")


def _weights(call: OperatorCall, axis: int) -> None:
    """The kernel's type and, where it is quantized per channel, along which dimension."""
    one, other = call.kind(0), call.kind(1)
    pairs = {
        "float32": ("float32", "int8", "uint8", "int4"),
        "int8": ("int8", "int4"),
        "uint8": ("uint8",),
        "int16": ("int8", "int4"),
    }
    require(other in pairs.get(one, ()), f"it multiplies {one} by {other}")
    require(call.outputs[0].type == one, f"it makes {call.outputs[0].type} of {one}")
    qparams = call.tensor(1).qparams
    if qparams is not None and not qparams.is_per_tensor:
        require(qparams.axis == axis, f"its kernel has its scales along dimension {qparams.axis}")
    _requantized(call, 0, 1)


def _requantized(
    call: OperatorCall, one: int, other: int, largest: float = _LARGEST_FACTOR
) -> None:
    """Products of quantized numbers are brought to the output's scale by a shift of an int."""
    scales = [
        float(tensor.qparams.scales.max())
        for tensor in (call.tensor(one), call.tensor(other), call.outputs[0])
        if tensor.type in QUANTIZED and tensor.qparams is not None
    ]
    if len(scales) == 3:
        factor = scales[0] * scales[1] / scales[2]
        require(factor < largest, f"its output's scale is {factor:g} times too small")


def convolution(call: OperatorCall) -> list[Shape]:
    ranks(call, 4, 4)
    _weights(call, 0)
    batch, _, _, channels = call.shape(0)
    outputs, height, width, depth = call.shape(1)
    require(
        depth > 0 and channels % depth == 0 and outputs % (channels // depth or 1) == 0,
        f"its kernel {shown(call.shape(1))} does not fit its input {shown(call.shape(0))}",
    )
    _bias(call, 2, outputs)
    return [_window(call, (height, width), batch=batch, channels=outputs)]


def depthwise(call: OperatorCall) -> list[Shape]:
    ranks(call, 4, 4)
    _weights(call, 3)
    batch, _, _, channels = call.shape(0)
    one, height, width, outputs = call.shape(1)
    multiplier = call.number("depth_multiplier")
    require(
        one == 1 and channels > 0 and outputs % channels == 0,
        f"its kernel {shown(call.shape(1))} does not fit its input {shown(call.shape(0))}",
    )
    require(
        multiplier * channels == outputs,
        f"its depth multiplier is {multiplier} for {channels} channels and {outputs} outputs",
    )
    _bias(call, 2, outputs)
    return [_window(call, (height, width), batch=batch, channels=outputs)]


def transposed_convolution(call: OperatorCall) -> list[Shape]:
    output = call.fixed(0, 4)
    kernel, image = call.shape(1), call.shape(2)
    require(len(kernel) == 4 and len(image) == 4, "its kernel or its image has not 4 dimensions")
    one, other = call.kind(2), call.kind(1)
    require((one, other) in (("int16", "int8"), (one, one)), f"it multiplies {one} by {other}")
    require(call.outputs[0].type == one, f"it makes {call.outputs[0].type} of {one}")
    require(
        kernel[3] == image[3] and (output[0], output[3]) == (image[0], kernel[0]),
        f"its kernel {shown(kernel)} does not fit its input {shown(image)}",
    )
    _requantized(call, 2, 1)
    if call.has(3):
        require(math.prod(call.shape(3)) == kernel[0], "its bias does not fit its kernel")
    places = math.prod(kernel[1:3])
    for axis, size, made, side in zip("hw", kernel[1:3], output[1:3], image[1:3], strict=True):
        stride = call.number(f"stride_{axis}")
        require(1 <= size < _LARGEST_SIDE, f"its size is {size}")
        require(1 <= stride < _LARGEST_SIDE, f"its stride is {stride}")
        require(
            made >= 1 and _moved(made, size, stride, call.option("padding")) == side,
            f"of {side} pixels it makes {made}",
        )
        places *= made
    require(places <= _MOST_PLACES, f"a window of {shown(kernel)} at {shown(output)} places")
    return [output]


def pool(call: OperatorCall) -> list[Shape]:
    ranks(call, 4)
    batch, _, _, channels = call.shape(0)
    size = call.number("filter_h"), call.number("filter_w")
    same_types(call)
    return [_window(call, size, batch=batch, channels=channels)]


def dense(call: OperatorCall) -> list[Shape]:
    require(len(call.shape(1)) == 2, "its weights are no matrix")
    _weights(call, 0)
    require(call.option("weights_format") == "DEFAULT", "its weights are shuffled")
    outputs, inputs = call.shape(1)
    _bias(call, 2, outputs)
    shape = call.shape(0)
    if call.option("keep_num_dims"):
        require(shape[-1:] == (inputs,), f"its input has shape {shown(shape)}")
        return [(*shape[:-1], outputs)]
    elements = math.prod(shape)
    require(
        inputs > 0 and elements % inputs == 0,
        f"{elements} numbers come into weights of {inputs} columns",
    )
    return [(elements // inputs, outputs)]


def filtered(call: OperatorCall) -> list[Shape]:
    """What filters of some rank make of a row and of the rows before it."""
    ranks(call, 2, 2, 2)
    batch, inputs = call.shape(0)
    filters, depth = call.shape(1)
    timed, memory = call.shape(2)
    rank = call.number("rank")
    require(
        depth == inputs and timed == filters and rank >= 1 and filters % rank == 0,
        f"its filters {shown(call.shape(1))} and {shown(call.shape(2))} of rank {rank} do not fit",
    )
    if call.has(3):
        require(call.shape(3) == (filters // rank,), "its bias does not fit its filters")
    require(call.shape(4) == (batch, memory * filters), "its state does not fit its filters")
    return [(batch, filters // rank)]


def matrices(call: OperatorCall) -> list[Shape]:
    one, other = call.shape(0), call.shape(1)
    require(min(len(one), len(other)) >= 2 and max(len(one), len(other)) <= 5, "no matrices")
    _requantized(call, 0, 1, _LARGEST_FACTOR_OF_MATRICES)
    rows, inner = one[-2:][::-1] if call.option("adj_x") else one[-2:]
    depth, columns = other[-2:][::-1] if call.option("adj_y") else other[-2:]
    require(inner == depth, f"{shown(one)} times {shown(other)}")
    return [(*broadcast(one[:-2], other[:-2]), rows, columns)]
