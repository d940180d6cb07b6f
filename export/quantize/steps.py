"""int8 steps of a tensor: scale and zero point."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy.statistics import kl_divergence

__all__ = ["Steps", "logit_steps", "steps_for", "with_exact_slopes"]

Floats = NDArray[np.float32]

_SLOPE_ONE = 256  # XNNPACK's slopes are integers over this
_NEAR = 0.02  # how far a scale may be moved for a slope's sake, of itself
_OUTPUT_MARGIN = 1.25  # the largest logit an unseen picture may have, over the largest seen


@dataclass(frozen=True)
class Steps:
    """int8 quantization of a tensor: value = scale * (integer - zero_point)."""

    scale: float
    zero_point: int

    def rounded(self, values: Floats) -> Floats:
        """`values` after int8."""
        integers = np.clip(np.rint(values / np.float32(self.scale)) + self.zero_point, -128, 127)
        return np.asarray((integers - self.zero_point) * np.float32(self.scale), np.float32)


def steps_for(low: float, high: float) -> Steps:
    """Steps that cover `low` to `high` and 0."""
    low, high = min(low, 0.0), max(high, 1e-6)
    scale = (high - low) / 255
    return Steps(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def with_exact_slopes(before: Steps, after: Steps, slope: float) -> Steps:
    """`before` with its scale moved by 2 % at most, to where XNNPACK's leaky ReLU is most exact.

    XNNPACK (qs8-vlrelu) multiplies int8 by two integers over 256: the scales' ratio, and `slope`
    times that. What rounding them leaves is an error in proportion to the value, the same way at
    every pixel. For a slope of 0.1 there is none where the ratio is a multiple of 10 / 256.
    """
    wanted = _SLOPE_ONE * before.scale / after.scale
    nearest = max(1, round(wanted))
    first, last = math.ceil(wanted * (1 - _NEAR)), math.floor(wanted * (1 + _NEAR))

    def cost(multiplier: int) -> tuple[float, float]:
        below = slope * multiplier
        return round(abs(below - round(below)), 6), abs(multiplier - wanted)

    multiplier = min((nearest, *range(max(1, first), last + 1)), key=cost)
    return Steps(after.scale * multiplier / _SLOPE_ONE, before.zero_point)


def logit_steps(logits: Floats) -> Steps:
    """Steps for the network's answers: those of least KL divergence from the float answers.

    Small logits may be cut, for their probability is nil; large ones may not, for an unseen
    picture's answer hangs on them.
    """
    high = _OUTPUT_MARGIN * float(logits.max())
    candidates = [steps_for(cut * float(logits.min()), high) for cut in np.linspace(1, 0.2, 9)]
    return min(candidates, key=lambda steps: kl_divergence(logits, steps.rounded(logits)).mean())
