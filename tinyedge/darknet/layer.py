"""What every layer of a network has."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

__all__ = ["Layer", "Shape"]


class Shape(NamedTuple):
    """Extent of a tensor, in pixels and channels."""

    height: int
    width: int
    channels: int

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return self.height * self.width * self.channels


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What every layer has.

    Attributes:
        kind: the section's long name in the .cfg.
        index: place in the network, from 0; Darknet's own number.
        line: of the section in the .cfg.
        input: what comes in; of a route, its sources put together.
        output: what goes out; (1, 1, numbers) where that is no image.
    """

    kind: ClassVar[str]

    index: int
    line: int
    input: Shape
    output: Shape

    @property
    def is_image(self) -> bool:
        """Whether the C engine knows rows and columns of what goes out."""
        return True

    @property
    def operations(self) -> int:
        """Multiplications and additions as ``darknet ops`` counts.

        Of convolutions and connected layers alone.
        """
        return 0

    @property
    def parameters(self) -> int:
        """How many floats of the .weights are this layer's."""
        return 0
