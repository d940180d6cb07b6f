"""Learned ranges against the smallest-to-largest ones they replace."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.export.quantize.blocks import Chain, find_chains
from tinyedge.export.quantize.observe import ChainValues
from tinyedge.export.quantize.scales import learn_ranges
from tinyedge.export.quantize.steps import Steps, logit_steps, steps_for

CHANNELS = 6
# How much of the error of smallest-to-largest ranges may be left: two thirds at the most.
LEFT = {"leaky": 0.33, "relu": 0.66, "linear": 0.66}
CFG = (
    "[net]\nheight=8\nwidth=8\nchannels=3\n"
    f"[convolutional]\nfilters={CHANNELS}\nactivation=ACTIVATION\n"
    "[convolutional]\nfilters=4\nactivation=linear\n[avgpool]\n"
)


def chain(activation: str) -> Chain:
    return find_chains(build_network(parse_cfg(CFG.replace("ACTIVATION", activation), "n.cfg")))[0]


def values(rng: np.random.Generator) -> NDArray[np.float32]:
    """Channels of very different range, a few values far out, mostly negative as leaky nets are."""
    widths = np.array([0.2, 0.5, 1, 2, 4, 8])
    normal = rng.normal(-0.3, 1, (6000, CHANNELS)) * widths
    normal[rng.integers(0, 6000, 5), rng.integers(0, CHANNELS, 5)] *= 3
    return normal.astype(np.float32)


def leaky(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(x > 0, x, np.float32(0.1) * x)


def test_steps_cover_what_they_should() -> None:
    steps = steps_for(-1.0, 3.0)
    assert steps.scale == 4 / 255
    assert steps.zero_point == -64
    assert steps.rounded(np.array([0, 1, 5], np.float32)) == pytest.approx(
        [0, round(255 / 4) * 4 / 255, (127 + 64) * 4 / 255]
    )


@pytest.mark.parametrize("activation", ["leaky", "relu", "linear"])
def test_learned_ranges_leave_less_error_on_unseen_values(activation: str) -> None:
    rng = np.random.default_rng(5)
    sensitivity = np.ones(CHANNELS)
    seen = ChainValues(values(rng), sensitivity, None)
    (found,) = learn_ranges([chain(activation)], [seen], seed=0)
    unseen = values(rng)

    def after(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return {"leaky": leaky(x), "relu": np.maximum(x, 0), "linear": x}[activation]

    def error(before: Steps, behind: Steps | None, gains: NDArray[np.float64]) -> float:
        divided = (unseen / gains).astype(np.float32)
        if activation == "relu":
            rounded = before.rounded(after(divided))
        else:
            rounded = after(before.rounded(divided))
        if behind is not None:
            rounded = behind.rounded(rounded)
        return float(((rounded * gains - after(unseen)) ** 2).mean())

    low, high = float(seen.before.min()), float(seen.before.max())
    plain_before = steps_for(0 if activation == "relu" else low, high)
    plain_after = steps_for(0.1 * low, high) if activation == "leaky" else None
    plain = error(plain_before, plain_after, np.ones(CHANNELS))
    assert error(found.before, found.after, found.gains) < LEFT[activation] * plain
    assert (found.after is not None) == (activation == "leaky")


def test_joined_chains_end_on_the_same_steps() -> None:
    rng = np.random.default_rng(6)
    seen = [ChainValues(values(rng) * k, np.ones(CHANNELS), None) for k in (1, 3)]
    found = learn_ranges([chain("leaky"), chain("relu")], seen, seed=0)
    assert found[0].after == found[1].before
    assert found[0].before != found[0].after


def test_the_same_seed_gives_the_same_ranges() -> None:
    seen = ChainValues(values(np.random.default_rng(7)), np.ones(CHANNELS), None)
    first, second = (learn_ranges([chain("leaky")], [seen], seed=3)[0] for _ in range(2))
    assert (first.before, first.after) == (second.before, second.after)
    assert (first.gains == second.gains).all()


def test_logits_are_cut_below_but_never_above() -> None:
    logits = np.random.default_rng(8).normal(0, 3, (50, 100)).astype(np.float32)
    logits[:, 0] = -200  # a class that never comes
    steps = logit_steps(logits)
    assert (127 - steps.zero_point) * steps.scale >= 1.2 * logits.max()
    assert (-128 - steps.zero_point) * steps.scale > -60
