"""Rules of operators that only move numbers: the same ones are in another place, or several."""

import math

from tinyedge.tflite.rules.call import (
    OperatorCall,
    Shape,
    broadcast,
    ranks,
    require,
    same_types,
    shown,
)
from tinyedge.tflite.rules.elements import summed

__all__ = [
    "blocked",
    "broadcasted",
    "broadcasted_shape",
    "concatenated",
    "diagonal",
    "dilated",
    "expanded",
    "from_batches",
    "gathered",
    "gathered_places",
    "looked_up",
    "mirrored",
    "overwritten",
    "packed",
    "padded",
    "reshaped",
    "resized",
    "scattered",
    "sliced",
    "split",
    "split_unequally",
    "spread_out",
    "squeezed",
    "strided",
    "tiled",
    "to_batches",
    "transposed",
    "unblocked",
    "unpacked",
]


def reshaped(call: OperatorCall) -> list[Shape | None]:
    same_types(call)
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
        require(call.outputs[0].elements == elements, "its output has other numbers")
        return [None]
    known = math.prod(side for side in numbers if side != -1)
    left_open = numbers.count(-1)
    require(
        min(numbers, default=0) >= -1 and left_open <= 1 and known > 0 and elements % known == 0,
        f"{shown(numbers)} is no shape of {elements} numbers",
    )
    shape = tuple(elements // known if side == -1 else side for side in numbers)
    require(math.prod(shape) == elements, f"{shown(numbers)} is no shape of {elements} numbers")
    return [shape]


def squeezed(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape, dims = call.shape(0), call.option("squeeze_dims")
    assert isinstance(dims, tuple)
    axes = {call.axis(number, len(shape)) for number in dims}
    axes = axes or {number for number, side in enumerate(shape) if side == 1}
    require(all(shape[axis] == 1 for axis in axes), f"{shown(dims)} of {shown(shape)} are not 1")
    return [tuple(side for number, side in enumerate(shape) if number not in axes)]


def expanded(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape = call.shape(0)
    axis = call.constant_axis(1, len(shape) + 1)
    return [(*shape[:axis], 1, *shape[axis:])]


def transposed(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape = call.shape(0)
    order = [call.axis(number, len(shape)) for number in call.fixed(1, len(shape))]
    require(sorted(order) == list(range(len(shape))), f"{shown(order)} is no order of dimensions")
    return [tuple(shape[axis] for axis in order)]


def concatenated(call: OperatorCall) -> list[Shape]:
    same_types(call)
    require(call.option("fused_activation") == "NONE", "it has an activation")
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
        require(
            fits and call.kind(position) == call.kind(0),
            f"{shown(shape)} and {shown(other)} do not go together along axis {axis}",
        )
        total += other[axis]
    return [(*shape[:axis], total, *shape[axis + 1 :])]


def packed(call: OperatorCall) -> list[Shape]:
    summed(call)
    shape = call.shape(0)
    require(call.number("values_count") == len(call.inputs), "its count is not its inputs'")
    axis = call.axis(call.number("axis"), len(shape) + 1)
    return [(*shape[:axis], len(call.inputs), *shape[axis:])]


def unpacked(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape = call.shape(0)
    axis = call.axis(call.number("axis"), len(shape))
    require(call.number("num") == len(call.outputs) == shape[axis], "its count is not its outputs'")
    return [shape[:axis] + shape[axis + 1 :]] * len(call.outputs)


def split(call: OperatorCall) -> list[Shape]:
    shape, count = call.shape(1), call.number("num_splits")
    axis = call.constant_axis(0, len(shape))
    require(
        count == len(call.outputs) and count >= 1 and shape[axis] % count == 0,
        f"{shown(shape)} in {count} parts",
    )
    require(all(tensor.type == call.kind(1) for tensor in call.outputs), "it changes the type")
    return [(*shape[:axis], shape[axis] // count, *shape[axis + 1 :])] * count


def split_unequally(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape, count = call.shape(0), call.number("num_splits")
    sizes = list(call.fixed(1, count))
    axis = call.constant_axis(2, len(shape))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = shape[axis] - sum(size for size in sizes if size != -1)
    require(
        min(sizes, default=0) >= 1 and sum(sizes) == shape[axis] and count == len(call.outputs),
        f"{shown(shape)} in parts of {shown(sizes)}",
    )
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


def sliced(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape = call.shape(0)
    begins, sizes = call.fixed(1, len(shape)), call.fixed(2, len(shape))
    made = []
    for side, begin, size in zip(shape, begins, sizes, strict=True):
        length = side - begin if size == -1 else size
        require(0 <= begin < side and 1 <= length <= side - begin, f"{size} from {begin} of {side}")
        made.append(length)
    return [tuple(made)]


def strided(call: OperatorCall) -> list[Shape | None]:
    same_types(call)
    shape = call.shape(0)
    begins = call.fixed(1)
    ends, strides = call.fixed(2, len(begins)), call.fixed(3, len(begins))
    require(0 not in strides, "it has a stride of 0")
    if call.number("ellipsis_mask") or call.number("new_axis_mask"):
        return [None]
    require(len(begins) <= len(shape), f"{len(begins)} slices of {shown(shape)}")
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
            require(-side <= place < side, f"place {place} of {side}")
            continue
        end = None if masked("end_mask") else ends[number]
        made.append(len(range(side)[begin : end : strides[number]]))
    return [tuple(made)]


def gathered(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape, indices = call.shape(0), call.shape(1)
    axis = call.axis(call.number("axis"), len(shape))
    batch = call.number("batch_dims")
    batch = batch + len(indices) if batch < 0 else batch
    require(
        0 <= batch <= min(axis, len(indices)) and shape[:batch] == indices[:batch],
        f"{batch} dimensions are batches",
    )
    require(call.kind(1) in ("int16", "int32", "int64"), f"its indices are {call.kind(1)}")
    if call.kind(1) != "int16":
        require(
            all(0 <= index < shape[axis] for index in call.constants(1) or ()),
            f"an index is not below {shape[axis]}",
        )
    return [(*shape[:axis], *indices[batch:], *shape[axis + 1 :])]


def tiled(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape = call.shape(0)
    times = call.fixed(1, len(shape))
    require(min(times, default=1) >= 1, f"{shown(times)} times")
    return [tuple(side * count for side, count in zip(shape, times, strict=True))]


def broadcasted(call: OperatorCall) -> list[Shape]:
    same_types(call)
    target = call.fixed(1)
    require(
        min(target, default=1) >= 1
        and len(target) >= len(call.shape(0))
        and broadcast(call.shape(0), target) == target,
        f"{shown(call.shape(0))} does not become {shown(target)}",
    )
    return [target]


def broadcasted_shape(call: OperatorCall) -> list[Shape]:
    ranks(call, 1, 1)
    return [(max(*call.shape(0), *call.shape(1)),)]


def overwritten(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape, part = call.shape(0), call.shape(1)
    require(
        len(part) == len(shape)
        and all(side <= whole for side, whole in zip(part, shape, strict=True)),
        f"{shown(part)} is no part of {shown(shape)}",
    )
    require(call.kind(1) == call.kind(0), f"it puts {call.kind(1)} into {call.kind(0)}")
    require(call.shape(2) == (len(shape),), "its place has other dimensions")
    return [shape]


def padded(call: OperatorCall) -> list[Shape]:
    same_types(call)
    pairs = _pairs(call, 1, len(call.shape(0)))
    if call.has(2):
        require(
            call.tensor(2).elements == 1 and call.kind(2) == call.kind(0),
            "what it pads with is no single number of its type",
        )
    return [tuple(side + sum(pair) for side, pair in zip(call.shape(0), pairs, strict=True))]


def mirrored(call: OperatorCall) -> list[Shape]:
    most = 1 if call.option("mode") == "REFLECT" else 0
    for side, pair in zip(call.shape(0), _pairs(call, 1, len(call.shape(0))), strict=True):
        require(max(pair) <= side - most, f"{max(pair)} mirrored of {side}")
    return padded(call)


def _pairs(call: OperatorCall, position: int, count: int) -> list[tuple[int, int]]:
    shape = call.shape(position)
    require(shape == (count, 2), f"its input {position} has shape {shown(shape)}")
    numbers = call.fixed(position)
    require(min(numbers, default=0) >= 0, "it pads by less than nothing")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def resized(call: OperatorCall) -> list[Shape]:
    ranks(call, 4)
    same_types(call)
    height, width = call.fixed(1, 2)
    batch, _, _, channels = call.shape(0)
    require(min(height, width) >= 1, f"its size is {height}x{width}")
    return [(batch, height, width, channels)]


def blocked(call: OperatorCall) -> list[Shape]:
    batch, height, width, channels = _image(call)
    block = call.number("block_size")
    require(
        block >= 1 and height % block == 0 and width % block == 0,
        f"blocks of {block} in {shown(call.shape(0))}",
    )
    return [(batch, height // block, width // block, channels * block * block)]


def unblocked(call: OperatorCall) -> list[Shape]:
    batch, height, width, channels = _image(call)
    block = call.number("block_size")
    require(
        block >= 1 and channels % (block * block) == 0,
        f"blocks of {block} in {shown(call.shape(0))}",
    )
    return [(batch, height * block, width * block, channels // (block * block))]


def _image(call: OperatorCall) -> Shape:
    ranks(call, 4)
    same_types(call)
    return call.shape(0)


def to_batches(call: OperatorCall) -> list[Shape]:
    blocks, pairs = _batch_blocks(call)
    batch, *sides = call.shape(0)
    inner = []
    for side, block, pair in zip(sides, blocks, pairs, strict=False):
        require((side + sum(pair)) % block == 0, f"blocks of {block} in {side}")
        inner.append((side + sum(pair)) // block)
    return [(batch * math.prod(blocks), *inner, *sides[len(blocks) :])]


def from_batches(call: OperatorCall) -> list[Shape]:
    blocks, pairs = _batch_blocks(call)
    batch, *sides = call.shape(0)
    require(batch % math.prod(blocks) == 0, f"a batch of {batch} from {shown(blocks)}")
    inner = [
        side * block - sum(pair) for side, block, pair in zip(sides, blocks, pairs, strict=False)
    ]
    require(min(inner) >= 1, "it cuts all away")
    return [(batch // math.prod(blocks), *inner, *sides[len(blocks) :])]


def _batch_blocks(call: OperatorCall) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    same_types(call)
    spatial = len(call.shape(0)) - 2
    require(spatial in (1, 2), f"its input has shape {shown(call.shape(0))}")
    blocks = call.fixed(1, spatial)
    require(call.shape(1) == (spatial,) and min(blocks) >= 1, f"blocks of {shown(blocks)}")
    return blocks, _pairs(call, 2, spatial)


def scattered(call: OperatorCall) -> list[Shape]:
    return [call.fixed(2)]


def spread_out(call: OperatorCall) -> list[Shape]:
    return [call.fixed(1)]


def gathered_places(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape, places = call.shape(0), call.shape(1)
    require(bool(places) and 0 < places[-1] <= len(shape), f"places {shown(places)}")
    return [(*places[:-1], *shape[places[-1] :])]


def looked_up(call: OperatorCall) -> list[Shape]:
    ranks(call, 1)
    shape = call.shape(1)
    require(len(shape) >= 1, "it looks up in a single number")
    return [(*call.shape(0), *shape[1:])]


def diagonal(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape = call.shape(0)
    require(len(shape) >= 1, "its input is a single number")
    return [(*shape, shape[-1])]


def dilated(call: OperatorCall) -> list[Shape]:
    same_types(call)
    shape = call.shape(0)
    steps = call.fixed(1, len(shape))
    require(min(steps, default=1) >= 1, f"it dilates by {shown(steps)}")
    return [tuple((side - 1) * step + 1 for side, step in zip(shape, steps, strict=True))]
