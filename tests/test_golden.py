"""Parity with the C engine where it is not installed: with numbers it gave (tests/data/golden).

As last measured (x86-64, LiteRT 2.3, TensorFlow 2.21) no number is off by more than 3e-7 of the
largest, in Keras or in the float .tflite.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import c_engine
from tests.support.commands import run_in_process
from tests.support.golden import CASES, FOLDER, last_layer, pixels, weights
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import read_weights, write_weights
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.export.build.fold import fold

TOLERANCE = 1e-5  # of the largest number


def golden(case: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{case}.json").read_text())
    return content


def assert_close(found: Any, expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_are_of_this_cfg(case: str) -> None:
    cfg = FOLDER / f"{case}.cfg"
    assert golden(case)["cfg_sha256"] == hashlib.sha256(cfg.read_bytes()).hexdigest()
    numbers = golden(case)["logits"]
    assert len(numbers) == read_network(cfg).output.elements
    assert np.std(numbers) > 0.1


@pytest.mark.c_engine
@pytest.mark.parametrize("case", CASES)
def test_the_engine_still_says_so(case: str, tmp_path: Path) -> None:
    cfg, file = FOLDER / f"{case}.cfg", tmp_path / "net.weights"
    network = read_network(cfg)
    write_weights(file, network, weights(network))
    image = pixels(network)
    assert_close(c_engine.predict(cfg, file, image), golden(case)["output"])
    logits = c_engine.layer_output(cfg, file, image, last_layer(network))
    assert_close(logits, golden(case)["logits"])


@pytest.mark.parametrize("case", CASES)
def test_keras_gives_them(case: str, tmp_path: Path) -> None:
    from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed

    network = read_network(FOLDER / f"{case}.cfg")
    file = tmp_path / "net.weights"
    write_weights(file, network, weights(network))
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model

    with tensorflow_hushed():
        model = build_keras_model(network, fold(network, read_weights(file, network)))
        found = np.asarray(model(pixels(network)[np.newaxis]))[0]
    # The features of a net without a head have their channels last; the engine's are planar.
    assert_close(np.moveaxis(found, -1, 0).ravel(), golden(case)["logits"])


@pytest.mark.parametrize("case", ["pools", "connected"])
def test_the_float_file_gives_them(case: str, tmp_path: Path) -> None:
    cfg, file = FOLDER / f"{case}.cfg", tmp_path / "net.weights"
    network = read_network(cfg)
    write_weights(file, network, weights(network))
    run_in_process("export", cfg, "--weights", file, "--float-only", "-o", tmp_path)
    classifier = Classifier(tmp_path / f"{case}_float.tflite")
    logits = classifier.logits(pixels(network)[np.newaxis])
    assert_close(logits, golden(case)["logits"])
    assert_close(classifier.probabilities(logits), golden(case)["output"])
