"""Rules of operators that compute: each number alone, several together, over dimensions."""

import math

from tinyedge.tflite.rules.call import (
    EIGHT_BIT,
    QUANTIZED,
    OperatorCall,
    OperatorError,
    Shape,
    broadcast,
    ranks,
    require,
    same_types,
    scales_of,
    shown,
)

__all__ = [
    "accumulated",
    "added",
    "chosen",
    "chosen_rows",
    "compared",
    "converted",
    "counted_up",
    "drawn",
    "filled",
    "flipped",
    "largest",
    "leaky_with_slopes",
    "normalized",
    "one_hot",
    "over_last",
    "pairwise",
    "rank_of",
    "real_unchanged",
    "reduced",
    "segmented",
    "shape_of",
    "squared_difference",
    "subtracted",
    "summed",
    "suppressed",
    "top",
    "unchanged",
]

# Of channels: far above any network's; the kernel pads by it.
_LARGEST_RADIUS = 2**15


def unchanged(call: OperatorCall) -> list[Shape]:
    same_types(call)
    return [call.shape(0)]


def converted(call: OperatorCall) -> list[Shape]:
    return [call.shape(0)]


def real_unchanged(call: OperatorCall) -> list[Shape]:
    require(call.kind(0) == "float32", f"it takes {call.kind(0)}")
    return unchanged(call)


def normalized(call: OperatorCall) -> list[Shape]:
    ranks(call, 4)
    radius = call.number("radius")
    require(0 <= radius < _LARGEST_RADIUS, f"its radius is {radius}")
    return unchanged(call)


def over_last(call: OperatorCall) -> list[Shape]:
    require(len(call.shape(0)) >= 1, "its input is a single number")
    return unchanged(call)


def leaky_with_slopes(call: OperatorCall) -> list[Shape]:
    shape = broadcast(call.shape(0), call.shape(1))
    same_types(call)
    require(call.kind(1) == call.kind(0), f"{call.kind(1)} slopes of {call.kind(0)}")
    return [shape]


def pairwise(call: OperatorCall) -> list[Shape]:
    same_types(call)
    return _broadcasting(call)


def compared(call: OperatorCall) -> list[Shape]:
    # The kernels multiply by the scales as numbers below 1.
    scales = scales_of(call, QUANTIZED, outputs=False)
    require(max(scales, default=0) < 1, f"it compares with a scale of {max(scales, default=0):g}")
    return _broadcasting(call)


def _broadcasting(call: OperatorCall) -> list[Shape]:
    one, other = call.kind(0), call.kind(1)
    require(one == other, f"it takes {one} and {other}")
    return [broadcast(call.shape(0), call.shape(1))]


def chosen(call: OperatorCall) -> list[Shape]:
    _check_choice(call)
    return [broadcast(call.shape(0), broadcast(call.shape(1), call.shape(2)))]


def chosen_rows(call: OperatorCall) -> list[Shape]:
    shape = call.shape(1)
    require(call.shape(2) == shape, "it chooses from tensors of two shapes")
    require(call.shape(0) in ((), shape, shape[:1]), "its choice has another shape")
    _check_choice(call)
    return [shape]


def _check_choice(call: OperatorCall) -> None:
    require(call.kind(0) == "bool", f"it chooses by {call.kind(0)}")
    one, other = call.kind(1), call.kind(2)
    require(one == other == call.outputs[0].type, f"it chooses from {one} and {other}")


def added(call: OperatorCall) -> list[Shape]:
    _check_powers_of_2(call)
    scales = scales_of(call, EIGHT_BIT)
    # The kernel shifts both by 20 bits, and then multiplies by a number that must be below 1.
    if len(scales) == 3:
        *inputs, output = scales
        require(max(inputs) < 2**19 * output, "its output's scale is too small for its inputs'")
    return pairwise(call)


def subtracted(call: OperatorCall) -> list[Shape]:
    _check_powers_of_2(call)
    scales = scales_of(call, EIGHT_BIT)
    # Of a number of 1, and of that alone, the kernel ends the process.
    if len(scales) == 3:
        *inputs, output = scales
        require(
            not math.isclose(max(inputs), 2**19 * output, rel_tol=1e-9),
            "its output's scale is too small for its inputs'",
        )
    return pairwise(call)


def squared_difference(call: OperatorCall) -> list[Shape]:
    scales = scales_of(call, EIGHT_BIT)
    # As of a sum, but the difference is shifted by 7 bits and then squared.
    if len(scales) == 3:
        *inputs, output = scales
        require(max(inputs) ** 2 < 2**12 * output, "its output's scale is too small")
    return pairwise(call)


