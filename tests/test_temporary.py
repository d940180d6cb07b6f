"""What a run leaves that is killed anywhere, and what the next one makes of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import Running
from tinyedge import temporary
from tinyedge.files import write_together
from tinyedge.temporary import OnDisk, own_temporaries, put_into_place, sweep, temporary_folder


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_waits_on_disk_has_no_name_and_is_read_as_often_as_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = bytes(range(256)) * 1000
    waiting = OnDisk(content)
    assert everything_in(tmp_path) == []
    assert waiting.read() == waiting.read() == content


# Writes over two files and a folder, of which each attempt has new ones, and is sent a signal at
# the n-th line that the code which writes executes, for every n until there is none.
_EVERYWHERE = """
import json, os, shutil, signal, sys
from pathlib import Path
from tinyedge import files, temporary
from tinyedge.system import Interrupted, interruptible

root, number, exchange = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "exchange"
if not exchange:
    temporary._exchanged = lambda first, second: False
ours = {files.__file__, temporary.__file__}

def contents(folder, word):
    return {
        folder / "a": word, folder / "new": word, folder / "b": word,
        folder / "model": {"x": word, word.decode(): word},
    }

def states(folder):
    found = {}
    for name in ("a", "b", "new"):
        path = folder / name
        found[name] = path.read_text() if path.exists() else None
    model = folder / "model"
    texts = {path.name: path.read_text() for path in model.iterdir()} if model.exists() else {}
    found["model"] = texts.pop("x", None)
    found["whole"] = texts == {found["model"]: found["model"]} or not model.exists()
    return found

def attempt(folder, n):
    left = [n]
    def trace(frame, event, argument):
        if frame.f_code.co_filename not in ours:
            return None
        left[0] -= event == "line"
        if not left[0]:
            sys.settrace(None)
            os.kill(os.getpid(), number)
        return trace
    code = 0
    try:
        with interruptible():
            sys.settrace(trace)
            files.write_together(contents(folder, b"new"))
            sys.settrace(None)
    except Interrupted:
        code = 128 + number
    return code if left[0] <= 0 else 77

n = 0
while True:
    n += 1
    folder = root / str(n)
    folder.mkdir()
    old = contents(folder, b"old")
    del old[folder / "new"]
    files.write_together(old)
    pid = os.fork()
    if not pid:
        sys.settrace(None)
        os._exit(attempt(folder, n))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == 77:
        break
    before, strays = states(folder), [name for name in os.listdir(folder) if name[0] == "."]
    temporary.sweep(folder)
    after = states(folder)
    print(json.dumps([status, before, len(strays), after, sorted(os.listdir(folder))]))
    shutil.rmtree(folder)
