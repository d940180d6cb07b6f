"""Images that appear in a folder, each once it is completely written.

An image counts as written when its size and its times were the same at two looks in a row, and as
read when it decodes; one that does not is looked at again whenever it changes. Polling,
because it works on every file system: inotify says nothing of a share or a FUSE mount.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tinyedge.errors import DatasetError
from tinyedge.images.find import is_image_name
from tinyedge.images.stream import ImageSource, SourceImage
from tinyedge.system import StopRequest

__all__ = ["FolderWatch", "WatchedImages"]

# Looks closer together could miss that an image is still being written, seconds.
_LEAST_BETWEEN_LOOKS = 0.1


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
    """The new images of a folder and of the folders below it.

    Hidden files and folders are left out, as everywhere. An image that takes the place of
    another, by a rename or after it was deleted, is a new one; one that is rewritten where it
    stands, or given another name within the folder, is not.
    """

    def __init__(self, folder: Path, *, existing: bool = False) -> None:
        """Watch `folder`; with `existing`, also the images that are already there.

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
            there = {entry.path: _state(entry) for entry in _images(folder)}
            self._written = {path: state for path, state in there.items() if state is not None}

    def look(self) -> list[Path]:
        """The images completely written since the last look, oldest first; each only once.

        Raises:
            OSError: the folder itself is gone, or can no longer be read.
        """
        found = {entry.path: entry for entry in _images(self.folder)}
        gone_images = self._written.keys() - found.keys()
        moved = {self._written[path].content for path in gone_images}
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
        """Have `look` return this image once more, which could not be read, when it changes."""
        # Of the folder "." scandir gives "./a.jpg", and Path makes "a.jpg" of that.
        found = os.path.join(self.folder, path.relative_to(self.folder))
        # It may have gone since.
        if found in self._written:
            self._unreadable[found] = self._written.pop(found)


class WatchedImages(ImageSource):
    """The images that appear in a watched folder, until the program is asked to stop."""

    def __init__(self, watch: FolderWatch, stop: StopRequest, interval: float) -> None:
        """Look every `interval` seconds, at least 0.1."""
        self.announcement = f"watching {watch.folder}"
        self._watch = watch
        self._stop = stop
        self._interval = max(interval, _LEAST_BETWEEN_LOOKS)

    def __iter__(self) -> Iterator[SourceImage]:
        """The images.

        Raises:
            OSError: the folder has gone.
        """
        while not self._stop.made:
            for path in self._watch.look():
                yield SourceImage(str(path), path, "retry")
                if self._stop.made:
                    return
            self._stop.waited(self._interval)

    def retry(self, image: SourceImage) -> None:
        """Give an image that could not be read once more when it changes."""
        self._watch.look_again(Path(image.name))


def _state(entry: os.DirEntry[str]) -> _State | None:
    """The state of a listed file; None where it has gone since."""
    try:
        status = entry.stat()
    except OSError:
        return None
    return _State(entry.inode(), status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _images(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every image in `folder` and below; only `folder` itself has to be readable."""
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
