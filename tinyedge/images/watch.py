"""Images that appear in a folder, each once it is completely written.

An image counts as written when its size and its times were the same at two looks in a row, and as
read when it decodes; one that does not is looked at again whenever it changes. Polling,
because it works on every file system: inotify says nothing of a share or a FUSE mount.

What is the same image at another look stands in `tinyedge.images.identity`.
"""

import contextlib
import errno
import os
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.files import opened_parent
from tinyedge.images.identity import (
    AbsentFiles,
    FileState,
    KnownFile,
    birth,
    has_stayed,
    state_at,
    state_of,
)
from tinyedge.images.stream import ImageSource, SourceImage
from tinyedge.images.walk import is_image_name, is_passed_over, is_unread_format
from tinyedge.system import StopRequest
from tinyedge.text import shown_name

if TYPE_CHECKING:
    from tinyedge.journal import Entry, Journal

__all__ = ["FolderWatch", "WatchedImages", "watch_with_journal"]

# Looks closer together could miss that an image is still being written, seconds.
_LEAST_BETWEEN_LOOKS = 0.1
# Images that have gone are known should they come back: that many, or as many as there have been
# at once (a stick that is taken out and put back), the last ones.
_LEAST_ABSENT = 10_000
# A journal of that many lines more than twice what it must hold is rewritten.
_SPARE_LINES = 1000
# Folders on the way to the one that is looked into that stay open.
_MOST_OPEN = 64
# Of what has been taken away since its folder was listed, or leads nowhere: it is no trouble.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class FolderWatch:
    """The new images of a folder and of the folders below it.

    Hidden files and folders are left out, as everywhere. An image that takes the place of
    another, by a rename or after it was deleted, is a new one; one that is rewritten where it
    stands, given another name, or taken away and brought back, is not. A link to an image of the
    folder, and a second name of it, are that image.
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
        self._told_formats: set[str] = set()
        self._told_troubles: set[str] = set()
        # All by their paths in the folder. Of the known ones those are open that were given and
        # need an answer still.
        self._known: dict[str, KnownFile] = {}
        self._open: set[str] = set()
        self._absent = AbsentFiles()
        self._changing: dict[str, FileState] = {}
        self._unreadable: dict[str, FileState] = {}
        for name, file in _known_files(known):
            # What it says later of the same name is of a file that took the place of the first, or
            # of the same file.
            if name in self._known:
                self._absent.add(name, self._known[name])
            self._absent.take(name, *file)
            self._known[name] = file
        self._most = len(self._known)
        self._absent.keep(max(self._most, _LEAST_ABSENT))
        if not existing:
            for name, state in _looked(folder).images.items():
                self._known[name] = KnownFile(state, birth(self._path(name), state.inode))

    def look(self) -> list[Path]:
        """The images completely written since the last look, oldest first; each only once.

        Raises:
            OSError: the folder itself is gone, or can no longer be read.
        """
        found = _looked(self.folder)
        self._tell(found)
        held, unanswered = self._compared(found)
        for states in (self._changing, self._unreadable):
            for name in states.keys() - found.images.keys():
                if not found.may_have(name):
                    del states[name]
        settled: list[tuple[int, str]] = []
        for name, state in found.images.items():
            if name in self._known or state == self._unreadable.get(name):
                continue
            born = birth(self._path(name), state.inode)
            if self._is_back(name, KnownFile(state, born), held, unanswered):
                self._changing.pop(name, None)
            elif state.size and state == self._changing.get(name):
                settled.append((state.modified, name))
                self._known[name] = KnownFile(state, born)
                self._open.add(name)
                del self._changing[name]
            else:
                self._changing[name] = state
        self._most = max(self._most, len(self._known))
        self._absent.keep(max(self._most, _LEAST_ABSENT))
        return [self.folder / name for _, name in sorted(settled)]

    def _compared(self, found: "_Look") -> tuple[AbsentFiles, AbsentFiles]:
        """Take those from the known ones that are where they were no more.

        Returns:
            Those that may be there still, where it could not be looked, and are known; and of those
            that are taken those that had no answer yet. The others are absent.
        """
        held, unanswered = AbsentFiles(), AbsentFiles()
        for name, file in list(self._known.items()):
            state = found.images.get(name)
            if state == file.state:
                continue
            if state is None and found.may_have(name):
                held.add(name, file)
                continue
            if state is not None:
                born = None if file.born is None else birth(self._path(name), state.inode)
                if has_stayed(file, state, born):
                    if self._rewritten and state.content != file.state.content:
                        self._forget(name)
                    else:
                        self._known[name] = KnownFile(state, file.born)
                    continue
            (unanswered if name in self._open else self._absent).add(name, file)
            self._forget(name)
        return held, unanswered

    def _is_back(
        self, name: str, file: KnownFile, held: AbsentFiles, unanswered: AbsentFiles
    ) -> bool:
        """Whether what is at `name` is known from where it was before; it is known there then."""
        for each in (self._absent, unanswered, held):
            taken = each.take(name, *file)
            if taken is None:
                continue
            before, was = taken
            is_open = each is unanswered
            if each is held:
                is_open = before in self._open
                self._forget(before)
            if self._rewritten and was.state.content != file.state.content:
                return False
            self._known[name] = KnownFile(file.state, was.born)
            if is_open:
                self._open.add(name)
            return True
        return False

    def _tell(self, found: "_Look") -> None:
        """Say once of each suffix that photos of its format are not read, and of each trouble."""
        notes = [
            f"{self.folder}: photos of the format {suffix} are not read"
            for suffix in sorted(found.unread - self._told_formats)
        ]
        notes += [
            f"{reason}; what is there is answered once it can be"
            for place, reason in sorted(found.troubles.items())
            if place not in self._told_troubles
        ]
        self._told_formats |= found.unread
        self._told_troubles = set(found.troubles)
        for note in notes:
            warnings.warn(note, TinyedgeWarning, stacklevel=3)

    def is_as_given(self, path: Path) -> bool:
        """Whether the image is still the one that `look` saw; if not, `look` gives it anew."""
        name = self._name(path)
        with contextlib.suppress(OSError):
            if name in self._open and state_at(self._path(name)) == self._known[name].state:
                return True
        self._forget(name)
        return False

    def look_again(self, path: Path) -> None:
        """Have `look` return this image once more, which could not be read, when it changes."""
        name = self._name(path)
        file = self._forget(name)
        # It may have gone since.
        if file is not None:
            self._unreadable[name] = file.state

    def answered(self, path: Path) -> "Entry | None":
        """Note that `path`, which `look` gave, needs no more; what a journal keeps of it."""
        name = self._name(path)
        if name not in self._open:
            return None
        self._open.remove(name)
        return _entry(name, self._known[name])

    def entries(self) -> "list[Entry]":
        """What a journal has to keep: of all images that need no more.

        Those that have gone come first, so that of two of one name the one that is there counts.
        """
        gone = [_entry(name, file) for name, file in self._absent]
        done = sorted(self._known.keys() - self._open)
        return [*gone, *(_entry(name, self._known[name]) for name in done)]

    @property
    def most_entries(self) -> int:
        """How many `entries` there are, and one more for each image that waits for its answer."""
        return len(self._absent) + len(self._known)

    def _forget(self, name: str) -> KnownFile | None:
        self._open.discard(name)
        return self._known.pop(name, None)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.folder))


class WatchedImages(ImageSource):
    """The images that appear in a watched folder, until the program is asked to stop."""

    ends = False

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
        self._seen: deque[Path] = deque()

    def __iter__(self) -> Iterator[SourceImage]:
        """The images.

        Raises:
            OSError: the folder has gone.
        """
        while not self._stop.made:
            self._seen.extend(self._watch.look())
            yield from iter(self.take_waiting, None)
            self._stop.waited(self._interval)

    @property
    def asked_to_end(self) -> bool:
        """Whether a signal asked for that."""
        return self._stop.made

    def waiting(self) -> int:
        """How many images the last look has seen that were not given."""
        return len(self._seen)

    def take_waiting(self) -> SourceImage | None:
        """The next of them that is as it was seen."""
        while self._seen and not self._stop.made:
            path = self._seen.popleft()
            # Those before it took their time; what stands there now may be half written.
            if self._watch.is_as_given(path):
                return SourceImage(str(path), path, "retry")
        return None

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
        if self._journal.lines > 2 * self._watch.most_entries + _SPARE_LINES:
            self._journal.rewrite(self._watch.entries())


@contextlib.contextmanager
def watch_with_journal(
    folder: Path, path: Path, *, existing: bool, rewritten: bool
) -> Iterator[tuple[FolderWatch, "Journal"]]:
    """A watch that goes on where the one before it ended, by the journal at `path`.

    A new journal begins with the images that are there, unless `existing` are to be answered. By
    one that is there all images are new that it does not hold, by whatever name.

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


