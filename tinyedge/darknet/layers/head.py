"""The layers at the end of a network, those for training, and activations by themselves."""

from dataclasses import dataclass
from typing import ClassVar, Self

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers.base import BuildContext, Layer, activation
from tinyedge.darknet.options import SectionOptions, section_options

__all__ = ["Activation", "Cost", "Dropout", "Logistic", "Softmax"]


@dataclass(frozen=True, kw_only=True)
class Activation(Layer):
    """An activation by itself; `activation` is one of ACTIVATIONS."""

    kind: ClassVar[str] = "activation"
    options: ClassVar[SectionOptions] = section_options(texts="activation")

    activation: str

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_activation."""
        shape = context.image(section)
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=shape,
            activation=activation(section, "linear"),
        )

    @property
    def table_line(self) -> str:
        """make_activation_layer."""
        return f"Activation Layer: {self.input.elements} inputs"


@dataclass(frozen=True, kw_only=True)
class Logistic(Layer):
    """1 / (1 + exp(-x)); logistic_layer.c, whose loss is for training."""

    kind: ClassVar[str] = "logistic"
    options: ClassVar[SectionOptions] = section_options()

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_logistic."""
        shape = context.image(section)
        return cls(index=context.index, line=section.line, input=shape, output=shape)

    @property
    def table_line(self) -> str:
        """make_logistic_layer."""
        return f"logistic x entropy                             {self.input.elements:4d}"


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """Nothing at inference; `probability` was that of dropping a value in training."""

    kind: ClassVar[str] = "dropout"
    options: ClassVar[SectionOptions] = section_options(
        numbers="probability", foreign="dropblock dropblock_size_abs dropblock_size_rel"
    )

    probability: float

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_dropout."""
        shape = context.image(section)
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=shape,
            probability=section.atof("probability", 0.5),
        )

    @property
    def table_line(self) -> str:
        """make_dropout_layer."""
        count = self.input.elements
        return f"dropout       p = {self.probability:.2f}               {count:4d}  ->  {count:4d}"


@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """exp(x / temperature), normalized over each of `groups` equal runs of the planar input."""

    kind: ClassVar[str] = "softmax"
    options: ClassVar[SectionOptions] = section_options(
        integers="groups noloss", numbers="spatial temperature", texts="tree"
    )

    groups: int
    temperature: float

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_softmax."""
        shape = context.numbers(section)
        if "tree" in section.options:
            raise section.error(
                "is not supported: it needs a tree of labels beside the .cfg", "tree"
            )
        if section.atof("spatial", 0):
            raise section.error(
                "is not supported: tinyedge normalizes over the whole output", "spatial"
            )
        groups = section.integer("groups", 1, minimum=1)
        if shape.elements % groups:
            raise section.error(f"does not divide {shape.elements} inputs", "groups")
        temperature = section.number("temperature", 1.0)
        if temperature < _LEAST_TEMPERATURE:
            least = f"must be more than 0, at least {_LEAST_TEMPERATURE:.3g} in float32"
            raise section.error(least, "temperature")
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=shape,
            groups=groups,
            temperature=temperature,
        )

    @property
    def is_image(self) -> bool:
        """Never."""
        return False

    @property
    def table_line(self) -> str:
        """make_softmax_layer."""
        return f"softmax                                        {self.input.elements:4d}"


# A smaller one is 0 in Darknet's float, or next to it, and its softmax NaN.
_LEAST_TEMPERATURE = 2.0**-126


@dataclass(frozen=True, kw_only=True)
class Cost(Layer):
    """Darknet's training loss; nothing at inference."""

    kind: ClassVar[str] = "cost"
    options: ClassVar[SectionOptions] = section_options(
        numbers="noobj ratio scale thresh", texts="type"
    )

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_cost; it may follow anything."""
        shape = context.shape
        return cls(index=context.index, line=section.line, input=shape, output=shape)

    @property
    def is_image(self) -> bool:
        """Never."""
        return False

    @property
    def table_line(self) -> str:
        """make_cost_layer."""
        return f"cost                                           {self.input.elements:4d}"
