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
    def activations(self) -> set[str]:
        """Those of its layers."""
        return {_activation(layer) for layer in self.network.layers}

    @property
    def has_int8_form(self) -> bool:
        """Whether TFLite has integer kernels for all its activations."""
        return all(ACTIVATIONS[activation].int8 for activation in self.activations)


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
        alone = not ACTIVATIONS[draft.wanted].sections
        draft.add(SECTIONS["activation" if alone else "convolutional"](draft) or "")
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


_SHORT = {
    "convolutional": "conv",
    "depthwise_convolutional": "depthwise",
    "connected": "fc",
    "normalization": "lrn",
}
# How a field is written, and the value with which it is left out.
_FIELDS: dict[str, tuple[str, object]] = {
    "filters": ("", None),
    "size": ("k", None),
    "stride": ("s", 1),
    "padding": ("p", 0),
    "groups": ("g", 1),
    "dilation": ("d", 1),
    "batch_normalize": ("n", False),
    "sources": ("<", None),
    "weighting": ("w-", "none"),
    "normalizing": ("n-", "none"),
    "across": ("h", False),
    "alpha": ("a", 1),
    "beta": ("b", 1),
    "scale": ("x", 1),
    "temperature": ("t", 1),
    "extra": ("e", 0),
    "adjust": ("a", False),
    "reverse": ("r", False),
    "flatten": ("f", False),
}


def _gist(layer: Layer) -> str:
    """Such as conv8k3s2n-leaky: 8 filters of 3x3, stride 2, batch norm."""
    said = _SHORT.get(layer.kind, layer.kind)
    if layer.kind == "connected":
        said += str(layer.output.channels)
    for name, (letter, usual) in _FIELDS.items():
        value = getattr(layer, name, usual)
        if value == usual:
            continue
        match value:
            case bool():
                said += letter
            case tuple():
                said += letter + ",".join(map(str, value))
            case str():
                said += letter + value
            case _:
                said += f"{letter}{value:g}"
    activation = _activation(layer)
    return said if activation == "linear" else f"{said}-{activation}"
