"""A random section of each kind of layer, that fits what stands before it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.layers import Layer, Shape
from tinyedge.darknet.network import Network, build_network
from tinyedge.errors import TinyedgeWarning

__all__ = ["SECTIONS", "Draft", "section"]

T = TypeVar("T")

# An image has no more numbers than this, so that the definition in Python keeps up.
_MOST = 24 * 24 * 16
# What networks have; the others of ACTIVATIONS are drawn as often as all of these together.
_USUAL = ("leaky", "leaky", "leaky", "relu", "relu", "linear")


def section(kind: str, **options: object) -> str:
    """A section of a .cfg; an option that is None is left out."""
    lines = [f"{name}={value}" for name, value in options.items() if value is not None]
    return "\n".join([f"[{kind}]", *lines]) + "\n"


@dataclass
class Draft:
    """A network while it is written: what a section is drawn from.

    Attributes:
        rng: all that is random comes from it.
        parts: the sections so far, ``[net]`` the first.
        wanted: an activation that has to come, until it came.
        last: whether what is drawn now is the body's last layer.
    """

    rng: np.random.Generator
    parts: list[str]
    wanted: str | None = None
    last: bool = False
    layers: tuple[Layer, ...] = ()
    input: Shape = field(default=Shape(1, 1, 1))

    def add(self, text: str) -> None:
        """Append a section and build what there is."""
        network = build([*self.parts, text])
        self.parts.append(text)
        self.layers, self.input = network.layers, network.input

    @property
    def shape(self) -> Shape:
        """What the next layer is fed."""
        return self.layers[-1].output if self.layers else self.input

    def chance(self, probability: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < probability)

    def one_of(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[int(self.rng.integers(len(choices)))]

    def activation(self, kind: str) -> str:
        """For a layer of the kind: the one that is wanted, else any that has an int8 form."""
        known = [name for name, row in ACTIVATIONS.items() if kind in (row.sections or (kind,))]
        if self.wanted in known:
            name, self.wanted = self.wanted, None
            return name
        if self.chance(0.6):
            return self.one_of(_USUAL)
        return self.one_of([name for name in known if ACTIVATIONS[name].int8])

    def filters(self, groups: int = 1) -> int:
        """How many, a multiple of `groups`; now and then a single one."""
        if groups == 1 and self.chance(0.12):
            return 1
        return groups * max(1, int(self.rng.integers(2, 17)) // groups)


def build(parts: list[str]) -> Network:
    """The network of the sections; what the C engine computes otherwise is of no matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TinyedgeWarning)
        return build_network(parse_cfg("\n".join(parts), "net.cfg"))


def _divisors(*numbers: int) -> list[int]:
    return [n for n in range(1, min(numbers) + 1) if not any(number % n for number in numbers)]


def _spatial(draft: Draft, sizes: tuple[int, ...]) -> int:
    extent = min(draft.shape.height, draft.shape.width)
    return draft.one_of([size for size in sizes if size <= extent] or [1])


def _convolutional(draft: Draft) -> str:
    shape = draft.shape
    size = _spatial(draft, (1, 1, 2, 3, 3, 3, 5))
    stride = 2 if draft.chance(0.25) and min(shape[:2]) > 6 else 1
    groups = draft.one_of(_divisors(shape.channels)) if draft.chance(0.3) else 1
    padded = draft.chance(0.7)
    dilated = padded and size in (3, 5) and stride == 1 and draft.chance(0.15)
    zeros = None if padded else draft.one_of([0, 0, 1, 2]) if size > 1 else None
    across = draft.chance(0.1)
    return section(
        "convolutional",
        batch_normalize=1 if draft.chance(0.6) else None,
        filters=draft.filters(groups),
        size=size,
        stride=None if across else stride,
        stride_x=stride if across else None,
        stride_y=stride if across else None,
        pad=1 if padded else None,
        padding=zeros or None,
        groups=groups if groups > 1 else None,
        dilation=2 if dilated else None,
        activation=draft.activation("convolutional"),
    )


def _depthwise_convolutional(draft: Draft) -> str:
    size = _spatial(draft, (1, 3, 3, 3, 5))
    padded = draft.chance(0.7)
    return section(
        "depthwise_convolutional",
        batch_normalize=1 if draft.chance(0.6) else None,
        size=size,
        stride=2 if draft.chance(0.25) and min(draft.shape[:2]) > 6 else 1,
        pad=1 if padded else None,
        padding=None if padded else draft.one_of([None, 1]) if size > 1 else None,
        activation=draft.activation("depthwise_convolutional"),
    )


