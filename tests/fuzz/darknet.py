"""Targets: .cfg and .weights."""

import functools
import json
from collections.abc import Iterator

import numpy as np

from tests.fuzz.target import Target, scratch, written
from tests.support.commands import ROOT
from tinyedge.darknet import summary
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.layers import LAYER_TYPES, BatchNormalization
from tinyedge.darknet.network import Network, build_network, read_network
from tinyedge.darknet.options import NET_OPTIONS
from tinyedge.darknet.weights import Weights, read_weights, write_weights

_CFGS = ROOT / "tests" / "data" / "cfg"

# One of each kind of weighted layer, and both orders of a batch norm.
_NETS = (
    "[net]\nheight=3\nwidth=3\nchannels=1\n[convolutional]\nbatch_normalize=1\nfilters=2\n"
    "size=1\nactivation=leaky\n[connected]\nbatch_normalize=1\noutput=2\nactivation=linear\n",
    "[net]\nheight=2\nwidth=2\nchannels=2\n[convolutional]\nfilters=2\nsize=1\ngroups=2\n"
    "activation=linear\n[batchnorm]\n[connected]\noutput=1\nactivation=linear\n",
    "[net]\nheight=3\nwidth=3\nchannels=1\n[local]\nfilters=1\nsize=2\nactivation=linear\n",
)


# Of both sizes of a size_t, of the form before it, of AlexeyAB's, and of transposed matrices.
_HEADERS = (
    (0, 2, 0, 0, 0),
    (0, 2, 0, 9),
    (0, 1, 0, 7),
    (0, 2, 5, 7, 0),
    (0, 2, 5, 7),
    (1, 1001, 0, 0),
)


def _read_cfg(content: bytes) -> None:
    network = read_network(written("fuzzed.cfg", content))
    summary.as_text(network)
    json.dumps(summary.as_json(network), allow_nan=False)


def _cfg_seeds() -> Iterator[bytes]:
    for path in sorted(_CFGS.rglob("*.cfg")):
        yield path.read_bytes()


def _words() -> tuple[str, ...]:
    known = {option for kind in LAYER_TYPES.values() for option in kind.options.kinds}
    known |= set(NET_OPTIONS.kinds)
    sections = [f"[{name}]\n" for name in ("net", *LAYER_TYPES)]
    values = ("leaky", "relu", "linear", "logistic", "loggy", "same", "0", "-1", "2147483647")
    lines = ("\n", "\r", "#", ";", "=", ",", "prose\n", "filters=\n", "filters\n", "=5\n")
    return (*sections, *(f"{option}=" for option in sorted(known)), *values, *lines, "1e309")


@functools.cache
def _network(number: int) -> Network:
    return build_network(parse_cfg(_NETS[number], f"{number}.cfg"))


def read_darknet_weights(content: bytes) -> Weights:
    """The weights behind the first byte, which chooses the network."""
    return read_weights(written("fuzzed.weights", content[1:]), _network(content[0] % len(_NETS)))


def _read_weights(content: bytes) -> None:
    """What can be read is written to the same bytes."""
    if not content:
        return
    weights = read_darknet_weights(content)
    again = scratch() / "again.weights"
    write_weights(again, _network(content[0] % len(_NETS)), weights)
    if again.read_bytes() != content[1:]:
        raise AssertionError("what was read is not written to the same bytes")


def _weights_seeds() -> Iterator[bytes]:
    for number in range(len(_NETS)):
        network = _network(number)
        # AlexeyAB's [batchnorm] has biases as well.
        biases = sum(
            layer.input.channels
            for layer in network.layers
            if isinstance(layer, BatchNormalization)
        )
        for count in {network.parameters, network.parameters + biases}:
            floats = np.linspace(0.1, 1, count).astype("<f4").tobytes()
            for header in _HEADERS:
                yield bytes([number]) + np.array(header, "<i4").tobytes() + floats
            yield bytes([number]) + np.array(_HEADERS[0], "<i4").tobytes() + floats[:-4]
        yield bytes([number]) + floats[:50]


TARGETS = (
    Target(name="cfg", read=_read_cfg, seeds=_cfg_seeds, words=_words()),
    Target(
        name="weights",
        read=_read_weights,
        seeds=_weights_seeds,
        words=(b"\x00\x00\x80\x7f", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff", b"\xac\xc5\x27\xb7"),
        largest=512,
    ),
)
