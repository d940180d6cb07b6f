"""Images that appear in a folder, each once it is completely written.

An image counts as written when its size and its times were the same at two looks in a row, and as
read when it decodes; one that does not is looked at again whenever it changes. Polling,
because it works on every file system: inotify says nothing of a share or a FUSE mount.

Two files are told apart by their time of birth, which no rename, touch or rewriting changes, where
the file system keeps it (ext4, XFS, Btrfs, F2FS, tmpfs, FAT): ext4 gives a new file the inode of
one that was deleted. Elsewhere by what the rest says; see `_is_same`.
"""

import contextlib
import ctypes
import os
import struct
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.images.stream import ImageSource, SourceImage
from tinyedge.images.walk import is_image_name, is_passed_over, is_unread_format
from tinyedge.system import StopRequest
from tinyedge.text import shortened

if TYPE_CHECKING:
    from tinyedge.journal import Entry, Journal

__all__ = ["FolderWatch", "WatchedImages", "watch_with_journal"]

# Looks closer together could miss that an image is still being written, seconds.
_LEAST_BETWEEN_LOOKS = 0.1
# Images that were answered and have gone are known for so long, should they come back.
_MOST_AWAY = 20_000
# A journal of that many lines more than twice what it must hold is rewritten.
_SPARE_LINES = 1000
# Of a folder that is told of; a longer one is shortened.
_MOST_OF_A_NAME = 1000


class _State(NamedTuple):
    """What tells a file from itself at another look."""

    inode: int
    size: int
    modified: int
    # Of its content or of who may read it; -1 where it is not known.
    changed: int


_Moved = tuple[int, int, int]


class _Image(NamedTuple):
    """A file that was completely written, and when it was born; None where nobody knows."""

    state: _State
    born: int | None

    def entry(self, name: str) -> "Entry":
        """What a journal keeps of it; `name` is its path in the folder."""
        inode, size, modified, _ = self.state
        return {
            "image": name,
            "size": size,
            "modified": modified,
            "inode": inode,
            "born": self.born,
        }


class FolderWatch:
    """The new images of a folder and of the folders below it.

    Hidden files and folders are left out, as everywhere. An image that takes the place of
    another, by a rename or after it was deleted, is a new one; one that is rewritten where it
    stands is not, nor one that has another name now, whatever has its old one, or that was away
    for a while, as all are while a file system is not mounted. A link to an image of the folder,
    and a second name of it, are that image.
    """

    def __init__(
        self,
        folder: Path,
        *,
        existing: bool = False,
        rewritten: bool = False,
        known: Iterable["Entry"] = (),
    ) -> None:
        """Watch `folder`.

        Args:
            folder: to be watched.
            existing: whether the images that are already there count as new.
            rewritten: whether one whose content or time of change is another counts as new.
            known: a journal's entries: images that are not new whatever `existing` says.

        Raises:
            DatasetError: there is no such folder.
            OSError: it cannot be read.
        """
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder to watch")
        self.folder = folder
        self._rewritten = rewritten
        self._told: set[str] = set()
        # By the path that each has now; those that were answered, and whose path has gone or is
        # another's, by what a file keeps when it is moved.
        self._known: dict[str, _Image] = {}
        self._away: dict[_Moved, _Image] = {}
        self._given: dict[str, _Image] = {}
        self._changing: dict[str, _State] = {}
        self._unreadable: dict[str, _State] = {}
        for path, image in _known_images(folder, known):
            if path in self._known:
                self._put_away(path)
            self._known[path] = image
        if not existing:
            self._known |= {
                path: _Image(state, _born(path)) for path, state in _images(folder).items()
            }

    def look(self) -> list[Path]:
        """The images completely written since the last look, oldest first; each only once.

        Raises:
            OSError: the folder itself is gone, or can no longer be read.
        """
        left_out = _LeftOut()
        found = _images(self.folder, left_out)
        self._tell(left_out)
        for states in (self._changing, self._unreadable):
            for path in states.keys() - found.keys():
                del states[path]
        for path in list(self._known):
            if path not in found or not self._is_known(path, found[path]):
                self._put_away(path)
        settled: list[tuple[int, str]] = []
        for path, state in found.items():
            if path in self._known or state == self._unreadable.get(path):
                continue
            was = self._away.get(_moved(state))
            if was is not None and _is_same(was, state, path):
                del self._away[_moved(state)]
                self._known[path] = _Image(state, was.born)
            elif state.size and state == self._changing.get(path):
                settled.append((state.modified, path))
                self._known[path] = self._given[path] = _Image(state, _born(path))
                del self._changing[path]
            else:
                self._changing[path] = state
        return [Path(path) for _, path in sorted(settled)]

    def _tell(self, left_out: "_LeftOut") -> None:
        """Say once of each suffix that photos of its format are not read, and of each folder."""
        said = {
            f"{self.folder}: photos of the format {suffix} are not read"
            for suffix in left_out.suffixes
        }
        said |= {f"cannot look into {name}: {why}" for name, why in left_out.folders.items()}
        for text in sorted(said - self._told):
            warnings.warn(text, TinyedgeWarning, stacklevel=3)
        self._told |= said

    def _put_away(self, path: str) -> None:
        """Know the image of this path whatever its path is, if it was answered."""
        image = self._known.pop(path)
        if self._given.pop(path, None) is None:
            self._away[_moved(image.state)] = image
            if len(self._away) > _MOST_AWAY:
                del self._away[next(iter(self._away))]

    def is_as_given(self, path: Path) -> bool:
        """Whether the image is still the one that `look` saw; if not, `look` gives it anew."""
        found = self._found(path)
        image = self._given.get(found)
        with contextlib.suppress(OSError):
            if image is not None and _state(os.stat(found)) == image.state:
                return True
        self._forget(found)
        return False

    def look_again(self, path: Path) -> None:
        """Have `look` return this image once more, which could not be read, when it changes."""
        found = self._found(path)
        image = self._forget(found)
        # It may have gone since.
        if image is not None:
            self._unreadable[found] = image.state

    def answered(self, path: Path) -> "Entry | None":
        """Note that `path`, which `look` gave, needs no more; what a journal keeps of it."""
        found = self._found(path)
        image = self._given.pop(found, None)
        return None if image is None else image.entry(self._name(found))

    def entries(self) -> "list[Entry]":
        """What a journal has to keep: of all images that need no more."""
        done = self._known.keys() - self._given.keys()
        # What is away has no name.
        away = [image.entry("") for image in self._away.values()]
        return away + [self._known[path].entry(self._name(path)) for path in sorted(done)]

    def _is_known(self, path: str, state: _State) -> bool:
        """Whether the file there now is the image that is known by this path."""
        image = self._known[path]
        if image.state == state:
            return True
        if _is_same(image, state, path):
            as_it_was = image.state[1:3] == state[1:3]
            if as_it_was or not self._rewritten:
                self._known[path] = _Image(state, image.born)
                return True
        return False

    def _forget(self, found: str) -> _Image | None:
        self._given.pop(found, None)
        return self._known.pop(found, None)

    def _found(self, path: Path) -> str:
        # Of the folder "." scandir gives "./a.jpg", and Path makes "a.jpg" of that.
        return os.path.join(self.folder, path.relative_to(self.folder))

    def _name(self, found: str) -> str:
        return Path(found).relative_to(self.folder).as_posix()


