"""Large tensors a part at a time."""

import numpy as np
import pytest

from tinyedge.tflite.parts import row_parts
from tinyedge.tflite.quantization import QuantParams


@pytest.mark.parametrize("shape", [(1,), (7,), (7, 3), (5, 2, 3), (4, 100), (0, 3), (3, 0)])
@pytest.mark.parametrize("values", [1, 6, 7, 1000])
def test_parts_cover_all_rows_once(shape: tuple[int, ...], values: int) -> None:
    parts = list(row_parts(shape, values))
    rows = [row for part in parts for row in range(shape[0])[part]]
    assert rows == (list(range(shape[0])) if np.prod(shape) else [])
    row = int(np.prod(shape[1:]))
    assert all((part.stop - part.start) * row <= max(values, row) for part in parts)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_rows_are_dequantized_as_the_whole_is(axis: int) -> None:
    rng = np.random.default_rng(3)
    stored = rng.integers(-127, 128, (5, 4)).astype(np.int8)
    qparams = QuantParams.symmetric(rng.random(stored.shape[axis]) + 0.1, axis)
    whole = qparams.dequantize(stored)
    for part in row_parts(stored.shape, 8):
        assert (qparams.rows(part, 2).dequantize(stored[part]) == whole[part]).all()