def _entry(name: str, file: KnownFile) -> "Entry":
    """What a journal keeps of a file; `name` is its path in the folder."""
    state = file.state
    return {
        "image": name,
        "size": state.size,
        "modified": state.modified,
        "inode": state.inode,
        "born": file.born,
    }


def _known_files(entries: Iterable["Entry"]) -> Iterator[tuple[str, KnownFile]]:
    for entry in entries:
        match entry:
            case {
                "image": str(name),
                "size": int(size),
                "modified": int(modified),
                "inode": int(inode),
                "born": int() | None as born,
            }:
                yield name, KnownFile(FileState(-1, inode, size, modified, -1), born)


class _Look(NamedTuple):
    """What is in the folder and below it, by the paths in it.

    Attributes:
        images: every one.
        unread: the suffixes of photos whose formats are not read.
        hidden: folders and files of which nobody could say what they are just now.
        troubles: of each folder in which that was so, what the matter was.
    """

    images: dict[str, FileState]
    unread: set[str]
    hidden: set[str]
    troubles: dict[str, str]

    def may_have(self, name: str) -> bool:
        """Whether an image that was not found may be there all the same."""
        if not self.hidden:
            return False
        while name not in self.hidden:
            if not name:
                return False
            name = name.rpartition(os.sep)[0]
        return True


