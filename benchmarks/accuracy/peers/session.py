"""What every engine comes down to: an image in, a timed run, scores out."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["PackageMissingError", "Session"]


class PackageMissingError(Exception):
    """The packages at hand cannot do this row; the message says what is missing."""


class Session(Protocol):
    """A model that is loaded, on one thread."""

    def feed(self, image: NDArray[np.float32]) -> None:
        """Take one image, (height, width, channels) in [0, 1], in the model's own type."""

    def run(self) -> None:
        """Compute; this alone is timed."""

    def scores(self) -> NDArray[np.float64]:
        """The logits of the last run, (classes,), dequantized."""
