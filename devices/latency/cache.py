"""The lines of memory that an inference does not find in a core's last cache, by rule.

The rule knows where things lie. What a network computes is placed as TFLite and XNNPACK place it:
the largest first, each in the narrowest gap among those that are needed at the same time (Pisarchyk
and Lee, Efficient Memory Management for Deep Neural Net Inference, 2020), so that what is done with
makes room for what comes, in the same lines of the cache. Weights stay in places of their own, and
so do the pointers to pixels that a kernel of several taps goes through, one a tap and output pixel
(Dukhan, The Indirect Convolution Algorithm, 2019): of a first layer they are more than its pixels.

The cache holds what was touched last. An operator goes through what it reads and what it writes
side by side, from the first byte to the last.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from tinyedge.devices.latency.roofline import LINE_BYTES
from tinyedge.tflite.model import Operator, Subgraph

__all__ = ["COPIES_NOTHING", "POOLS", "missed_lines", "taps"]

COPIES_NOTHING = frozenset(("EXPAND_DIMS", "RESHAPE", "SQUEEZE"))
"""They give out what came in, where it is."""
POOLS = frozenset(("AVERAGE_POOL_2D", "MAX_POOL_2D"))

_BLOCK_BYTES = 4096
"""Of what is computed, the cache is taken to hold whole blocks."""
_POINTER_BYTES = 8
_CONVOLUTIONS = frozenset(("CONV_2D", "DEPTHWISE_CONV_2D"))


class _Piece(NamedTuple):
    """What the cache holds or does not: its name, and how many bytes of it are touched."""

    key: Hashable
    size: int


def missed_lines(graph: Subgraph, cache_bytes: int) -> Iterator[tuple[Operator, float]]:
    """Each operator that computes, with the lines of `LINE_BYTES` that come from memory for it.

    Of several inferences it is the second: the first one finds nothing.
    """
    operators = [each for each in graph.operators if _computes(graph, each)]
    touched = list(_touched(graph, operators))
    held: dict[Hashable, int] = {}
    total = 0
    for inference in range(2):
        for operator, pieces in zip(operators, touched, strict=True):
            missed = 0
            for piece in pieces:
                before = held.pop(piece.key, 0)
                missed += 0 if before else piece.size
                held[piece.key] = max(before, piece.size)
                total += held[piece.key] - before
                while total > cache_bytes:
                    total -= held.pop(next(iter(held)))
            if inference:
                yield operator, missed / LINE_BYTES


def taps(graph: Subgraph, operator: Operator) -> int:
    """How many pixels an output pixel of a convolution or a pool is made of; 1 of others."""
    if operator.name in _CONVOLUTIONS:
        return math.prod(graph.tensors[operator.inputs[1]].shape[1:3])
    if operator.name in POOLS:
        height, width = operator.options["filter_h"], operator.options["filter_w"]
        assert isinstance(height, int)
        assert isinstance(width, int)
        return height * width
    return 1


def _computes(graph: Subgraph, operator: Operator) -> bool:
    return operator.name not in COPIES_NOTHING and bool(graph.computed_inputs(operator))


def _touched(graph: Subgraph, operators: Sequence[Operator]) -> Iterator[list[_Piece]]:
    """What each operator touches, in that order."""
    same = _same_place(graph)
    places = _places(graph, operators, same)
    for number, operator in enumerate(operators):
        constants, streams = [], []
        for index in (*operator.inputs, *operator.outputs):
            size = graph.tensors[index].bytes if index >= 0 else 0
            if index >= 0 and same[index] in places:
                streams.append(_blocks("arena", places[same[index]], size))
            elif size:
                constants.append(_Piece(("constant", index), size))
        streams.append(_blocks(f"pointers of {number}", 0, _pointer_bytes(graph, operator)))
        yield [*constants, *_side_by_side(streams)]


def _same_place(graph: Subgraph) -> list[int]:
    """For each tensor that which it is another shape of, or itself."""
    same = list(range(len(graph.tensors)))
    for operator in graph.operators:
        sources = graph.computed_inputs(operator)
        if operator.name in COPIES_NOTHING and sources and operator.outputs:
            same[operator.outputs[0]] = same[sources[0]]
    return same


def _places(graph: Subgraph, operators: Sequence[Operator], same: Sequence[int]) -> dict[int, int]:
    """The block that each tensor that is computed begins at, those of another shape left out."""
    needed = _needed(graph, operators, same)
    placed: list[tuple[int, int, range]] = []
    found = {}
    for index in sorted(needed, key=lambda each: -graph.tensors[each].bytes):
        count, span = _block_count(graph.tensors[index].bytes), needed[index]
        beside = sorted(
            (begin, end)
            for begin, end, other in placed
            if other.start < span.stop and span.start < other.stop
        )
        found[index] = begin = _narrowest_gap(beside, count)
        placed.append((begin, begin + count, span))
    return found


def _needed(
    graph: Subgraph, operators: Sequence[Operator], same: Sequence[int]
) -> dict[int, range]:
    """During which operators each tensor that is computed is needed."""
    needed: dict[int, range] = {}

    def widen(index: int, number: int) -> None:
        span = needed.get(same[index], range(number, number + 1))
        needed[same[index]] = range(min(span.start, number), max(span.stop, number + 1))

    for number, operator in enumerate(operators):
        for index in (*graph.computed_inputs(operator), *operator.outputs):
            widen(index, number)
    # The caller writes what goes in and reads what comes out.
    for indices, number in ((graph.inputs, -1), (graph.outputs, len(operators))):
        for index in indices:
            widen(index, number)
    return needed


def _narrowest_gap(taken: Sequence[tuple[int, int]], count: int) -> int:
    """Where so many blocks fit between those that are taken, sorted; or behind them."""
    gaps, end = [], 0
    for begin, stop in taken:
        if begin - end >= count:
            gaps.append((begin - end, end))
        end = max(end, stop)
    return min(gaps)[1] if gaps else end


def _pointer_bytes(graph: Subgraph, operator: Operator) -> int:
    """Of the pointers that a kernel of several taps goes through."""
    pixels, each = math.prod(graph.tensors[operator.outputs[0]].shape[:-1]), taps(graph, operator)
    return _POINTER_BYTES * each * pixels if each > 1 else 0


def _block_count(size: int) -> int:
    return -(-size // _BLOCK_BYTES)


def _blocks(region: str, first: int, size: int) -> list[_Piece]:
    """So many bytes of a region of memory, from a block on."""
    return [
        _Piece((region, first + number), min(_BLOCK_BYTES, size - number * _BLOCK_BYTES))
        for number in range(_block_count(size))
    ]


def _side_by_side(streams: Sequence[Sequence[_Piece]]) -> list[_Piece]:
    """All of them, each piece where its place in its own stream puts it."""
    placed = [
        (place / len(stream), number, piece)
        for number, stream in enumerate(streams)
        for place, piece in enumerate(stream)
    ]
    return [piece for *_, piece in sorted(placed, key=lambda each: each[:2])]
