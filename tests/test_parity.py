"""Darknet's C engine, our Keras model and our float .tflite on Darknet's seven photos.

Each photo is decoded to PNG first, so that no JPEG decoder stands between them, and letterboxed
by the engine itself on one side and by tinyedge on the other. Largest difference of any of the
1,000 probabilities from the engine's, as last measured (x86-64, LiteRT 2.3, TensorFlow 2.21):

            Tiny Darknet         SqueezeNet v1.0
            Keras    .tflite     Keras    .tflite
dog         3.9e-07  5.1e-07     5.8e-07  3.7e-06
eagle       1.0e-06  8.5e-07     3.2e-06  1.0e-06
giraffe     8.5e-07  2.0e-06     9.2e-07  2.9e-06
horses      9.1e-07  1.5e-06     1.1e-06  3.8e-07
kite        5.9e-07  8.3e-07     4.0e-07  4.0e-07
person      7.1e-07  4.8e-07     2.0e-06  5.3e-07
scream      2.4e-07  5.5e-07     3.6e-07  4.1e-07
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support import c_engine
from tests.support.c_images import Call, c_images
from tests.support.commands import run_in_process
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import read_weights
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.export.build.fold import fold
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed
from tinyedge.images.load import load_float_input, read_pixels
from tinyedge.images.spec import InputSpec

pytestmark = pytest.mark.real_data

PHOTOS = ("dog", "eagle", "giraffe", "horses", "kite", "person", "scream")
# `darknet classifier predict` on letterboxed dog.png, and the page's output on 298x224 pixels.
LETTERBOXED_DOG = {
    "malamute": 0.1451148,
    "Newfoundland": 0.0608771,
    "dogsled": 0.0558978,
    "standard schnauzer": 0.0455375,
    "Eskimo dog": 0.0405097,
}
PUBLISHED_DOG = {
    "malamute": 0.167168,
    "Eskimo dog": 0.065828,
    "dogsled": 0.063020,
    "standard schnauzer": 0.051153,
    "Siberian husky": 0.037506,
}


@pytest.fixture(scope="module")
def pngs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("png")
    paths = {}
    for name in PHOTOS:
        source = photos / f"{name}.png"
        if not source.exists():
            source = photos / f"{name}.jpg"
        paths[name] = folder / f"{name}.png"
        Image.fromarray(read_pixels(source, 3)).save(paths[name])
    return paths


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


@pytest.mark.c_engine
@pytest.mark.parametrize(("model", "side"), [("tiny", 224), ("squeezenet", 227)])
def test_engine_keras_and_float_tflite_agree(
    model: str, side: int, cache: Path, pngs: dict[str, Path], tmp_path: Path
) -> None:
    cfg, weights = cache / model / f"{model}.cfg", cache / model / f"{model}.weights"
    run_in_process("export", model, "--float-only", "--fit", "letterbox", "-o", tmp_path)
    classifier = Classifier(tmp_path / f"{model}_float.tflite")
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model

    network = read_network(cfg)
    with tensorflow_hushed():
        keras = build_keras_model(network, fold(network, read_weights(weights, network)))
    rows = []
    for name, path in pngs.items():
        (letterboxed,) = c_images([Call("letterbox_image", path, (side, side))])
        engine = c_engine.predict(cfg, weights, letterboxed)
        pixels = load_float_input(path, InputSpec(side, side, 3, "letterbox"))
        with tensorflow_hushed():
            of_keras = softmax(np.asarray(keras(pixels[np.newaxis]), np.float64)[0])
        of_tflite = classifier.probabilities(classifier.logits(classifier.preprocess(path)))
        rows.append((name, abs(of_keras - engine).max(), abs(of_tflite - engine).max()))
        assert of_tflite.argmax() == engine.argmax()
    print("\n".join(f"{model:10} {name:8} {a:.1e} {b:.1e}" for name, a, b in rows))
    assert max(max(keras, tflite) for _, keras, tflite in rows) <= 0.0001


def test_letterboxed_dog_gives_the_engines_five(photos: Path, tmp_path: Path) -> None:
    run_in_process("export", "tiny", "--float-only", "-o", tmp_path)
    found = printed(tmp_path / "tiny_float.tflite", photos / "dog.png", "letterbox")
    assert list(found) == list(LETTERBOXED_DOG)
    assert found == pytest.approx(LETTERBOXED_DOG, abs=0.00001)


def test_stretched_dog_gives_the_published_pages_five(photos: Path, tmp_path: Path) -> None:
    run_in_process("export", "tiny", "--size", "298x224", "--float-only", "-o", tmp_path)
    found = printed(tmp_path / "tiny_float.tflite", photos / "dog.png", "stretch")
    assert list(found) == list(PUBLISHED_DOG)
    assert found == pytest.approx(PUBLISHED_DOG, abs=0.00001)


def test_squeezenets_eagle(photos: Path, tmp_path: Path) -> None:
    run_in_process("export", "squeezenet", "--float-only", "-o", tmp_path)
    found = printed(tmp_path / "squeezenet_float.tflite", photos / "eagle.png", "letterbox")
    assert next(iter(found)) == "bald eagle"
    assert found["bald eagle"] == pytest.approx(0.8298162, abs=0.0001)


def printed(model: Path, photo: Path, fit: str) -> dict[str, float]:
    """The probability by label, in the order `tinyedge run` prints them."""
    lines = run_in_process("run", model, photo, "--fit", fit).stdout.splitlines()
    return {label: float(value) for value, label in (line.split(None, 1) for line in lines[1:])}
