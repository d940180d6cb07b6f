"""The bytes of an image file that stands in no file."""

from dataclasses import dataclass

__all__ = ["MOST_BYTES", "EncodedImage"]

MOST_BYTES = 1 << 30
"""Of an image's file, or of what comes in place of one."""


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """An image as its file would be: JPEG, PNG, ...

    Attributes:
        content: the bytes.
        name: what messages call it.
    """

    content: bytes
    name: str = "the image"

    def __str__(self) -> str:
        return self.name
