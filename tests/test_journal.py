"""A journal that is cut short, taken twice, or another's."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.running import Running
from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.journal import Entry, open_journal

HEADER = '{"schema": "tinyedge.journal/1", "of": "it"}\n'


def entries(path: Path, *more: Entry, first: Sequence[Entry] = ()) -> list[Entry]:
    """What it holds when it is opened; then more is written."""
    with open_journal(path, "it", lambda: first) as journal:
        for entry in more:
            journal.append(entry)
        assert journal.lines == len(journal.entries) + len(more)
        return journal.entries


def test_what_is_appended_is_there_at_the_next_opening(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    some: list[Entry] = [{"image": os.fsdecode(b"\xff\n"), "size": 2**63, "born": None}]
    assert entries(path, {"b": 1}, {"c": "\u2028"}, first=some) == some
    assert entries(path, first=[{"never": 1}]) == [*some, {"b": 1}, {"c": "\u2028"}]
    assert path.read_text().startswith(HEADER)
    assert [json.loads(line) for line in path.read_text().splitlines()][2] == {"b": 1}


@pytest.mark.parametrize("cut", range(1, len('{"b": 2}\n')))
def test_a_line_cut_short_is_dropped_and_the_next_stands_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal"
    entries(path, {"a": 1}, {"b": 2})
    os.truncate(path, path.stat().st_size - cut)
    assert entries(path, {"c": 3}) == [{"a": 1}]
    assert entries(path) == [{"a": 1}, {"c": 3}]


def test_lines_that_are_none_are_counted_aloud(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    junk = b'\0\0\0\n[1]\n{"a": [1]}\n{"a": 1' + b"1" * 5000 + b"}\n" + b"[" * 10**5 + b"\n\xff\n"
    path.write_bytes(HEADER.encode() + b'{"a": 1}\n' + junk + b'{"b": 2}\n')
    with pytest.warns(TinyedgeWarning, match="journal: 6 lines of it cannot be read"):
        assert entries(path) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("content", [b"", b"something else\n", b"\xff\xfe", b'{"schema": "x/1"}\n'])
def test_a_file_that_is_no_journal_is_left_alone_unless_it_is_empty(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    if not content:
        assert entries(path, first=[{"a": 1}]) == [{"a": 1}]
        return
    with pytest.raises(DatasetError, match="is no journal that tinyedge wrote: name another file"):
        entries(path)
    assert path.read_bytes() == content


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(DatasetError, match="is no file that a journal can be kept in"):
        entries(fifo)
    with pytest.raises(IsADirectoryError):
        entries(tmp_path)


def test_it_is_anothers_while_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom tinyedge.journal import open_journal\n"
        f"with open_journal(Path({str(path)!r}), 'it') as journal:\n"
        "    journal.rewrite([{'a': 1}])\n"
        "    print('open', file=sys.stderr, flush=True)\n    sys.stdin.read()\n"
    )
    with Running(program=program) as other:
        other.said("open")
        with pytest.raises(DatasetError, match="another tinyedge keeps this journal now"):
            entries(path)
        assert other.end() == (0, "", "")
    assert entries(path) == [{"a": 1}]


def test_a_rewrite_leaves_what_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with open_journal(path, "it") as journal:
        for number in range(5):
            journal.append({"a": number})
        journal.rewrite([{"a": 4}])
        journal.append({"b": 1})
        assert journal.lines == 2
    assert entries(path) == [{"a": 4}, {"b": 1}]
    assert os.listdir(tmp_path) == ["journal"]


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "journal"
    with open_journal(path, "it") as journal:
        journal.append({"a": 1})
        size = path.stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, hard))
        try:
            with pytest.raises(OSError, match="File too large") as refusal:
                journal.append({"b": 2})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert refusal.value.filename == str(path)
        assert path.stat().st_size == size
        journal.append({"c": 3})
    assert entries(path) == [{"a": 1}, {"c": 3}]


def test_what_anothers_journal_says_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text('{"schema": "tinyedge.journal/1", "of": "a\\nb"}\n')
    with (
        pytest.raises(DatasetError, match=r"is the journal of 'a\\nb', not of /photos"),
        open_journal(path, "/photos"),
    ):
        pass
