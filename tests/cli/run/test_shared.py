"""``tinyedge run`` over many photos: by many processes, or taken up again."""

import json
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import run_as_user, watched
from tests.support.html_page import ParsedPage
from tests.support.interrupted import interrupted
from tests.support.pixel_model import write_pixel_model
from tests.support.running import Running

needs_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is not shared")


def write_photos(folder: Path, count: int, side: int = 8) -> Path:
    """Photos of one colour each, all different, and one that is none."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(2)
    for number in range(count):
        colour = tuple(map(int, random.integers(0, 256, 3)))
        Image.new("RGB", (side, side), colour).save(folder / f"{number:03}.png")
    (folder / "050.jpg").write_bytes(b"no photo")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_pixel_model(tmp_path / "m.tflite", labels=None)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("rojo\nverde\nazul\n")
    return path


def without_times(text: str) -> str:
    """Of JSON or text, but for what is never the same twice."""
    return re.sub(r'("milliseconds": )[\d.e-]+|[\d.]+( ms)', r"\1\2", text)


@needs_cores
@pytest.mark.parametrize("words", [("--json", "--save", "copies"), ("--top", "2", "--min", "0.34")])
def test_workers_answer_as_one_process_does(
    model: Path, labels: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder = write_photos(tmp_path / "photos", 70)
    none = tmp_path / "notes.txt"
    none.write_text("no photo")
    command = ("run", model, none, folder, f"{folder}/00?.png", "--labels", labels, *words)
    done, copies = [], []
    for workers in (1, 2):
        done.append(run_as_user(*command, "--workers", workers, cwd=tmp_path))
        copies.append({path.name: path.read_bytes() for path in tmp_path.glob("copies/*")})
    alone, shared = done
    assert alone.returncode == shared.returncode == 2
    assert without_times(shared.stdout) == without_times(alone.stdout)
    assert "verde" in shared.stdout
    assert copies[0] == copies[1]
    assert len(copies[0]) == (70 if "--save" in words else 0)
    said, told = ([*each.stderr.splitlines()] for each in done)
    assert said[0].endswith(", 1 thread") or said[0].endswith(" threads")
    assert told[0].endswith(", 1 thread in each of 2 workers")
    # Times of inferences that ran beside others are no model's speed.
    assert re.fullmatch(r"80 answered, 1 skipped, 1 error in .* s; median .* ms", said[3])
    assert re.fullmatch(r"80 answered, 1 skipped, 1 error in .* s", told[3])
    assert [*said[1:3], *said[4:]] == [*told[1:3], *told[4:]]


@needs_cores
@pytest.mark.parametrize(("count", "shared"), [(62, False), (63, True)])
def test_few_photos_start_no_process(
    model: Path, tmp_path: Path, count: int, *, shared: bool
) -> None:
    folder = write_photos(tmp_path / "photos", count)
    done, modules = watched(tmp_path, "run", model, folder, "--json")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, count)
    assert (" workers\n" in done.stderr) == shared
    assert ("multiprocessing" in modules) == ("concurrent" in modules) == shared


@needs_cores
def test_a_page_of_shared_photos_has_no_times(model: Path, tmp_path: Path) -> None:
    folder, page = write_photos(tmp_path / "photos", 66), tmp_path / "page.html"
    texts = []
    for workers in (1, 2):
        done = run_as_user("run", model, folder, "--html", page, "--workers", workers)
        assert done.returncode == 0, done.stderr
        parsed = ParsedPage(page.read_bytes())
        assert parsed.faults == []
        assert "66 photos answered" in parsed.text
        texts.append(parsed.text)
    assert ["median inference" in text for text in texts] == [True, False]
    assert [bool(re.search(r"\.png, [\d.]+ ms", text)) for text in texts] == [True, False]


@needs_cores
def test_workers_answer_a_path_on_stdin_before_the_next_comes(model: Path, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", 3)
    with Running("run", model, "-", "--json", "--workers", 2) as command:
        for name in ("002.png", "000.png"):
            command.type(folder / name)
            assert json.loads(command.answer())["image"] == str(folder / name)
        command.type(folder / "none.png")
        command.said("skipped: ")
        code, stdout, stderr = command.end()
    assert (code, stdout) == (0, "")
    assert stderr.startswith("2 answered, 1 skipped in ")


@needs_cores
def test_what_is_wrong_in_the_midst_comes_after_the_answers_before_it(
    model: Path, tmp_path: Path
) -> None:
    """Copies that cannot be written from some photo on."""
    folder = write_photos(tmp_path / "photos", 20)
    copies = tmp_path / "copies"
    words = ("run", model, folder, "--save", copies, "--json", "--workers")
    assert run_as_user(*words, 1).returncode == 0
    # A folder stands where the copy of the twelfth would go.
    (copy,) = copies.glob("011-*")
    copy.unlink()
    (copy / "full").mkdir(parents=True)
    for workers in (1, 2):
        done = run_as_user(*words, workers)
        assert done.returncode == 2
        images = [Path(json.loads(line)["image"]).name for line in done.stdout.splitlines()]
        assert images == [f"{number:03}.png" for number in range(11)]
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert str(copy) in done.stderr
        assert "Traceback" not in done.stderr


def test_more_workers_than_cores_are_refused(model: Path, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", 2)
    cores = len(os.sched_getaffinity(0))
    done = run_as_user("run", model, folder, "--workers", cores + 1)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"workers of 1 threads each are more than the {cores} cores there are" in done.stderr


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """200 photos that take a while to decode, each of its own."""
    folder = tmp_path / "slow"
    folder.mkdir()
    noise = np.random.default_rng(1).integers(0, 256, (700, 700, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png", compress_level=1)
    for number in range(200):
        os.link(tmp_path / "noise.png", folder / f"{number:03}.png")
    return folder


def names(lines: str) -> list[str]:
    return [Path(json.loads(line)["image"]).name for line in lines.splitlines()]


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=needs_cores)])
def test_ctrl_c_shows_what_is_known_and_resume_goes_on(
    model: Path, slow: Path, tmp_path: Path, workers: int
) -> None:
    journal, answers, copies = (tmp_path / name for name in ("j", "answers", "copies"))
    answers.touch()
    words = ("run", model, slow, "--json", "--journal", journal, "--save", copies)
    more: tuple[str, ...] = ()
    for seen in (20, 60):
        code, _, said = interrupted(
            *(*words, "--workers", workers, *more),
            when=lambda seen=seen: answers.read_text().count("\n") >= seen,  # type: ignore[misc]
            stdout=answers,
        )
        assert code == 130, said
        assert "Traceback" not in said
        found = re.search(r"^so far (\d+) of (\d+): \1 answered in .* s", said, re.MULTILINE)
        assert found, said
        assert said.splitlines()[-2:] == [
            f"go on with --resume: {journal} holds what was answered",
            "ended by SIGINT",
        ]
        # Nothing half made.
        assert not [name for name in os.listdir(copies) if name.startswith(".")]
        assert len(journal.read_text().splitlines()) == 6 + len(names(answers.read_text()))
        more = ("--resume",)
    before = len(names(answers.read_text()))
    # Not by as many as before.
    done = run_as_user(*words, "--resume", *(("--workers", 1) if workers == 2 else ()))
    assert done.returncode == 0, done.stderr
    assert f"{before} photos answered before, by {journal}" in done.stderr
    assert f"\n{200 - before} answered in " in done.stderr
    assert names(answers.read_text() + done.stdout) == [f"{number:03}.png" for number in range(200)]
    assert not journal.exists()


def test_what_has_changed_is_answered_anew_or_refused(model: Path, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", 6)
    journal = tmp_path / "j"
    # A photo that is named and none keeps the journal: it is to be gone on with.
    (folder / "050.jpg").rename(tmp_path / "none.jpg")
    words = ("run", model, folder, tmp_path / "none.jpg", "--json", "--journal", journal)
    done = run_as_user(*words)
    assert (done.returncode, len(names(done.stdout))) == (2, 6)
    kept = journal.read_bytes()
    assert run_as_user(*words, "--resume").stdout == ""
    assert journal.read_bytes() == kept
    refused = [
        (("--top", 1), "--top, --min or --save"),
        (("--fit", "crop"), "how photos are given to the model"),
        (("--labels", tmp_path / "names"), "the class names"),
    ]
    (tmp_path / "names").write_text("a\nb\nc\n")
    for more, changed in refused:
        done = run_as_user(*words, "--resume", *more)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"error: {journal} is of another run: {changed} changed since; begin" in done.stderr
        assert journal.read_bytes() == kept
    Image.new("RGB", (9, 9), "red").save(folder / "002.png")
    (folder / "003.png").rename(folder / "in another place.png")
    Image.new("RGB", (9, 9), "red").save(tmp_path / "none.jpg")
    assert names(run_as_user(*words, "--resume").stdout) == [
        "002.png",
        "in another place.png",
        "none.jpg",
    ]
    assert not journal.exists()
    journal.write_bytes(kept)
    write_pixel_model(model, labels=("a", "b", "c"))
    done = run_as_user(*words, "--resume")
    assert f"{journal} is of another run: the model, m.tflite and the class names" in done.stderr
    # Without --resume it begins anew.
    assert len(names(run_as_user(*words).stdout)) == 7
    assert not journal.exists()


def test_a_photo_that_is_named_twice_is_answered_twice(model: Path, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", 2)
    journal, none = tmp_path / "j", folder / "050.jpg"
    photo = folder / "001.png"
    assert run_as_user("run", model, photo, none, "--journal", journal).returncode == 2
    done = run_as_user("run", model, photo, photo, "--journal", journal, "--resume", "--json")
    assert names(done.stdout) == ["001.png"]
    assert done.returncode == 0


def test_a_journal_is_no_file_that_is_read_nor_another_ones(model: Path, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", 2)
    photo = folder / "001.png"
    for journal, said in (
        (model, "is read by this command and would be lost"),
        (photo, "is read by this command and would be lost"),
        (folder / "000.png", "is no journal that tinyedge wrote: name another file"),
    ):
        before = journal.read_bytes()
        done = run_as_user("run", model, photo, "--journal", journal)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert journal.read_bytes() == before


def test_a_kill_costs_no_answer(model: Path, slow: Path, tmp_path: Path) -> None:
    """What was printed before SIGKILL is in the journal, but for the last one perhaps."""
    journal = tmp_path / "j"
    words = ("run", model, slow, "--json", "--journal", journal, "--workers", 1)
    with Running(*words) as command:
        seen = [command.answer() for _ in range(12)]
    assert len(journal.read_text().splitlines()) >= 6 + 11
    done = run_as_user(*words, "--resume")
    assert done.returncode == 0
    times = Counter(names("".join(seen) + done.stdout))
    # Some may have been printed that were not read here.
    assert max(times.values()) <= 2
    assert sum(count == 2 for count in times.values()) <= 1
