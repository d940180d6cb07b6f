"""The layers that read earlier layers' outputs."""

from dataclasses import dataclass
from typing import ClassVar, Self

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers.base import BuildContext, Layer, Shape, activation
from tinyedge.darknet.options import SectionOptions, section_options

__all__ = ["Route", "Shortcut"]


@dataclass(frozen=True, kw_only=True)
class Route(Layer):
    """The outputs of earlier layers, one behind the other along channels.

    Attributes:
        sources: the layers by index.
        groups: equal parts each source's channels are cut into; 1 but in AlexeyAB's cfgs.
        group: which part of each goes on, from 0.
    """

    kind: ClassVar[str] = "route"
    options: ClassVar[SectionOptions] = section_options(
        texts="layers", foreign="group_id groups stream"
    )

    sources: tuple[int, ...]
    groups: int = 1
    group: int = 0

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_route; `groups` and `group_id` are AlexeyAB's: one part of each source's channels.

        Raises:
            CfgError: a source is no layer before this one, or they differ in rows or columns.
        """
        sources = tuple(
            context.source(section, "layers", written) for written in section.integers("layers")
        )
        shapes = [context.layers[source].output for source in sources]
        first = shapes[0]
        groups = section.integer("groups", 1, minimum=1)
        for source, shape in zip(sources, shapes, strict=True):
            if shape[:2] != first[:2]:
                raise section.error(
                    f"joins images of two sizes: layer {sources[0]} gives"
                    f" {first.width}x{first.height}, layer {source} {shape.width}x{shape.height}",
                    "layers",
                )
            if shape.channels % groups:
                raise section.error(
                    f"does not divide the {shape.channels} channels of layer {source}", "groups"
                )
        group = section.integer("group_id", 0, minimum=0)
        if group >= groups:
            raise section.error(f"must be less than groups={groups}", "group_id")
        channels = sum(shape.channels for shape in shapes)
        return cls(
            index=context.index,
            line=section.line,
            input=first._replace(channels=channels),
            output=first._replace(channels=channels // groups),
            sources=sources,
            groups=groups,
            group=group,
        )

    @property
    def table_line(self) -> str:
        """parse_route, which prints it itself."""
        return f"route {''.join(f' {source}' for source in self.sources)}"


@dataclass(frozen=True, kw_only=True)
class Shortcut(Layer):
    """The input plus an earlier layer's output, then an activation; shortcut_cpu in blas.c.

    Where the two differ in shape only what both have is added, from the top left and the first
    channel on: of the larger image every n-th row and column, n being the whole-number
    quotient of the widths. The rest of the input goes on as it is.

    Attributes:
        source: the earlier layer, by index.
        added: the shape of its output.
        alpha: what the input is multiplied by, where something is added to it.
        beta: what the earlier output is multiplied by.
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "shortcut"
    options: ClassVar[SectionOptions] = section_options(
        numbers="alpha beta",
        texts="activation from",
        refused=dict.fromkeys(
            ("weights_normalization", "weights_normalizion", "weights_type"),
            ("none", "its sources are weighted"),
        ),
    )

    source: int
    added: Shape
    alpha: float
    beta: float
    activation: str

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_shortcut.

        Raises:
            CfgError: the source is no layer before this one, or its rows are scaled otherwise than
                its columns (shortcut_cpu ends the process).
        """
        shape = context.image(section)
        if "," in section.text("from"):
            raise section.error(
                "is not supported: several sources are of AlexeyAB's Darknet,"
                " with which tinyedge is not compared",
                "from",
            )
        source = context.source(section, "from", section.integer("from"))
        added = context.layers[source].output
        if (
            added.width // shape.width != added.height // shape.height
            or shape.width // added.width != shape.height // added.height
        ):
            raise section.error(
                f"adds {added.width}x{added.height} pixels to {shape.width}x{shape.height}:"
                " widths and heights are in different ratios",
                "from",
            )
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=shape,
            source=source,
            added=added,
            alpha=section.number("alpha", 1.0),
            beta=section.number("beta", 1.0),
            activation=activation(section, "linear"),
        )

    @property
    def stride(self) -> int:
        """The distance, in rows and columns of the earlier output, between two that are added."""
        return max(1, self.added.width // self.output.width)

    @property
    def sample(self) -> int:
        """The distance, in rows and columns of the output, between two that are added to."""
        return max(1, self.output.width // self.added.width)

    @property
    def common(self) -> Shape:
        """How many rows, columns and channels are added."""
        return Shape(*map(min, self.added, self.output))

    @property
    def table_line(self) -> str:
        """make_shortcut_layer."""
        return (
            f"res  {self.source:3d}                {self.added.aligned}   ->  {self.output.aligned}"
        )
