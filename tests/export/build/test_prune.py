"""Layers that nothing reads are left out, and the rest is the same function."""

import numpy as np
import pytest

from tests.support.naive import forward, random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.export.build.prune import prune

NET = "[net]\nheight=6\nwidth=6\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nactivation=relu\n"


def network_of(*sections: str) -> Network:
    return build_network(parse_cfg(NET + "".join(sections), "n.cfg"))


# By name: the sections, and the numbers of the layers that stay.
CASES: dict[str, tuple[tuple[str, ...], list[int]]] = {
    "all are read": ((CONV, CONV, "[shortcut]\nfrom=0\n", "[avgpool]\n"), [0, 1, 2, 3]),
    "a route jumps over two": ((CONV, CONV, CONV, "[route]\nlayers=0\n", CONV), [0, 3, 4]),
    "a branch comes to nothing": (
        (CONV, CONV, "[route]\nlayers=0\n", CONV, "[shortcut]\nfrom=0\n", "[softmax]\n[cost]\n"),
        [0, 2, 3, 4, 5, 6],
    ),
    "a join of what is left": (
        (CONV, CONV, "[route]\nlayers=0\n", CONV, "[route]\nlayers=-1,0,-2\n", CONV),
        [0, 2, 3, 4, 5],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_computes_the_same(name: str) -> None:
    sections, left = CASES[name]
    network = network_of(*sections)
    pruned = prune(network)
    assert [layer.index for layer in pruned.layers] == left
    weights = random_weights(network, seed=3)
    pixels = np.random.default_rng(4).random(network.input, dtype=np.float32)
    assert np.array_equal(forward(pruned, weights, pixels), forward(network, weights, pixels))