class WatchedImages(ImageSource):
    """The images that appear in a watched folder, until the program is asked to stop."""

    def __init__(
        self,
        watch: FolderWatch,
        stop: StopRequest,
        interval: float,
        journal: "Journal | None" = None,
    ) -> None:
        """Look every `interval` seconds, at least 0.1; what is answered goes into the journal."""
        self.announcement = f"watching {watch.folder}"
        self._watch = watch
        self._stop = stop
        self._interval = max(interval, _LEAST_BETWEEN_LOOKS)
        self._journal = journal

    def __iter__(self) -> Iterator[SourceImage]:
        """The images.

        Raises:
            OSError: the folder has gone.
        """
        while not self._stop.made:
            for path in self._watch.look():
                # Those before it took their time; what stands there now may be half written.
                if self._watch.is_as_given(path):
                    yield SourceImage(str(path), path, "retry")
                if self._stop.made:
                    return
            self._stop.waited(self._interval)

    def retry(self, image: SourceImage) -> None:
        """Give an image that could not be read once more when it changes."""
        self._watch.look_again(Path(image.name))

    def answered(self, image: SourceImage) -> None:
        """Write it into the journal.

        Raises:
            OSError: that cannot be.
        """
        entry = self._watch.answered(Path(image.name))
        if self._journal is None or entry is None:
            return
        self._journal.append(entry)
        if self._journal.lines > _SPARE_LINES:
            kept = self._watch.entries()
            if self._journal.lines > 2 * len(kept) + _SPARE_LINES:
                self._journal.rewrite(kept)


@contextlib.contextmanager
def watch_with_journal(
    folder: Path, path: Path, *, existing: bool, rewritten: bool
) -> Iterator[tuple[FolderWatch, "Journal"]]:
    """A watch that goes on where the one before it ended, by the journal at `path`.

    A new journal begins with the images that are there, unless `existing` are to be answered. By
    one that is there all images are new that it does not hold.

    Raises:
        DatasetError: see `FolderWatch` and `open_journal`.
        OSError: the folder cannot be read, or the journal not written.
    """
    # Loads what writes files, which a watch without a journal has no use for.
    from tinyedge.journal import open_journal

    first = FolderWatch(folder, existing=existing)
    with open_journal(path, os.path.realpath(folder), first.entries) as journal:
        known = journal.entries
        yield FolderWatch(folder, existing=True, rewritten=rewritten, known=known), journal


