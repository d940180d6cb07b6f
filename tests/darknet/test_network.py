"""Geometry and arithmetic of the layers, against the C engine and against numbers by hand."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.support import c_engine
from tests.support.naive import forward, random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.layers import Convolutional, Layer, MaxPool, Route, Shape
from tinyedge.darknet.network import Footprint, Network, build_network, read_network
from tinyedge.darknet.summary import layer_table
from tinyedge.darknet.weights import (
    BatchNorm,
    ConvolutionalWeights,
    Header,
    Weights,
    write_weights,
)
from tinyedge.errors import CfgError, TinyedgeWarning

VALID = Path(__file__).parents[1] / "data" / "cfg" / "valid"

NET = "[net]\nheight={}\nwidth={}\nchannels={}\n"


def _layer(section: str, height: int, width: int, channels: int = 1) -> Layer:
    text = NET.format(height, width, channels) + section
    return build_network(parse_cfg(text, "a.cfg")).layers[0]


@pytest.mark.parametrize(
    ("extent", "options", "expected"),
    [
        (149, "size=2\nstride=2", 75),  # Darknet pads by size - 1: odd extents round up
        (112, "size=2\nstride=2", 56),
        (113, "size=3\nstride=2\npadding=0", 56),
        (13, "size=2\nstride=1", 13),
        (7, "stride=3", 3),  # the size defaults to the stride
        (7, "", 7),
    ],
)
def test_pool_extent(extent: int, options: str, expected: int) -> None:
    layer = _layer(f"[maxpool]\n{options}\n", extent, 2 * extent)
    assert layer.output.height == expected


@pytest.mark.parametrize(
    ("extent", "options", "expected"),
    [
        (227, "size=7\nstride=2", 111),
        (224, "size=3\npad=1", 224),
        (224, "size=3\nstride=2\npad=1", 112),
        (227, "size=11\nstride=4\npadding=2", 56),
        (227, "size=11\nstride=4\npad=1\npadding=2", 57),  # pad wins: 11 // 2
        (9, "size=2\npad=1", 10),
        (9, "", 9),
    ],
)
def test_convolution_extent(extent: int, options: str, expected: int) -> None:
    layer = _layer(f"[convolutional]\n{options}\n", 2 * extent, extent)
    assert layer.output.width == expected


def test_defaults_are_the_engines() -> None:
    layer = _layer("[convolutional]\n", 5, 4, 3)
    assert layer == Convolutional(
        index=0,
        line=5,
        input=Shape(5, 4, 3),
        output=Shape(5, 4, 1),
        filters=1,
        size=1,
        stride=1,
        padding=0,
        groups=1,
        batch_normalize=False,
        activation="logistic",
    )
    pool = _layer("[maxpool]\nstride=2\n", 5, 4)
    assert isinstance(pool, MaxPool)
    assert (pool.size, pool.stride, pool.padding) == (2, 2, 1)


def test_routes_count_from_the_start_or_backwards() -> None:
    network = read_network(VALID / "routes.cfg")
    routes = [layer for layer in network.layers if isinstance(layer, Route)]
    assert [route.sources for route in routes] == [(0,), (3, 1, 0)]
    assert routes[1].output == Shape(12, 10, 6 + 4 + 8)


def test_the_output_is_the_last_layers_but_a_costs() -> None:
    network = read_network(VALID / "routes.cfg")
    assert network.layers[-1].kind == "cost"
    assert network.output == Shape(1, 1, 9)


def test_a_footprint_is_weights_and_the_largest_layers_input_and_output() -> None:
    # 10 * (3 * 3 * 3 + 1) floats; the convolution takes 40x20x3 numbers and gives 40x20x10.
    sections = "[convolutional]\nfilters=10\nsize=3\npad=1\nactivation=linear\n[avgpool]\n"
    network = build_network(parse_cfg(NET.format(40, 20, 3) + sections, "small.cfg"))
    assert network.largest_layer == network.layers[0]
    assert network.footprint(4) == Footprint(4 * 280, 4 * 800 * 13)
    assert network.footprint(1) == Footprint(280, 800 * 13)
    assert network.footprint(4).total == 42_720


@pytest.mark.real_data
def test_totals_of_real_networks(cache: Path) -> None:
    tiny = read_network(cache / "tiny" / "tiny.cfg")
    assert tiny.operations == 983_048_192  # what `darknet ops` printed
    assert 16 + tiny.weight_bytes == 4_185_968  # the size of tiny.weights
    assert tiny.output == Shape(1, 1, 1000)
    squeezenet = read_network(cache / "squeezenet" / "squeezenet.cfg")
    assert squeezenet.operations == 1_665_335_872
    assert 16 + squeezenet.weight_bytes == 4_993_712


def test_another_size() -> None:
    network = read_network(VALID / "pools.cfg", size=(50, 40))
    assert network.input == Shape(height=40, width=50, channels=2)
    assert network.layers[0].output == Shape(20, 25, 2)


@pytest.mark.c_engine
def test_another_size_is_that_of_another_cfg(tmp_path: Path) -> None:
    text = (VALID / "pools.cfg").read_text()
    other = tmp_path / "other.cfg"
    other.write_text(text.replace("height=25", "height=40").replace("width=33", "width=50"))
    built = read_network(VALID / "pools.cfg", size=(50, 40))
    assert built.operations == c_engine.operations(other)
    assert built.layers == read_network(other).layers


def test_another_size_needs_no_size_in_the_cfg() -> None:
    sections = parse_cfg("[net]\nchannels=1\n[avgpool]\n", "a.cfg")
    assert build_network(sections, size=(3, 2)).input == Shape(2, 3, 1)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((0, 4), "0x4"),
        ((4, -1), "4x-1"),
        ((2**31, 4), "2147483648x4"),
        ((4, 10**5000), "4xan integer of 16610 bits"),
    ],
)
def test_no_size_at_all(size: tuple[int, int], said: str) -> None:
    with pytest.raises(CfgError, match=rf"^\S*pools\.cfg: cannot build for {said} pixels$"):
        read_network(VALID / "pools.cfg", size=size)


def test_a_size_is_of_whole_numbers() -> None:
    with pytest.raises(ValueError, match=r"size is \(4.0, 4.0\), not \(width, height\)"):
        read_network(VALID / "pools.cfg", size=(4.0, 4.0))  # type: ignore[arg-type]
    assert read_network(VALID / "pools.cfg", size=(np.int64(12), np.int64(8))).input[:2] == (8, 12)


def test_a_size_beyond_memory_is_refused_at_once() -> None:
    with pytest.raises(CfgError, match=r"this machine has [\d,]+ bytes of memory"):
        read_network(VALID / "pools.cfg", size=(10**9, 10**9))


def test_what_grows_beyond_memory_is_refused_before_its_numbers_cannot_be_written() -> None:
    """Python writes no integer of more than 4,300 digits: 19 more for each of these layers."""
    text = "[net]\nheight=1\nwidth=1\nchannels=1\n" + "[upsample]\nstride=2147483647\n" * 1000
    said = r"^a\.cfg:5: the network needs 0 bytes of weights and, in layer 0 \[upsample\], "
    with pytest.raises(CfgError, match=said):
        build_network(parse_cfg(text, "a.cfg"))


def test_a_matrix_beyond_any_file_is_refused_at_its_line() -> None:
    text = "[net]\nheight=1\nwidth=1\nchannels=30000\n[lrn]\n"
    said = (
        r"^a\.cfg:5: layer 0 \[normalization\] over 30,000 channels needs a matrix of 3,600,000,000"
    )
    with pytest.raises(CfgError, match=said):
        build_network(parse_cfg(text, "a.cfg"))


def test_more_layers_than_tensorflow_bears_are_refused_at_the_first() -> None:
    text = "[net]\nheight=1\nwidth=1\nchannels=3\n" + 2000 * "[dropout]\n"
    assert len(build_network(parse_cfg(text, "a.cfg")).layers) == 2000
    with pytest.raises(CfgError, match=r"^a\.cfg:2005: \[dropout\] is a layer too many"):
        build_network(parse_cfg(f"{text}[dropout]\n", "a.cfg"))


# Those the engine can run as we read them; on a CPU it runs no [batchnorm].
BEYOND = {"alexeyab", "alexeyab_joins", "batchnorm", "spelling"}
RUN = sorted({path.stem for path in VALID.glob("*.cfg")} - BEYOND)


@pytest.mark.c_engine
@pytest.mark.parametrize("name", RUN)
def test_the_engine_computes_what_the_layers_say(name: str, tmp_path: Path) -> None:
    cfg, file = VALID / f"{name}.cfg", tmp_path / "random.weights"
    network = read_network(cfg)
    weights = random_weights(network, seed=7)
    write_weights(file, network, weights)
    pixels = np.random.default_rng(8).random(network.input, dtype=np.float32)
    expected = forward(network, weights, pixels)
    found = c_engine.predict(cfg, file, pixels)
    assert found.shape == expected.shape
    assert np.std(expected) > 0.1 * np.abs(expected).max()  # all alike would prove nothing
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.c_engine
def test_the_engine_adds_its_epsilon_to_the_square_root(tmp_path: Path) -> None:
    cfg, file = tmp_path / "norm.cfg", tmp_path / "norm.weights"
    cfg.write_text(NET.format(1, 2, 1) + "[conv]\nbatch_normalize=1\nactivation=linear\n")
    network = read_network(cfg)
    one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
    norm = BatchNorm(scales=one, mean=none, variance=np.full(1, 1e-12, np.float32))
    kernel = np.full((1, 1, 1, 1), 1e-6, np.float32)
    weights = Weights(Header(), {0: ConvolutionalWeights(none, kernel, norm)})
    write_weights(file, network, weights)
    # 1e-6 x / (sqrt(1e-12) + 1e-6) is x / 2; under the root the epsilon would make it x / 1000.
    pixels = np.array([[[0.2], [1.0]]], np.float32)
    np.testing.assert_allclose(c_engine.predict(cfg, file, pixels), [0.1, 0.5], rtol=1e-5)
    np.testing.assert_allclose(forward(network, weights, pixels), [0.1, 0.5], rtol=1e-5)


@pytest.mark.c_engine
def test_the_engines_output_of_an_inner_layer(tmp_path: Path) -> None:
    cfg, file = VALID / "routes.cfg", tmp_path / "random.weights"
    network = read_network(cfg)
    weights = random_weights(network, seed=9)
    write_weights(file, network, weights)
    pixels = np.random.default_rng(10).random(network.input, dtype=np.float32)
    for index in (4, 7):  # a route, and the average before the softmax
        cut = Network(network.source, network.input, network.layers[: index + 1])
        expected = forward(cut, weights, pixels)
        found = c_engine.layer_output(cfg, file, pixels, index)
        np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.c_engine
def test_the_engine_leaves_the_stride_of_a_1x1_convolution_out(tmp_path: Path) -> None:
    """The reason for the warning: its output is the input's first pixels, not every second."""
    cfg, file = tmp_path / "one.cfg", tmp_path / "one.weights"
    cfg.write_text(NET.format(5, 5, 1) + "[conv]\nstride=2\nactivation=linear\n")
    with pytest.warns(TinyedgeWarning) as caught:
        network = read_network(cfg)
    assert [str(warning.message) for warning in caught] == [
        f"{cfg}:6: [convolutional] stride=2 in a 1x1 convolution: tinyedge computes it as"
        " written; Darknet on a CPU leaves it out and computes something else"
    ]
    one = ConvolutionalWeights(np.zeros(1, np.float32), np.ones((1, 1, 1, 1), np.float32))
    weights = Weights(Header(), {0: one})
    write_weights(file, network, weights)
    pixels = np.arange(25, dtype=np.float32).reshape(5, 5, 1)
    assert list(forward(network, weights, pixels)) == [0, 2, 4, 10, 12, 14, 20, 22, 24]
    assert list(c_engine.predict(cfg, file, pixels)) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_padding_of_a_1x1_convolution_is_warned_of() -> None:
    with pytest.warns(TinyedgeWarning, match=re.escape("a.cfg:6: [convolutional] padding=1 in a")):
        layer = _layer("[convolutional]\npadding=1\n", 4, 4)
    assert layer.output == Shape(6, 6, 1)


