"""A random network from a seed: its .cfg and what it is in a line."""

from dataclasses import dataclass

import numpy as np

from tests.random_nets.heads import HEADS
from tests.random_nets.sections import SECTIONS, Draft, build, section
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.layers import Layer
from tinyedge.darknet.network import Network

__all__ = ["RandomNet", "random_net"]

# How often a kind is drawn for the body beside the one that has to be there.
_OFTEN = {"convolutional": 9, "maxpool": 3, "route": 2, "shortcut": 2, "local": 1}


@dataclass(frozen=True)
class RandomNet:
    """A network of `seed`.

    Attributes:
        cfg: its text.
        network: what the text says.
        head: the name of its head, one of HEADS.
    """

    seed: int
    cfg: str
    network: Network
    head: str

    @property
    def gist(self) -> str:
        """The network in a line."""
        return " ".join([_extent(self.network), *map(_gist, self.network.layers)])

    @property
    def has_int8_form(self) -> bool:
        """Whether TFLite has integer kernels for all its activations."""
        return all(ACTIVATIONS[_activation(layer)].int8 for layer in self.network.layers)


def random_net(seed: int) -> RandomNet:
    """The network of `seed`, the same each time.

    Consecutive seeds walk through all kinds of layers, activations and heads.
    """
    rng = np.random.default_rng([seed, 12])
    kinds, activations, heads = list(SECTIONS), list(ACTIVATIONS), list(HEADS)
    kind, head = kinds[seed % len(kinds)], heads[seed % len(heads)]
    height, width = (int(rng.integers(10, 21)) for _ in range(2))
    net = section("net", height=height, width=width, channels=1 if rng.random() < 0.3 else 3)
    draft = Draft(rng, [net], wanted=activations[seed % len(activations)])
    # What the first layer sees of `input`; a network without layers cannot be built.
    draft.input = build([net, section("dropout")]).input
    depth = int(rng.integers(2, 8))
    place = int(rng.integers(depth))
    placed = False
    for number in range(depth):
        draft.last = number == depth - 1
        text = None
        if not placed and number >= place:
            text = SECTIONS[kind](draft)
            placed = text is not None
        if text is None:
            text = _any(draft)
        draft.add(text)
    if draft.wanted is not None and draft.layers[-1].is_image:
        draft.add(SECTIONS["activation"](draft) or "")
    HEADS[head](draft)
    return RandomNet(seed, "\n".join(draft.parts), build(draft.parts), head)


def _any(draft: Draft) -> str:
    """A section that fits, mostly a convolution."""
    kinds = list(SECTIONS)
    often = np.array([_OFTEN.get(kind, 0.4) for kind in kinds])
    while True:
        kind = kinds[draft.rng.choice(len(kinds), p=often / often.sum())]
        # The first layer of a network is hardly ever another one.
        if not draft.layers and kind != "crop":
            kind = "convolutional"
        text = SECTIONS[kind](draft)
        if text is not None:
            return text


def _activation(layer: Layer) -> str:
    return str(getattr(layer, "activation", "linear"))


def _extent(network: Network) -> str:
    height, width, channels = network.input
    return f"{height}x{width}x{channels}"


_SHORT = {"convolutional": "conv", "connected": "fc", "normalization": "lrn"}
_SHOWN = ("filters", "size", "stride", "padding", "groups", "dilation", "sources", "source")


def _gist(layer: Layer) -> str:
    """Such as conv8k3s2-leaky."""
    said = _SHORT.get(layer.kind, layer.kind)
    if layer.kind == "connected":
        said += str(layer.output.channels)
    for name in _SHOWN:
        value = getattr(layer, name, None)
        if name in ("sources", "source") and value is not None:
            said += f"<{','.join(map(str, value if isinstance(value, tuple) else (value,)))}"
        elif value is not None and (value, name) not in _USUAL:
            said += f"{'' if name == 'filters' else _LETTERS[name]}{value}"
    said += "n" if getattr(layer, "batch_normalize", False) else ""
    for name in ("alpha", "beta", "scale", "adjust", "reverse", "flatten", "extra", "temperature"):
        value = getattr(layer, name, None)
        if layer.kind != "normalization" and value not in (None, 1, 0):
            said += f"{name[0]}{value:g}"
        elif value is True:
            said += name[0]
    return said + (f"-{name}" if (name := _activation(layer)) != "linear" else "")


_USUAL = {(1, "stride"), (0, "padding"), (1, "groups"), (1, "dilation")}
_LETTERS = {"size": "k", "stride": "s", "padding": "p", "groups": "g", "dilation": "d"}
