"""What comes on stdin: one image, known by its first bytes, or paths of images."""

import io
import os
import re
import select
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tinyedge.errors import DatasetError
from tinyedge.images.encoded import MOST_BYTES, EncodedImage

__all__ = ["StdinPaths", "read_stdin"]

_PART = 1 << 16
# Far more than a system takes; what has no end of a line until then is no list.
_LONGEST_NAME = 1 << 20
# So many paths are found before it is known that more wait.
_MOST_AHEAD = 1024
# As much as the beginnings below look at, but for a PNM's comments.
_BEGINNING = 32
_ENDS = (b"\n", b"\0")
# Beginnings of images that no list of paths has: where letters alone begin a format (BM, GIF89a,
# P6, RIFF) what stands behind them in its header is asked for as well. The last are formats that
# are not read (HEIC, AVIF, JPEG XL), so that an error says so.
_IMAGES = re.compile(
    b"\xff\xd8\xff"  # JPEG
    b"|\x89PNG\r\n"
    b"|GIF8[79]a(?:.[\0-\x08].[\0-\x08]|.{6}\0)"  # width and height, or no aspect ratio
    b"|RIFF.{4}WEBPVP8[ LX]"
    b"|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"  # the size of the second header
    rb"|II[*+]\0|MM\0[*+]"
    rb"|P[14](?:(?:\s|#[^\n]*\n)+\d+){2}\s"
    rb"|P[2356](?:(?:\s|#[^\n]*\n)+\d+){3}\s"
    b"|.{4}ftyp|\xff\x0a|.{4}JXL ",
    re.DOTALL,
)
# What may become one of them when more comes, although it has a line feed or a NUL already.
_UNFINISHED = re.compile(
    rb"P[1-6](?:[\s#](?:[\s\d]|#[^\n]*\n)*(?:#[^\n]*)?)?"
    b"|(?:GIF8|RIFF|BM|II|MM|\0).{,30}",
    re.DOTALL,
)

# Lines that are the beginning of an image and nothing else.
_BARE = re.compile(rb"P[1-6]\s*(?:[\s\d]*|#.*)|BM|RIFF|GIF8[79]a")


def read_stdin(stdin: BinaryIO, *, null: bool = False) -> "EncodedImage | StdinPaths":
    """The image that comes, whole, or paths as they come, each before the next is waited for.

    A line is a path; where a NUL byte comes before the first end of a line, NUL ends each, as
    ``find -print0`` writes them: no path holds one. Empty ones are passed over.

    Args:
        stdin: of bytes, read to its end.
        null: what comes are paths with a NUL behind each, whatever their first bytes.

    Raises:
        DatasetError: an image of more than 1 GiB.
    """
    if null:
        return StdinPaths(stdin, b"", b"\0")
    beginning = b""
    while _is_open(beginning) and (part := _some(stdin)):
        beginning += part
    if _IMAGES.match(beginning):
        return EncodedImage(_rest(stdin, beginning), "stdin")
    return StdinPaths(stdin, beginning, None)


class StdinPaths(Iterator[Path]):
    """Paths, each as soon as its end has come."""

    def __init__(self, stdin: BinaryIO, begun: bytes, end: bytes | None) -> None:
        """Read on behind what has come; where no `end` is given it is the first one there is."""
        self._stdin, self._left, self._end = stdin, begun, end
        self._found: deque[Path] = deque()
        self._more = True
        self._split()

    def __next__(self) -> Path:
        """The next path.

        Raises:
            DatasetError: no end of a line comes within a megabyte.
        """
        while not self._found:
            if not self._more:
                raise StopIteration
            if len(self._left) > _LONGEST_NAME:
                raise DatasetError(
                    f"stdin: {len(self._left):,} bytes without the end of a line: neither an image"
                    " nor paths"
                )
            self._read()
        return self._found.popleft()

    def waiting(self) -> int:
        """How many paths have come and were not given yet; no more than some thousands."""
        while (
            self._more
            and len(self._found) < _MOST_AHEAD
            and len(self._left) <= _LONGEST_NAME
            and _has_come(self._stdin)
        ):
            self._read()
        return len(self._found)

    def following(self) -> Path | None:
        """The one that comes next, if it has come."""
        return self._found[0] if self.waiting() else None

    def _read(self) -> None:
        part = _some(self._stdin)
        self._left += part
        self._split()
        if not part:
            self._more = False
            if (last := _path(self._left, self._end)) is not None:
                self._found.append(last)

    def _split(self) -> None:
        if self._end is None:
            ends = [each for each in _ENDS if each in self._left]
            self._end = min(ends, key=self._left.index) if ends else None
        if self._end is not None:
            *names, self._left = self._left.split(self._end)
            self._found.extend(filter(None, (_path(name, self._end) for name in names)))


def _is_open(beginning: bytes) -> bool:
    """Whether more is needed to tell an image from paths, as where few bytes come at a time."""
    if _IMAGES.match(beginning) or len(beginning) >= _LONGEST_NAME:
        return False
    ends = sorted(beginning.index(end) for end in _ENDS if end in beginning)
    if not ends:
        return len(beginning) < _BEGINNING
    # A line of text that begins with such letters is a path, answered before the next one comes.
    line = beginning[: ends[0]]
    if beginning[ends[0]] == ord("\n") and _is_text(line) and not _BARE.fullmatch(line):
        return False
    return _UNFINISHED.fullmatch(beginning) is not None


def _is_text(line: bytes) -> bool:
    return line.decode("utf-8", "replace").replace("\ufffd", "\0").rstrip("\r").isprintable()


def _path(name: bytes, end: bytes | None) -> Path | None:
    """A name on Unix is bytes, of whatever encoding; of a line a return is part of its end."""
    name = name if end == b"\0" else name.rstrip(b"\r")
    return Path(os.fsdecode(name)) if name else None


def _rest(stdin: BinaryIO, beginning: bytes) -> bytes:
    content = bytearray(beginning)
    while len(content) <= MOST_BYTES and (part := _some(stdin)):
        content += part
    if len(content) > MOST_BYTES:
        raise DatasetError(
            f"stdin: more than {MOST_BYTES:,} bytes, the most that an image may have"
        )
    return bytes(content)


def _some(stdin: BinaryIO) -> bytes:
    """What has come, waiting only where nothing has; nothing at the end."""
    # Of what has no such method, such as a text's own bytes, all is there.
    read = getattr(stdin, "read1", stdin.read)
    part: bytes = read(_PART)
    return part


def _has_come(stdin: BinaryIO) -> bool:
    """Whether `_some` would not wait."""
    try:
        descriptor = stdin.fileno()
    except io.UnsupportedOperation:  # of a text's own bytes all is there
        return True
    return bool(select.select([descriptor], [], [], 0)[0])