def _connected(draft: Draft) -> str | None:
    if not draft.last:
        return None
    return section(
        "connected",
        output=1 if draft.chance(0.1) else int(draft.rng.integers(2, 17)),
        batch_normalize=1 if draft.chance(0.5) else None,
        activation=draft.activation("connected"),
    )


def _local(draft: Draft) -> str | None:
    shape = draft.shape
    if max(shape[:2]) > 14:
        return None
    size = _spatial(draft, (1, 2, 3, 3))
    padded = size % 2 == 1 and size > 1 and draft.chance(0.7)
    return section(
        "local",
        filters=min(8, draft.filters()),
        size=size,
        stride=draft.one_of([1, 1, 2]),
        pad=size // 2 if padded else None,
        activation=draft.activation("local"),
    )


def _batchnorm(_: Draft) -> str:
    return section("batchnorm")


def _maxpool(draft: Draft) -> str | None:
    if min(draft.shape[:2]) < 2:
        return None
    size = _spatial(draft, (2, 2, 2, 3, 3, 5))
    return section(
        "maxpool",
        size=size,
        stride=draft.one_of([1, 2, 2, 2, 3] if min(draft.shape[:2]) > 5 else [1]),
        padding=draft.one_of([None, None, 0, size - 1, 2 * (size // 2)]),
    )


def _local_avgpool(draft: Draft) -> str | None:
    if min(draft.shape[:2]) < 2:
        return None
    size = _spatial(draft, (2, 2, 3, 3, 5))
    stride = draft.one_of([1, 2, 2] if min(draft.shape[:2]) > 5 else [1])
    across = draft.chance(0.1)
    return section(
        "local_avgpool",
        size=size,
        stride=None if across else stride,
        stride_x=stride if across else None,
        stride_y=stride if across else None,
        padding=draft.one_of([None, None, 0, size - 1, 2 * (size // 2)]),
    )


def _avgpool(draft: Draft) -> str | None:
    return section("avgpool") if draft.last else None


def _crop(draft: Draft) -> str | None:
    height, width, _ = draft.shape
    if min(height, width) < 8:
        return None
    return section(
        "crop",
        crop_height=height - int(draft.rng.integers(0, 5)),
        crop_width=width - int(draft.rng.integers(0, 5)),
        noadjust=1 if draft.chance(0.5) else None,
    )


def _upsample(draft: Draft) -> str | None:
    shape = draft.shape
    common = [stride for stride in _divisors(*shape[:2]) if 1 < stride <= 3]
    strides = [-stride for stride in common]
    strides += [stride for stride in (2, 3) if shape.elements * stride**2 <= _MOST]
    if not strides:
        return None
    stride = draft.one_of(strides)
    scales = [None, 0.5, 2, -1] if stride > 0 else [1 / stride**2, 0.5]
    return section("upsample", stride=stride, scale=draft.one_of(scales))


def _reorg(draft: Draft) -> str | None:
    shape = draft.shape
    forms: list[dict[str, int]] = [{"flatten": 1}, {"flatten": 1, "reverse": 1}]
    if draft.last:
        forms.append({"extra": 3})
    # The C engine cuts the channels into squares of the stride whichever way it goes.
    if shape.channels % 4 == 0:
        forms += 2 * [{"stride": 2, "reverse": 1}]
        if shape.height % 2 == shape.width % 2 == 0:
            forms += 4 * [{"stride": 2}]
    return section("reorg", **draft.one_of(forms))


def _earlier(draft: Draft) -> list[int]:
    return [layer.index for layer in draft.layers if layer.is_image]


def _route(draft: Draft) -> str | None:
    earlier = _earlier(draft)
    if not earlier:
        return None
    first = draft.one_of(earlier)
    shapes = {index: draft.layers[index].output for index in earlier}
    same = [index for index in earlier if shapes[index][:2] == shapes[first][:2]]
    sources = [first]
    if draft.chance(0.75):
        sources += [draft.one_of(same) for _ in range(draft.one_of([1, 1, 2]))]
    groups = draft.one_of(_divisors(*(shapes[index].channels for index in sources)))
    if draft.chance(0.6):
        groups = 1
    backwards = draft.chance(0.5)
    written = [index - len(draft.layers) if backwards else index for index in sources]
    return section(
        "route",
        layers=",".join(map(str, written)),
        groups=groups if groups > 1 else None,
        group_id=int(draft.rng.integers(groups)) if groups > 1 else None,
    )


def _shortcut(draft: Draft) -> str | None:
    shape = draft.shape

    def fits(index: int) -> bool:
        added = draft.layers[index].output
        return (
            added.width // shape.width == added.height // shape.height
            and shape.width // added.width == shape.height // added.height
        )

    # Its own input, the layer before, is a source too; rarely what anybody wants.
    before = len(draft.layers) - 1
    earlier = [index for index in _earlier(draft) if fits(index)]
    earlier = [index for index in earlier if index < before] or earlier
    if not earlier:
        return None
    alike = [index for index in _earlier(draft) if draft.layers[index].output[:2] == shape[:2]]
    if alike and draft.chance(0.4):
        return _weighted_shortcut(draft, alike)
    source = draft.one_of(earlier)
    factors = [None, None, 0.5, 2, -1] if source < before else [None, 0.5, 2]
    return section(
        "shortcut",
        **{"from": source - len(draft.layers) if draft.chance(0.5) else source},
        alpha=draft.one_of(factors),
        beta=draft.one_of(factors),
        activation=draft.activation("shortcut"),
    )


def _weighted_shortcut(draft: Draft, alike: list[int]) -> str:
    """AlexeyAB's, of several sources or with weights."""
    sources = [draft.one_of(alike) for _ in range(draft.one_of([1, 2, 2, 3]))]
    weighted = len(sources) == 1 or draft.chance(0.5)
    norm = draft.one_of([None, "none", "relu", "avg_relu", "softmax"]) if weighted else None
    spelling = draft.one_of(["weights_normalization", "weights_normalizion"])
    return section(
        "shortcut",
        **{"from": ",".join(map(str, sources)), spelling: norm},
        weights_type=draft.one_of(["per_feature", "per_layer", "per_channel"])
        if weighted
        else None,
        activation=draft.activation("shortcut"),
    )


def _scale_channels(draft: Draft) -> str | None:
    """Squeeze and excite, or a mask of one channel over the image, behind an earlier layer."""
    if not draft.layers or not draft.layers[-1].is_image:
        return None
    across = draft.chance(0.4)
    gate = draft.one_of(["logistic", "logistic", "tanh"])
    if across:
        scale = section("convolutional", filters=1, size=1, activation=gate)
    else:
        channels = draft.shape.channels
        scale = section("avgpool")
        scale += section("convolutional", filters=channels, size=1, activation=gate)
    return scale + section(
        "scale_channels",
        **{"from": -2 if across else -3},
        scale_wh=1 if across else None,
        activation=draft.activation("scale_channels") if draft.chance(0.5) else None,
    )


def _sam(draft: Draft) -> str | None:
    if not draft.layers or not draft.layers[-1].is_image:
        return None
    return section(
        "convolutional", filters=draft.shape.channels, size=1, activation="logistic"
    ) + section(
        "sam",
        **{"from": -2},
        activation=draft.activation("sam") if draft.chance(0.5) else None,
    )


def _normalization(draft: Draft) -> str:
    size = draft.one_of([size for size in (1, 3, 5, 4) if size // 2 <= draft.shape.channels])
    # The engine takes squares away that it never added: of more the power would be of less than 0.
    alpha = draft.one_of([None, 0.001, 0.01])
    return section(
        "normalization",
        size=size,
        alpha=alpha,
        beta=draft.one_of([None, 0.5]),
        kappa=draft.one_of([None, 2]),
    )


def _l2norm(draft: Draft) -> str | None:
    # Of one channel it leaves the signs alone, and of a pixel that is nothing at all no number.
    flat = draft.layers and getattr(draft.layers[-1], "activation", "relu") == "relu"
    return section("l2norm") if draft.shape.channels > 1 and not flat else None


def _activation(draft: Draft) -> str:
    return section("activation", activation=draft.activation("activation"))


def _logistic(_: Draft) -> str:
    return section("logistic")


def _dropout(draft: Draft) -> str:
    return section("dropout", probability=draft.one_of([None, 0.2]))


def _softmax(draft: Draft) -> None:
    """None: behind it tinyedge computes nothing. See `tests.random_nets.heads`."""


def _cost(draft: Draft) -> None:
    """None: it comes last. See `tests.random_nets.heads`."""


SECTIONS: Mapping[str, Callable[[Draft], str | None]] = {
    "convolutional": _convolutional,
    "depthwise_convolutional": _depthwise_convolutional,
    "connected": _connected,
    "local": _local,
    "batchnorm": _batchnorm,
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "local_avgpool": _local_avgpool,
    "crop": _crop,
    "upsample": _upsample,
    "reorg": _reorg,
    "route": _route,
    "shortcut": _shortcut,
    "scale_channels": _scale_channels,
    "sam": _sam,
    "normalization": _normalization,
    "l2norm": _l2norm,
    "activation": _activation,
    "logistic": _logistic,
    "dropout": _dropout,
    "softmax": _softmax,
    "cost": _cost,
}
"""By kind of layer: its section, or None where one cannot stand behind what there is."""
