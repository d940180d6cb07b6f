"""What every layer has, what it may look at while it is built, and rules that several share."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from tinyedge.darknet.activations import ACTIVATIONS, NORMALIZING_ACTIVATIONS
from tinyedge.darknet.cfg import Section
from tinyedge.darknet.options import SectionOptions
from tinyedge.errors import TinyedgeWarning

__all__ = ["BuildContext", "Layer", "Shape", "activation", "common_stride", "count_windows"]


class Shape(NamedTuple):
    """Extent of a tensor, in pixels and channels."""

    height: int
    width: int
    channels: int

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return self.height * self.width * self.channels

    @property
    def aligned(self) -> str:
        """Width, height and channels as most lines of Darknet's table have them, in columns."""
        return f"{self.width:4d} x{self.height:4d} x{self.channels:4d}"

    @property
    def width_first(self) -> str:
        """Width, height and channels without padding."""
        return f"{self.width} x {self.height} x {self.channels}"

    @property
    def height_first(self) -> str:
        """Height, width and channels, as a few of Darknet's lines have them."""
        return f"{self.height} x {self.width} x {self.channels}"


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """What every layer has.

    Attributes:
        kind: the section's long name in the .cfg.
        options: those its section may have.
        index: place in the network, from 0; Darknet's own number.
        line: of the section in the .cfg.
        input: what comes in; of a route, its sources put together.
        output: what goes out; (1, 1, numbers) where that is no image.
    """

    kind: ClassVar[str]
    options: ClassVar[SectionOptions]

    index: int
    line: int
    input: Shape
    output: Shape

    @classmethod
    @abstractmethod
    def parse(cls, section: Section, context: "BuildContext") -> Self:
        """The layer that its section and the layers before it make.

        Defaults and geometry are those of the ``parse_*`` and ``make_*_layer`` functions of the C
        engine; its divisions are of whole numbers.

        Raises:
            CfgError: an option that is missing or out of range, or shapes that do not fit.
        """

    @property
    @abstractmethod
    def table_line(self) -> str:
        """Its line in the table Darknet prints, without the index.

        The format is that of the ``fprintf`` in its ``make_*_layer``; a BFLOP is 1e9 operations.
        """

    @property
    def is_image(self) -> bool:
        """Whether the output has rows and columns in the C engine."""
        return True

    @property
    def multiply_accumulates(self) -> int:
        """Those of its kernel for one image; 0 of layers without one."""
        return 0

    @property
    def operations(self) -> int:
        """Multiplications and additions as ``darknet ops`` counts.

        Of convolutions and connected layers alone, two for each multiply-accumulate.
        """
        return 2 * self.multiply_accumulates

    @property
    def parameters(self) -> int:
        """How many floats of the .weights are this layer's."""
        return 0


@dataclass(frozen=True)
class BuildContext:
    """What a layer may look at besides its own section while it is built.

    Attributes:
        input: the network's input, pixels and channels.
        layers: those already built; the new layer's index is their number.
    """

    input: Shape
    layers: Sequence[Layer]

    @property
    def index(self) -> int:
        """The new layer's."""
        return len(self.layers)

    @property
    def shape(self) -> Shape:
        """What the new layer is fed: the last layer's output, or the network's input."""
        return self.layers[-1].output if self.layers else self.input

    def numbers(self, section: Section) -> Shape:
        """`shape`, for a layer that computes.

        Raises:
            CfgError: the layer before is a softmax, which is left to whoever reads the logits.
        """
        if self.layers and self.layers[-1].kind == "softmax":
            raise section.error("follows a [softmax], behind which tinyedge computes nothing")
        return self.shape

    def image(self, section: Section) -> Shape:
        """`shape`, for a layer that needs rows and columns.

        Raises:
            CfgError: a layer went before whose output is no image any more.
        """
        if self.layers and not self.layers[-1].is_image:
            raise section.error(f"follows a [{self.layers[-1].kind}], whose output is no image")
        return self.shape

    def source(self, section: Section, option: str, written: int) -> int:
        """The index of the earlier layer that `written` names, negative counting backwards.

        Raises:
            CfgError: there is no such layer before this one, or its output is no image.
        """
        source = self.index + written if written < 0 else written
        if not 0 <= source < self.index:
            raise section.error(
                f"names layer {written}, but this is layer {self.index}:"
                f" a {section.name} joins layers before it",
                option,
            )
        if not self.layers[source].is_image:
            kind = self.layers[source].kind
            raise section.error(f"names a [{kind}], whose output is no image", option)
        return source


def activation(section: Section, default: str) -> str:
    """The section's activation, one of ACTIVATIONS.

    Raises:
        CfgError: it is none of Darknet's, of which the C engine would go on with a relu; or this
            kind of layer does not compute it; or a comment stands behind it, which Darknet takes
            for a part of the name.
    """
    name = section.text("activation", default)
    _check_behind(section, name)
    if name in NORMALIZING_ACTIVATIONS:
        raise section.error(
            "of AlexeyAB's Darknet is not supported: it divides each number by the sum of its"
            f" pixel's channels; tinyedge has {', '.join(ACTIVATIONS)}",
            "activation",
        )
    if name not in ACTIVATIONS:
        raise section.error(
            f"is not supported; tinyedge has {', '.join(ACTIVATIONS)}", "activation"
        )
    sections = ACTIVATIONS[name].sections
    if sections and section.name not in sections:
        raise section.error(
            f"is not supported: AlexeyAB's Darknet has it in [{'] and ['.join(sections)}] alone,"
            " and makes 0 of every number here",
            "activation",
        )
    return name


def _check_behind(section: Section, name: str) -> None:
    behind = section.behind.get("activation", "")
    if not behind or name == "relu":
        return
    if behind == "\r":
        warnings.warn(
            section.describe(
                "ends in CR LF and its section in LF: the original Darknet takes the CR for a part"
                " of the name and computes relu, AlexeyAB's and tinyedge do not",
                "activation",
            ),
            TinyedgeWarning,
            stacklevel=2,
        )
        return
    raise section.error(
        "is followed by a comment, which Darknet takes for a part of the name: it computes relu;"
        f" write activation=relu, or for {name} put the comment on a line of its own",
        "activation",
    )


def count_windows(section: Section, extent: int, size: int, stride: int) -> int:
    """How many windows fit into a padded edge of `extent` pixels.

    Raises:
        CfgError: none does.
    """
    if size > extent:
        # The C engine's division rounds towards zero and may make one window of this.
        raise section.error(
            f"makes windows of {size} pixels; the padded input has {extent}", "size"
        )
    return (extent - size) // stride + 1


def common_stride(section: Section) -> int:
    """AlexeyAB's parse_convolutional and parse_maxpool: stride_x and stride_y go before stride.

    Raises:
        CfgError: the two differ.
    """
    stride = section.integer("stride", 1, minimum=1)
    across = section.integer("stride_x", stride, minimum=1)
    down = section.integer("stride_y", stride, minimum=1)
    if across != down:
        option = "stride_x" if "stride_x" in section.options else "stride_y"
        raise section.error(
            f"is not supported: strides of {across} across and {down} down differ", option
        )
    return across
