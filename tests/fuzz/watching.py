"""Target: the journal of a watched folder."""

import json
from collections.abc import Iterator

from tests.fuzz.lists import photo_folder
from tests.fuzz.mutators import mutate_lines
from tests.fuzz.target import Target, written
from tinyedge.images.watch import FolderWatch
from tinyedge.journal import open_journal

_SUBJECT = "/photos"
_ENTRY = {"name": "answered.png", "inode": 7, "size": 3}


def _read_journal(content: bytes) -> None:
    """A watch goes on by it, and what is then written into it is there the next time."""
    path = written("fuzzed.journal", content)
    with open_journal(path, _SUBJECT) as journal:
        known = list(journal.entries)
        watch = FolderWatch(photo_folder(), existing=True, known=known)
        watch.look()
        json.dumps(list(watch.entries()), allow_nan=False)
        journal.append(_ENTRY)
    with open_journal(path, _SUBJECT) as journal:
        if list(journal.entries) != [*known, _ENTRY]:
            raise AssertionError("what was read and written is not there again")


def _journal_seeds() -> Iterator[bytes]:
    path = written("seed.journal", b"")
    watch = FolderWatch(photo_folder())
    with open_journal(path, _SUBJECT, watch.entries):
        pass
    good = path.read_bytes()
    yield good
    yield good + b'{"name": "cut of'
    yield good + b"\nno JSON\n[1]\n{}\n"
    yield good.replace(_SUBJECT.encode(), b"/other")
    yield b""
    yield good + b"[" * 2000 + b"\n" + b"9" * 5000 + b"\n"


TARGETS = (
    Target(
        name="journal",
        read=_read_journal,
        seeds=_journal_seeds,
        words=('{"schema": "tinyedge.journal/1", "of": "/photos"}\n', '"name": ', "null", "\n"),
        largest=2048,
        mutate=mutate_lines,
    ),
)
