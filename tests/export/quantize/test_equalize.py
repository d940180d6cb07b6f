"""Equalization: which channels may be scaled, and that the function stays."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.naive import forward, random_weights
from tests.support.unfolded import unfolded
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.export.build.fold import fold
from tinyedge.export.quantize.blocks import concat_groups, find_blocks
from tinyedge.export.quantize.equalize import apply_equalization, input_scales
from tinyedge.export.quantize.reorder import REWRITES, reorder

HEAD = "[net]\nheight=9\nwidth=8\nchannels=3\n"
LEAKY = "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
CONCATENATED = HEAD + LEAKY + "[maxpool]\nsize=2\nstride=2\n" + LEAKY + LEAKY.replace(
    "leaky", "relu"
) + "[route]\nlayers=2,3\n[convolutional]\nfilters=6\ngroups=2\nactivation=leaky\n" + (
    "[dropout]\n[connected]\noutput=7\nactivation=leaky\n[connected]\noutput=5\n"
    "activation=linear\n[softmax]\n"
)  # fmt: skip


def network(text: str) -> Network:
    return build_network(parse_cfg(text, "net.cfg"))


@pytest.mark.parametrize("rewrites", [(), REWRITES])
def test_equalization_scales_cancel(rewrites: tuple[str, ...]) -> None:
    """Through pool, concatenation, groups, dropout and the flattening of a connected layer."""
    net = reorder(network(CONCATENATED), rewrites)
    weights = random_weights(net, seed=1)
    rng = np.random.default_rng(2)
    blocks = find_blocks(net)
    scales = {
        block.layer.index: np.exp(rng.normal(0, 1, block.layer.output.channels))
        for block in blocks
        if block.equalizable
    }
    assert sorted(scales) == [0, 2, 3, 5, 7]  # all but the last layer
    equalized = apply_equalization(net, fold(net, weights), scales)
    pixels = rng.random(net.input, dtype=np.float32)
    expected = forward(net, weights, pixels)
    assert forward(net, unfolded(net, equalized), pixels) == pytest.approx(expected, rel=1e-4)
    found = input_scales(net, scales)
    assert found[5] == pytest.approx(np.concatenate([scales[2], scales[3]]))


def equalizable(text: str) -> list[bool]:
    return [block.equalizable for block in find_blocks(network(HEAD + text))]


def test_a_shortcut_would_have_to_share_its_scales() -> None:
    shortcut = "[shortcut]\nfrom=-2\nactivation=leaky\n"
    assert equalizable(LEAKY + LEAKY + LEAKY + shortcut + LEAKY + "[avgpool]\n") == [
        True, False, False, False,
    ]  # fmt: skip


def test_a_bent_activation_takes_no_scale() -> None:
    assert equalizable(LEAKY.replace("leaky", "logistic") + LEAKY + "[avgpool]\n") == [False, False]


def test_concatenations_group_blocks() -> None:
    net = network(CONCATENATED)
    groups = concat_groups(net, find_blocks(net))
    assert [[block.layer.index for block in group] for group in groups] == [
        [0], [2, 3], [5], [7], [8],
    ]  # fmt: skip


def scaled_by_3(net: Network) -> dict[int, NDArray[np.float64]]:
    blocks = [block for block in find_blocks(net) if block.equalizable]
    return {block.layer.index: np.full(block.layer.output.channels, 3.0) for block in blocks}


def test_equalization_stops_where_a_layer_has_other_channels() -> None:
    net = network(HEAD.replace("9", "8") + LEAKY + LEAKY + "[reorg]\nstride=2\n" + LEAKY + LEAKY)
    weights, scales = random_weights(net, seed=3), scaled_by_3(net)
    assert sorted(scales) == [0, 3]
    equalized = apply_equalization(net, fold(net, weights), scales)
    pixels = np.random.default_rng(4).random(net.input, dtype=np.float32)
    expected = forward(net, weights, pixels)
    assert forward(net, unfolded(net, equalized), pixels) == pytest.approx(expected, rel=1e-4)


def test_a_batchnorm_layers_weights_stay() -> None:
    net = network(HEAD + LEAKY + LEAKY + "[batchnorm]\n" + LEAKY)
    folded = fold(net, random_weights(net, seed=3))
    kept = apply_equalization(net, folded, scaled_by_3(net))[2]
    assert kept.kernel.tolist() == folded[2].kernel.tolist()
    assert kept.bias.tolist() == folded[2].bias.tolist()
