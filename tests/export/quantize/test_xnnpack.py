"""Scales at which XNNPACK's leaky ReLU is exact, on the runtime itself."""

import numpy as np
import pytest

from tests.support.leaky import answers, leaky_model
from tinyedge.export.quantize.scales import align_scale_to_xnnpack
from tinyedge.tflite.quantization import QuantParams

per_tensor = QuantParams.per_tensor
AFTER = per_tensor(0.02, -110)
TOLERANCE = 0.02
INTEGERS = np.arange(-128, 128)


def xnnpack(before: QuantParams, slope: float) -> list[int]:
    """What the runtime makes of each int8."""
    qparams = (before.scale, before.zero_point, AFTER.scale, AFTER.zero_point)
    return answers(leaky_model(qparams, slope), reference=False).tolist()


def nearest(before: QuantParams, slope: float) -> list[int]:
    """The integers nearest to the activation's values, halves up as XNNPACK has them."""
    values = (INTEGERS - before.zero_point) * (before.scale / AFTER.scale)
    values = np.where(values > 0, values, slope * values)
    # A half may have come out a hair below.
    integers = np.floor(np.round(values, 9) + 0.5) + AFTER.zero_point
    return np.clip(integers, -128, 127).astype(int).tolist()


@pytest.mark.parametrize("ratio", [1.02, 1.37, 1.93, 2.46])
def test_xnnpack_is_exact_at_the_scale_moved_by_two_percent_at_most(ratio: float) -> None:
    before = per_tensor(ratio * AFTER.scale, 12)
    moved = align_scale_to_xnnpack(before, AFTER, 0.1, tolerance=TOLERANCE)
    assert moved.zero_point == before.zero_point
    assert moved.scale == pytest.approx(before.scale, rel=0.02)
    assert xnnpack(moved, 0.1) == nearest(moved, 0.1)
    assert xnnpack(before, 0.1) != nearest(before, 0.1)


def test_by_hand() -> None:
    """1.37 is 350.72 / 256: 350 is the multiple of ten within two percent."""
    before, after = per_tensor(1.37, 3), per_tensor(1.0, 0)
    moved = align_scale_to_xnnpack(before, after, 0.1, tolerance=TOLERANCE)
    assert moved == per_tensor(350 / 256, 3)
    # Of 0.01 no multiple of a hundred is as near, and the nearest integers are as good as any.
    moved = align_scale_to_xnnpack(before, after, 0.01, tolerance=TOLERANCE)
    assert moved.scale * 256 == pytest.approx(round(moved.scale * 256))


def test_a_ratio_too_small_for_any_choice_stays_near() -> None:
    before, after = per_tensor(0.001, 0), per_tensor(1.0, 0)
    moved = align_scale_to_xnnpack(before, after, 0.1, tolerance=TOLERANCE)
    assert moved == per_tensor(1 / 256, 0)
