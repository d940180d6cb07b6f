"""Temporary folders that outlive no run: what a killed one leaves is cleared up by the next.

Each has a name that tells it (``.tinyedge-PID-...``) and a file in it whose lock (flock) its
process holds. A lock ends with its process, however that ends, so that a folder without one is
stale: no process number that is used anew, no container and no restart of the machine can mislead.
On a file system without locks nothing is swept.

Outputs are written into such a folder, beside where they belong, and renamed into place once all
are there. What is to be renamed is written down first: where a run is killed between two renames,
whoever sweeps makes the rest of them. What only waits to be read again has a file without a name.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tinyedge.json_values import parse_json
from tinyedge.system import interrupts_held

__all__ = ["OnDisk", "own_temporaries", "put_into_place", "sweep", "temporary_folder"]

_PREFIX = ".tinyedge-"
_LOCK = "lock"
_RENAMES = "renames.json"
# Of that: ten thousand renames.
_MOST_BYTES = 1 << 20
_ASIDE = "aside"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

# Inode, size and time of change; None of what is not there.
_Mark = list[int] | None


class OnDisk:
    """Bytes that take no memory until they are read, in a file that has no name."""

    def __init__(self, content: bytes) -> None:
        """Raises OSError where they cannot be written."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed with this object
        weakref.finalize(self, self._file.close)
        self._file.write(content)

    def read(self) -> bytes:
        """The bytes.

        Raises:
            OSError: they cannot be read.
        """
        self._file.seek(0)
        return self._file.read()


@contextlib.contextmanager
def temporary_folder(where: Path, *, swept: bool = False) -> Iterator[Path]:
    """A folder in `where` for this user alone, gone with all it holds after the block.

    Those that killed runs left in `where` are swept first, unless that was done.

    Raises:
        OSError: it cannot be made.
    """
    if not swept:
        sweep(where)
    with contextlib.ExitStack() as stack:
        with interrupts_held():
            folder, lock = _made(where)
            stack.callback(_remove, folder, lock)
        yield folder


@contextlib.contextmanager
def own_temporaries() -> Iterator[None]:
    """Have all that this process, its packages and its children keep for a while in one folder."""
    named, environment = tempfile.tempdir, os.environ.get("TMPDIR")
    with temporary_folder(Path(tempfile.gettempdir())) as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = named
            if environment is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = environment


def sweep(where: Path) -> None:
    """Clear up what killed runs of this user left in `where`, as far as that can be done."""
    with contextlib.suppress(OSError):
        with os.scandir(where) as entries:
            names = [entry.path for entry in entries if entry.name.startswith(_PREFIX)]
        for name in names:
            # What stands in one may name what no file can be called (ValueError).
            with contextlib.suppress(OSError, ValueError), interrupts_held():
                _sweep(Path(name))


def put_into_place(renames: Mapping[Path, Sequence[tuple[str, str]]]) -> None:
    """Rename what stands in temporary folders to where it belongs, beside each folder: all of it.

    What stood there is replaced. Where this process is killed meanwhile, the next `sweep` of each
    place makes the rest of its renames, but for targets that somebody else has changed since.

    Args:
        renames: of each folder made by `temporary_folder`, names in it and those they get.

    Raises:
        OSError: one cannot be made; those before it are undone, but for files that were replaced
            on a file system that cannot exchange two names.
    """
    marks = {
        folder: [(name, target, _mark(folder.parent / target)) for name, target in names]
        for folder, names in renames.items()
    }
    with interrupts_held(), contextlib.ExitStack() as undo:
        # One rename alone is made or not.
        if sum(map(len, marks.values())) > 1:
            for folder, marked in marks.items():
                _write_down(folder, marked)
        for folder, marked in marks.items():
            for name, target, _ in marked:
                undo.callback(_place(folder / name, folder.parent / target))
        undo.pop_all()


def _made(where: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that has its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=where))
        lock = _locked(folder, unless_it_cannot_be=False)
        # Who sweeps may have come between the two.
        if lock is not None:
            return folder, lock


def _locked(folder: Path, *, unless_it_cannot_be: bool) -> int | None:
    """A descriptor that has the folder's lock; None where another has it, or the folder is gone."""
    path = folder / _LOCK
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), os.stat(path)):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:  # a file system without locks
        if not unless_it_cannot_be:
            return lock
    os.close(lock)
    return None


def _remove(folder: Path, lock: int) -> None:
    with interrupts_held():
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(folder: Path) -> None:
    status = folder.lstat()
    # Not through another user's link, nor what another user may be changing.
    if not folder.is_dir() or folder.is_symlink() or status.st_uid != os.geteuid():
        return
    lock = _locked(folder, unless_it_cannot_be=True)
    if lock is not None:
        try:
            _make_the_rest(folder)
        finally:
            _remove(folder, lock)


def _write_down(folder: Path, marks: Sequence[tuple[str, str, _Mark]]) -> None:
    partial = folder / f"{_RENAMES}.part"
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(marks, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(folder / _RENAMES)


def _make_the_rest(folder: Path) -> None:
    try:
        # It may be a pipe, which nobody writes.
        with open(os.open(folder / _RENAMES, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            marks = parse_json(stream.read(_MOST_BYTES))
    except (FileNotFoundError, ValueError):
        return
    for entry in marks if isinstance(marks, list) else ():
        match entry:
            case [str(name), str(target), mark] if not {"/", "\0"} & {*name, *target}:
                pass
            case _:
                continue
        staged, place, aside = folder / name, folder.parent / target, folder / f"{name}.{_ASIDE}"
        # Another mark is that of the new one, in its place already, or of somebody else's.
        unchanged = _mark(place) == mark or (aside.exists() and not os.path.lexists(place))
        if unchanged and os.path.lexists(staged):
            _place(staged, place)


def _mark(path: Path) -> _Mark:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _place(staged: Path, target: Path) -> Callable[[], object]:
    """Rename; returns what undoes it."""
    if not os.path.lexists(target):
        staged.rename(target)
        return lambda: target.rename(staged)
    if _exchanged(staged, target):
        return lambda: _exchanged(staged, target)
    if not target.is_dir() or target.is_symlink():
        staged.replace(target)
        return lambda: None
    # No rename replaces a folder that holds anything.
    aside = target.rename(staged.with_name(f"{staged.name}.{_ASIDE}"))
    try:
        staged.rename(target)
    except OSError:
        aside.rename(target)
        raise

    def back() -> None:
        target.rename(staged)
        aside.rename(target)

    return back


@cache
def _renameat2() -> Any:
    """The C library's, or None where it has none: glibc before 2.28, musl."""
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two names at once; False where the system, or the file system, cannot."""
    call = _renameat2()
    if call is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(second))
