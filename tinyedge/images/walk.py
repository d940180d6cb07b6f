"""The image files below a folder, and those of a pattern: folders of any depth, links once.

Only regular files are images, and what a link to one leads to. Hidden files and folders are passed
over (macOS leaves ``._photo.jpg`` beside photos), and the folders in which NAS systems and cameras
keep thumbnails, deleted files and old states of others.
"""

import contextlib
import errno
import fnmatch
import glob
import os
import stat
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from tinyedge.errors import TinyedgeWarning
from tinyedge.files import opened_parent
from tinyedge.text import counted

__all__ = [
    "SUFFIXES",
    "LeftOut",
    "folder_identity",
    "folders_below",
    "is_image_name",
    "is_passed_over",
    "is_unread_format",
    "listed_folder",
    "matching",
    "walk",
]

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp"),
        *(".ppm", ".pgm", ".tif", ".tiff"),
    )
)
"""Of the names of images, in lower case; .jpe and .jfif are JPEG by other names."""

# Photos all the same: of phones, and what cameras call raw.
_UNREAD = frozenset(
    (
        *(".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".3fr", ".arw", ".cr2", ".cr3"),
        *(".crw", ".dng", ".erf", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf"),
        *(".raw", ".rw2", ".sr2", ".srw", ".x3f"),
    )
)
# Synology, QNAP, Windows; in lower case. Others hide theirs (.thumbnails, .@__thumb).
_PASSED_OVER = frozenset(
    ("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin")
)

_Kind = Literal["folder", "file", "dangling", "other"]


class LeftOut:
    """What is no image of a search, though it looks like one.

    Attributes:
        formats: how many files of each suffix of a format that is not read.
        irregular: FIFOs, sockets and devices, and links to them, that are called like images.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.formats: Counter[str] = Counter()
        self.irregular = 0

    def __str__(self) -> str:
        parts = []
        if self.formats:
            each = ", ".join(f"{suffix} {count}" for suffix, count in self.formats.most_common())
            parts.append(f"{counted(self.formats.total(), 'file')} of formats not read: {each}")
        if self.irregular:
            parts.append(f"{self.irregular} called like photos that are no files (pipes, devices)")
        return "; ".join(parts)

    def tell(self, source: str | Path) -> None:
        """Say in a TinyedgeWarning what of `source` was left out, where anything was."""
        if self.formats or self.irregular:
            warnings.warn(f"{source}: left out: {self}", TinyedgeWarning, stacklevel=2)


class _Listed(NamedTuple):
    name: str
    kind: _Kind


def is_image_name(name: str) -> bool:
    """Whether a file found in a folder counts as an image: by its suffix, and not hidden."""
    return not name.startswith(".") and _suffix(name) in SUFFIXES


def is_unread_format(name: str) -> bool:
    """Whether the file is, by its suffix, a photo of a format that is not read."""
    return not name.startswith(".") and _suffix(name) in _UNREAD


def is_passed_over(name: str) -> bool:
    """Whether a folder, or a file, is not looked at: hidden, or of those with thumbnails."""
    return name.startswith(".") or name.lower() in _PASSED_OVER


def folder_identity(folder: str | Path) -> tuple[int, int]:
    """What tells a folder from others, whatever leads to it: device and inode."""
    with opened_parent(folder) as (name, parent):
        status = os.stat(name, dir_fd=parent)
    return status.st_dev, status.st_ino


def folders_below(folder: str | Path) -> Iterator[str]:
    """The folder and those below it that `walk` would look into, links followed once.

    Raises:
        OSError: one cannot be read.
    """
    return _folders(str(folder), set())


def walk(folder: str | Path, seen: set[tuple[int, int]], left_out: LeftOut) -> Iterator[str]:
    """The path of every image in `folder` and below it, links to folders followed once.

    Args:
        folder: where to begin.
        seen: the identities of folders to leave out; those that are searched are added.
        left_out: is added what is passed over.

    Raises:
        OSError: a folder cannot be read.
    """
    for each in _folders(str(folder), seen):
        for name, kind in listed_folder(each):
            if kind != "folder" and _counts(name, kind, left_out):
                yield os.path.join(each, name)


def matching(pattern: str, left_out: LeftOut) -> Iterator[str]:
    """The paths of the images, also in folders, that a pattern of `glob` with ``**`` matches; once.

    Links to folders are followed once, so that a pattern over a loop of links ends.

    Raises:
        OSError: a folder cannot be read.
    """
    drive, rest = os.path.splitdrive(pattern)
    beginning = drive + rest[: len(rest) - len(rest.lstrip(os.sep))]
    found = [beginning]
    for part in filter(None, rest.split(os.sep)):
        if part == "**":
            seen: set[tuple[int, int]] = set()
            found = [each for start in found for each in _folders(start, seen)]
        elif glob.has_magic(part):
            found = [
                os.path.join(each, name)
                for each in found
                for name in _names(each)
                if fnmatch.fnmatch(name, part)
                and (name.startswith(part[0]) if part[0] == "." else not is_passed_over(name))
            ]
        else:
            found = [each for start in found if _kind_of(each := os.path.join(start, part))]
    searched: set[tuple[int, int]] = set()
    for each in found:
        kind = _kind_of(each or ".")
        if kind == "folder":
            yield from walk(each, searched, left_out)
        elif kind is not None and _counts(os.path.basename(each), kind, left_out):
            yield each


def listed_folder(folder: str | Path) -> list[_Listed]:
    """What stands in a folder, sorted by name: so the same of several links is followed always.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with os.scandir(folder or ".") as entries:
            return sorted(_Listed(entry.name, _kind(entry)) for entry in entries)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    with opened_parent(folder) as (name, parent):
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
    try:
        with os.scandir(descriptor) as entries:
            return sorted(_Listed(entry.name, _kind(entry)) for entry in entries)
    finally:
        os.close(descriptor)


def _folders(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """`folder` and every folder below it that is none of `seen`."""
    pending = [folder]
    while pending:
        each = pending.pop()
        with contextlib.suppress(NotADirectoryError, FileNotFoundError):
            identity = folder_identity(each or ".")
            if identity in seen:
                continue
            inside = [
                os.path.join(each, name)
                for name, kind in listed_folder(each)
                if kind == "folder" and not is_passed_over(name)
            ]
            seen.add(identity)
            yield each
            pending += reversed(inside)


def _names(folder: str) -> list[str]:
    with contextlib.suppress(NotADirectoryError, FileNotFoundError):
        return [name for name, _ in listed_folder(folder)]
    return []


def _counts(name: str, kind: _Kind, left_out: LeftOut) -> bool:
    """Whether a file is an image; what only looks like one is counted."""
    if is_unread_format(name) and kind == "file":
        left_out.formats[_suffix(name)] += 1
    if not is_image_name(name):
        return False
    if kind == "other":
        left_out.irregular += 1
    # A dangling link is passed on: whoever loads the image reports it.
    return kind in ("file", "dangling")


def _kind(entry: os.DirEntry[str]) -> _Kind:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        entry.stat()
    except OSError:
        return "dangling"
    return "other"


def _kind_of(path: str) -> _Kind | None:
    """The kind of what is at `path`, or None where nothing is."""
    try:
        with opened_parent(path) as (name, parent):
            mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                with contextlib.suppress(OSError):
                    mode = os.stat(name, dir_fd=parent).st_mode
    except OSError:
        return None
    kinds: dict[int, _Kind] = {
        stat.S_IFDIR: "folder",
        stat.S_IFREG: "file",
        stat.S_IFLNK: "dangling",
    }
    return kinds.get(stat.S_IFMT(mode), "other")


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
