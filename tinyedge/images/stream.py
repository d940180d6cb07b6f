"""Images one after the other, wherever they come from; first those that a command line names."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from tinyedge.errors import DatasetError
from tinyedge.images.find import find_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["STDIN", "ImageSource", "NamedImages", "SourceImage", "WhenUnreadable"]

STDIN = "-"

WhenUnreadable = Literal["raise", "skip", "retry"]


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One image of a source.

    Attributes:
        name: what it is called in its answer.
        content: its file, or its pixels: uint8 RGB, (height, width, 3).
        when_unreadable: ``raise`` for an image that the user named, ``skip`` for one among many,
            ``retry`` for one that may still be written.
        time: when it was asked for, UTC, ISO 8601; None of a file.
    """

    name: str
    content: "Path | NDArray[np.uint8]"
    when_unreadable: WhenUnreadable = "raise"
    time: str | None = None


class ImageSource(ABC, Iterable[SourceImage]):
    """Where images come from, one at a time and perhaps without an end; iterated once.

    Attributes:
        announcement: what to tell the user before the first image, or None.
    """

    announcement: str | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[SourceImage]:
        """The images, each made when it is asked for."""

    def retry(self, image: SourceImage) -> None:
        """Give an image whose `when_unreadable` is ``retry`` once more when it changes."""
        raise NotImplementedError

    def answered(self, image: SourceImage) -> None:  # most need not know
        """Note that the answer to an image of this source has been given out."""


class NamedImages(ImageSource):
    """The images of names, in their order; see `tinyedge.images.find.find_images`.

    ``-`` stands for paths that come on stdin, a line each, of which each is given before the
    next is waited for.
    """

    def __init__(self, names: Sequence[str], stdin: BinaryIO | None) -> None:
        """Find the images of all names but ``-``; `stdin` is None where the process has none.

        Raises:
            DatasetError: see `find_images`.
        """
        self._found = [None if name == STDIN else find_images([name]) for name in names]
        self._named = {Path(name) for name in names}
        self._stdin = stdin

    def __iter__(self) -> Iterator[SourceImage]:
        """The images.

        Raises:
            DatasetError: there was none.
        """
        empty = True
        for path, when_unreadable in self._in_turn():
            yield SourceImage(str(path), path, when_unreadable)
            empty = False
        if empty:
            raise DatasetError("stdin: no path of an image; one a line is expected")

    def _in_turn(self) -> Iterator[tuple[Path, WhenUnreadable]]:
        for paths in self._found:
            for path in self._typed() if paths is None else paths:
                named = paths is not None and path in self._named
                yield path, "raise" if named else "skip"

    def _typed(self) -> Iterator[Path]:
        for line in self._stdin or ():
            # A name on Unix is bytes, of whatever encoding.
            name = os.fsdecode(line.rstrip(b"\r\n"))
            if name:
                yield Path(name)
