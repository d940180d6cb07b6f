"""Files that are run from a layer on, against the same files run whole."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.exports import Models
from tests.support.int8_chain import (
    ACTIVATED,
    BEHIND,
    FIRST,
    LOGITS,
    PIXELS,
    SECOND,
    convolution,
    leaky,
    tensor,
)
from tests.support.tflite_writer import Op, constant, write_model
from tinyedge.darknet.network import read_network
from tinyedge.export.check import run_before, run_behind, run_file
from tinyedge.export.pipeline import Divergence
from tinyedge.export.quantize.blocks import find_blocks
from tinyedge.export.quantize.reorder import REWRITES, reorder
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.mixed import mixed_file
from tinyedge.progress import no_progress
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

SILENT = no_progress("")


def joined() -> bytes:
    """Layers 0 and 1, and layer 2, to which is added what layer 0 gives."""
    rng = np.random.default_rng(7)
    kernel = constant(rng.integers(-127, 128, (6, 1, 1, 8)))
    scales = rng.uniform(0.002, 0.01, 6)
    bias = constant(rng.integers(-99, 99, 6), "int32")
    inputs = [
        3,
        replace(kernel, scale=tuple(scales)),
        replace(bias, scale=tuple(scales * BEHIND.scale), name="2_convolutional/BiasAdd"),
    ]
    options = {"strideW": 1, "strideH": 1}
    return write_model(
        convolution(0, tensor(3, PIXELS), FIRST),
        leaky(0, 6, ACTIVATED),
        convolution(1, 1, SECOND),
        leaky(2, 8, BEHIND),
        Op("CONV_2D", inputs, [tensor(6, SECOND)], "Conv2DOptions", options, version=3),
        Op("ADD", [1, 4], [tensor(6, LOGITS)], "AddOptions", {}),
    )


@pytest.mark.parametrize(("layers", "crossing"), [([1], 1), ([2], 2), ([2, 1], 1)])
def test_two_parts_answer_as_the_whole_does(layers: list[int], crossing: int) -> None:
    content = joined()
    given = np.random.default_rng(8).random((5, 4, 4, 3), dtype=np.float32)
    parts = ModelEditor(content).split(layers)
    assert parts is not None
    between = run_before(parts.before, given)
    assert [len(tensors) for tensors in between] == 5 * [crossing]
    found, whole = run_behind(parts.behind, between, SILENT), run_file(content, given, SILENT)
    assert found.answers.tolist() == whole.answers.tolist()
    assert found.scale == whole.scale
    assert len(np.unique(whole.answers)) > 20


@pytest.mark.parametrize("layers", [[], [0], [1, 0], [9]])
def test_there_is_no_part_before_the_first_layer_or_one_that_is_not_there(
    layers: list[int],
) -> None:
    assert ModelEditor(joined()).split(layers) is None


def in_int8(content: bytes) -> bytes:
    return content


def with_its_head_in_float(content: bytes) -> bytes:
    return mixed_file(content, {})


def with_its_last_layers_in_float(content: bytes) -> bytes:
    return mixed_file(content, dict.fromkeys(sorted(LEAKY)[-2:], "float32"))


BLOCKS = find_blocks(reorder(read_network(locate(MODELS["fashion"]).cfg), REWRITES))
LEAKY = [block.layer.index for block in BLOCKS if block.activation == "leaky"]


@pytest.mark.parametrize("made", [in_int8, with_its_head_in_float, with_its_last_layers_in_float])
def test_what_is_run_from_a_layer_on_diverges_as_the_whole_file_does(
    fashion_models: Models, made: Callable[[bytes], bytes]
) -> None:
    require_tensorflow()
    from tinyedge.export.quantize.quantizer import widened_file

    int8 = Path(fashion_models.int8_model).read_bytes()
    network = read_network(locate(MODELS["fashion"]).cfg)
    pixels = np.random.default_rng(9).random((12, *network.input), dtype=np.float32)
    float_file = fashion_models.float_model.read_bytes()
    divergence = Divergence(float_file, pixels, network.softmax)
    assert divergence(float_file) == 0
    last = LEAKY[-3:]
    behind = divergence.behind(made(int8), last)
    whole = ModelEditor(made(int8)).split(last)
    assert whole is not None
    numbers = []
    for number in (LEAKY[-4], *last):
        for factor in 0.5, 1.5:
            content = made(widened_file(int8, {number: factor}, BLOCKS))
            numbers.append(behind(content))
            assert numbers[-1] == divergence(content)
            parts = ModelEditor(content).split(last)
            assert parts is not None
            # Of the first one another file is before these layers, which is run whole.
            assert (parts.before == whole.before) == (number in last)
    assert len(set(numbers)) > 4