def _known_images(folder: Path, entries: Iterable["Entry"]) -> Iterator[tuple[str, _Image]]:
    for entry in entries:
        match entry:
            case {
                "image": str(name),
                "size": int(size),
                "modified": int(modified),
                "inode": int(inode),
                "born": int() | None as born,
            }:
                yield os.path.join(folder, name), _Image(_State(inode, size, modified, -1), born)


def _is_same(image: _Image, state: _State, path: str) -> bool:
    """Whether the file at `path`, in that state now, is the one that `image` was.

    By its birth where that is known of both. Else it is, where size and time of change are as they
    were, whatever the inode (FUSE gives a file another one at times), or where inode and size are:
    touched, or rewritten.
    """
    was = image.state
    as_it_was = (was.size, was.modified) == (state.size, state.modified)
    born = _born(path) if image.born is not None else None
    if born is not None:
        return born == image.born and (as_it_was or was.inode == state.inode)
    return as_it_was or (was.inode, was.size) == (state.inode, state.size)


def _moved(state: _State) -> _Moved:
    """What stays of a file when it is given another name."""
    return state[:3]


@dataclass
class _LeftOut:
    """What a look passes over.

    Attributes:
        suffixes: of photos whose formats are not read.
        folders: those that could not be looked into, and why.
    """

    suffixes: set[str] = field(default_factory=set)
    folders: dict[str, str] = field(default_factory=dict)


def _images(folder: Path, left_out: _LeftOut | None = None) -> dict[str, _State]:
    """Every image in `folder` and below; only `folder` itself has to be readable."""
    left_out = left_out or _LeftOut()
    images: dict[str, _State] = {}
    links: list[os.DirEntry[str]] = []
    real = os.path.realpath(folder)
    # Of every folder looked into, without links.
    folders = {real}
    linked: set[tuple[int, int]] = set()
    pending = [(entry, real) for entry in _entries(folder)]
    while pending:
        entry, parent = pending.pop()
        if is_passed_over(entry.name):
            continue
        with contextlib.suppress(OSError):
            if entry.is_dir():
                real = _real(entry, parent)
                if real not in folders:
                    folders.add(real)
                    pending += [(inside, real) for inside in _entries_if_any(entry, left_out)]
            elif is_unread_format(entry.name):
                left_out.suffixes.add(os.path.splitext(entry.name)[1].lower())
            elif is_image_name(entry.name) and entry.is_file():
                if entry.is_symlink():
                    links.append(entry)
                    continue
                status = entry.stat()
                identity = (status.st_dev, status.st_ino)
                if status.st_nlink > 1 and identity in linked:
                    continue
                linked.add(identity)
                images[entry.path] = _state(status)
    targets: set[str] = set()
    for entry in sorted(links, key=lambda link: link.path):
        with contextlib.suppress(OSError):
            target = os.path.realpath(entry.path)
            place, name = os.path.split(target)
            if target not in targets and not (place in folders and is_image_name(name)):
                targets.add(target)
                images[entry.path] = _state(entry.stat())
    return images


def _entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _entries_if_any(folder: os.DirEntry[str], left_out: _LeftOut) -> list[os.DirEntry[str]]:
    try:
        return _entries(folder)
    except (FileNotFoundError, NotADirectoryError):  # it has gone since
        return []
    except OSError as error:
        name = shortened(folder.path) if len(folder.path) > _MOST_OF_A_NAME else folder.path
        left_out.folders[name] = error.strerror or str(error)
        return []


def _real(entry: os.DirEntry[str], parent: str) -> str:
    return os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(parent, entry.name)


def _state(status: os.stat_result) -> _State:
    return _State(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


# statx(2), which Python has from 3.15 on; the structure is the same on every machine.
_AT_FDCWD = -100
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_BTIME_OFFSET = 80


@cache
def _statx() -> Any:
    """The C library's, or None where it has none: glibc before 2.28, musl before 1.2.5."""
    return getattr(ctypes.CDLL(None), "statx", None)


def _born(path: str) -> int | None:
    """When the file, or what the link points to, was made, ns; None where nobody knows."""
    statx = _statx()
    found = ctypes.create_string_buffer(_STATX_BYTES)
    if statx is None or statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, found) != 0:
        return None
    (filled,) = struct.unpack_from("=I", found)
    seconds, nanoseconds = struct.unpack_from("=qI", found, _BTIME_OFFSET)
    born: int = seconds * 10**9 + nanoseconds
    return born if filled & _STATX_BTIME else None
