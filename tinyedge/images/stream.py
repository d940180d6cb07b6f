"""Images one after the other, wherever they come from; first those that a command line names."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from tinyedge.errors import DatasetError
from tinyedge.files import is_own_stream
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.find import find_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyedge.images.stdin import StdinPaths

__all__ = ["STDIN", "ImageSource", "NamedImages", "SourceImage", "WhenUnreadable"]

STDIN = "-"

WhenUnreadable = Literal["raise", "skip", "retry"]


class SourceImage(NamedTuple):
    """One image of a source.

    Attributes:
        name: what it is called in its answer.
        content: its file, or the bytes of one, or its pixels: uint8 RGB, (height, width, 3).
        when_unreadable: ``raise`` for an image that the user named, ``skip`` for one among many,
            ``retry`` for one that may still be written.
        time: when it was asked for, UTC, ISO 8601; None of a file.
    """

    name: str
    content: "Path | EncodedImage | NDArray[np.uint8]"
    when_unreadable: WhenUnreadable = "raise"
    time: str | None = None


class ImageSource(ABC, Iterable[SourceImage]):
    """Where images come from, one at a time and perhaps without an end; iterated once.

    Attributes:
        announcement: what to tell the user before the first image, or None.
        ends: whether its images are so many as were named, and are summed up at their end.
        count: how many images there are; None where nobody knows before they have come, or where
            another process cannot read them.
    """

    announcement: str | None = None
    ends: bool = True
    count: int | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[SourceImage]:
        """The images, each made when it is asked for."""

    @property
    def asked_to_end(self) -> bool:
        """Whether it gives no more because somebody asked the program to end."""
        return False

    def waiting(self) -> int:
        """How many images, or about as many, could be had now, of those that another can read."""
        return 0

    def take_waiting(self) -> SourceImage | None:
        """The next of these; None where the next one would have to be waited for."""
        return None

    def retry(self, image: SourceImage) -> None:
        """Give an image whose `when_unreadable` is ``retry`` once more when it changes."""
        raise NotImplementedError

    def answered(self, image: SourceImage) -> None:  # most need not know
        """Note that the answer to an image of this source has been given out."""


class NamedImages(ImageSource):
    """The images of names, in their order; see `tinyedge.images.find.find_images`.

    ``-`` stands for what comes on stdin: one image, or paths, of which each is given before the
    next is waited for; see `tinyedge.images.stdin.read_stdin`.
    """

    def __init__(self, names: Sequence[str], stdin: BinaryIO | None, *, null: bool = False) -> None:
        """Find the images of all names but ``-``; `stdin` is None where the process has none.

        `null` says that on stdin there is a NUL byte behind each path.

        Raises:
            DatasetError: see `find_images`.
        """
        self._found = [None if name == STDIN else find_images([name]) for name in names]
        self._named = {Path(name) for name in names}
        if STDIN not in names and not any(map(is_own_stream, names)):
            self.count = sum(len(paths) for paths in self._found if paths is not None)
        self._stdin = stdin
        self._null = null
        self._came: StdinPaths | None = None

    def __iter__(self) -> Iterator[SourceImage]:
        """The images.

        Raises:
            DatasetError: there was none, or see `read_stdin`.
        """
        empty = True
        for image in self._in_turn():
            yield image
            empty = False
        if empty:
            raise DatasetError("stdin: no image, and no path of one; one a line is expected")

    def waiting(self) -> int:
        """How many paths have come on stdin."""
        return 0 if self._came is None else self._came.waiting()

    def take_waiting(self) -> SourceImage | None:
        """The image of the next of them."""
        following = None if self._came is None else self._came.following()
        if self._came is None or following is None or is_own_stream(following):
            return None
        return _found_on_stdin(next(self._came))

    def _in_turn(self) -> Iterator[SourceImage]:
        for paths in self._found:
            if paths is None:
                yield from self._on_stdin()
                continue
            for path in paths:
                yield SourceImage(str(path), path, "raise" if path in self._named else "skip")

    def _on_stdin(self) -> Iterator[SourceImage]:
        if self._stdin is None:
            return
        from tinyedge.images.stdin import read_stdin

        came = read_stdin(self._stdin, null=self._null)
        if isinstance(came, EncodedImage):
            yield SourceImage(STDIN, came)
            return
        self._came = came
        for path in came:
            yield _found_on_stdin(path)
        self._came = None


def _found_on_stdin(path: Path) -> SourceImage:
    return SourceImage(str(path), path, "skip")
