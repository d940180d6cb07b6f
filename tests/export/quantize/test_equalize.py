"""Gains: which channels may have one, and that the function stays."""

import numpy as np
import pytest

from tests.support.naive import forward, random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.export.build.fold import without_batch_norm
from tinyedge.export.quantize.blocks import find_chains, joined
from tinyedge.export.quantize.equalize import equalized, input_gains
from tinyedge.export.quantize.reorder import REWRITES, reordered

HEAD = "[net]\nheight=9\nwidth=8\nchannels=3\n"
LEAKY = "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
JOINED = HEAD + LEAKY + "[maxpool]\nsize=2\nstride=2\n" + LEAKY + LEAKY.replace(
    "leaky", "relu"
) + "[route]\nlayers=2,3\n[convolutional]\nfilters=6\ngroups=2\nactivation=leaky\n" + (
    "[dropout]\n[connected]\noutput=7\nactivation=leaky\n[connected]\noutput=5\n"
    "activation=linear\n[softmax]\n"
)  # fmt: skip


def network(text: str) -> Network:
    return build_network(parse_cfg(text, "net.cfg"))


@pytest.mark.parametrize("rewrites", [(), REWRITES])
def test_gains_cancel(rewrites: tuple[str, ...]) -> None:
    """Through pool, concatenation, groups, dropout and the flattening of a connected layer."""
    net = reordered(network(JOINED), rewrites)
    weights = random_weights(net, seed=1)
    rng = np.random.default_rng(2)
    chains = find_chains(net)
    gains = {
        chain.layer.index: np.exp(rng.normal(0, 1, chain.layer.output.channels))
        for chain in chains
        if chain.scalable
    }
    assert sorted(gains) == [0, 2, 3, 5, 7]  # all but the last layer
    scaled = equalized(net, without_batch_norm(weights), gains)
    pixels = rng.random(net.input, dtype=np.float32)
    expected = forward(net, weights, pixels)
    assert forward(net, scaled, pixels) == pytest.approx(expected, rel=1e-4)
    taken = input_gains(net, gains)
    assert taken[5] == pytest.approx(np.concatenate([gains[2], gains[3]]))


def scalable(text: str) -> list[bool]:
    return [chain.scalable for chain in find_chains(network(HEAD + text))]


def test_a_shortcut_would_have_to_share_its_gains() -> None:
    shortcut = "[shortcut]\nfrom=-2\nactivation=leaky\n"
    assert scalable(LEAKY + LEAKY + LEAKY + shortcut + LEAKY + "[avgpool]\n") == [
        True, False, False, False,
    ]  # fmt: skip


def test_a_bent_activation_takes_no_gain() -> None:
    assert scalable(LEAKY.replace("leaky", "logistic") + LEAKY + "[avgpool]\n") == [False, False]


def test_concatenations_join_chains() -> None:
    net = network(JOINED)
    groups = joined(net, find_chains(net))
    assert [[chain.layer.index for chain in group] for group in groups] == [
        [0], [2, 3], [5], [7], [8],
    ]  # fmt: skip
