"""Calibration images that do not look like the training's are told from those that do."""

import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.commands import run_in_process
from tests.support.naive import forward, random_weights
from tests.support.toy import PHOTOS, write_toy
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network, read_network
from tinyedge.darknet.weights import BatchNorm, ConvolutionalWeights, Weights, read_weights
from tinyedge.errors import TinyedgeWarning
from tinyedge.export.build.fold import fold
from tinyedge.export.calibrate.batch_norm import batch_norm_statistics
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.images.find import evenly_spaced, read_unlabelled
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

Floats = NDArray[np.float32]

CFG = """[net]
height=9
width=7
channels=3
[convolutional]
batch_normalize=1
filters=4
size=3
pad=1
activation=ramp
[maxpool]
size=2
stride=2
[convolutional]
batch_normalize=1
filters=3
size=3
activation=leaky
[convolutional]
filters=5
activation=linear
[avgpool]
"""
WRONG = {
    "pixels to 255": lambda images: 255 * images,
    "pixels from -1": lambda images: 2 * images - 1,
    "dark": lambda images: 0.3 * images,
    "inverted": lambda images: 1 - images,
}


def check(network: Network, weights: Weights, images: Floats) -> list[str]:
    """What the check warns of; just where the ratio that it returns is above 1."""
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.calibrate.check import check_calibration

    model = build_keras_model(network, fold(network, weights))
    statistics = batch_norm_statistics(network, weights)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ratio = check_calibration(model, statistics, images)
    said = [str(each.message) for each in caught if each.category is TinyedgeWarning]
    if ratio is not None:
        assert (ratio > 1) == bool(said)
    return said


def drawn(seed: int, count: int = 40) -> Floats:
    """Images of pixels that are mostly dark."""
    return np.random.default_rng(seed).beta(1, 3, (count, 9, 7, 3)).astype(np.float32)


def outputs(
    network: Network, weights: Weights, images: Floats, position: int
) -> NDArray[np.float64]:
    """Of the convolution there before its batch norm, by the definition: (channels, values)."""
    layers = network.layers[: position + 1]
    layer = layers[-1]
    learned = weights.layers[layer.index]
    assert isinstance(learned, ConvolutionalWeights)
    bare = replace(layer, batch_normalize=False, activation="linear")
    short = replace(network, layers=(*layers[:-1], bare))
    zeros = np.zeros_like(learned.biases)
    swapped = {**weights.layers, layer.index: ConvolutionalWeights(zeros, learned.weights)}
    found = [forward(short, Weights(weights.header, swapped), image) for image in images]
    planes = np.stack(found).reshape(len(images), layer.output.channels, -1)
    return planes.transpose(1, 0, 2).reshape(layer.output.channels, -1)


@pytest.fixture(scope="module")
def trained() -> tuple[Network, Weights]:
    """A network whose rolling statistics are those of `drawn(0)`."""
    network = build_network(parse_cfg(CFG, "trained.cfg"))
    weights = random_weights(network, seed=3)
    for position in (0, 2):
        found = outputs(network, weights, drawn(0), position)
        learned = weights.layers[network.layers[position].index]
        assert isinstance(learned, ConvolutionalWeights)
        assert learned.batch_norm is not None
        norm = BatchNorm(
            learned.batch_norm.scales,
            found.mean(axis=1).astype(np.float32),
            found.var(axis=1).astype(np.float32),
        )
        layers = {
            **weights.layers,
            network.layers[position].index: replace(learned, batch_norm=norm),
        }
        weights = Weights(weights.header, layers)
    return network, weights


def test_images_like_the_trainings_pass(trained: tuple[Network, Weights]) -> None:
    assert check(*trained, drawn(0)) == []
    assert check(*trained, drawn(1)) == []
    assert check(*trained, drawn(2, count=3)) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_others_are_told(trained: tuple[Network, Weights], wrong: str) -> None:
    (message,) = check(*trained, WRONG[wrong](drawn(1)).astype(np.float32))
    # The distance that is told, over 0.018 + 1.2 / 40.
    told, usual = map(float, re.findall(r"distance (\S+); (\S+) is", message)[0])
    assert usual == 0.048
    assert told > usual
    assert "do not look like those the network was trained on" in message
    assert "batch norm" not in message


def test_photos_are_not_blamed_alone_where_the_batch_norm_may_be_the_other(
    trained: tuple[Network, Weights],
) -> None:
    network, weights = trained
    first = network.layers[0]
    learned = weights.layers[first.index]
    assert isinstance(learned, ConvolutionalWeights)
    assert learned.batch_norm is not None
    small = np.full_like(learned.batch_norm.variance, 1e-5)
    norm = replace(learned.batch_norm, variance=small)
    layers = {**weights.layers, first.index: replace(learned, batch_norm=norm)}
    (message,) = check(network, Weights(weights.header, layers), drawn(1))
    assert "or the network was trained with the other batch norm, see that note" in message


