"""What comes on stdin: one image, known by its first bytes, or paths of images."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tinyedge.errors import DatasetError
from tinyedge.images.encoded import MOST_BYTES, EncodedImage

__all__ = ["read_stdin"]

_PART = 1 << 16
# Far more than a system takes; what has no end of a line until then is no list.
_LONGEST_NAME = 1 << 20
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


def read_stdin(stdin: BinaryIO, *, null: bool = False) -> EncodedImage | Iterator[Path]:
    """The image that comes, whole, or paths as they come, each before the next is waited for.

    A line is a path; where a NUL byte comes before the first end of a line, NUL ends each, as
    ``find -print0`` writes them: no path holds one. Empty ones are passed over.

    Args:
        stdin: of bytes, read to its end.
        null: what comes are paths with a NUL behind each, whatever their first bytes.

    Raises:
        DatasetError: no end of a line comes within a megabyte; an image of more than 1 GiB.
    """
    if null:
        return _paths(stdin, b"", b"\0")
    beginning = b""
    while _is_open(beginning) and (part := _some(stdin)):
        beginning += part
    if _IMAGES.match(beginning):
        return EncodedImage(_rest(stdin, beginning), "stdin")
    return _paths(stdin, beginning, None)


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


def _paths(stdin: BinaryIO, begun: bytes, end: bytes | None) -> Iterator[Path]:
    """Paths, each as soon as its end has come; where that is not given the first one there is."""
    left = begun
    more = True
    while more:
        if end is None:
            found = [each for each in _ENDS if each in left]
            end = min(found, key=left.index) if found else None
        if end is not None:
            *names, left = left.split(end)
            yield from filter(None, (_path(name, end) for name in names))
        if len(left) > _LONGEST_NAME:
            raise DatasetError(
                f"stdin: {len(left):,} bytes without the end of a line: neither an image nor paths"
            )
        part = _some(stdin)
        left, more = left + part, bool(part)
    if (last := _path(left, end)) is not None:
        yield last


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
