"""What a network takes as its input: one value for everything that feeds it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from tinyedge.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyedge.tflite.quantization import QuantParams

__all__ = ["FITS", "Fit", "InputSpec"]

# How an image of another aspect becomes the network's: see `tinyedge.images.fit.fit_pixels`.
Fit = Literal["crop", "letterbox", "stretch"]
FITS: tuple[Fit, ...] = get_args(Fit)


@dataclass(frozen=True)
class InputSpec:
    """The input tensor of a network, (1, height, width, channels), and how images get into it.

    Attributes:
        height, width: pixels, at least 1.
        channels: 3 for RGB, 1 for grey.
        fit: ``crop`` takes the largest centred rectangle of the network's aspect, ``letterbox``
            the whole image between bars of 0.5, ``stretch`` the whole image whatever its aspect.
        quantization: of an integer input, per-tensor; None for a float32 one, which takes a
            pixel as 0.0 to 1.0.
    """

    height: int
    width: int
    channels: int
    fit: Fit
    quantization: "QuantParams | None" = None

    def __post_init__(self) -> None:
        """Check the fit.

        Raises:
            ImageError: it is not one of `FITS`.
        """
        if self.fit not in FITS:
            raise ImageError(
                f"{self.fit!r} is no way to fit an image; choose one of {', '.join(FITS)}"
            )

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.channels}, {self.fit}"

    @property
    def in_float(self) -> "InputSpec":
        """The same input before it is quantized."""
        return replace(self, quantization=None)

    def quantize(self, pixels: "NDArray[np.float32]") -> "NDArray[np.generic]":
        """Pixels in [0, 1] as the input tensor's type; the same array where that is float32."""
        return pixels if self.quantization is None else self.quantization.quantize(pixels)
