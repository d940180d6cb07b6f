"""Weights as AlexeyAB's engine trains them: small variances, and an epsilon inside the root."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support import c_engine
from tests.support.commands import run_in_process
from tests.support.exports import Models
from tests.support.naive import forward
from tinyedge import Classifier, read_card
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConvolutionalWeights,
    Header,
    Weights,
    read_weights,
    write_weights,
)
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

pytestmark = pytest.mark.long

FILES = locate(MODELS["fashion"])


@dataclass(frozen=True)
class Small:
    """The weights and their file."""

    weights: Weights
    file: Path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The built-in classifier with variances of 1e-6, and its answers with the epsilon inside.

    Each channel of a convolution is shrunk to that variance, and its scale makes up for it.
    """
    network = read_network(FILES.cfg)
    layers = {}
    for index, layer in read_weights(FILES.weights, network).layers.items():
        assert isinstance(layer, ConvolutionalWeights)
        layers[index] = layer if layer.batch_norm is None else _shrunk(layer, layer.batch_norm)
    weights = Weights(Header(0, 2, 5, 1000), layers)
    file = tmp_path_factory.mktemp("small") / "small.weights"
    write_weights(file, network, weights)
    return Small(weights, file)


def _shrunk(layer: ConvolutionalWeights, norm: BatchNorm) -> ConvolutionalWeights:
    deviation = np.sqrt(norm.variance.astype(np.float64))
    factor = 1e-3 / deviation
    scales = norm.scales / (deviation + 1e-6) * np.sqrt(1e-6 + 1e-5) / factor
    kernel = layer.weights * factor[:, None, None, None]
    return ConvolutionalWeights(
        layer.biases,
        kernel.astype(np.float32),
        BatchNorm(
            scales.astype(np.float32),
            (norm.mean * factor).astype(np.float32),
            np.full_like(norm.variance, 1e-6),
        ),
    )


def exported(file: Path, output: Path, *words: str) -> tuple[Path, str]:
    """The float file, and what was said."""
    result = run_in_process(
        *("export", FILES.cfg, "--weights", file, "--labels", FILES.labels),
        *("--float-only", "-o", output, *words),
    )
    return output / "fashion_float.tflite", result.stderr


def top1(model: Path, images: Path) -> float:
    result = run_in_process("compare", model, model, "--data", images, "--json")
    return float(json.loads(result.stdout)["float"]["top1"])


def answer(classifier: Classifier, photo: Path) -> NDArray[np.float64]:
    return classifier.probabilities(classifier.logits(classifier.preprocess(photo)))


def test_the_float_file_answers_as_the_engine_that_trained_it(
    small: Small, fashion_models: Models, fashion_images: Path, tmp_path: Path
) -> None:
    model, said = exported(small.file, tmp_path)
    assert "8 layers changes with it, 70 % in layer " in said
    assert "This is 'inside', as revision 5 in its header suggests" in said
    assert said.endswith("use --batch-norm outside\n")
    card = read_card(model)
    assert card is not None
    assert card.batch_norm == "inside"
    assert top1(model, fashion_images) == 94.5
    before, after = Classifier(fashion_models.float_model), Classifier(model)
    photos = sorted(fashion_images.rglob("*.png"))
    for photo in photos[::100]:
        np.testing.assert_allclose(answer(after, photo), answer(before, photo), atol=1e-5)
    pixels = after.preprocess(photos[0])[0].astype(np.float32)
    expected = forward(read_network(FILES.cfg), small.weights, pixels)
    np.testing.assert_allclose(answer(after, photos[0]), expected, atol=1e-5)


@pytest.mark.c_engine
def test_outside_is_the_original_engine(small: Small, fashion_images: Path, tmp_path: Path) -> None:
    model, said = exported(small.file, tmp_path, "--batch-norm", "outside")
    assert "This is 'outside', as asked for" in said
    card = read_card(model)
    assert card is not None
    assert card.batch_norm == "outside"
    assert top1(model, fashion_images) < 20
    classifier = Classifier(model)
    for photo in sorted(fashion_images.rglob("*.png"))[::200]:
        pixels = classifier.preprocess(photo)[0].astype(np.float32)
        expected = c_engine.predict(FILES.cfg, small.file, pixels)
        np.testing.assert_allclose(answer(classifier, photo), expected, atol=1e-5)


def test_photos_made_of_the_statistics_are_those_of_the_same_function(
    small: Small,
) -> None:
    """What --calib none makes images of, and what calibration photos are checked against."""
    from tinyedge.export.build.fold import fold
    from tinyedge.export.calibrate.batch_norm import batch_norm_statistics

    network = read_network(FILES.cfg)
    original = read_weights(FILES.weights, network)
    folded = fold(network, small.weights)
    for index, layer in fold(network, original).items():
        kernel = layer.kernel
        np.testing.assert_allclose(folded[index].kernel, kernel, atol=1e-5 * np.abs(kernel).max())
    for ours, theirs in zip(
        batch_norm_statistics(network, small.weights),
        batch_norm_statistics(network, original),
        strict=True,
    ):
        np.testing.assert_array_equal(ours.channels, theirs.channels)
        np.testing.assert_allclose(ours.mean, theirs.mean)
        np.testing.assert_allclose(ours.deviation, theirs.deviation, rtol=1e-3)
