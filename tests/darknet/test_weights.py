"""A .weights file: every float in its place, the same bytes back, and what is wrong with others."""

import dataclasses
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.support import c_engine
from tests.support.naive import random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network, read_network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConnectedWeights,
    ConvolutionalWeights,
    Header,
    LocalWeights,
    Weights,
    read_weights,
    write_weights,
)
from tinyedge.errors import WeightsError

CFG = """[net]
height=4
width=4
channels=2

[convolutional]
batch_normalize=1
filters=2
size=1
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
filters=2
groups=2
size=2
activation=linear
"""
# Layer 0: 2 biases, 2 scales, 2 means, 2 variances, 2x2x1x1 weights; layer 2: 2 biases, 2x1x2x2.
FLOATS = 12 + 10
LIKELY = "a.weights was likely trained with another .cfg"


@pytest.fixture
def network() -> Network:
    return build_network(parse_cfg(CFG, "a.cfg"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.weights"


def _write(file: Path, floats: list[float], version: tuple[int, int, int] = (0, 2, 0)) -> None:
    file.write_bytes(struct.pack("<3iQ", *version, 0) + struct.pack(f"<{len(floats)}f", *floats))


def test_every_float_is_in_its_place(file: Path, network: Network) -> None:
    _write(file, [float(number) for number in range(FLOATS)])
    weights = read_weights(file, network)
    assert list(weights.layers) == [0, 2]
    first, last = weights.layers[0], weights.layers[2]
    assert isinstance(first, ConvolutionalWeights)
    assert isinstance(last, ConvolutionalWeights)
    assert first.batch_norm is not None
    assert first.biases.tolist() == [0, 1]
    assert first.batch_norm.scales.tolist() == [2, 3]
    assert first.batch_norm.mean.tolist() == [4, 5]
    assert first.batch_norm.variance.tolist() == [6, 7]
    assert first.weights.tolist() == [[[[8]], [[9]]], [[[10]], [[11]]]]
    assert last.batch_norm is None
    assert last.biases.tolist() == [12, 13]
    assert last.weights.tolist() == [[[[14, 15], [16, 17]]], [[[18, 19], [20, 21]]]]
    assert last.weights.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        last.weights[0] = 0


HEADERS = [
    Header(0, 1, 0, 2**32 - 1),
    Header(0, 2, 0, 2**63 + 5),
    Header(0, 2, 0, 2**32 - 1, size_t=4),
    Header(0, 2, 5, 7, size_t=4),
    Header(0, 2, 5, 0),
    Header(1, 0, 0, 32_013_312),
    Header(-1, 0, 0, 3),
    Header(1001, 0, 0, 3),
    Header(0, 1001, 0, 3),
]


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_round_trip(header: Header, file: Path, network: Network) -> None:
    weights = random_weights(network, 1, header)
    write_weights(file, network, weights)
    content = file.read_bytes()
    again = read_weights(file, network)
    assert again.header == header
    np.testing.assert_array_equal(again.layers[0].weights, weights.layers[0].weights)
    write_weights(file, network, again)
    assert file.read_bytes() == content


@pytest.mark.parametrize("wide", [False, True])
def test_seen_is_wide_from_version_0_2_on(wide: bool, file: Path, network: Network) -> None:
    write_weights(file, network, random_weights(network, 1, Header(0, 1 + wide, 0, 2**31 + 1)))
    assert file.stat().st_size == (20 if wide else 16) + 4 * FLOATS
    head = struct.unpack_from("<3iQ" if wide else "<3iI", file.read_bytes())
    assert head == (0, 1 + wide, 0, 2**31 + 1)


def test_a_file_saved_on_a_32_bit_system_holds_the_same(file: Path, network: Network) -> None:
    weights = random_weights(network, 1, Header(0, 2, 0, 9))
    write_weights(file, network, weights)
    whole = file.read_bytes()
    assert whole[16:20] == bytes(4)  # the upper half of a size_t of 64 bits
    file.write_bytes(whole[:16] + whole[20:])
    again = read_weights(file, network)
    assert again.header == Header(0, 2, 0, 9, size_t=4)
    np.testing.assert_array_equal(again.layers[0].weights, weights.layers[0].weights)
    # One float short as well, but of a 64-bit system's file: its first bias would be 0.
    file.write_bytes(whole[:-4])
    with pytest.raises(
        WeightsError, match=r"is cut short by its last float, or was saved on a 32-"
    ):
        read_weights(file, network)


def test_a_file_of_a_32_bit_system_that_begins_with_0_is_mended_as_is_said(
    file: Path, network: Network
) -> None:
    """Its first float cannot be told from the upper half of a size_t of 64 bits."""
    weights = random_weights(network, 1, Header(0, 2, 0, 9, size_t=4))
    weights.layers[0].biases[0] = 0
    write_weights(file, network, weights)
    whole = file.read_bytes()
    assert len(whole) == 16 + 4 * FLOATS
    with pytest.raises(WeightsError, match=r"0: then put 4 bytes of 0 behind its first 16$"):
        read_weights(file, network)
    file.write_bytes(whole[:16] + bytes(4) + whole[16:])
    again = read_weights(file, network)
    assert again.header == Header(0, 2, 0, 9)
    np.testing.assert_array_equal(again.layers[2].weights, weights.layers[2].weights)


@pytest.mark.c_engine
@pytest.mark.parametrize(
    "header", [Header(0, 1), Header(0, 2), Header(1001, 0), Header(0, 1001)], ids=str
)
def test_the_engine_finds_the_floats_behind_the_same_header(header: Header, tmp_path: Path) -> None:
    cfg, file = tmp_path / "a.cfg", tmp_path / "a.weights"
    cfg.write_text("[net]\nheight=1\nwidth=1\nchannels=1\n[conv]\nfilters=3\nactivation=linear\n")
    network = read_network(cfg)
    weights = random_weights(network, 2, header)
    write_weights(file, network, weights)
    # On a black pixel the answer is the biases, the first floats behind the header.
    black = np.zeros((1, 1, 1), np.float32)
    np.testing.assert_array_equal(c_engine.predict(cfg, file, black), weights.layers[0].biases)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["tiny", "squeezenet"])
def test_round_trip_of_real_files(name: str, cache: Path, tmp_path: Path) -> None:
    folder = cache / name
    network = read_network(folder / f"{name}.cfg")
    weights = read_weights(folder / f"{name}.weights", network)
    assert dataclasses.replace(weights.header, seen=0) == Header(0, 1, 0, 0)
    write_weights(tmp_path / "again.weights", network, weights)
    assert (tmp_path / "again.weights").read_bytes() == (folder / f"{name}.weights").read_bytes()


@pytest.mark.real_data
def test_weights_of_another_network(cache: Path) -> None:
    network = read_network(cache / "tiny" / "tiny.cfg")
    with pytest.raises(WeightsError, match=r"201,936 floats are left over behind the last layer"):
        read_weights(cache / "squeezenet" / "squeezenet.weights", network)


@pytest.mark.parametrize(
    ("floats", "message"),
    [
        (
            0,
            "layer 0 [convolutional] (a.cfg:6) takes 12 floats, but only 0 are left for it:"
            f" a.cfg takes 22 floats, the file holds 0; {LIKELY}, or is cut short",
        ),
        (
            11,
            "layer 0 [convolutional] (a.cfg:6) takes 12 floats, but only 11 are left for it:"
            f" a.cfg takes 22 floats, the file holds 11; {LIKELY}, or is cut short",
        ),
        (
            21,
            "layer 2 [convolutional] (a.cfg:16) takes 10 floats, but only 9 are left for it:"
            f" a.cfg takes 22 floats, the file holds 21; {LIKELY}, is cut short by its last float,"
            " or was saved on a 32-bit system and its first float is 0: then put 4 bytes of 0"
            " behind its first 16",
        ),
        (
            20,
            "layer 2 [convolutional] (a.cfg:16) takes 10 floats, but only 8 are left for it:"
            f" a.cfg takes 22 floats, the file holds 20; {LIKELY}, or is cut short",
        ),
        (
            23,
            "1 float is left over behind the last layer:"
            f" a.cfg takes 22 floats, the file holds 23; {LIKELY}",
        ),
        (
            1022,
            "1,000 floats are left over behind the last layer:"
            f" a.cfg takes 22 floats, the file holds 1,022; {LIKELY}",
        ),
    ],
)
def test_a_wrong_count(floats: int, message: str, file: Path, network: Network) -> None:
    _write(file, [0.5] * floats)
    with pytest.raises(WeightsError) as caught:
        read_weights(file, network)
    assert str(caught.value) == f"{file}: {message}"


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (1, "nan", "layer 0 [convolutional] (a.cfg:6): value 1 of its 2 biases is nan"),
        (2, "inf", "layer 0 [convolutional] (a.cfg:6): value 0 of its 2 scales is inf"),
        (5, "-inf", "layer 0 [convolutional] (a.cfg:6): value 1 of its 2 rolling means is -inf"),
        (7, "-1", "layer 0 [convolutional] (a.cfg:6): value 1 of its 2 rolling variances is -1.0"),
        (10, "nan", "layer 0 [convolutional] (a.cfg:6): value 2 of its 4 weights is nan"),
        (21, "inf", "layer 2 [convolutional] (a.cfg:16): value 7 of its 8 weights is inf"),
    ],
)
def test_a_value_that_is_none(
    position: int, value: str, message: str, file: Path, network: Network
) -> None:
    floats = [0.5] * FLOATS
    floats[position] = float(value)
    _write(file, floats)
    with pytest.raises(WeightsError) as caught:
        read_weights(file, network)
    assert str(caught.value) == (
        f"{file}: {message}; the file is damaged, or was trained with another .cfg"
    )


