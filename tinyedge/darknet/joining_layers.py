"""The layers that read earlier layers' outputs."""

from dataclasses import dataclass
from typing import ClassVar

from tinyedge.darknet.layer import Layer, Shape

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

    sources: tuple[int, ...]
    groups: int = 1
    group: int = 0


@dataclass(frozen=True, kw_only=True)
class Shortcut(Layer):
    """The input plus an earlier layer's output, then an activation; shortcut_cpu in blas.c.

    Where the two differ in shape only what both have is added, from the top left and the first
    channel on: of the larger picture every n-th row and column, n being the whole-number
    quotient of the widths. The rest of the input goes on as it is.

    Attributes:
        source: the earlier layer, by index.
        added: the shape of its output.
        alpha: what the input is multiplied by, where something is added to it.
        beta: what the earlier output is multiplied by.
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "shortcut"

    source: int
    added: Shape
    alpha: float
    beta: float
    activation: str

    @property
    def stride(self) -> int:
        """Steps in the earlier output's rows and columns."""
        return max(1, self.added.width // self.output.width)

    @property
    def sample(self) -> int:
        """Steps in the output's rows and columns."""
        return max(1, self.output.width // self.added.width)

    @property
    def common(self) -> Shape:
        """How many rows, columns and channels are added."""
        return Shape(*map(min, self.added, self.output))
