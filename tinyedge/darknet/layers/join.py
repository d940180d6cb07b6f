"""The layers that read earlier layers' outputs."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Self, TypeVar, get_args

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers.base import BuildContext, Layer, Shape, activation
from tinyedge.darknet.options import SectionOptions, section_options

__all__ = ["Join", "Route", "Sam", "ScaleChannels", "Shortcut"]

T = TypeVar("T")
Weighting = Literal["none", "per_feature", "per_channel"]
Normalizing = Literal["none", "relu", "softmax"]
# parse_shortcut's other words for them.
_SYNONYMS = {"per_layer": "per_feature", "avg_relu": "relu"}


@dataclass(frozen=True, kw_only=True)
class Join(Layer):
    """A layer that reads earlier layers' outputs.

    Attributes:
        reads_input: whether it reads the output of the layer before it besides.
        sources: the earlier layers, by index.
    """

    reads_input: ClassVar[bool] = True

    sources: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Route(Join):
    """The outputs of earlier layers, one behind the other along channels.

    Attributes:
        groups: equal parts each source's channels are cut into; 1 but in AlexeyAB's cfgs.
        group: which part of each goes on, from 0.
    """

    kind: ClassVar[str] = "route"
    options: ClassVar[SectionOptions] = section_options(
        texts="layers", foreign="group_id groups stream wait_stream"
    )
    reads_input: ClassVar[bool] = False

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
class Shortcut(Join):
    """The input plus earlier layers' outputs, then an activation.

    One source, as the original engine has it (shortcut_cpu in blas.c): where the two differ in
    shape only what both have is added, from the top left and the first channel on: of the larger
    image every n-th row and column, n being the whole-number quotient of the widths. The rest of
    the input goes on as it is.

    Several sources, or weights, as AlexeyAB's has them (shortcut_multilayer_cpu in his blas.c):
    images of one size; of each source as many channels are added as both have.

    Attributes:
        added: the shapes of the sources' outputs.
        alpha: what the input is multiplied by, where something is added to it.
        beta: what the earlier output is multiplied by.
        weighting: what the input and each source are multiplied by: nothing, a weight of the
            .weights each (``per_feature``), or one for each channel.
        normalizing: of these weights: w / (sum + .0001) of what is left of them above 0
            (``relu``), or exp(w - largest) / (sum + .0001).
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "shortcut"
    options: ClassVar[SectionOptions] = section_options(
        numbers="alpha beta",
        texts="activation from",
        foreign="weights_normalization weights_normalizion weights_type",
    )

    added: tuple[Shape, ...]
    alpha: float
    beta: float
    activation: str
    weighting: Weighting = "none"
    normalizing: Normalizing = "none"

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_shortcut, the original's and AlexeyAB's.

        Raises:
            CfgError: a source is no layer before this one; of a single one, its rows are scaled
                otherwise than its columns (shortcut_cpu ends the process); several, or weighted,
                have other rows or columns than the input (his engine mixes up pixels).
        """
        shape = context.image(section)
        sources = tuple(
            context.source(section, "from", written) for written in section.integers("from")
        )
        added = tuple(context.layers[source].output for source in sources)
        weighting = _word(section, "weights_type", get_args(Weighting))
        # The name it had until his spelling was mended.
        option = "weights_normalization"
        option = option if option in section.options else "weights_normalizion"
        normalizing = _word(section, option, get_args(Normalizing))
        alpha, beta = section.number("alpha", 1.0), section.number("beta", 1.0)
        if len(sources) == 1 and weighting == "none":
            _check_ratio(section, shape, added[0])
        else:
            _check_alike(section, shape, added)
            for option, factor in (("alpha", alpha), ("beta", beta)):
                if factor != 1:
                    raise section.error(
                        "cannot stand beside several sources or weights, which AlexeyAB's Darknet"
                        f" alone has: it knows no {option}",
                        option,
                    )
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=shape,
            sources=sources,
            added=added,
            alpha=alpha,
            beta=beta,
            activation=activation(section, "linear"),
            weighting=weighting,
            normalizing=normalizing if weighting != "none" else "none",
        )

    @property
    def weights_shape(self) -> tuple[int, ...]:
        """Of its weights: one row the input's, then a row a source; a column, or one a channel."""
        rows = 1 + len(self.sources)
        return {
            "none": (0, 0),
            "per_feature": (rows, 1),
            "per_channel": (rows, self.output.channels),
        }[self.weighting]

    @property
    def parameters(self) -> int:
        """Its weights (load_shortcut_weights)."""
        return self.weights_shape[0] * self.weights_shape[1]

    @property
    def stride(self) -> int:
        """`stride_of` the first source; of several it is 1."""
        return self.stride_of(self.added[0])

    def stride_of(self, added: Shape) -> int:
        """The distance, in rows and columns of an earlier output, between two that are added."""
        return max(1, added.width // self.output.width)

    def sample_of(self, added: Shape) -> int:
        """The distance, in rows and columns of the output, between two that are added to."""
        return max(1, self.output.width // added.width)

    def common_with(self, added: Shape) -> Shape:
        """How many rows, columns and channels of an earlier output are added."""
        return Shape(*map(min, added, self.output))

    @property
    def table_line(self) -> str:
        """make_shortcut_layer; of several sources AlexeyAB's."""
        if len(self.sources) > 1 or self.weighting != "none":
            sources = "".join(f"{source}, " for source in self.sources)
            kinds = get_args(Weighting).index(self.weighting)
            norm = get_args(Normalizing).index(self.normalizing)
            return f"Shortcut Layer: {sources} wt = {kinds}, wn = {norm}, {self.output.aligned}"
        (source,), (added,) = self.sources, self.added
        return f"res  {source:3d}                {added.aligned}   ->  {self.output.aligned}"


@dataclass(frozen=True, kw_only=True)
class ScaleChannels(Join):
    """An earlier layer's output times the input; AlexeyAB's scale_channels_layer.c.

    The input has one number for each channel of it, or, where `across`, one for each pixel.

    Attributes:
        across: whether the input is an image of one channel (``scale_wh``).
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "scale_channels"
    options: ClassVar[SectionOptions] = section_options(foreign="activation from scale_wh")

    across: bool
    activation: str

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_scale_channels.

        Raises:
            CfgError: the source is no layer before this one, or its shape does not fit the
                input's (make_scale_channels_layer ends the process).
        """
        shape = context.image(section)
        source = context.source(section, "from", section.integer("from"))
        scaled = context.layers[source].output
        across = section.integer("scale_wh", 0) != 0
        wanted = scaled._replace(channels=1) if across else Shape(1, 1, scaled.channels)
        if shape != wanted:
            raise section.error(
                f"scales {scaled.width_first}, which takes {wanted.width_first}, by"
                f" {shape.width_first}",
                "from",
            )
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=scaled,
            sources=(source,),
            across=across,
            activation=activation(section, "linear"),
        )

    @property
    def table_line(self) -> str:
        """make_scale_channels_layer."""
        return f"scale Layer: {self.sources[0]}"


@dataclass(frozen=True, kw_only=True)
class Sam(Join):
    """The input times an earlier layer's output, number by number; AlexeyAB's sam_layer.c.

    Attributes:
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "sam"
    options: ClassVar[SectionOptions] = section_options(foreign="activation from")

    activation: str

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_sam.

        Raises:
            CfgError: the source is no layer before this one, or has another shape than the input
                (make_sam_layer ends the process).
        """
        shape = context.image(section)
        source = context.source(section, "from", section.integer("from"))
        other = context.layers[source].output
        if other != shape:
            raise section.error(f"multiplies {shape.width_first} by {other.width_first}", "from")
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=shape,
            sources=(source,),
            activation=activation(section, "linear"),
        )

    @property
    def table_line(self) -> str:
        """make_sam_layer."""
        return f"scale Layer: {self.sources[0]}"


def _word(section: Section, option: str, words: tuple[T, ...]) -> T:
    """The option's word, the first of `words` where it is left out."""
    written = section.text(option, str(words[0]))
    for word in words:
        if word == _SYNONYMS.get(written, written):
            return word
    raise section.error(f"is none of {', '.join(map(str, words))}", option)


def _check_ratio(section: Section, shape: Shape, added: Shape) -> None:
    if (
        added.width // shape.width != added.height // shape.height
        or shape.width // added.width != shape.height // added.height
    ):
        raise section.error(
            f"adds {added.width}x{added.height} pixels to {shape.width}x{shape.height}:"
            " widths and heights are in different ratios",
            "from",
        )


def _check_alike(section: Section, shape: Shape, added: tuple[Shape, ...]) -> None:
    for each in added:
        if each[:2] != shape[:2]:
            raise section.error(
                f"adds {each.width}x{each.height} pixels to {shape.width}x{shape.height}: sources"
                " of one size are summed, as AlexeyAB's Darknet mixes up the pixels of others",
                "from",
            )
