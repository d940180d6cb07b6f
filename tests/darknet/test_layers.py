"""Single layers: rules worth a number by hand, and the engine's own turns."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support import c_engine
from tests.support.activations import FUNCTIONS
from tests.support.naive import forward, random_weights
from tinyedge.darknet import layers
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.darknet.weights import Header, Weights, read_weights, write_weights

NET = "[net]\nheight={}\nwidth={}\nchannels={}\n"
NO_WEIGHTS = Weights(Header(), {})

# In a process of its own, as everything of the engine's.
_LOAD_AND_SAVE = """
import ctypes, sys
cfg, file, again = (word.encode() for word in sys.argv[1:])
engine = ctypes.CDLL("/usr/lib/darknet/libdarknet.so")
engine.load_network.restype = ctypes.c_void_p
engine.save_weights(ctypes.c_void_p(engine.load_network(cfg, file, 0)), again)
"""


def _network(height: int, width: int, channels: int, sections: str) -> Network:
    return build_network(parse_cfg(NET.format(height, width, channels) + sections, "a.cfg"))


def _engine(
    sections: str, pixels: np.ndarray, folder: Path, weights: Weights = NO_WEIGHTS
) -> np.ndarray:
    cfg, file = folder / "a.cfg", folder / "a.weights"
    cfg.write_text(NET.format(*pixels.shape) + sections)
    write_weights(file, _network(*pixels.shape, sections), weights)
    return c_engine.predict(cfg, file, pixels)


@pytest.mark.c_engine
@pytest.mark.parametrize("name", [name for name, row in ACTIVATIONS.items() if not row.foreign])
def test_activations_on_a_grid(name: str, tmp_path: Path) -> None:
    # Whole numbers and the bends at -4, -1, 0, 1 and 4 are among them.
    grid = np.arange(-6, 6, 1 / 64, dtype=np.float32).reshape(1, -1, 1)
    found = _engine(f"[activation]\nactivation={name}\n", grid, tmp_path)
    expected = FUNCTIONS[name](grid.astype(np.float64).ravel())
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def _neighbours(channels: int, size: int) -> np.ndarray:
    layer = _network(1, 1, channels, f"[normalization]\nsize={size}\n").layers[0]
    assert isinstance(layer, layers.Normalization)
    return layer.neighbours


def test_the_channels_a_local_response_normalization_counts() -> None:
    # Five wide: the third channel is never added, and taken away from the sixth on.
    assert _neighbours(7, 5).T.tolist() == [
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 1, 0, 0, 0],
        [1, 1, 0, 1, 1, 0, 0],
        [0, 1, 0, 1, 1, 1, 0],
        [0, 0, 0, 1, 1, 1, 1],
        [0, 0, -1, 1, 1, 1, 1],
        [0, 0, -1, 0, 1, 1, 1],
    ]


@pytest.mark.c_engine
@pytest.mark.parametrize(("channels", "size"), [(9, 5), (3, 5), (9, 4), (6, 1), (12, 3)])
def test_the_engine_counts_the_same_channels(channels: int, size: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).random((2, 3, channels), dtype=np.float32)
    section = f"[normalization]\nalpha=.05\nbeta=.6\nkappa=2\nsize={size}\n"
    sums = 2 + 0.05 * pixels.astype(np.float64) ** 2 @ _neighbours(channels, size)
    expected = (pixels * sums**-0.6).transpose(2, 0, 1).ravel()
    np.testing.assert_allclose(_engine(section, pixels, tmp_path), expected, atol=3e-7)


def test_crops_are_of_the_middle() -> None:
    crop = _network(5, 8, 1, "[crop]\ncrop_height=2\ncrop_width=4\n").layers[0]
    assert isinstance(crop, layers.Crop)
    assert (crop.top, crop.left, crop.adjust) == (1, 2, True)
    plain = _network(5, 8, 1, "[crop]\ncrop_height=5\ncrop_width=8\nnoadjust=1\n").layers[0]
    assert isinstance(plain, layers.Crop)
    assert (plain.top, plain.left, plain.adjust) == (0, 0, False)


@pytest.mark.c_engine
def test_crops_against_the_engine(tmp_path: Path) -> None:
    pixels = np.arange(40, dtype=np.float32).reshape(5, 8, 1) / 64
    section = "[crop]\ncrop_height=2\ncrop_width=4\nflip=1\nshift=.2\n"
    expected = 2 * pixels[1:3, 2:6, 0] - 1
    np.testing.assert_array_equal(_engine(section, pixels, tmp_path), expected.ravel())


def test_the_reorg_of_go_is_the_image_and_a_zero() -> None:
    network = _network(2, 2, 1, "[reorg]\nextra=1\nstride=1\n[softmax]\n")
    assert network.output == layers.Shape(1, 1, 5)
    pixels = np.array([[[0.1], [0.2]], [[0.3], [0.4]]], np.float32)
    cut = Network(network.source, network.input, network.layers[:1])
    assert forward(cut, NO_WEIGHTS, pixels).tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0])


@pytest.mark.c_engine
def test_the_engines_softmax_is_over_that_zero_too(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 1), np.float32)
    found = _engine("[reorg]\nextra=1\n[softmax]\n", pixels, tmp_path)
    np.testing.assert_allclose(found, [0.2] * 5, rtol=1e-6)


def test_operations_of_a_connected_layer() -> None:
    connected = _network(4, 3, 2, "[connected]\noutput=5\nbatch_normalize=1\n").layers[0]
    assert connected.operations == 2 * 24 * 5
    assert connected.parameters == 24 * 5 + 4 * 5


@pytest.mark.c_engine
@pytest.mark.parametrize("header", [Header(), Header(1001, 0), Header(0, 1001)], ids=str)
@pytest.mark.parametrize("normalize", [0, 1])
def test_connected_layers_of_plain_and_transposed_files(
    normalize: int, header: Header, tmp_path: Path
) -> None:
    section = f"[connected]\noutput=5\nbatch_normalize={normalize}\nactivation=leaky\n"
    network = _network(3, 2, 4, section)
    weights = random_weights(network, 3, header)
    pixels = np.random.default_rng(4).random(network.input, dtype=np.float32)
    expected = forward(network, weights, pixels)
    found = _engine(section, pixels, tmp_path, weights)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    again = read_weights(tmp_path / "a.weights", network)
    np.testing.assert_allclose(forward(network, again, pixels), expected, rtol=1e-12)


@pytest.mark.c_engine
def test_the_engine_reads_three_numbers_a_channel_of_a_batchnorm(tmp_path: Path) -> None:
    """It cannot run one on a CPU, but reads its floats and writes them again."""
    cfg, file, again = (tmp_path / name for name in ("a.cfg", "a.weights", "again.weights"))
    sections = "[batchnorm]\n[convolutional]\nfilters=2\nsize=3\n"
    cfg.write_text(NET.format(4, 4, 3) + sections)
    network = _network(4, 4, 3, sections)
    assert network.layers[0].parameters == 3 * 3
    write_weights(file, network, random_weights(network, 5))
    subprocess.run(
        [sys.executable, "-c", _LOAD_AND_SAVE, cfg, file, again], check=True, capture_output=True
    )
    header = 20
    assert again.read_bytes()[header:] == file.read_bytes()[header:]
