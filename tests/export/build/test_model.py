"""The Keras model and the float .tflite made of it, against the definition written out plainly."""

from pathlib import Path

import numpy as np
import pytest

from tests.support import c_engine
from tests.support.float_answers import float_answers
from tests.support.naive import forward, random_weights
from tests.support.shipped import CFGS
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network, read_network
from tinyedge.darknet.weights import write_weights
from tinyedge.export.build.fold import fold
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed

VALID = sorted((Path(__file__).parents[2] / "data" / "cfg" / "valid").glob("*.cfg"))


def without_softmax(network: Network) -> Network:
    """What the Keras model computes: it ends in logits."""
    layers = tuple(layer for layer in network.layers if layer.kind != "softmax")
    return Network(network.source, network.input, layers)


def check(network: Network) -> None:
    weights = random_weights(network, seed=7)
    pixels = np.random.default_rng(8).random(network.input, dtype=np.float32)
    expected = forward(without_softmax(network), weights, pixels)
    largest = np.abs(expected).max()
    found = float_answers(network, weights, pixels)
    assert np.abs(found.keras - expected).max() / largest < 1e-5
    assert np.abs(found.tflite - expected).max() / largest < 1e-5


@pytest.mark.parametrize("cfg", VALID, ids=lambda cfg: cfg.stem)
def test_every_valid_cfg_computes_its_definition(cfg: Path) -> None:
    check(read_network(cfg))


@pytest.mark.c_engine
@pytest.mark.parametrize("name", ["cifar", "cifar.test", "darknet", "go", "resnet18"])
def test_darknets_cfgs_compute_what_the_engine_does(name: str, tmp_path: Path) -> None:
    cfg, file = CFGS / f"{name}.cfg", tmp_path / "random.weights"
    network = read_network(cfg)
    weights = random_weights(network, seed=7)
    write_weights(file, network, weights)
    pixels = np.random.default_rng(8).random(network.input, dtype=np.float32)
    last = without_softmax(network).layers[-1].index
    expected = c_engine.layer_output(cfg, file, pixels, last)
    largest = np.abs(expected).max()
    assert np.std(expected) > 0.1 * largest  # all alike would prove nothing
    found = float_answers(network, weights, pixels)
    assert np.abs(found.keras - expected).max() / largest < 1e-5
    assert np.abs(found.tflite - expected).max() / largest < 1e-5


GEOMETRIES = [
    (size, stride, padding)
    for size in (2, 3, 5)
    for stride in (1, 2, 3)
    for padding in sorted({0, size // 2, size - 1})
]


@pytest.mark.parametrize(("height", "width"), [(9, 12), (10, 7)])
def test_convolutions_of_every_stride_and_padding(height: int, width: int) -> None:
    check(
        _branches(
            height,
            width,
            [
                f"[convolutional]\nfilters=3\nsize={size}\nstride={stride}\npadding={padding}\n"
                "activation=leaky"
                for size, stride, padding in GEOMETRIES
            ],
        )
    )


@pytest.mark.parametrize(("height", "width"), [(9, 12), (10, 7)])
def test_pools_of_every_stride_and_padding(height: int, width: int) -> None:
    # Values of both signs, so that a border of zeros would win here and there.
    check(
        _branches(
            height,
            width,
            [
                f"[maxpool]\nsize={size}\nstride={stride}\npadding={both}"
                for size, stride, padding in GEOMETRIES
                for both in (padding, 2 * padding)
            ],
        )
    )


def _branches(height: int, width: int, sections: list[str]) -> Network:
    """One convolution, then every section on its output, each averaged, all concatenated."""
    text = f"[net]\nheight={height}\nwidth={width}\nchannels=2\n"
    text += "[convolutional]\nfilters=4\nactivation=linear\n"
    for section in sections:
        text += f"[route]\nlayers=0\n{section}\n[avgpool]\n"
    averages = ",".join(str(3 * (index + 1)) for index in range(len(sections)))
    text += f"[route]\nlayers={averages}\n"
    return build_network(parse_cfg(text, "branches.cfg"))


def test_outputs_of_a_network_without_an_average_stand_in_darknets_order() -> None:
    text = "[net]\nheight=5\nwidth=4\nchannels=3\n[convolutional]\nfilters=6\nactivation=tanh\n"
    check(build_network(parse_cfg(text, "plain.cfg")))


@pytest.mark.parametrize("name", ["local", "norms", "reorgs", "routes", "shortcuts"])
def test_a_model_built_for_one_image_takes_any_number(name: str) -> None:
    """The calibration images go through it in batches."""
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model

    network = read_network(VALID[0].with_stem(name))
    images = np.random.default_rng(8).random((3, *network.input), dtype=np.float32)
    with tensorflow_hushed():
        model = build_keras_model(network, fold(network, random_weights(network, seed=7)))
        together = np.asarray(model(images, training=False))
        single = [np.asarray(model(image[np.newaxis], training=False)) for image in images]
    assert together == pytest.approx(np.concatenate(single), rel=1e-4, abs=1e-5)
