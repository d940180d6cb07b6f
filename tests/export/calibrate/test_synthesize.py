"""An int8 file calibrated on no photo, but on the statistics in the batch norms."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.commands import run_in_process
from tests.support.exports import Models
from tests.support.toy import CLASSES, HEIGHT, WIDTH, Toy, write_toy
from tinyedge.accuracy.statistics import kl_divergence, top1
from tinyedge.cli import main
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.layers import Shape
from tinyedge.darknet.network import build_network, read_network
from tinyedge.darknet.weights import BatchNorm, ConvolutionalWeights, Weights, read_weights
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import ExportError
from tinyedge.export.build.fold import fold
from tinyedge.export.calibrate.batch_norm import batch_norm_statistics
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.images.find import read_unlabelled
from tinyedge.modelcard import read_card
from tinyedge.progress import no_progress

PLAIN = """[net]
height=6
width=8
channels=3
[convolutional]
filters=4
activation=linear
[avgpool]
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return write_toy(tmp_path_factory.mktemp("toy"))


def synthesized(toy: Toy, seed: int, brightness: float = 1.0) -> tuple[NDArray[np.float32], float]:
    """The images, and their distance from training on the toy's photos times `brightness`."""
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.calibrate.check import measure_shift
    from tinyedge.export.calibrate.synthesize import synthesize_images

    network = read_network(toy.cfg)
    weights = read_weights(toy.weights, network)
    learned = weights.layers[0]
    assert isinstance(learned, ConvolutionalWeights)
    assert learned.batch_norm is not None
    norm = learned.batch_norm
    scales, mean, variance = norm.scales, norm.mean, norm.variance
    norm = BatchNorm(scales, brightness * mean, brightness**2 * variance)
    layers = {**weights.layers, 0: replace(learned, batch_norm=norm)}
    weights = Weights(weights.header, layers)
    model = build_keras_model(network, fold(network, weights))
    statistics = batch_norm_statistics(network, weights)
    images = synthesize_images(network, model, statistics, seed=seed, progress=no_progress)
    seen = measure_shift(model, statistics, images)
    assert seen is not None
    return images, seen.distance


def test_images_are_pixels_that_follow_the_statistics(toy: Toy) -> None:
    bright, distance = synthesized(toy, seed=0)
    dark, still = synthesized(toy, seed=0, brightness=0.7)
    assert bright.dtype == np.float32
    assert bright.shape[1:] == (HEIGHT, WIDTH, 3)
    assert bright.min() >= 0
    assert bright.max() <= 1
    assert max(distance, still) < 0.05
    # The photos' pixels are uniform between 0 and 1.
    assert bright.mean() == pytest.approx(0.5, abs=0.05)
    assert dark.mean() == pytest.approx(0.35, abs=0.05)


def test_a_seed_has_its_images(toy: Toy) -> None:
    first, _ = synthesized(toy, seed=1)
    assert np.array_equal(first, synthesized(toy, seed=1)[0])
    assert not np.array_equal(first, synthesized(toy, seed=2)[0])


def test_without_batch_norm_photos_are_needed() -> None:
    require_tensorflow()
    from tests.support.naive import random_weights
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.calibrate.synthesize import synthesize_images

    network = build_network(parse_cfg(PLAIN, "plain.cfg"))
    model = build_keras_model(network, fold(network, random_weights(network, seed=0)))
    with pytest.raises(ExportError, match=r"^plain.cfg: no convolution has batch_normalize=1") as e:
        synthesize_images(network, model, (), seed=0, progress=no_progress)
    assert "--calib" in str(e.value)


def test_the_file_says_what_it_is(toy: Toy, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        words = ("export", *toy.source(), "--calib", "none", "-o", tmp_path / folder)
        result = run_in_process(*words)
        assert "; calibrated without photos\n" in result.stdout
        (note,) = result.stderr.splitlines()
        assert note.startswith("note: --calib none: the int8 file is calibrated without photos")
    content = (tmp_path / "one" / "toy_int8.tflite").read_bytes()
    assert content == (tmp_path / "two" / "toy_int8.tflite").read_bytes()
    card = read_card(tmp_path / "one" / "toy_int8.tflite")
    assert card is not None
    assert (card.calibration, card.calibration_sha256) == ("batch norm statistics", ())
    assert card.seed == 0
    float_card = read_card(tmp_path / "one" / "toy_float.tflite")
    assert float_card is not None
    assert float_card.calibration is None
    assert Classifier(tmp_path / "one" / "toy_int8.tflite").classes == CLASSES


def test_nothing_is_written_where_it_cannot_be_done(tmp_path: Path) -> None:
    from click.testing import CliRunner

    cfg, weights = tmp_path / "plain.cfg", tmp_path / "plain.weights"
    cfg.write_text(PLAIN)
    floats = np.zeros(read_network(cfg).parameters, "<f4")
    weights.write_bytes(np.array([0, 1, 0, 0], "<i4").tobytes() + floats.tobytes())
    words = ["export", cfg, "--weights", weights, "--calib", "none", "-o", tmp_path / "out"]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {cfg}: no convolution has batch_normalize=1")
    assert not (tmp_path / "out").exists()


def scores(model: Path, photos: list[Path]) -> NDArray[np.float64]:
    classifier = Classifier(model, threads=2)
    return np.stack([classifier.logits(classifier.preprocess(photo)) for photo in photos])


@pytest.mark.long
def test_fashion_keeps_most_answers(
    fashion_models: Models, fashion_images: Path, tmp_path: Path
) -> None:
    run_in_process("export", "fashion", "--calib", "none", "-o", tmp_path)
    photos = read_unlabelled(fashion_images)
    ours = scores(fashion_models.float_model, photos)
    free = scores(tmp_path / "fashion_int8.tflite", photos)
    agreement = np.mean(top1(ours) == top1(free))
    divergence = np.mean(kl_divergence(ours, free))
    # Measured: 0.997 and 0.0005, where photos leave 0.0003.
    assert agreement >= 0.985
    assert divergence < 0.002


@pytest.mark.real_data
@pytest.mark.slow
def test_tiny_darknet_keeps_most_answers(
    tiny_models: Models, imagenet: Path, tmp_path: Path
) -> None:
    run_in_process("export", "tiny", "--calib", "none", "-o", tmp_path)
    photos = read_unlabelled(imagenet / "val")
    ours = scores(tiny_models.float_model, photos)
    free = scores(tmp_path / "tiny_int8.tflite", photos)
    # Measured: 0.905 and 0.077.
    assert np.mean(top1(ours) == top1(free)) >= 0.88
    assert np.mean(kl_divergence(ours, free)) < 0.1


@pytest.mark.parametrize("size", [Shape(2, 2000, 1), Shape(2000, 2, 1)])
def test_noise_for_a_long_image_takes_no_square_of_its_length(size: Shape) -> None:
    require_tensorflow()
    from tinyedge.export.calibrate.synthesize import smooth_noise

    tracemalloc.start()
    try:
        smooth_noise(size, 1, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000  # a grid as fine both ways has 2,048 x 2,048 numbers
