"""Photos that come at once on stdin or in a watched folder: workers share them while some wait."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.html_page import ParsedPage
from tests.support.pixel_model import write_pixel_model
from tests.support.running import Running
from tinyedge.system import INTERRUPTS

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is not shared")
_WAIT = "many photos wait: 1 thread in each of "


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_pixel_model(tmp_path / "m.tflite", labels=None)


def write_photos(folder: Path, count: int, side: int = 8) -> list[Path]:
    """Photos of one colour each, the later the newer; the last but nine is none."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(3)
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (side, side), tuple(map(int, random.integers(0, 256, 3)))).save(path)
        if number == count - 10:
            path.write_bytes(b"no photo")
        os.utime(path, ns=(0, 10**9 * (1_700_000_000 + number)))
    return paths


def run(stdin: bytes, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tinyedge", "run", *map(str, words)]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    texts = (done.stdout.decode(), done.stderr.decode())
    return subprocess.CompletedProcess(command, done.returncode, *texts)


def lines_of(paths: Sequence[Path], end: bytes = b"\n") -> bytes:
    return b"".join(os.fsencode(path) + end for path in paths)


def without_times(text: str) -> str:
    return re.sub(r'("milliseconds": )[\d.e-]+|[\d.]+( ms)', r"\1\2", text)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("end", [b"\n", b"\0"])
@pytest.mark.parametrize("words", [("--json", "--save", "copies"), ("--top", "2", "--min", "0.34")])
def test_paths_on_stdin_are_answered_as_by_one_process(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], end: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = lines_of(write_photos(tmp_path / "photos", 120), end) + lines_of(
        [tmp_path / "none.png", tmp_path / "photos" / "000.png"], end
    )
    command = (model, "-", *words)
    alone, copies = run(lines, *command, "--workers", 1), tmp_path / "copies"
    kept = files_of(copies) if "--save" in words else {}
    for path in copies.glob("*"):
        path.unlink()
    shared = run(lines, *command)
    assert alone.returncode == shared.returncode == 0
    assert without_times(shared.stdout) == without_times(alone.stdout)
    assert shared.stdout
    assert _WAIT in shared.stderr
    assert _WAIT not in alone.stderr
    assert (files_of(copies) if "--save" in words else {}) == kept
    said, told = (
        [line for line in done.stderr.splitlines()[1:] if _WAIT not in line]
        for done in (alone, shared)
    )
    # Times of inferences that ran beside others are no model's speed.
    assert re.fullmatch(r"120 answered, 2 skipped in .* s; median .* ms", said[2])
    assert re.fullmatch(r"120 answered, 2 skipped in [\d.]+ s", told[2])
    assert [*said[:2], *said[3:]] == [*told[:2], *told[3:]]


def test_few_paths_start_no_process(model: Path, tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "photos", 65)
    # The first is answered before it is known how many there are.
    assert _WAIT not in run(lines_of(paths[:64]), model, "-").stderr
    assert _WAIT in run(lines_of(paths), model, "-").stderr


def test_a_page_of_photos_that_were_shared_has_no_times(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    lines = lines_of(write_photos(tmp_path / "photos", 90))
    for words, timed in ((("--workers", 1), True), ((), False)):
        assert run(lines, model, "-", "--html", page, *words).returncode == 0
        parsed = ParsedPage(page.read_bytes())
        assert parsed.faults == []
        assert "89 photos answered" in parsed.text
        assert ("median inference" in parsed.text) == timed
        assert bool(re.search(r"\.png, [\d.]+ ms", parsed.text)) == timed


def test_after_many_each_is_answered_before_the_next_comes(model: Path, tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "photos", 100)
    images = [str(path) for path in paths if path != paths[-10]]
    with Running("run", model, "-", "--json") as command:
        command.type(lines_of(paths)[:-1].decode())
        assert [json.loads(command.answer())["image"] for _ in images] == images
        for path in paths[:3]:
            command.type(path)
            assert json.loads(command.answer())["image"] == str(path)
        code, stdout, stderr = command.end()
    assert (code, stdout) == (0, "")
    assert "\n102 answered, 1 skipped in " in stderr


def test_a_journal_of_stdin_goes_on(model: Path, tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "photos", 150)
    journal = tmp_path / "journal"
    words = (model, "-", "--json", "--journal", journal)
    # What comes first ends with an error: the journal stays.
    (tmp_path / "bad.png").write_bytes(b"no photo")
    lines = lines_of(paths[:80])
    first = run(lines, *words, tmp_path / "bad.png")
    assert first.returncode == 2
    second = run(lines_of(paths), *words, "--resume")
    assert second.returncode == 0, second.stderr
    assert "80 photos answered before, by " in second.stderr
    given = [json.loads(line)["image"] for line in (first.stdout + second.stdout).splitlines()]
    assert given == [str(path) for path in paths if path != paths[-10]]
    assert not journal.exists()


def _watching(model: Path, folder: Path, *words: object) -> Running:
    command = Running("run", model, "--watch", folder, "--interval", 0.1, "--json", *words)
    command.said(f"watching {folder}")
    return command


def _workers(pid: int) -> list[int]:
    """Not what multiprocessing runs beside them, which ends with the command."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [
        each for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()
    ]


def test_a_burst_in_a_watched_folder_is_answered_as_by_one_process(
    model: Path, tmp_path: Path
) -> None:
    folder, copies = tmp_path / "photos", tmp_path / "copies"
    paths = write_photos(folder, 130)
    words = ("--save", copies)
    done = run(b"", model, folder, "--json", "--workers", 1, *words)
    kept = files_of(copies)
    for path in copies.iterdir():
        path.unlink()
    journal = tmp_path / "journal"
    with _watching(model, folder, "--existing", "--journal", journal, *words) as command:
        answers = [command.answer() for _ in done.stdout.splitlines()]
        # Those that wait are answered: no process is left.
        deadline = time.monotonic() + 30
        while _workers(command.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        Image.new("RGB", (8, 8), (9, 200, 9)).save(paths[-10])
        assert json.loads(command.answer())["image"] == str(paths[-10])
        command.send(signal.SIGTERM)
        code, stdout, stderr = command.end()
    assert (code, stdout) == (0, "")
    assert _WAIT in stderr
    assert f"note: {paths[-10]} is not an image" in stderr
    assert without_times("".join(answers)) == without_times(done.stdout)
    assert {name: content for name, content in files_of(copies).items() if name in kept} == kept
    # The journal holds every one.
    with _watching(model, folder, "--existing", "--journal", journal) as command:
        Image.new("RGB", (8, 8), (9, 9, 200)).save(folder / "new.png")
        assert json.loads(command.answer())["image"] == str(folder / "new.png")


@pytest.mark.parametrize("number", INTERRUPTS)
def test_a_signal_to_all_processes_ends_a_burst_and_another_goes_on(
    model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """As a terminal sends Ctrl-C, and a service's manager SIGTERM."""
    folder = tmp_path / "photos"
    paths = write_photos(folder, 400)
    paths[-10].unlink()
    words = ("--existing", "--journal", tmp_path / "journal")
    with _watching(model, folder, *words) as command:
        answers = [command.answer() for _ in range(30)]
        pids = _workers(command.pid)
        command.send_to_all(number)
        code, stdout, stderr = command.end()
    assert code == 0, stderr
    assert re.fullmatch(r"(many photos wait: .*\n)?", stderr)
    assert stdout == "" or stdout.endswith("\n")
    answers += stdout.splitlines()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    with _watching(model, folder, *words) as command:
        answers += [command.answer() for _ in range(399 - len(answers))]
        command.send(signal.SIGTERM)
        code, stdout, _ = command.end()
    assert (code, stdout) == (0, "")
    given = [json.loads(answer)["image"] for answer in answers]
    assert given == [str(path) for path in paths if path != paths[-10]]
