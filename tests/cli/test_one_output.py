"""A Darknet net of one output, from its export on: a classifier of two classes."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support import c_engine
from tests.support.commands import run_in_process
from tests.support.naive import forward
from tests.support.random_weights import random_weights
from tinyedge import read_card
from tinyedge.darknet.network import Network, read_network
from tinyedge.darknet.weights import ConvolutionalWeights, Weights, write_weights

pytestmark = pytest.mark.long

CFG = (
    "[net]\nheight=12\nwidth=12\nchannels=3\n"
    "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
    "[convolutional]\nfilters=1\nsize=1\nactivation=ACTIVATION\n[avgpool]\n"
)


@dataclass(frozen=True)
class Made:
    """The net's files, a folder of photos, and two names for its output."""

    cfg: Path
    weights: Path
    photos: Path
    names: Path
    floats: Weights


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("one")
    cfg, file = folder / "one.cfg", folder / "one.weights"
    cfg.write_text(CFG.replace("ACTIVATION", "logistic"))
    network = read_network(cfg)
    floats = random_weights(network, seed=5)
    names = folder / "two.names"
    names.write_text("cat\ndog\n")
    rng = np.random.default_rng(1)
    for number in range(24):
        # Of one colour each, with a little noise, so that answers differ.
        pixels = rng.integers(0, 200, 3) + rng.integers(0, 56, (12, 12, 3))
        photo = folder / "photos" / f"{number:02}.png"
        photo.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(photo)
    last = floats.layers[1]
    assert isinstance(last, ConvolutionalWeights)
    for _ in range(3):  # towards as many answers above a half as below
        middle = np.median(answers(network, floats, folder / "photos"))
        last.biases[:] -= np.log(middle / (1 - middle))
    write_weights(file, network, floats)
    return Made(cfg, file, folder / "photos", names, floats)


def answers(network: Network, weights: Weights, photos: Path) -> list[float]:
    """What the plain definition answers to each photo."""
    images = [np.asarray(Image.open(photo), np.float32) / 255 for photo in sorted(photos.iterdir())]
    return [float(forward(network, weights, image)[0]) for image in images]


def test_its_files_answer_with_both_classes(made: Made, tmp_path: Path) -> None:
    result = run_in_process(
        *("export", made.cfg, "--weights", made.weights, "--labels", made.names),
        *("--calib", made.photos, "-o", tmp_path),
    )
    assert f"{made.names} names 2 classes for 1 output: 1 is taken to mean 'dog'" in result.stderr
    assert "crop; 1 output, the probability of dog; calibrated" in result.stdout
    card = read_card(tmp_path / "one_int8.tflite")
    assert card is not None
    assert (card.classes, card.labels, card.softmax_groups) == (1, ("cat", "dog"), 0)

    photos, rows = sorted(made.photos.iterdir()), []
    expected = answers(read_network(made.cfg), made.floats, made.photos)
    for kind, tolerance in (("float", 1e-5), ("int8", 0.02)):
        result = run_in_process("run", tmp_path / f"one_{kind}.tflite", *photos, "--json")
        for line, probability in zip(result.stdout.splitlines(), expected, strict=True):
            found = {one["label"]: one for one in json.loads(line)["predictions"]}
            assert found["dog"]["probability"] == pytest.approx(probability, abs=tolerance)
            assert found["cat"]["probability"] == pytest.approx(1 - probability, abs=tolerance)
            assert (found["cat"]["index"], found["dog"]["index"]) == (0, 1)

    # Labelled by the plain definition, other bytes than those calibrated on.
    for photo, probability in zip(photos, expected, strict=True):
        rows.append(tmp_path / "data" / ("dog" if probability > 0.5 else "cat") / photo.name)
        rows[-1].parent.mkdir(parents=True, exist_ok=True)
        rows[-1].write_bytes(photo.read_bytes() + b"\n")
    assert len({row.parent for row in rows}) == 2
    models = (tmp_path / "one_float.tflite", tmp_path / "one_int8.tflite")
    compared = json.loads(
        run_in_process("compare", *models, "--data", tmp_path / "data", "--json").stdout
    )
    assert compared["float"]["top1"] == 100
    assert compared["agreement"] == pytest.approx(compared["int8"]["top1"])
    inspected = json.loads(
        run_in_process("inspect", *models, "--data", tmp_path / "data", "--json").stdout
    )
    assert inspected["agreement"] == pytest.approx(compared["agreement"])


@pytest.mark.c_engine
def test_the_float_file_is_darknets(made: Made, tmp_path: Path) -> None:
    run_in_process("export", made.cfg, "--weights", made.weights, "--float-only", "-o", tmp_path)
    photo = min(made.photos.iterdir())
    result = run_in_process("run", tmp_path / "one_float.tflite", photo, "--json")
    (found,) = json.loads(result.stdout)["predictions"]
    pixels = np.asarray(Image.open(photo), np.float32) / 255
    (expected,) = c_engine.predict(made.cfg, made.weights, pixels)
    assert found["label"] == "0"
    assert found["probability"] == pytest.approx(expected, abs=1e-6)


def test_a_softmax_over_one_output_is_said(made: Made, tmp_path: Path) -> None:
    cfg = tmp_path / "softmax.cfg"
    cfg.write_text(CFG.replace("ACTIVATION", "linear") + "[softmax]\n")
    result = run_in_process(
        "export", cfg, "--weights", made.weights, "--float-only", "-o", tmp_path / "out"
    )
    assert f"{cfg}:17: this softmax is over one score, and so 1 whatever" in result.stderr