class _Level(NamedTuple):
    """A folder that has been listed, and the names of those in it that have not been yet."""

    name: str
    inside: list[str]


def _looked(folder: Path) -> _Look:
    """Look for every image in `folder` and below; only `folder` itself has to be readable.

    Raises:
        OSError: it is not.
    """
    look = _Look({}, set(), set(), {})
    links: dict[str, FileState] = {}
    with contextlib.closing(_folders(folder, look)) as folders:
        for level, descriptor in folders:
            try:
                level.inside.extend(_listed(folder, level.name, descriptor, look, links))
            except OSError as error:
                if not level.name:
                    raise OSError(error.errno, error.strerror, str(folder)) from error
                _note(look, folder, level.name, level.name, error)
    if links:
        targets = {(state.device, state.inode) for state in look.images.values()}
        for name, state in sorted(links.items()):
            if (target := (state.device, state.inode)) not in targets:
                targets.add(target)
                look.images[name] = state
    return look


def _folders(folder: Path, look: _Look) -> Generator[tuple[_Level, int], None, None]:
    """`folder` and each below it, once, with a descriptor; who takes one adds what is inside.

    Each is opened from the one above it, which is the same work at any depth.

    Raises:
        OSError: `folder` cannot be opened.
    """
    seen: set[tuple[int, int]] = set()
    levels = [_Level("", [""])]
    opened: dict[str, int] = {}
    try:
        while levels:
            above = levels[-1]
            if not above.inside:
                levels.pop()
                if above.name in opened:
                    os.close(opened.pop(above.name))
                continue
            inside = above.inside.pop()
            name = os.path.join(above.name, inside)
            try:
                descriptor = _opened(folder, above.name, inside, opened.get(above.name))
            except OSError as error:
                if not name:
                    raise
                _note(look, folder, name, name, error)
                continue
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) in seen:
                os.close(descriptor)
                continue
            seen.add((status.st_dev, status.st_ino))
            if len(opened) >= _MOST_OPEN:
                # The highest, which is opened anew should there be more in it.
                os.close(opened.pop(next(iter(opened))))
            opened[name] = descriptor
            levels.append(_Level(name, []))
            yield levels[-1], descriptor
    finally:
        for descriptor in opened.values():
            os.close(descriptor)


def _opened(folder: Path, above: str, inside: str, descriptor: int | None) -> int:
    """A descriptor of the folder `inside` the one `above`, of which there may be a descriptor."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    if descriptor is not None:
        return os.open(inside, flags, dir_fd=descriptor)
    with opened_parent(Path(folder, above, inside)) as (name, parent):
        return os.open(name, flags, dir_fd=parent)


def _listed(
    folder: Path, place: str, descriptor: int, look: _Look, links: dict[str, FileState]
) -> Iterator[str]:
    """Add what is in one folder to `look`, but links to files to `links`; the folders in it.

    Raises:
        OSError: it cannot be listed, or not to its end.
    """
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if is_passed_over(entry.name):
                continue
            name = os.path.join(place, entry.name)
            try:
                if entry.is_dir():
                    yield entry.name
                elif is_unread_format(entry.name):
                    look.unread.add(os.path.splitext(entry.name)[1].lower())
                elif is_image_name(entry.name) and entry.is_file():
                    status = entry.stat()
                    if entry.is_symlink() or status.st_nlink > 1:
                        links[name] = state_of(status)
                    else:
                        look.images[name] = state_of(status)
            except OSError as error:
                _note(look, folder, place, name, error)


def _note(look: _Look, folder: Path, place: str, name: str, error: OSError) -> None:
    if error.errno not in _GONE:
        look.hidden.add(name)
        path = os.path.join(folder, name)
        reason = f"{shown_name(path)} cannot be looked into ({error.strerror})"
        look.troubles.setdefault(place, reason)
