"""An operator with its tensors, as its rule sees it, and what all rules ask."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tinyedge.tflite.model import Operator, Tensor
from tinyedge.tflite.schema import OptionValue

__all__ = [
    "EIGHT_BIT",
    "QUANTIZED",
    "OperatorCall",
    "OperatorError",
    "Shape",
    "broadcast",
    "ranks",
    "require",
    "same_types",
    "scales_of",
    "shown",
]

Shape = tuple[int, ...]

EIGHT_BIT = ("int8", "uint8")
QUANTIZED = (*EIGHT_BIT, "int16")
_SHOWN = 8


class OperatorError(ValueError):
    """An operator that a kernel must not be given; says why."""


class OperatorCall(NamedTuple):
    """An operator with its tensors; None where an optional one is left out."""

    operator: Operator
    inputs: Sequence[Tensor | None]
    outputs: Sequence[Tensor]

    def tensor(self, position: int) -> Tensor:
        """An input that is not left out."""
        tensor = self.inputs[position]
        assert tensor is not None  # `check_operator` has seen to it
        return tensor

    def shape(self, position: int) -> Shape:
        return self.tensor(position).shape

    def kind(self, position: int) -> str:
        return self.tensor(position).type

    def has(self, position: int) -> bool:
        """Whether an optional input is there."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def option(self, name: str) -> OptionValue:
        return self.operator.options[name]

    def number(self, name: str) -> int:
        """An option that is a whole number."""
        return int(self.operator.options[name])  # type: ignore[arg-type]

    def constants(self, position: int) -> tuple[int, ...] | None:
        """The numbers of a constant input of integers, in one row; None where it is computed."""
        tensor = self.tensor(position)
        require(tensor.type in ("int32", "int64"), f"input {position} is {tensor.type}")
        if tensor.elements == 0:
            return ()
        data = tensor.data()
        return None if data is None else tuple(data.reshape(-1).tolist())

    def fixed(self, position: int, count: int | None = None) -> tuple[int, ...]:
        """Those numbers; they must be constant, and `count` where that is said."""
        numbers = self.constants(position)
        if numbers is None:
            raise OperatorError(f"input {position}, which says what it does, is no constant")
        require(
            count is None or len(numbers) == count, f"input {position} has {len(numbers)} numbers"
        )
        return numbers

    def axis(self, number: int, dimensions: int) -> int:
        """A dimension, counted from 0, of a number that may count from the end."""
        require(-dimensions <= number < dimensions, f"axis {number} of {dimensions} dimensions")
        return number % dimensions

    def constant_axis(self, position: int, dimensions: int) -> int:
        """The dimension that an input names."""
        (number,) = self.fixed(position, 1)
        return self.axis(number, dimensions)


def require(holds: bool, message: str) -> None:
    """Raise an OperatorError of that message unless it `holds`."""
    if not holds:
        raise OperatorError(message)


def shown(numbers: Sequence[int]) -> str:
    """A shape, or the first of a longer list of numbers, for a message."""
    more = ", ..." if len(numbers) > _SHOWN else ""
    return f"({', '.join(map(str, numbers[:_SHOWN]))}{more})"


def ranks(call: OperatorCall, *ranks: int) -> None:
    """The first inputs must have so many dimensions."""
    for position, rank in enumerate(ranks):
        found = len(call.shape(position))
        require(found == rank, f"its input {position} has {found} dimensions, not {rank}")


def same_types(call: OperatorCall) -> None:
    """The outputs must have the first input's type."""
    for tensor in call.outputs:
        require(tensor.type == call.kind(0), f"it makes {tensor.type} of {call.kind(0)}")


def scales_of(call: OperatorCall, types: Collection[str], *, outputs: bool = True) -> list[float]:
    """The largest scale of each of the first two inputs and of the first output, of those types."""
    tensors = [call.tensor(0), call.tensor(1), *(call.outputs[:1] if outputs else ())]
    return [
        float(tensor.qparams.scales.max())
        for tensor in tensors
        if tensor.type in types and tensor.qparams is not None
    ]


def broadcast(one: Shape, other: Shape) -> Shape:
    """The shape of two together, a side of 1 standing for any."""
    length = max(len(one), len(other))
    pairs = zip((1,) * (length - len(one)) + one, (1,) * (length - len(other)) + other, strict=True)
    shape = []
    for a, b in pairs:
        require(a == b or 1 in (a, b), f"{shown(one)} and {shown(other)} do not go together")
        shape.append(b if a == 1 else a)
    return tuple(shape)
