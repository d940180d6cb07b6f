"""int8 PRELU against int8 LEAKY_RELU, bit by bit, and both against integer arithmetic by hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.leaky import EVERY_INT8, answers, leaky_model
from tinyedge.export.edgetpu.lower import edge_tpu_file

# Scale and zero point before and after a leaky activation: of layers of Tiny Darknet and of the
# built-in model with learned scales; of pixels; and of ones far apart.
QPARAMS = [
    (0.10396556556224823, 21, 0.049541305750608444, -96),
    (0.10610555112361908, -38, 0.07211795449256897, -115),
    (0.061912864446640015, 20, 0.029492292553186417, -97),
    (0.08831039071083069, 39, 0.03591206669807434, -87),
    (1.6019123792648315, -42, 1.1116605997085571, -116),
    (0.024849817156791687, 18, 0.012065333314239979, -97),
    (0.02994169294834137, -46, 0.021302616223692894, -116),
    (0.06414204835891724, -20, 0.039534784853458405, -111),
    (1 / 255, -128, 1 / 255, -128),
    (0.03, 0, 0.1, 5),
    (0.1, 127, 0.013, 127),
]
SLOPES = [0.1, 0.01, 0.1 / 1.1]


def _multiplied(value: int, factor: float) -> int:
    """The product with a factor of 31 bits and a power of two, rounded twice, as in gemmlowp."""
    fraction, exponent = math.frexp(factor)
    high = value * 2 ** max(0, exponent) * round(fraction * 2**31)
    nudged = high + (2**30 if high >= 0 else 1 - 2**30)
    product = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)
    half = 2 ** max(0, -exponent)
    # Halves go away from zero.
    return (2 * abs(product) + half) // (2 * half) * (1 if product >= 0 else -1)


def by_hand(
    qparams: tuple[float, int, float, int], *, above: float, below: float, alpha: int
) -> NDArray[np.int64]:
    """What TFLite's kernels define for each int8: `below` times `alpha` under zero."""
    _, zero_before, _, zero_after = qparams
    found = []
    for value in EVERY_INT8.tolist():
        moved = value - zero_before
        product = _multiplied(moved, above) if moved >= 0 else _multiplied(moved * alpha, below)
        found.append(min(127, max(-128, product + zero_after)))
    return np.array(found)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("qparams", QPARAMS)
def test_prelu_is_the_arithmetic_by_hand_and_differs_by_one_from_leaky_at_most(
    qparams: tuple[float, int, float, int], slope: float
) -> None:
    leaky = leaky_model(qparams, slope)
    made = edge_tpu_file(leaky)
    assert made.lowered == ("leaky-as-prelu",)
    prelu = answers(made.content, reference=True)
    before, after = np.float32(qparams[0]), np.float32(qparams[2])
    above = float(before / after)
    scale = np.float32(np.float32(slope) / 127)
    hand = by_hand(qparams, above=above, below=float(before * scale / after), alpha=127)
    assert prelu.tolist() == hand.tolist()
    reference = answers(leaky, reference=True)
    hand = by_hand(qparams, above=above, below=float(before * np.float32(slope) / after), alpha=1)
    assert reference.tolist() == hand.tolist()
    # Under zero, where an alpha of 127 carries seven more bits, the integer nearest to the value.
    moved = EVERY_INT8.astype(np.float64) - qparams[1]
    exact = float(np.float32(slope)) * moved * float(before) / float(after) + qparams[3]
    under = (moved < 0) & (exact > -128)  # nothing where the zero point is -128
    assert np.all(np.abs(prelu - exact)[under] <= 0.51)
    assert np.abs(prelu - reference).max() <= 1
    # XNNPACK's leaky has slopes of eight bits behind the point.
    assert np.abs(prelu - answers(leaky, reference=False)).max() <= 1
