"""Learned scales against the smallest-to-largest ranges they replace."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.layers import Softmax
from tinyedge.darknet.network import build_network
from tinyedge.export.quantize.blocks import Block, find_blocks
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.tflite.quantization import QuantParams

require_tensorflow()  # in less time than the modules below take to import it

from tinyedge.export.quantize.observe import BlockStatistics  # noqa: E402
from tinyedge.export.quantize.scales import (  # noqa: E402
    BlockQuantParams,
    Rounded,
    choose_logit_qparams,
    learn_scales,
)

CHANNELS = 6
# Enough on six channels for what is asked of them here.
CONFIG = QuantizerConfig(iterations=150, leaky_iterations=150, learning_rate=0.05)
# What is asked does not depend on how far they got.
SHORT = QuantizerConfig(iterations=2, leaky_iterations=2, brief_iterations=2)
# How much of the error of smallest-to-largest ranges may be left: two thirds at the most.
LEFT = {"leaky": 0.33, "relu": 0.66, "linear": 0.66}
CFG = (
    "[net]\nheight=8\nwidth=8\nchannels=3\n"
    f"[convolutional]\nfilters={CHANNELS}\nactivation=ACTIVATION\n"
    "[convolutional]\nfilters=4\nactivation=linear\n[avgpool]\n"
)


def block(activation: str) -> Block:
    return find_blocks(build_network(parse_cfg(CFG.replace("ACTIVATION", activation), "n.cfg")))[0]


def values(rng: np.random.Generator) -> NDArray[np.float32]:
    """Channels of very different range, a few values far out, mostly negative as leaky nets are."""
    widths = np.array([0.2, 0.5, 1, 2, 4, 8])
    normal = rng.normal(-0.3, 1, (6000, CHANNELS)) * widths
    normal[rng.integers(0, 6000, 5), rng.integers(0, CHANNELS, 5)] *= 3
    return normal.astype(np.float32)


def statistics(rng: np.random.Generator, factor: float = 1) -> BlockStatistics:
    return BlockStatistics(values(rng) * np.float32(factor), np.ones(CHANNELS), None)


def leaky(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(x > 0, x, np.float32(0.1) * x)


@pytest.mark.parametrize("activation", ["leaky", "relu", "linear"])
def test_learned_scales_leave_less_error_on_unseen_values(activation: str) -> None:
    rng = np.random.default_rng(5)
    seen = statistics(rng)
    (found,) = learn_scales([block(activation)], [seen], seed=0, config=CONFIG)
    unseen = values(rng)

    def after(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return {"leaky": leaky(x), "relu": np.maximum(x, 0), "linear": x}[activation]

    def error(
        before: QuantParams | None, behind: QuantParams, output_scale: NDArray[np.float64]
    ) -> float:
        divided = (unseen / output_scale).astype(np.float32)
        if before is not None:
            divided = before.fake_quantize(divided)
        quantized = behind.fake_quantize(after(divided))
        return float(((quantized * output_scale - after(unseen)) ** 2).mean())

    low, high = float(seen.pre_activation.min()), float(seen.pre_activation.max())
    lowest = {"leaky": 0.1 * low, "relu": 0.0, "linear": low}[activation]
    plain = error(
        QuantParams.from_range(low, high) if activation == "leaky" else None,
        QuantParams.from_range(lowest, high),
        np.ones(CHANNELS),
    )
    assert error(found.pre_activation, found.output, found.output_scale) < LEFT[activation] * plain
    assert (found.pre_activation is not None) == (activation == "leaky")


@pytest.mark.parametrize(
    "rounded", [Rounded(before=False), Rounded(behind=False)], ids=["behind", "before"]
)
def test_scales_for_one_rounding_leave_less_of_it_on_unseen_values(rounded: Rounded) -> None:
    rng = np.random.default_rng(5)
    seen = statistics(rng)
    (twice,) = learn_scales([block("leaky")], [seen], seed=0, config=CONFIG)
    (once,) = learn_scales(
        [block("leaky")], [seen], [rounded], start=[twice], seed=0, config=CONFIG
    )
    unseen = values(rng)

    def error(found: BlockQuantParams) -> float:
        divided = (unseen / found.output_scale).astype(np.float32)
        if rounded.before:
            assert found.pre_activation is not None
            divided = found.pre_activation.fake_quantize(divided)
        activated = leaky(divided)
        if rounded.behind:
            activated = found.output.fake_quantize(activated)
        return float(((activated * found.output_scale - leaky(unseen)) ** 2).mean())

    assert error(once) < (0.99 if rounded.behind else 0.9) * error(twice)


def test_what_was_learned_before_is_where_learning_begins() -> None:
    seen = statistics(np.random.default_rng(5))
    (before,) = learn_scales([block("leaky")], [seen], seed=0, config=CONFIG)
    (on,) = learn_scales([block("leaky")], [seen], start=[before], seed=0, config=SHORT)
    (anew,) = learn_scales([block("leaky")], [seen], seed=0, config=SHORT)
    far, near = (abs(np.log(each.output_scale / before.output_scale)).max() for each in (anew, on))
    assert near < 0.2 * far


def test_values_of_some_images_are_those_images_values() -> None:
    sampled = np.arange(2 * 3 * CHANNELS, dtype=np.float32).reshape(6, CHANNELS)
    of_two = BlockStatistics(sampled, np.ones(CHANNELS), None)
    second = of_two.of_images(np.array([False, True]))
    assert len(second) == 3
    assert (second.values(np.array([2, 0])) == sampled[[5, 3]]).all()
    assert (second.sampled_rows(2) == sampled[[3, 5]]).all()
    averaged = BlockStatistics(sampled.reshape(2, 3, CHANNELS), np.ones(CHANNELS), None)
    first = averaged.of_images(np.array([True, False]))
    assert len(first) == 1
    assert (first.values(np.array([0])) == averaged.pre_activation[:1]).all()
    assert (first.sampled_rows(3) == sampled[:3]).all()
    assert (averaged.sampled_rows(2) == sampled[::3]).all()


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
@pytest.mark.parametrize("activation", ["leaky", "relu", "gelu"])
@pytest.mark.parametrize(("factor", "counts"), [(1e36, 1.0), (1e36, 1e-50), (1e15, 1e30)])
def test_where_the_error_is_beyond_a_float32_ranges_stay_as_they_begin(
    activation: str, factor: float, counts: float
) -> None:
    seen = BlockStatistics(
        values(np.random.default_rng(8)) * np.float32(factor), np.full(CHANNELS, counts), None
    )
    (found,) = learn_scales([block(activation)], [seen], seed=0, config=CONFIG)
    highest = float(seen.pre_activation.max())
    for qparams in (found.pre_activation, found.output):
        if qparams is not None:
            assert 0.1 * highest < qparams.range[1] <= highest
    assert np.isfinite(found.output_scale).all()


def test_concatenated_blocks_end_on_the_same_scale() -> None:
    rng = np.random.default_rng(6)
    seen = [statistics(rng, factor) for factor in (1, 3)]
    found = learn_scales([block("leaky"), block("relu")], seen, seed=0, config=SHORT)
    assert found[0].output == found[1].output
    assert found[0].pre_activation != found[0].output


def test_the_same_seed_gives_the_same_scales() -> None:
    seen = statistics(np.random.default_rng(7))
    first, second, other = (
        learn_scales([block("leaky")], [seen], seed=seed, config=SHORT)[0] for seed in (3, 3, 4)
    )
    assert (first.pre_activation, first.output) == (second.pre_activation, second.output)
    assert (first.output_scale == second.output_scale).all()
    assert (first.output_scale != other.output_scale).any()


def softmax(options: str = "") -> Softmax:
    text = CFG.replace("ACTIVATION", "linear") + f"[softmax]\n{options}\n"
    network = build_network(parse_cfg(text, "n.cfg"))
    assert network.softmax is not None
    return network.softmax


def test_logits_are_clipped_below_but_never_above() -> None:
    logits = np.random.default_rng(8).normal(0, 3, (50, 100)).astype(np.float32)
    logits[:, 0] = -200  # a class that never comes
    low, high = choose_logit_qparams(logits, softmax(), margin=1.25).range
    assert high >= 1.2 * logits.max()
    assert low > -60


def test_a_group_of_logits_far_below_another_is_not_clipped() -> None:
    logits = np.random.default_rng(8).normal(0, 3, (50, 20)).astype(np.float32)
    logits[:, 10:] -= 30
    assert choose_logit_qparams(logits, softmax("groups=2"), margin=1.25).range[0] < -35
    assert choose_logit_qparams(logits, softmax(), margin=1.25).range[0] > -25


def test_logits_that_a_temperature_brings_together_are_not_clipped() -> None:
    logits = np.random.default_rng(8).normal(0, 3, (50, 20)).astype(np.float32)
    logits[:, 10:] -= 30
    assert choose_logit_qparams(logits, softmax("temperature=30"), margin=1.25).range[0] < -35


def test_answers_that_no_softmax_follows_are_clipped_nowhere() -> None:
    answers = np.random.default_rng(8).normal(-20, 3, (50, 3)).astype(np.float32)
    low, high = choose_logit_qparams(answers, None, margin=1.25).range
    assert low <= 1.2 * answers.min()
    assert high >= 0
