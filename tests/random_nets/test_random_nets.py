"""Random nets of fixed seeds: none is another function without a word; all there is, is in them."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.random_nets.heads import HEADS
from tests.random_nets.judge import judge
from tests.random_nets.nets import random_net
from tests.random_nets.photos import random_photos
from tests.random_nets.sections import SECTIONS
from tests.random_nets.weights import fitted_weights, revision_of
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.batch_norm import NOTED_DIFFERENCE, difference
from tinyedge.darknet.layers import LAYER_TYPES

SEEDS = range(40)
_FIRST = 12
"""So many in every run; the others are left to `make test-slow`."""
NETS = [random_net(seed) for seed in SEEDS]
# Options that no section is given: for training, refused whatever they are given to, or obsolete.
LEFT_OUT = {
    "convolutional": "angle assisted_excitation binary cbn dot flipped grad_centr reverse stream"
    " wait_stream xnor",
    "depthwise_convolutional": "dot flipped",
    "crop": "angle exposure flip saturation shift",
    "cost": "noobj ratio scale thresh",
    "dropout": "dropblock dropblock_size_abs dropblock_size_rel",
    "maxpool": "maxpool_zero_nonmax stride_x stride_y",
    "route": "stream wait_stream",
    "softmax": "noloss spatial tree",
}


@pytest.mark.long
@pytest.mark.c_engine
@pytest.mark.parametrize(
    "seed",
    [*SEEDS[:_FIRST], *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS[_FIRST:])],
)
def test_the_files_are_right_or_there_are_none(seed: int, tmp_path: Path) -> None:
    found = judge(seed, tmp_path)
    assert found.verdict in ("right", "poor", "refused"), f"{found.reason}: {found.gist}"
    if not random_net(seed).has_int8_form:
        assert found.verdict == "refused"


def test_every_kind_of_layer_activation_and_head_is_in_them() -> None:
    layers = [layer for net in NETS for layer in net.network.layers]
    assert list(SECTIONS) == list(LAYER_TYPES), "a kind of layer has no section in SECTIONS"
    assert {layer.kind for layer in layers} == set(LAYER_TYPES)
    assert {getattr(layer, "activation", "linear") for layer in layers} == set(ACTIVATIONS)
    assert {net.head for net in NETS} == set(HEADS)


def test_both_batch_norms_are_in_them() -> None:
    found: dict[int, list[float]] = {0: [], 5: []}
    for net in NETS[:20]:
        pixels = random_photos(net.network.input, 4, net.seed).astype(np.float32) / 255
        weights = fitted_weights(net.network, list(pixels), net.seed)
        assert weights.header.revision == revision_of(net.seed)
        norms = (getattr(each, "batch_norm", None) for each in weights.layers.values())
        found[weights.header.revision] += [
            difference(norm.scales, norm.mean, norm.variance) for norm in norms if norm is not None
        ]
    assert np.median(found[0]) < NOTED_DIFFERENCE
    # Where the other formula would be an error that no rounding hides.
    assert np.median(found[5]) > 0.01


def test_one_channel_is_everywhere_in_them() -> None:
    networks = [net.network for net in NETS]
    assert {network.input.channels for network in networks} == {1, 3}
    assert any(network.output.elements == 1 for network in networks)
    inner = [layer for network in networks for layer in network.layers[:-3]]
    for kind in ("convolutional", "maxpool", "shortcut"):
        assert any(at.kind == kind and at.output.channels == 1 for at in inner), kind


def test_every_option_of_a_layer_is_drawn() -> None:
    drawn: dict[str, set[str]] = {kind: set() for kind in LAYER_TYPES}
    for seed in range(600):
        for part in re.split(r"^(?=\[)", random_net(seed).cfg, flags=re.MULTILINE)[2:]:
            heading, *lines = part.split()
            drawn[heading.strip("[]")] |= {line.partition("=")[0] for line in lines}
    common = set(LAYER_TYPES["logistic"].options.kinds) | LAYER_TYPES["logistic"].options.foreign
    for kind, layer in LAYER_TYPES.items():
        known = {*layer.options.kinds, *layer.options.foreign} - common
        assert known - drawn[kind] == set(LEFT_OUT.get(kind, "").split()), kind


def test_a_seed_gives_the_same_net_each_time() -> None:
    assert [net.cfg for net in NETS] == [random_net(seed).cfg for seed in SEEDS]
    assert len({net.cfg for net in NETS}) == len(NETS)
