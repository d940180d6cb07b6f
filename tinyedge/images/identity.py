"""What a file is told by: from another that takes its place, and as itself where it comes back.

Of two looks at files, the second found the file of the first,

- where both know its time of birth: if that is the same, and so is the inode, whatever its name,
  size and times are now; or, for file systems that make inode numbers up (FAT, FUSE), if size and
  time of change are the same;
- where not: at the name where it has stood all the while, if size and time of change, or inode and
  size, are the same; at a name it comes back to, if size and time of change are; at another name,
  if all three are.

No rename, touch or rewriting changes a time of birth; ext4 gives a new file the inode of one that
was deleted. ext4, XFS, Btrfs, F2FS, tmpfs and FAT keep it. The device is no part of the rule,
because a stick or a share has another number each time it is mounted; it tells two names of one
file from two files within one look.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from tinyedge.files import opened_parent

__all__ = ["AbsentFiles", "FileState", "KnownFile", "birth", "has_stayed", "state_at", "state_of"]


class FileState(NamedTuple):
    """A file at one look; times in ns.

    Attributes:
        changed: when its content was changed or who may read it; -1 where that is not known, as the
            device is then.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @property
    def content(self) -> tuple[int, int]:
        """What another content changes: size and time of change."""
        return self.size, self.modified


class KnownFile(NamedTuple):
    """A file as it was looked at last, and when it was born, ns; None where nobody knows."""

    state: FileState
    born: int | None


def state_of(status: os.stat_result) -> FileState:
    """The state that a stat tells."""
    return FileState(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def state_at(path: str) -> FileState:
    """The state of the file at `path`, of any length, or of what the link there leads to.

    Raises:
        OSError: there is none.
    """
    with opened_parent(path) as (name, parent):
        return state_of(os.stat(name, dir_fd=parent))


def has_stayed(was: KnownFile, now: FileState, born: int | None) -> bool:
    """Whether what is at its name now is the file that was there at the last look."""
    inode = was.state.inode == now.inode
    content = was.state.content == now.content
    if was.born is not None and born is not None:
        return born == was.born and (content or inode)
    return content or (inode and was.state.size == now.size)


_Key = tuple[str, str | int, int] | tuple[str, str | int, int, int]


class AbsentFiles:
    """Files that are not where they were, in the order in which that was found."""

    def __init__(self) -> None:
        self._files: dict[_Key, tuple[str, KnownFile]] = {}
        self._by_content: dict[_Key, _Key] = {}

    def __iter__(self) -> Iterator[tuple[str, KnownFile]]:
        """Each by the name it had."""
        return iter(self._files.values())

    def __len__(self) -> int:
        return len(self._files)

    def add(self, name: str, file: KnownFile) -> None:
        """Note that `file`, which was at `name`, is there no more."""
        key, by_content = _keys(name, *file)
        self._remove(key)
        self._files[key] = (name, file)
        self._by_content[by_content] = key

    def take(self, name: str, state: FileState, born: int | None) -> tuple[str, KnownFile] | None:
        """That of them which is at `name` now, with the name it had; it is absent no more."""
        keys = _keys(name, state, born)
        if born is not None:
            keys += _keys(name, state, None)
        for key in keys:
            found = self._remove(self._by_content.get(key, key))
            if found is not None:
                return found
        return None

    def keep(self, most: int) -> None:
        """Forget the oldest of them, so that no more than `most` are left."""
        while len(self._files) > most:
            self._remove(next(iter(self._files)))

    def _remove(self, key: _Key) -> tuple[str, KnownFile] | None:
        found = self._files.pop(key, None)
        if found is not None:
            name, file = found
            by_content = _keys(name, *file)[1]
            # Where two are alike it leads to the later one.
            if self._by_content.get(by_content) == key:
                del self._by_content[by_content]
        return found


def _keys(name: str, state: FileState, born: int | None) -> tuple[_Key, ...]:
    """What a file that has gone is found by: itself, and where its inode is another now."""
    if born is None:
        return ("inode", state.inode, *state.content), ("name", name, *state.content)
    return ("birth", state.inode, born), ("born", born, *state.content)


# statx(2), which Python has from 3.15 on; the structure is the same on every machine.
_AT_FDCWD = -100
_STATX_INO = 0x100
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_INO_OFFSET = 32
_BTIME_OFFSET = 80


@cache
def _statx() -> Any:
    """The C library's, or None where it has none: glibc before 2.28, musl before 1.2.5."""
    return getattr(ctypes.CDLL(None), "statx", None)


def birth(path: str, inode: int) -> int | None:
    """When the file of that inode at `path`, or where the link there leads to, was made, ns.

    None where nobody knows, or it is there no more.
    """
    statx = _statx()
    if statx is None:
        return None
    found = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        with opened_parent(path) as (name, parent):
            folder = _AT_FDCWD if parent is None else parent
            if statx(folder, os.fsencode(name), 0, _STATX_BTIME | _STATX_INO, found) != 0:
                return None
    except OSError:
        return None
    (filled,) = struct.unpack_from("=I", found)
    (of,) = struct.unpack_from("=Q", found, _INO_OFFSET)
    seconds, nanoseconds = struct.unpack_from("=qI", found, _BTIME_OFFSET)
    born: int = seconds * 10**9 + nanoseconds
    return born if filled & _STATX_BTIME and of == inode else None
