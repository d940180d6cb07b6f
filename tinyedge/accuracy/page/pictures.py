"""Thumbnails inside a page, as data URIs."""

import base64
from pathlib import Path
from typing import NamedTuple

from tinyedge.errors import ImageError
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.thumbnail import thumbnail

__all__ = ["MOST_PICTURES", "Picture", "picture"]

MOST_PICTURES = 120
"""Of a page: each takes at most 12 kB of it."""


class Picture(NamedTuple):
    """A thumbnail, or why there is none.

    Attributes:
        uri: a data URI; empty where the image cannot be read any more.
        width, height: pixels.
        missing: why there is none; empty where there is one.
    """

    uri: str
    width: int
    height: int
    missing: str = ""


def picture(image: Path | EncodedImage) -> Picture:
    """The thumbnail of an image, which may have gone or changed since it was judged."""
    try:
        small = thumbnail(image)
    except ImageError as error:
        return Picture("", 0, 0, str(error))
    content = base64.b64encode(small.jpeg).decode()
    return Picture(f"data:image/jpeg;base64,{content}", small.width, small.height)