def test_only_a_variance_may_not_be_negative(file: Path, network: Network) -> None:
    floats = [-0.5] * FLOATS
    floats[6:8] = [0.25, 0.5]
    _write(file, floats)
    assert read_weights(file, network).layers[2].biases.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("count", [0, 15, 16, 19])
def test_less_than_a_header(count: int, file: Path, network: Network) -> None:
    file.write_bytes(struct.pack("<3iQ", 0, 2, 0, 0)[:count])
    with pytest.raises(WeightsError, match=f"{count} bytes are less than the header"):
        read_weights(file, network)


def test_no_whole_floats(file: Path, network: Network) -> None:
    write_weights(file, network, random_weights(network, 3))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="107 bytes are not a header of 20 and whole 4-byte"):
        read_weights(file, network)


def test_no_file(tmp_path: Path, network: Network) -> None:
    with pytest.raises(WeightsError, match=r"is a folder, not a file$"):
        read_weights(tmp_path, network)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(WeightsError, match=r"is a named pipe, not a file$"):
        read_weights(tmp_path / "fifo", network)
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "none.weights", network)


def test_writing_what_does_not_fit(file: Path, network: Network) -> None:
    good = random_weights(network, 4)
    last = good.layers[2]
    cases = {
        "layer 2 [convolutional] (a.cfg:16) has no weights to write": {0: good.layers[0]},
        "a.cfg has no weights in layer 1": {**good.layers, 1: last},
        "layer 2 [convolutional] (a.cfg:16) takes": {
            **good.layers,
            2: dataclasses.replace(last, biases=last.biases[:1]),
        },
        "layer 0 [convolutional] (a.cfg:6) takes": {
            **good.layers,
            0: dataclasses.replace(good.layers[0], batch_norm=None),
        },
    }
    for message, layers in cases.items():
        with pytest.raises(WeightsError) as caught:
            write_weights(file, network, Weights(good.header, layers))
        assert str(caught.value).startswith(f"{file}: {message}")
    with pytest.raises(WeightsError, match="does not fit"):
        write_weights(file, network, Weights(Header(0, 1, 0, 2**32), good.layers))
    assert not file.exists()


