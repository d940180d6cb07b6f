"""What a builder may look at besides its own section, and rules that several share."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.dialect import FOREIGN_ACTIVATIONS
from tinyedge.darknet.layers import ACTIVATIONS, Layer, Shape

__all__ = ["Before", "activation", "count_windows"]


@dataclass(frozen=True)
class Before:
    """What a builder may look at besides its own section.

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
        """The same, for a layer that computes.

        Raises:
            CfgError: the layer before is a softmax, which is left to whoever reads the logits.
        """
        if self.layers and self.layers[-1].kind == "softmax":
            raise section.error("follows a [softmax], behind which tinyedge computes nothing")
        return self.shape

    def image(self, section: Section) -> Shape:
        """The same, for a layer that needs rows and columns.

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
        CfgError: it is none of Darknet's. The C engine would go on with a relu.
    """
    name = section.text("activation", default)
    if name in FOREIGN_ACTIVATIONS:
        raise section.error(
            "is not supported: it is of AlexeyAB's Darknet, with which tinyedge is not compared;"
            f" tinyedge has {', '.join(ACTIVATIONS)}",
            "activation",
        )
    if name not in ACTIVATIONS:
        raise section.error(
            f"is not supported; tinyedge has {', '.join(ACTIVATIONS)}", "activation"
        )
    return name


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