def _check_powers_of_2(call: OperatorCall) -> None:
    """Scales of 16 bits that are powers of 2 are for tensors of one shape alone."""
    if call.kind(0) == "int16" and call.option("pot_scale_int16"):
        require(call.shape(0) == call.shape(1), "it adds int16 of two shapes by powers of 2")


def summed(call: OperatorCall) -> list[Shape]:
    same_types(call)
    for position in range(len(call.inputs)):
        require(
            call.shape(position) == call.shape(0) and call.kind(position) == call.kind(0),
            "it adds tensors of several shapes or types",
        )
    return [call.shape(0)]


def reduced(call: OperatorCall) -> list[Shape]:
    shape = call.shape(0)
    axes = {call.axis(number, len(shape)) for number in call.fixed(1)}
    keep = call.option("keep_dims")
    same_types(call)
    return [
        tuple(
            1 if number in axes else side
            for number, side in enumerate(shape)
            if keep or number not in axes
        )
    ]


def largest(call: OperatorCall) -> list[Shape]:
    shape = call.shape(0)
    axis = call.constant_axis(1, len(shape))
    require(call.outputs[0].type in ("int32", "int64"), f"it makes {call.outputs[0].type}")
    return [shape[:axis] + shape[axis + 1 :]]


def top(call: OperatorCall) -> list[Shape]:
    shape = call.shape(0)
    (count,) = call.fixed(1, 1)
    require(bool(shape) and 1 <= count <= shape[-1], f"the {count} largest of {shown(shape)}")
    return [(*shape[:-1], count)] * 2


def accumulated(call: OperatorCall) -> list[Shape]:
    call.constant_axis(1, len(call.shape(0)))
    return unchanged(call)


def flipped(call: OperatorCall) -> list[Shape]:
    axes = [call.axis(number, len(call.shape(0))) for number in call.fixed(1)]
    require(len(set(axes)) == len(axes), "it reverses a dimension twice")
    return unchanged(call)


def one_hot(call: OperatorCall) -> list[Shape]:
    shape = call.shape(0)
    (depth,) = call.fixed(1, 1)
    axis = call.number("axis")
    axis = len(shape) if axis == -1 else axis
    require(0 <= axis <= len(shape) and depth >= 1, f"axis {axis}, depth {depth}")
    for position in (2, 3):
        require(call.tensor(position).elements == 1, "on and off are no single numbers")
        require(call.kind(position) == call.outputs[0].type, "on and off are of another type")
    return [(*shape[:axis], depth, *shape[axis:])]


def shape_of(call: OperatorCall) -> list[Shape]:
    return [(len(call.shape(0)),)]


def rank_of(call: OperatorCall) -> list[Shape]:
    del call
    return [()]


def filled(call: OperatorCall) -> list[Shape]:
    target = call.fixed(0)
    require(call.tensor(1).elements == 1, "its value is no single number")
    require(call.kind(1) == call.outputs[0].type, f"it fills with {call.kind(1)}")
    require(min(target, default=1) >= 1, f"its shape is {shown(target)}")
    return [target]


# What these give is as long as a number says when they run.


def counted_up(call: OperatorCall) -> list[Shape | None]:
    start, limit, delta = (_number(call, position) for position in range(3))
    require(delta != 0 and all(map(math.isfinite, (start, limit, delta))), f"steps of {delta}")
    count = -((start - limit) // delta)
    # The kernel counts floats in float32.
    fits = abs(count - call.outputs[0].elements) <= 1
    require(fits, f"it counts from {start} to {limit} by {delta}")
    return [None]


def _number(call: OperatorCall, position: int) -> float:
    """The one number of a constant input."""
    data = call.tensor(position).data()
    if data is None or data.size != 1:
        raise OperatorError(f"input {position}, which says what it does, is no constant number")
    number: float = data.item()
    return number


def drawn(call: OperatorCall) -> list[Shape]:
    (count,) = call.fixed(1, 1)
    return [(*call.shape(0)[:-1], count)]


def segmented(call: OperatorCall) -> list[Shape]:
    (count,) = call.fixed(2, 1)
    return [(count, *call.shape(0)[len(call.shape(1)) :])]


def suppressed(call: OperatorCall) -> list[Shape]:
    (count,) = call.fixed(2, 1)
    return [*[(count,)] * (len(call.outputs) - 1), ()]