@pytest.mark.parametrize(
    ("major", "minor", "layout", "transposed"),
    [
        (0, 1, "<3iI", False),
        (0, 2, "<3iQ", False),
        (1, 0, "<3iQ", False),
        (999, 999, "<3iQ", False),
        (1000, 0, "<3iI", False),
        (0, 1000, "<3iI", False),
        (1001, 0, "<3iI", True),
        (0, 1001, "<3iI", True),
    ],
)
def test_a_version_says_what_load_weights_of_darknets_parser_c_takes_it_for(
    major: int, minor: int, layout: str, transposed: bool
) -> None:
    """``major*10 + minor >= 2 && major < 1000 && minor < 1000``, and beyond 1000 transposed."""
    header = Header(major, minor)
    assert (header.layout, header.transposed) == (layout, transposed)


def test_every_float_is_in_its_place_in_plain_and_transposed_files(tmp_path: Path) -> None:
    file = tmp_path / "a.weights"
    sections = (
        "[batchnorm]\n[local]\nfilters=2\nsize=2\nstride=2\n"
        "[connected]\noutput=2\nbatch_normalize=1\n"
    )
    text = "[net]\nheight=2\nwidth=4\nchannels=2\n" + sections
    network = build_network(parse_cfg(text, "a.cfg"))
    # 3 x 2; 2 filters on 1 x 2 pixels, each 1 + 2 x 2 x 2; 2 outputs, each 4 + 4.
    count = 6 + 4 * 9 + 2 * 8
    assert network.parameters == count
    for version, matrix in (
        ((0, 2, 0), [[44, 45, 46, 47], [48, 49, 50, 51]]),
        ((1001, 0, 0), [[44, 46, 48, 50], [45, 47, 49, 51]]),
    ):
        header = struct.pack("<3iQ" if version[0] == 0 else "<3iI", *version, 0)
        file.write_bytes(header + np.arange(count, dtype="<f4").tobytes())
        norm, local, connected = read_weights(file, network).layers.values()
        assert isinstance(norm, BatchNorm)
        assert norm.scales.tolist() == [0, 1]
        assert norm.mean.tolist() == [2, 3]
        assert norm.variance.tolist() == [4, 5]
        assert isinstance(local, LocalWeights)
        assert local.biases.tolist() == [[[6, 7]], [[8, 9]]]
        assert local.weights.shape == (1, 2, 2, 2, 2, 2)
        assert local.weights[0, 0, 0].ravel().tolist() == list(range(10, 18))
        assert local.weights[0, 0, 1].ravel().tolist() == list(range(18, 26))
        assert local.weights[0, 1, 1].ravel().tolist() == list(range(34, 42))
        assert isinstance(connected, ConnectedWeights)
        assert connected.biases.tolist() == [42, 43]
        assert connected.weights.tolist() == matrix
        assert connected.batch_norm is not None
        assert connected.batch_norm.scales.tolist() == [52, 53]
        assert connected.batch_norm.mean.tolist() == [54, 55]
        assert connected.batch_norm.variance.tolist() == [56, 57]
        content = file.read_bytes()
        write_weights(file, network, read_weights(file, network))
        assert file.read_bytes() == content
