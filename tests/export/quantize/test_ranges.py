"""Ranges that are widened: in the file, and by what is said of them."""

from pathlib import Path

import pytest

from tests.support.exports import Models
from tests.support.leaky_scales import leaky_scales
from tinyedge.darknet.network import read_network
from tinyedge.export.quantize.blocks import find_blocks
from tinyedge.export.quantize.reorder import REWRITES, reorder
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

require_tensorflow()

from tinyedge.export.quantize.quantizer import widened_file  # noqa: E402
from tinyedge.export.quantize.ranges import last_layers, ranges_tried, widened_ranges  # noqa: E402

BLOCKS = find_blocks(reorder(read_network(locate(MODELS["fashion"]).cfg), REWRITES))
LEAKY = [block.layer.index for block in BLOCKS if block.activation == "leaky"]


@pytest.fixture(scope="module")
def int8(fashion_models: Models) -> bytes:
    return Path(fashion_models.int8_model).read_bytes()


def test_a_wider_range_is_wider_before_and_behind(int8: bytes) -> None:
    chosen, other = LEAKY[-1], LEAKY[-2]
    wide = widened_file(int8, {chosen: 1.25}, BLOCKS)
    assert leaky_scales(wide, chosen) == pytest.approx(
        [1.25 * each for each in leaky_scales(int8, chosen)]
    )
    assert leaky_scales(wide, other) == leaky_scales(int8, other)
    assert widened_file(int8, {}, BLOCKS) == int8


def test_that_factor_is_chosen_that_brings_the_answers_closest(int8: bytes) -> None:
    last, before = LEAKY[-1], LEAKY[-2]
    plain = {layer: leaky_scales(int8, layer)[0] for layer in LEAKY}
    ran = []

    def divergence(content: bytes) -> float:
        ran.append(content)
        width = {layer: leaky_scales(content, layer)[0] / plain[layer] for layer in LEAKY}
        # The last is best at 1.25; the one before it gains 0.5 %, which is chance.
        return 1 + 4 * (width[last] - 1.25) ** 2 - 0.005 * (width[before] > 1.4)

    runs: list[None] = []
    layers = last_layers(BLOCKS, LEAKY)
    assert layers == LEAKY[-5:]
    assert last_layers(BLOCKS, LEAKY[:-1])[-1] == before
    found = widened_ranges(int8, BLOCKS, layers, divergence, lambda: runs.append(None))
    assert found == {last: 1.25}
    assert len(ran) == len(runs) <= ranges_tried()


def test_a_layer_that_rounds_nothing_is_not_tried(int8: bytes) -> None:
    ran = []

    def divergence(content: bytes) -> float:
        ran.append(content)
        return 1.0

    assert widened_ranges(int8, BLOCKS, (), divergence, lambda: None) == {}
    assert not ran
