"""What a network takes as its input: one value for everything that feeds it."""

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from tinyedge.errors import ImageError
from tinyedge.tflite.metadata import UNIT_PIXELS, Normalization

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tinyedge.tflite.quantization import QuantParams

    # Of uint8 (h, w, c), each side at least 2, to a height and a width of at least 2: bilinear from
    # corner to corner, in whole numbers. Picklable; equal ones make the same of one image, and its
    # repr tells of it.
    Resize = Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]]

__all__ = ["FITS", "Fit", "InputSpec", "as_unit"]

# How an image of another aspect becomes the network's: see `tinyedge.images.fit.fit_pixels`.
Fit = Literal["crop", "letterbox", "stretch"]
FITS: tuple[Fit, ...] = get_args(Fit)


class InputSpec:
    """The input tensor of a network, (1, height, width, channels), and how images get into it.

    Attributes:
        height, width: pixels, at least 1.
        channels: 3 for RGB, 1 for grey.
        fit: ``crop`` takes the largest centred rectangle of the network's aspect, ``letterbox``
            the whole image between bars of 0.5, ``stretch`` the whole image whatever its aspect.
        normalization: what numbers pixels become; those of Darknet's networks are 0.0 to 1.0.
        quantization: of an integer input, per-tensor, which those numbers are quantized by; None
            for a float32 one.
        resize: what resizes images, to whole levels of 255; None for Darknet's numbers to the bit.
    """

    def __init__(
        self,
        height: int,
        width: int,
        channels: int,
        fit: Fit,
        quantization: "QuantParams | None" = None,
        *,
        normalization: Normalization = UNIT_PIXELS,
        resize: "Resize | None" = None,
    ) -> None:
        """An input that nobody changes.

        Raises:
            ImageError: `fit` is not one of `FITS`.
        """
        if fit not in FITS:
            raise ImageError(f"{fit!r} is no way to fit an image; choose one of {', '.join(FITS)}")
        self.height = height
        self.width = width
        self.channels = channels
        self.fit: Fit = fit
        self.quantization = quantization
        self.normalization = normalization
        self.resize = resize

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InputSpec) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        return f"InputSpec({', '.join(map(repr, vars(self).values()))})"

    def __str__(self) -> str:
        fast = "" if self.resize is None else ", resized fast"
        return f"{self.width}x{self.height}x{self.channels}, {self.fit}{fast}"

    @property
    def float_bytes(self) -> int:
        """Of an image as float32."""
        return 4 * self.height * self.width * self.channels

    @property
    def in_pixels(self) -> "InputSpec":
        """The same input before pixels are normalized and quantized: float32 in [0, 1]."""
        return InputSpec(self.height, self.width, self.channels, self.fit, resize=self.resize)

    @property
    def dtype(self) -> "np.dtype[np.generic]":
        """The input tensor's type."""
        return np.dtype(np.float32) if self.quantization is None else self.quantization.dtype

    def encode(self, pixels: "NDArray[np.float32]") -> "NDArray[np.generic]":
        """Pixels in [0, 1], (..., channels), as the input tensor has them, of its `dtype`.

        Of a float32 input of Darknet's it is the same array.
        """
        numbers = self.normalization(pixels)
        return numbers if self.quantization is None else self.quantization.quantize(numbers)

    def encode_levels(self, levels: "NDArray[np.uint8]") -> "NDArray[np.generic]":
        """`encode` of pixels that are whole levels of 255, uint8."""
        if self.dtype.itemsize == 1:
            sign = np.uint8(0x80 if self.dtype == np.int8 else 0)
            every = np.arange(256, dtype=np.uint8)
            encoded = self.encode(as_unit(every[:, np.newaxis])).view(np.uint8)
            # As in nearly every int8 network: a level's own byte, but for its sign.
            if (encoded == (every ^ sign)[:, np.newaxis]).all():
                return (levels ^ sign).view(self.dtype)
        return self.encode(as_unit(levels))


def as_unit(levels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Whole levels of 255 as float32 in [0, 1]; by a division, as in C."""
    pixels = levels.astype(np.float32)
    pixels /= 255
    return pixels
