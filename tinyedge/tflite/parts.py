"""Large tensors, a part at a time: VGG-16 has a kernel of 103 million weights."""

from collections.abc import Iterator

__all__ = ["row_parts"]

_VALUES = 1 << 22


def row_parts(shape: tuple[int, ...], values: int = _VALUES) -> Iterator[slice]:
    """Slices along the first axis, of at most about so many values each, that cover all of it.

    Args:
        shape: of a tensor of one dimension or more; of no values there are no parts.
        values: those of the other axes together are at least taken.
    """
    rows, *others = shape
    row = 1
    for size in others:
        row *= size
    step = max(1, values // max(row, 1))
    for start in range(0, rows if row else 0, step):
        yield slice(start, min(start + step, rows))