def test_the_measure_is_that_of_the_definition(trained: tuple[Network, Weights]) -> None:
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.calibrate.check import measure_shift

    network, weights = trained
    images = WRONG["dark"](drawn(5, count=6)).astype(np.float32)
    distances, shifts, spreads = [], [], []
    for position in (0, 2):
        learned = weights.layers[network.layers[position].index]
        assert isinstance(learned, ConvolutionalWeights)
        assert learned.batch_norm is not None
        found = outputs(network, weights, images, position)
        mean = (found.mean(axis=1) - learned.batch_norm.mean) / learned.batch_norm.variance**0.5
        variance = found.var(axis=1) / learned.batch_norm.variance
        # KL of one normal distribution from another, in its textbook form.
        divergence = np.log(1 / np.sqrt(variance)) + (variance + mean**2) / 2 - 0.5
        distances.append(divergence.mean())
        shifts.append(np.abs(mean).max())
        spreads.extend(np.sqrt(variance))
    model = build_keras_model(network, fold(network, weights))
    seen = measure_shift(model, batch_norm_statistics(network, weights), images)
    assert seen is not None
    expected = (np.mean(distances), max(shifts), np.median(spreads))
    assert (seen.distance, seen.shift, seen.spread) == pytest.approx(expected, rel=1e-3)


def test_a_channel_scaled_to_nothing_tells_nothing(trained: tuple[Network, Weights]) -> None:
    network, weights = trained
    learned = weights.layers[0]
    assert isinstance(learned, ConvolutionalWeights)
    assert learned.batch_norm is not None
    scales, means = learned.batch_norm.scales.copy(), learned.batch_norm.mean.copy()
    scales[1], means[1] = 0, 1e6
    norm = BatchNorm(scales, means, learned.batch_norm.variance)
    layers = {**weights.layers, 0: replace(learned, batch_norm=norm)}
    short = replace(network, layers=network.layers[:1])
    assert check(short, Weights(weights.header, layers), drawn(1)) == []


def test_without_batch_norm_only_one_colour_is_told(trained: tuple[Network, Weights]) -> None:
    network = build_network(parse_cfg(CFG.replace("batch_normalize=1\n", ""), "plain.cfg"))
    weights = random_weights(network, seed=3)
    assert check(network, weights, 255 * drawn(1)) == []
    for colour in (0, 0.5, 1):
        (message,) = check(network, weights, np.full((2, 9, 7, 3), colour, np.float32))
        assert message.startswith("the calibration images are all of one colour")
    assert check(*trained, np.zeros((2, 9, 7, 3), np.float32)) == [message]


def test_the_command_says_so(tmp_path: Path) -> None:
    toy, other = write_toy(tmp_path / "toy"), tmp_path / "dark"
    other.mkdir()
    from PIL import Image

    for photo in toy.photos.rglob("*.png"):
        with Image.open(photo) as image:
            image.point(lambda value: value // 8).save(other / photo.name)
    words = ("export", *toy.source(), "--count", PHOTOS, "-o", tmp_path / "out", "--calib")
    few = run_in_process(*words, toy.photos).stderr
    assert few.startswith("note: calibrating on 6 images, which is few")
    result = run_in_process(*words, other)
    assert result.stderr.startswith(few)
    (note,) = result.stderr.removeprefix(few).splitlines()
    assert note.startswith("note: the calibration images do not look like those")
    assert "calibrated on 6 images" in result.stdout


def photos_of(source: Path, network: Network, count: int) -> Floats:
    spec = InputSpec(*network.input, "crop")
    return np.stack(
        [load_float_input(path, spec) for path in evenly_spaced(read_unlabelled(source), count)]
    )


def test_fashions_own_images_pass_and_others_do_not() -> None:
    files = locate(MODELS["fashion"])
    network = read_network(files.cfg)
    weights = read_weights(files.weights, network)
    assert files.calibration is not None
    own = photos_of(files.calibration, network, 200)
    assert check(network, weights, own) == []
    assert check(network, weights, own[:10]) == []
    for wrong in WRONG.values():
        assert len(check(network, weights, wrong(own).astype(np.float32))) == 1


@pytest.mark.real_data
def test_photos_pass_tiny_darknet_and_mistakes_do_not(imagenet: Path) -> None:
    files = locate(MODELS["tiny"])
    network = read_network(files.cfg)
    weights = read_weights(files.weights, network)
    own = photos_of(imagenet / "calib", network, 200)
    assert check(network, weights, own) == []
    assert check(network, weights, photos_of(imagenet / "val", network, 40)) == []
    fashion = locate(MODELS["fashion"]).calibration
    assert fashion is not None
    noise = np.random.default_rng(0).random((10, *network.input), dtype=np.float32)
    for images in (own[..., ::-1], photos_of(fashion, network, 20), noise, own[:20] * 0.3):
        assert len(check(network, weights, np.ascontiguousarray(images))) == 1