def test_pad_of_a_1x1_convolution_is_none_and_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = _layer("[convolutional]\npad=1\n", 4, 4)
    assert layer.output == Shape(4, 4, 1)


@pytest.mark.parametrize(
    ("option", "kind"),
    [("max_batches=1e6", "integer"), ("momentum=abc", "number"), ("decay=nan", "number")],
)
def test_an_option_for_training_alone_that_is_no_number_is_noted(option: str, kind: str) -> None:
    net = f"[net]\nheight=8\nwidth=8\nchannels=3\n{option}\n[connected]\noutput=2\n"
    with pytest.warns(TinyedgeWarning) as notes:
        network = build_network(parse_cfg(net, "n.cfg"))
    assert network.output.elements == 2
    assert [str(note.message) for note in notes] == [
        f"n.cfg:5: [net] {option} is no {kind}; it matters in training alone"
    ]


@pytest.mark.parametrize("activation", ["swish", "leaky"])
def test_a_shortcut_of_two_sizes_in_alexeyabs_dialect_is_noted(activation: str) -> None:
    convolution = f"[convolutional]\nfilters=4\nsize=3\npad=1\nactivation={activation}\n"
    text = NET.format(8, 8, 3) + convolution + "[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=0\n"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build_network(parse_cfg(text, "a.cfg"))
    said = [str(warning.message) for warning in caught]
    if activation == "leaky":
        assert said == []
    else:
        (note,) = said
        assert note.startswith("a.cfg:13: [shortcut] adds 8x8 pixels to 4x4: rows and columns are")


@pytest.mark.c_engine
@pytest.mark.parametrize("first", ["connected", "dropout", "softmax", "l2norm"])
def test_inputs_that_are_not_the_images_are_refused_where_they_matter(
    first: str, tmp_path: Path
) -> None:
    cfg = tmp_path / "a.cfg"
    net = "[net]\nheight=4\nwidth=4\nchannels=2\ninputs={}\n[{}]\n"
    cfg.write_text(net.format(7, first))
    assert re.search(r"\b7\b", c_engine.layer_table(cfg)[1])
    with pytest.raises(CfgError, match=rf"a\.cfg:5: \[net\] inputs=7 is not .* \[{first}\] takes"):
        read_network(cfg)
    for inputs, layer in ((32, first), (7, "maxpool")):
        cfg = tmp_path / f"{inputs}.cfg"
        cfg.write_text(net.format(inputs, layer))
        assert layer_table(read_network(cfg)) == c_engine.layer_table(cfg)
