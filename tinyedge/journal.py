"""An append-only record of what has been done, so that whoever starts anew does none of it twice.

A file of JSON, a line an entry; the first line says of what it is the journal. An entry is written
with one call and flushed to the disk (fdatasync) before `Journal.append` returns: neither a killed
process nor a power cut loses one. What either leaves of a line that was being written is cut off
when the journal is opened.
"""

import contextlib
import fcntl
import json
import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.files import write_together
from tinyedge.text import counted, shortened

__all__ = ["Entry", "Journal", "open_journal", "open_resumable"]

Entry = Mapping[str, str | int | None]

_SCHEMA = "tinyedge.journal/1"
# Of millions of photos.
_MOST_BYTES = 2**30


class Journal:
    """A journal that is open and locked; see `open_journal`.

    Attributes:
        entries: what it held when it was opened, in its order.
        lines: how many entries it holds now.
    """

    def __init__(self, path: Path, subject: str, descriptor: int) -> None:
        self._path = path
        self._subject = subject
        self._descriptor = descriptor
        self.entries = self._read()
        self.lines = len(self.entries)

    def append(self, entry: Entry) -> None:
        """Add an entry, which is on the disk then.

        Raises:
            OSError: it cannot be written; the journal is as it was.
        """
        line = _line(entry)
        before = os.fstat(self._descriptor).st_size
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fdatasync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self.lines += 1

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Have it hold these entries alone; a reader sees the old journal or the new one.

        Raises:
            OSError: it cannot be written; the journal is as it was.
        """
        kept = list(entries)
        _write(self._path, self._subject, kept)
        descriptor = _locked(self._path)
        os.close(self._descriptor)
        self._descriptor, self.lines = descriptor, len(kept)

    def close(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)

    def _read(self) -> list[Entry]:
        with open(self._descriptor, "rb", closefd=False) as stream:
            if os.fstat(self._descriptor).st_size > _MOST_BYTES:
                raise DatasetError(
                    f"{self._path}: more than {_MOST_BYTES:,} bytes, the most that a journal may"
                    " have"
                )
            # It is a file, whose lock is ours: not with a limit, which Python would take in memory.
            content = stream.read()
        whole = content.rfind(b"\n") + 1
        header, *lines = content[:whole].split(b"\n")
        begins = _parsed(header)
        if begins is None or begins.get("schema") != _SCHEMA:
            raise DatasetError(f"{self._path} is no journal that tinyedge wrote: name another file")
        if (of := begins.get("of")) != self._subject:
            shown = of if isinstance(of, str) and of.isprintable() else shortened(of)
            raise DatasetError(
                f"{self._path} is the journal of {shown}, not of {self._subject}: name another file"
            )
        if whole < len(content):
            os.ftruncate(self._descriptor, whole)
        entries = [_parsed(line) for line in lines if line]
        found: list[Entry] = [entry for entry in entries if entry is not None]
        if len(found) < len(entries):
            warnings.warn(
                f"{self._path}: {counted(len(entries) - len(found), 'line')} of it cannot be read",
                TinyedgeWarning,
                stacklevel=2,
            )
        return found


@contextlib.contextmanager
def open_journal(
    path: Path, subject: str, first: Callable[[], Iterable[Entry]] = tuple
) -> Iterator[Journal]:
    """Open a journal, or begin it where there is none; nobody else has it while the block runs.

    Args:
        path: its file; the folder must be there.
        subject: of what it is the journal, such as a folder's full path.
        first: makes the entries that a new journal begins with.

    Raises:
        DatasetError: the file is another one's journal, or none; or somebody has it open.
        OSError: it cannot be read or written.
    """
    # A power cut may leave a file without its content.
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        _write(path, subject, first())
    descriptor = _locked(path)
    try:
        journal = Journal(path, subject, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    with contextlib.closing(journal):
        yield journal


@contextlib.contextmanager
def open_resumable(
    path: Path, kind: str, facts: Mapping[str, str], *, resume: bool
) -> Iterator[Journal]:
    """The journal of work that comes to an end, by its facts; its entries are those of the work.

    Args:
        path: its file; the folder must be there.
        kind: of work, such as ``comparison``.
        facts: what makes two works the same, by what to call it.
        resume: go on with what it holds; else it begins anew.

    Raises:
        DatasetError: it is no journal of such work, or of another one; or somebody has it open.
        OSError: it cannot be read or written.
    """
    first: list[Entry] = [{"what": name, "is": value} for name, value in facts.items()]
    with open_journal(path, f"a {kind}", lambda: first) as journal:
        begins = {
            str(entry.get("what")): entry.get("is") for entry in journal.entries[: len(first)]
        }
        changed = [name for name, value in facts.items() if begins.get(name) != value]
        if resume and changed:
            raise DatasetError(
                f"{path} is of another {kind}: {' and '.join(changed[:2])} changed since; begin"
                " anew without --resume"
            )
        if not resume:
            journal.rewrite(first)
        journal.entries = journal.entries[len(first) :] if resume else []
        yield journal


def _write(path: Path, subject: str, entries: Iterable[Entry]) -> None:
    lines = [_line({"schema": _SCHEMA, "of": subject}), *map(_line, entries)]
    write_together({path: b"".join(lines)})


def _locked(path: Path) -> int:
    """A descriptor of the file, which reads and appends, and has its lock.

    Raises:
        DatasetError: it is no file, or another process has its lock.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise DatasetError(f"{path} is no file that a journal can be kept in")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatasetError(
                    f"{path}: another tinyedge keeps this journal now: end it, or name another file"
                ) from None
            except OSError:
                pass  # a file system without locks
            # Who had it may have put another file in its place meanwhile.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _line(entry: Entry) -> bytes:
    # Names that are no UTF-8 stand in it as Python's surrogates, escaped.
    return json.dumps(entry).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, str | int | None] | None:
    """The line's object where all its values are of an entry's types, else None."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return found if all(isinstance(v, str | int | None) for v in found.values()) else None
