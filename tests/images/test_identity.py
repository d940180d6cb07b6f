"""The rule by which a file is known again, on states as file systems give them."""

import os
from pathlib import Path

import pytest

from tinyedge.images.identity import (
    AbsentFiles,
    FileState,
    KnownFile,
    birth,
    has_stayed,
    state_at,
)

WAS = FileState(device=1, inode=5, size=100, modified=1000, changed=1000)


@pytest.mark.parametrize(
    ("now", "born", "stays", "comes_back", "moves"),
    [
        # Another device, and who may read it, are nothing to it.
        ({"device": 2, "changed": 2000}, 7, True, True, True),
        ({"device": 2, "changed": 2000}, None, True, True, True),
        # Touched, or rewritten.
        ({"modified": 2000}, 7, True, True, True),
        ({"size": 90, "modified": 2000}, 7, True, True, True),
        ({"modified": 2000}, None, True, False, False),
        ({"size": 90, "modified": 2000}, None, False, False, False),
        # A file system that makes inodes up, mounted again.
        ({"inode": 6}, 7, True, True, True),
        ({"inode": 6}, None, True, True, False),
        # Another file, which may have its inode, or all that a copy has.
        ({"modified": 2000}, 8, False, False, False),
        ({}, 8, False, False, False),
        ({"inode": 6, "modified": 2000}, 7, False, False, False),
        ({"inode": 6, "modified": 2000}, None, False, False, False),
    ],
)
def test_what_is_the_same_file(
    now: dict[str, int], born: int | None, stays: bool, comes_back: bool, moves: bool
) -> None:
    was, state = KnownFile(WAS, None if born is None else 7), WAS._replace(**now)
    assert has_stayed(was, state, born) is stays
    for name, expected in (("a.jpg", comes_back), ("b.jpg", moves)):
        absent = AbsentFiles()
        absent.add("a.jpg", was)
        assert absent.take(name, state, born) == (("a.jpg", was) if expected else None)
        # It is absent no more.
        assert len(absent) == (not expected)
        assert absent.take(name, state, born) is None


def test_of_two_that_are_alike_both_are_found() -> None:
    absent = AbsentFiles()
    files = [KnownFile(WAS._replace(inode=inode), 7) for inode in (1, 2)]
    for file in files:
        absent.add("a.jpg", file)
    assert [absent.take("a.jpg", file.state, 7) for file in files] == [
        ("a.jpg", file) for file in files
    ]


def test_a_time_of_birth_is_that_of_the_inode_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "a.jpg")
    Path(path).write_bytes(b"x")
    inode = state_at(path).inode
    born = birth(path, inode)
    assert birth(path, inode + 1) is birth(path + "none", inode) is None
    os.utime(path, (1, 1))
    assert birth(path, inode) == born
