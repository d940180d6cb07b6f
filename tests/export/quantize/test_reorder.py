"""Reordered layers: the same function, in the order promised."""

import numpy as np
import pytest

from tests.support.naive import forward, random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.export.quantize.reorder import REWRITES, reorder

HEAD = "[net]\nheight=12\nwidth=10\nchannels=2\n"
LEAKY = "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
POOL = "[maxpool]\nsize=2\nstride=2\n"
LINEAR = "[convolutional]\nfilters=5\nactivation=linear\n"
TAIL = "[avgpool]\n[softmax]\n"
SHORTCUT = "[shortcut]\nfrom=-2\nactivation=leaky\n"


def network(text: str) -> Network:
    return build_network(parse_cfg(HEAD + text, "net.cfg"))


def kinds(text: str, *rewrites: str) -> str:
    return " ".join(layer.kind for layer in reorder(network(text), rewrites).layers)


def test_pool_goes_before_leaky() -> None:
    found = kinds(LEAKY + POOL + LINEAR + TAIL, "pool-before-leaky")
    assert found == "convolutional maxpool activation convolutional avgpool softmax"


def test_average_goes_before_linear() -> None:
    found = kinds(LEAKY + POOL + LINEAR + TAIL, "average-before-linear")
    assert found == "convolutional maxpool avgpool convolutional softmax"


@pytest.mark.parametrize(
    "text",
    [
        # Another layer reads the leaky's output, or the linear layer's.
        LEAKY + POOL + "[route]\nlayers=0\n" + POOL + TAIL,
        LINEAR + "[avgpool]\n[route]\nlayers=0\n" + TAIL,
        # A ReLU costs nothing where it is; a wide, a strided or a padded layer does not commute.
        LEAKY.replace("leaky", "relu") + POOL + TAIL,
        # A factor of ramp's input would be an operator of its own behind the pool.
        LEAKY.replace("leaky", "ramp") + POOL + TAIL,
        "[convolutional]\nfilters=5\nsize=3\npad=1\nactivation=linear\n" + TAIL,
        LINEAR.replace("linear", "leaky") + TAIL,
    ],
)
def test_what_must_not_be_rewritten_is_left(text: str) -> None:
    assert reorder(network(text), REWRITES) == network(text)


@pytest.mark.parametrize("rewrites", [(), *[(name,) for name in REWRITES], REWRITES])
def test_every_rewrite_keeps_the_function(rewrites: tuple[str, ...]) -> None:
    plain = network(
        LEAKY + POOL + LEAKY + LEAKY + SHORTCUT + "[route]\nlayers=1,-1\n" + LEAKY + POOL
        + "[dropout]\n" + LINEAR + "[avgpool]\n"
    )  # fmt: skip
    weights = random_weights(plain, seed=3)
    pixels = np.random.default_rng(4).random(plain.input, dtype=np.float32)
    expected = forward(plain, weights, pixels)
    found = forward(reorder(plain, rewrites), weights, pixels)
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max() + 1e-12
