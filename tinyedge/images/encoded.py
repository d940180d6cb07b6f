"""The bytes of an image file that stands in no file."""

from typing import NamedTuple

__all__ = ["MOST_BYTES", "EncodedImage"]

MOST_BYTES = 1 << 30
"""Of an image's file, or of what comes in place of one."""


class EncodedImage(NamedTuple):
    """An image as its file would be: JPEG, PNG, ...

    Attributes:
        content: the bytes.
        name: what messages call it.
    """

    content: bytes
    name: str = "the image"

    def __str__(self) -> str:
        return self.name
