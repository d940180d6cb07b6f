"""The built-in model and its images: where they come from and how good the model is."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support import c_engine
from tests.support.exports import Models
from tests.support.fashion_mnist import official
from tinyedge.darknet.network import Network, read_network
from tinyedge.darknet.weights import Header, Weights, read_weights, write_weights
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

FILES = locate(MODELS["fashion"])
CALIBRATION = FILES.cfg.parent / "calibration"
TEST = FILES.cfg.parent / "test"
SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
LABELS = (FILES.cfg.parent / "fashion.labels").read_text(encoding="utf-8").splitlines()

ACCURACY = 0.9275
"""Of the float model on the 10,000 test images, as calib_data/fashion/README.md says."""


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(FILES.cfg)


@pytest.fixture
def training_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """scripts/train_fashion.py as a module."""
    monkeypatch.syspath_prepend(SCRIPTS)
    yield importlib.import_module("train_fashion")
    for name in ("train_fashion", "fashion_mnist"):
        sys.modules.pop(name)


def pixels_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def predictions(model: Path, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The best class of each image, pixels fed without Classifier's own image reading."""
    classifier = Classifier(model)
    inputs = images.astype(np.float32)[:, np.newaxis, :, :, np.newaxis] / np.float32(255)
    return np.array([classifier.logits(one).argmax() for one in inputs])


def test_the_network_is_small_and_ends_in_a_class_per_label(network: Network) -> None:
    assert network.input == (28, 28, 1)
    assert network.output.elements == len(LABELS) == 10
    assert FILES.weights.stat().st_size < 500_000
    assert FILES.weights.stat().st_size == 20 + 4 * network.parameters


def test_every_label_can_name_a_folder() -> None:
    assert len(set(LABELS)) == 10
    assert all(label == Path(label).name for label in LABELS)


def test_no_filter_dwarfs_its_layer(network: Network) -> None:
    """One that did would leave the others few of an int8 activation's 256 steps."""
    for index, layer in read_weights(FILES.weights, network).layers.items():
        if layer.batch_norm is not None:
            gains = np.abs(layer.batch_norm.scales) / np.sqrt(layer.batch_norm.variance)
            largest = gains * np.abs(layer.weights).max(axis=(1, 2, 3))
            assert largest.max() < 5 * np.median(largest), f"layer {index}"


def test_the_weights_come_back_to_the_byte(network: Network, tmp_path: Path) -> None:
    copy = tmp_path / "copy.weights"
    write_weights(copy, network, read_weights(FILES.weights, network))
    assert copy.read_bytes() == FILES.weights.read_bytes()


@pytest.mark.parametrize(("folder", "per_class"), [(CALIBRATION, 20), (TEST, 100)])
def test_each_class_has_its_share_of_images(folder: Path, per_class: int) -> None:
    counts = {path.name: len(list(path.glob("*.png"))) for path in folder.iterdir()}
    assert counts == dict.fromkeys(LABELS, per_class)


def test_no_calibration_image_is_a_test_image() -> None:
    calibration = {pixels_of(path).tobytes() for path in CALIBRATION.rglob("*.png")}
    test = {pixels_of(path).tobytes() for path in TEST.rglob("*.png")}
    assert len(calibration) == 200
    assert len(test) == 1_000
    assert calibration.isdisjoint(test)


def test_the_images_are_small_and_licensed() -> None:
    images = [*CALIBRATION.rglob("*.png"), *TEST.rglob("*.png")]
    assert sum(path.stat().st_size for path in images) < 1_000_000
    assert "Zalando SE" in (FILES.cfg.parent / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.fashion_mnist
@pytest.mark.parametrize(
    ("folder", "split", "per_class"), [(CALIBRATION, "train", 20), (TEST, "t10k", 100)]
)
def test_the_images_are_the_first_rows_of_their_class(
    folder: Path, split: str, per_class: int
) -> None:
    images, classes = official(split)
    for index, label in enumerate(LABELS):
        paths = sorted((folder / label).glob("*.png"))
        rows = [int(path.stem) for path in paths]
        assert rows == [row for row, found in enumerate(classes) if found == index][:per_class]
        for row, path in zip(rows, paths, strict=True):
            np.testing.assert_array_equal(pixels_of(path), images[row])


@pytest.mark.c_engine
def test_the_c_engine_gives_the_same_probabilities(fashion_models: Models) -> None:
    classifier = Classifier(fashion_models.float_model)
    for label in LABELS:
        path = min((TEST / label).glob("*.png"))
        pixels = pixels_of(path).astype(np.float32)[:, :, np.newaxis] / np.float32(255)
        expected = c_engine.predict(FILES.cfg, FILES.weights, pixels)
        found = classifier.probabilities(classifier.logits(classifier.preprocess(path)))
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.c_engine
def test_training_exports_what_keras_computes(
    training_script: Any, network: Network, tmp_path: Path
) -> None:
    """With every batch norm far from its initial state, so that a swapped array shows."""
    import keras

    from tinyedge.darknet.cfg import read_cfg

    rng = np.random.default_rng(5)
    model = training_script.trainable(network, read_cfg(FILES.cfg)[0])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Variances down to 1e-6, where the place of the epsilon decides.
            count = layer.gamma.shape[0]
            scales, biases, means = rng.uniform(0.5, 1.5, (3, count))
            layer.set_weights([scales, biases, means, 10.0 ** rng.uniform(-6, 1, count)])
    weights: Weights = training_script.darknet_weights(network, model, 7)
    assert weights.header == Header(seen=7)
    write_weights(tmp_path / "random.weights", network, weights)

    pixels = rng.random((28, 28, 1), np.float32)
    logits = model.predict(pixels[np.newaxis], verbose=0)[0]
    before_softmax = len(network.layers) - 2
    found = c_engine.layer_output(FILES.cfg, tmp_path / "random.weights", pixels, before_softmax)
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-4 * np.abs(logits).max())


@pytest.mark.fashion_mnist
def test_float_accuracy_on_all_10_000_test_images(fashion_models: Models) -> None:
    images, classes = official("t10k")
    accuracy = np.mean(predictions(fashion_models.float_model, images) == classes)
    assert accuracy >= 0.91
    # Other processors round differently; a handful of images sit on the edge.
    assert accuracy == pytest.approx(ACCURACY, abs=0.0005)


def test_float_accuracy_on_the_shipped_test_images(fashion_models: Models) -> None:
    shipped = [(path, LABELS.index(path.parent.name)) for path in TEST.rglob("*.png")]
    images = np.stack([pixels_of(path) for path, _ in shipped])
    classes = np.array([index for _, index in shipped])
    assert np.mean(predictions(fashion_models.float_model, images) == classes) >= 0.91
