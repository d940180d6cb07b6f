"""Images made small for a person to look at: upright, the whole of them."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tinyedge.images.decode import decoded_file
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.spec import InputSpec

__all__ = ["LONGEST", "MOST_BYTES", "Thumbnail", "thumbnail", "upright"]

LONGEST = 160
"""Pixels along a thumbnail's longer side."""
MOST_BYTES = 9000
"""Of a thumbnail; photos take about 6,000, noise of every pixel would take four times as many."""
_QUALITIES = (80, 65, 50, 35, 20)
_NARROWEST = 8


class Thumbnail(NamedTuple):
    """A small image.

    Attributes:
        jpeg: its file, at most `MOST_BYTES`.
        width, height: pixels; the longer at most `LONGEST`.
    """

    jpeg: bytes
    width: int
    height: int


def thumbnail(image: Path | EncodedImage) -> Thumbnail:
    """A JPEG of the image upright and whole; one that is smaller keeps its size.

    Raises:
        ImageError: as of `tinyedge.images.load.read_pixels`.
    """
    small = upright(image, LONGEST)
    scale = min(1.0, LONGEST / max(small.size))
    # A strip of a pixel's breadth would not be seen.
    sides = (max(min(side, _NARROWEST), round(side * scale)) for side in small.size)
    small = small.resize((next(sides), next(sides)), Image.Resampling.BOX)
    while True:
        for quality in _QUALITIES:
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=quality, optimize=True)
            if stream.tell() <= MOST_BYTES:
                return Thumbnail(stream.getvalue(), *small.size)
        small = small.resize((-(-small.width // 2), -(-small.height // 2)), Image.Resampling.BOX)


def upright(image: Path | EncodedImage, longest: int) -> Image.Image:
    """The whole image in RGB, for one that is to have at most `longest` pixels along a side.

    Of its pixels little more than that are ever in memory as RGB.

    Raises:
        ImageError: as of `tinyedge.images.load.read_pixels`.
    """
    spec = InputSpec(longest, longest, 3, "letterbox")
    with decoded_file(image, 3, spec) as decoded:
        # Twice as many as are left, which are then averaged.
        stride = max(1, max(decoded.shape[:2]) // (2 * longest))
        rows, columns = (np.arange(0, size, stride) for size in decoded.shape[:2])
        return Image.fromarray(np.ascontiguousarray(decoded.part(rows, columns)[:, :, :3]))
