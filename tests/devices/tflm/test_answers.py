"""Our integer files in TFLite Micro: the answers of LiteRT's reference kernels.

LEAKY_RELU's factors, which TFLite Micro computes in double and LiteRT in float, are the one
exception: either is held to its definition, written out.
"""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.microcontrollers.interpreters import MicroInterpreter, leaky, reference, steps
from tests.support.commands import ROOT
from tests.support.exports import Models
from tests.support.peers import need_package
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.tflm.interpreter import try_file
from tinyedge.devices.tflm.kernels import tensor_arena_bytes
from tinyedge.tflite.model import read_tflite

pytestmark = pytest.mark.peers


def held_against_litert(model: Path, photos: list[Path]) -> None:
    graph = read_tflite(model).subgraphs[0]
    micro, classifier, alone = MicroInterpreter(model), Classifier(model), list(steps(model))
    assert len(alone) == len(graph.operators)
    whole = reference(model.read_bytes())
    input_index = whole.get_input_details()[0]["index"]
    output_index = whole.get_output_details()[0]["index"]
    leaky_apart = 0
    for photo in photos:
        inputs = classifier.preprocess(photo)
        answer = micro.answer(inputs)
        for step in alone:
            given = [micro.tensor(each) for each in step.inputs]
            made, theirs = micro.tensor(step.output), step.answer(given)
            if step.operator == "LEAKY_RELU":
                np.testing.assert_array_equal(made, leaky(graph, step, given[0], np.float64))
                np.testing.assert_array_equal(theirs, leaky(graph, step, given[0], np.float32))
                leaky_apart = max(leaky_apart, int(np.abs(made.astype(int) - theirs).max()))
            else:
                np.testing.assert_array_equal(made, theirs, err_msg=step.operator)
        whole.set_tensor(input_index, inputs)
        whole.invoke()
        theirs = whole.get_tensor(output_index)
        assert answer.argmax() == theirs.argmax()
        assert np.abs(answer.astype(int) - theirs).max() <= 4
    assert leaky_apart <= 1


def arena_is_as_the_rule_says(model: Path) -> None:
    """The plan of these chains is the best there can be: the rule's number."""
    least = tensor_arena_bytes(read_tflite(model).subgraphs[0])
    trial = try_file(model, tensor_bytes=least)
    assert trial.refusal is None
    assert trial.arena is not None
    assert trial.arena.tensors == least
    assert trial.arena.least < trial.arena.total == least + trial.arena.structures


def test_fashion_answers_as_in_litert(fashion_models: Models) -> None:
    need_package("tflite_micro")
    photos = sorted((ROOT / "calib_data" / "fashion" / "test").rglob("*.png"))[::50]
    assert len(photos) == 20
    held_against_litert(fashion_models.int8_model, photos)
    arena_is_as_the_rule_says(fashion_models.int8_model)


@pytest.mark.real_data
@pytest.mark.long
def test_tiny_answers_as_in_litert(tiny_models: Models, imagenet: Path) -> None:
    need_package("tflite_micro")
    photos = sorted((imagenet / "val").rglob("*.JPEG"))[::170]
    assert len(photos) >= 3
    held_against_litert(tiny_models.int8_model, photos)
    arena_is_as_the_rule_says(tiny_models.int8_model)
