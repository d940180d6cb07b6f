"""Photos that appear in a folder, each once it is completely written.

A photo counts as written when its size and its times were the same at two looks in a row, and as
read when it decodes; one that does not is looked at again whenever it changes. Polling,
because it works on every file system: inotify says nothing of a share or a FUSE mount.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tinyedge.errors import DatasetError
from tinyedge.images.find import is_image_name

__all__ = ["FolderWatch"]


class _State(NamedTuple):
    """What tells a file from itself at another look."""

    inode: int
    size: int
    modified: int
    # Of its content or of who may read it.
    changed: int

    @property
    def content(self) -> tuple[int, int, int]:
        """What a rename leaves as it is."""
        return self.inode, self.size, self.modified


class FolderWatch:
    """The new photos of a folder and of the folders below it.

    Hidden files and folders are left out, as everywhere. A photo that takes the place of
    another, by a rename or after it was deleted, is a new one; one that is rewritten where it
    stands, or given another name within the folder, is not.
    """

    def __init__(self, folder: Path, *, existing: bool = False) -> None:
        """Watch `folder`; with `existing`, also the photos that are already there.

        Raises:
            DatasetError: there is no such folder.
            OSError: it cannot be read.
        """
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder to watch")
        self.folder = folder
        self._written: dict[str, _State] = {}
        self._changing: dict[str, _State] = {}
        self._unreadable: dict[str, _State] = {}
        if not existing:
            there = {entry.path: _state(entry) for entry in _photos(folder)}
            self._written = {path: state for path, state in there.items() if state is not None}

    def look(self) -> list[Path]:
        """The photos completely written since the last look, oldest first; each only once.

        Raises:
            OSError: the folder itself is gone, or can no longer be read.
        """
        found = {entry.path: entry for entry in _photos(self.folder)}
        gone_photos = self._written.keys() - found.keys()
        moved = {self._written[path].content for path in gone_photos}
        for states in (self._written, self._changing, self._unreadable):
            for gone in states.keys() - found.keys():
                del states[gone]
        settled: list[tuple[int, str]] = []
        for path, entry in found.items():
            known = self._written.get(path)
            if known is not None and known.inode == entry.inode():
                continue
            state = _state(entry)
            if state is None or state == self._unreadable.get(path):
                continue
            if state.content in moved:
                self._written[path] = state
            elif state.size and state == self._changing.get(path):
                settled.append((state.modified, path))
                self._written[path] = self._changing.pop(path)
            else:
                self._changing[path] = state
        return [Path(path) for _, path in sorted(settled)]

    def look_again(self, path: Path) -> None:
        """Have `look` return this photo once more, which could not be read, when it changes."""
        # Of the folder "." scandir gives "./a.jpg", and Path makes "a.jpg" of that.
        found = os.path.join(self.folder, path.relative_to(self.folder))
        self._unreadable[found] = self._written.pop(found)


def _state(entry: os.DirEntry[str]) -> _State | None:
    """None where it has gone since it was listed."""
    try:
        status = entry.stat()
    except OSError:
        return None
    return _State(entry.inode(), status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _photos(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every photo in `folder` and below; of a folder that cannot be read none, but of the first."""
    with os.scandir(folder) as entries:
        pending = list(entries)
    seen = {(folder.stat().st_dev, folder.stat().st_ino)}
    while pending:
        entry = pending.pop()
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir():
                status = entry.stat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    with os.scandir(entry) as entries:
                        pending += entries
            elif is_image_name(entry.name) and entry.is_file():
                yield entry
        except OSError:
            continue