"""


def everywhere(tmp_path: Path, number: int, how: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", _EVERYWHERE, tmp_path, str(number), how],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 100
    return found


def words(state: dict[str, Any]) -> set[str]:
    """The states there are; what was not there before and is not there now is old."""
    return {state["a"], state["b"], state["model"], state["new"] or "old"}


@pytest.mark.long
@pytest.mark.parametrize("how", ["exchange", "without"])
def test_killed_at_any_line_every_file_is_whole_and_the_next_run_completes_the_set(
    tmp_path: Path, how: str
) -> None:
    mixed = 0
    for status, before, _, after, names in everywhere(tmp_path, signal.SIGKILL, how):
        assert status == -signal.SIGKILL
        assert before["whole"]
        # Without an exchange a folder is away for a moment.
        assert words(before) <= {"old", "new", *([None] if how == "without" else [])}  # type: ignore[list-item]
        mixed += len(words(before)) > 1
        assert after["whole"]
        assert words(after) in ({"old"}, {"new"})
        assert names == ["a", "b", "model", *(["new"] if after["new"] else [])]
    # Else it was never killed where it matters.
    assert mixed > 3


@pytest.mark.long
@pytest.mark.parametrize("how", ["exchange", "without"])
@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_interrupted_at_any_line_it_is_all_or_nothing_at_once(
    tmp_path: Path, number: signal.Signals, how: str
) -> None:
    strays = []
    for status, before, left, after, _ in everywhere(tmp_path, number, how):
        assert status == 128 + number
        assert before == after
        assert words(before) in ({"old"}, {"new"})
        strays.append(left)
    # Python may raise between the end of a call and the line behind it.
    assert sum(strays) <= 2


def test_those_of_the_living_and_of_others_are_left_alone(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom tinyedge.temporary import temporary_folder\n"
        f"with temporary_folder(Path({str(tmp_path)!r})) as folder:\n"
        "    (folder / 'content').touch()\n    print(folder, file=sys.stderr, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    strange = tmp_path / ".tinyedge-strange"
    (tmp_path / "other").mkdir()
    strange.symlink_to("other")
    (tmp_path / ".tinyedge-file").touch()
    with Running(program=program) as living:
        folder = Path(living.said("").strip())
        with temporary_folder(tmp_path) as mine:
            sweep(tmp_path)
            assert {folder, mine, strange} < set(tmp_path.iterdir())
        assert everything_in(folder) == ["content", "lock"]
        living.send(signal.SIGKILL)
        living.end()
        assert folder.exists()
        # Whatever is written there next.
        write_together({tmp_path / "output": b""})
    assert sorted(os.listdir(tmp_path)) == [
        ".tinyedge-file",
        ".tinyedge-strange",
        "other",
        "output",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user")
def test_another_users_are_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / ".tinyedge-1-x"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    sweep(tmp_path)
    assert theirs.exists()


def write_until_killed(folder: Path, names: Sequence[str]) -> None:
    """Write files of these paths together, in a process that is killed before b is in its place."""
    program = (
        "import os, signal\nfrom pathlib import Path\nfrom tinyedge import files, temporary\n"
        "place = temporary._place\n"
        "def killed(staged, target):\n"
        "    if target.name == 'b':\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return place(staged, target)\n"
        "temporary._place = killed\n"
        f"folder = Path({str(folder)!r})\n"
        f"files.write_together({{folder / name: b'new' for name in {tuple(names)!r}}})\n"
    )
    with Running(program=program) as writer:
        assert writer.end()[0] == -signal.SIGKILL


def test_what_somebody_else_wrote_since_is_not_overwritten(tmp_path: Path) -> None:
    """A set half in place, of which a user changed one file before the next run."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("old")
    write_until_killed(tmp_path, ("a", "b", "c"))
    assert [(tmp_path / name).read_text() for name in "abc"] == ["new", "old", "old"]
    (tmp_path / "b").write_text("mine!")
    sweep(tmp_path)
    assert [(tmp_path / name).read_text() for name in "abc"] == ["new", "mine!", "new"]
    assert everything_in(tmp_path) == ["a", "b", "c"]


def test_a_rename_that_fails_undoes_those_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in other folders, too."""
    (tmp_path / "a").write_text("old")
    (tmp_path / "z").mkdir()
    place = temporary._place

    def failing(staged: Path, target: Path) -> Any:
        if target.name == "c":
            raise OSError(28, "No space left on device")
        return place(staged, target)

    monkeypatch.setattr(temporary, "_place", failing)
    with pytest.raises(OSError, match="No space left"):
        write_together({tmp_path / name: b"new" for name in ("a", "b", "z/c", "z/d")})
    assert everything_in(tmp_path) == ["a", "z"]
    assert (tmp_path / "a").read_text() == "old"


def test_killed_between_two_folders_each_is_completed_by_the_next_that_writes_there(
    tmp_path: Path,
) -> None:
    write_until_killed(tmp_path, ("x/a", "y/b"))
    assert (tmp_path / "x" / "a").exists()
    assert not (tmp_path / "y" / "b").exists()
    for folder in ("x", "y"):
        sweep(tmp_path / folder)
    assert everything_in(tmp_path) == ["x", "x/a", "y", "y/b"]


_NONE = (
    '[["../a", "../b", null], 3, [1, 2, 3], ["\\u0000", "x", null], ["\\ud800", "\\ud800", null]]'
)


def test_a_record_that_is_none_harms_nobody(tmp_path: Path) -> None:
    for number, text in enumerate(("", "[", "3", "[" * 100_000, _NONE)):
        stale = tmp_path / f".tinyedge-1-{number}"
        stale.mkdir()
        (stale / "renames.json").write_text(text)
    (tmp_path / ".tinyedge-1-pipe").mkdir()
    os.mkfifo(tmp_path / ".tinyedge-1-pipe" / "renames.json")
    (tmp_path / "a").write_text("mine")
    sweep(tmp_path)
    assert everything_in(tmp_path) == ["a"]


def test_all_temporaries_of_a_command_are_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with own_temporaries():
        Path(tempfile.mkdtemp()).joinpath("left").touch()
        subprocess.run(["mktemp"], check=True, stdout=subprocess.DEVNULL)
        (folder,) = tmp_path.iterdir()
        assert folder.name.startswith(f".tinyedge-{os.getpid()}-")
        assert len(list(folder.iterdir())) == 3
    assert everything_in(tmp_path) == []
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp_path)


def test_a_name_may_be_as_long_as_the_system_lets_it(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as folder:
        (folder / "0").touch()
        put_into_place({folder: [("0", "n" * 255)]})
    assert everything_in(tmp_path) == ["n" * 255]
