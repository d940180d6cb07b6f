"""Ranges of the last layers, widened where that brings the answers closer on photos set aside.

What a range cuts off is rare, and rarer on the images that it was learned from than on others. In
the last layers it decides answers: there are few values of each image, and the answer hangs on the
largest.
"""

from collections.abc import Callable, Collection, Sequence

from tinyedge.export.quantize.blocks import Block
from tinyedge.export.quantize.quantizer import widened_file

__all__ = ["last_layers", "ranges_tried", "widened_ranges"]

_LAST = 5
"""Layers: before them a wider range gained nothing on Tiny Darknet."""
_FACTORS = (1.1, 1.25, 1.5)
_WORTH = 0.99
"""Of the divergence: what leaves more of it is chance."""


def widened_ranges(
    int8: bytes,
    blocks: Sequence[Block],
    layers: Sequence[int],
    divergence: Callable[[bytes], float],
    advance: Callable[[], None],
) -> dict[int, float]:
    """By layer number, what its ranges are to be multiplied by; the last layer is chosen first.

    Args:
        int8: a full-integer file.
        blocks: its network's.
        layers: numbers of those to widen, if something of them is rounded: of `last_layers`.
        divergence: of what is made of such a file from the float file, the mean over images that no
            range was learned from.
        advance: is told of each file that was run.
    """
    found: dict[int, float] = {}
    if not layers:
        return found
    least = divergence(int8)
    advance()
    for number in reversed(layers):
        tried = {}
        for factor in _FACTORS:
            tried[factor] = divergence(widened_file(int8, {**found, number: factor}, blocks))
            advance()
        best = min(tried, key=lambda factor: tried[factor])
        if tried[best] < _WORTH * least:
            found[number], least = best, tried[best]
    return found


def last_layers(blocks: Sequence[Block], alone: Collection[int]) -> list[int]:
    """Numbers of the layers whose ranges may be widened.

    Args:
        blocks: the network's.
        alone: numbers of the layers whose ranges are no other's, too.
    """
    # The ratio of the scales before and behind has to be free of the scales themselves.
    fit = (b.layer.index for b in blocks if b.function.homogeneous and b.equalizable)
    return [number for number in fit if number in alone][-_LAST:]


def ranges_tried() -> int:
    """How many files `widened_ranges` runs, at most."""
    return 1 + _LAST * len(_FACTORS)
