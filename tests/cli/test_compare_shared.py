"""Comparisons that many processes share, or that are taken up again: the same to the last digit."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import run_as_user
from tests.support.interrupted import interrupted
from tests.support.linear_model import Rows, write_linear_model
from tinyedge.files import file_sha256

SIDE = 12
FLOAT: Rows = tuple(
    tuple(float(np.sin(3 * row + 5 * column)) for column in range(4)) for row in range(SIDE)
)
COARSE: Rows = tuple(tuple(round(2 * weight) / 2 for weight in row) for row in FLOAT)
BLUNT: Rows = tuple(tuple(float(round(weight)) for weight in row) for row in FLOAT)


def models(folder: Path) -> list[Path]:
    """A float model and two that round its weights, which see a row of pixels."""
    return [
        write_linear_model(folder / "f.tflite", FLOAT),
        write_linear_model(folder / "a.tflite", COARSE, quantization="int8"),
        write_linear_model(folder / "b.tflite", BLUNT, quantization="int8"),
    ]


def photos(folder: Path, count: int, side: int = 40) -> Path:
    """Grey photos of noise in a folder a class, one of them broken."""
    random = np.random.default_rng(4)
    for number in range(count):
        path = folder / str(number % 4) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = random.integers(0, 256, (side, side), np.uint8)
        Image.fromarray(noise).save(path, compress_level=1)
    (folder / "2" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def numbers(text: str) -> Any:
    """What a comparison printed, but for what is never the same twice."""
    found = json.loads(text)
    del found["milliseconds"], found["made"]
    for each in found["models"]:
        del each["milliseconds"]
    return found


def compared(folder: Path, data: Path, *words: object) -> Any:
    done = run_as_user("compare", *models(folder), "--data", data, "--json", *words)
    assert done.returncode in (0, 1, 3), done.stderr
    return numbers(done.stdout)


@pytest.mark.long
def test_workers_count_as_one_process_does(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", 90)
    table, shared = tmp_path / "one.csv", tmp_path / "two.csv"
    budget = ("--max-kl", 0.02)
    alone = compared(tmp_path, data, "--workers", 1, "--csv", table, *budget)
    assert alone["images"] == 90
    assert len(alone["skipped"]) == 1
    assert compared(tmp_path, data, "--workers", 2, "--csv", shared, *budget) == alone
    assert table.read_bytes() == shared.read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.journal")) == []


def test_each_of_several_files_is_what_it_is_alone(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", 40)
    words = ("--data", data, "--json", "--max-kl", 0.02)
    f, a, b = models(tmp_path)
    both = run_as_user("compare", f, a, b, *words)
    found = json.loads(both.stdout)
    codes = []
    for model, each in zip((a, b), found["models"], strict=True):
        done = run_as_user("compare", f, model, *words)
        codes.append(done.returncode)
        alone = json.loads(done.stdout)
        assert (each["file"], each["sha256"]) == (str(model), file_sha256(model))
        for name in ("drop", "agreement", "kl", "verdict", "gates", "flips", "flipped", "next"):
            assert each[name] == alone[name]
        for name in ("top1", "top5"):
            assert each[name] == alone["int8"][name]
        (only,) = alone["models"]
        assert only["flipped"] == alone["flipped"]
    # The worst: 1, then 3, then 0.
    assert both.returncode == min(codes, key=[1, 3, 0].index)
    assert found["verdict"] in ("fail", "inconclusive")


def test_several_files_make_a_table(tmp_path: Path) -> None:
    f, a, b = models(tmp_path)
    data = photos(tmp_path / "data", 40)
    done = run_as_user(
        *("compare", f, a, b, "--data", data, "--pairwise", "--min-agreement", 100),
        environment={"COLUMNS": "80"},
    )
    assert done.returncode == 1
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\nfile      top-1 %" in done.stdout
    assert "\na.tflite to b.tflite " in done.stdout
    assert "\nb.tflite: FAIL: the agreement is at most " in done.stdout


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Photos that take long to decode."""
    data = tmp_path / "data"
    kept = photos(tmp_path / "few", 4, side=1500)
    for number in range(60):
        link = data / str(number % 4) / f"{number:02}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kept / str(number % 4) / f"{number % 4:04}.png")
    return data


def interrupted_comparison(
    folder: Path, data: Path, journal: Path, *words: object
) -> tuple[int, str, str]:
    """A comparison that Ctrl-C ends once a part of it is in the journal."""
    command = ["compare", *models(folder), "--data", data, "--json", "--journal", journal, *words]
    return interrupted(
        *command,
        when=lambda: journal.exists() and journal.read_text().count('"answers"') >= 2,
    )


@pytest.mark.long
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ctrl_c_shows_what_is_known_and_resume_goes_on(
    tmp_path: Path, slow: Path, workers: int
) -> None:
    journal = tmp_path / "out.journal"
    words = ("--workers", workers, "--min-agreement", 1)
    code, out, err = interrupted_comparison(tmp_path, slow, journal, *words)
    assert code == 130, err
    partial = json.loads(out)
    assert 0 < partial["images"] < 60
    assert partial["images"] + partial["left"] == 60
    # One look is taken at a budget: when all images are done.
    assert (partial["verdict"], partial["gates"][1]["verdict"]) == (None, None)
    assert f"go on with --resume: {journal} holds what was found" in err
    assert (", 1 thread in each of 2 workers\n" in err) == (workers == 2)
    assert "Traceback" not in err
    recorded = journal.read_text().count('"answers"')
    # Of a class that there is not: it counts as nothing found.
    damaged = [[0, [[99, 0, False, 1.0]] * 3, [0.0, 0.0]]]
    with journal.open("a") as stream:
        stream.write(json.dumps({"answers": json.dumps(damaged)}) + "\n")
    whole = compared(tmp_path, slow, *words)
    # Not by as many workers as before.
    other = ("--workers", 3 - workers, *words[2:])
    assert compared(tmp_path, slow, *other, "--journal", journal, "--resume") == whole
    assert recorded > 0
    assert not journal.exists()


@pytest.mark.long
def test_a_changed_input_is_not_gone_on_with(tmp_path: Path, slow: Path) -> None:
    journal = tmp_path / "out.journal"
    interrupted_comparison(tmp_path, slow, journal, "--workers", 1)
    before = journal.read_bytes()
    f, a, b = models(tmp_path)
    cases: list[tuple[tuple[object, ...], str]] = [
        ((f, b, a), "model 2, b.tflite"),
        ((f, a, b, "--fit", "crop"), "how images are given to model 1"),
        ((f, a), "the images, their order or their labels"),
        ((f, a, b, "--unlabelled"), "the images, their order or their labels"),
    ]
    for words, changed in cases:
        done = run_as_user(*("compare", *words, "--data", slow, "--journal", journal, "--resume"))
        assert (done.returncode, done.stdout) == (2, "")
        said = f"error: {journal} is of another comparison: "
        assert said in done.stderr
        if words != (f, a):
            assert changed in done.stderr
        assert journal.read_bytes() == before
    os.remove(slow / "0" / "00.png")
    done = run_as_user(*("compare", f, a, b, "--data", slow, "--journal", journal, "--resume"))
    assert "the images, their order or their labels changed since" in done.stderr
    # Without --resume it begins anew.
    found = compared(tmp_path, slow, "--journal", journal, "--workers", 1)
    assert found["images"] == 59


def test_what_cannot_be_resumed_or_shared_is_said_before_the_work(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", 8)
    f, a, _ = models(tmp_path)
    cores = len(os.sched_getaffinity(0))
    for words, said in (
        (("--resume",), "--resume goes on with a journal: name it with --journal, or the outp"),
        (("--resume", "--csv", tmp_path / "x.csv"), f"there is no journal {tmp_path}/x.csv.jou"),
        (("--resume", "--html", tmp_path / "x.html"), f"is no journal {tmp_path}/x.html.journal"),
        (("--workers", 2, "--threads", cores), f"2 workers of {cores} threads each are more than"),
        (("--journal", a), "is read by this command and would be lost"),
        (("--html", "/"), "/: a page is an .html file"),
        (("--html", "."), ".: a page is an .html file"),
        (("--journal", data / "0" / "0000.png"), "is no journal that tinyedge wrote"),
    ):
        done = run_as_user("compare", f, a, "--data", data, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in " ".join(done.stderr.split()), done.stderr
    assert not list(tmp_path.glob("*.journal"))


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    """The journal is deleted when all is done, and one table would replace the other."""
    data = photos(tmp_path / "data", 8)
    f, a, _ = models(tmp_path)
    table = tmp_path / "table.csv"
    (tmp_path / "link").symlink_to(tmp_path)
    again = tmp_path / "link" / "table.csv"
    page = tmp_path / "page.html"
    for first, second, words in (
        ("csv", "journal", ("--csv", table, "--journal", again)),
        ("flips", "csv", ("--flips", again, "--csv", table)),
        ("html", "journal", ("--html", page, "--journal", page)),
    ):
        done = run_as_user("compare", f, a, "--data", data, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"error: --{first} and --{second} name one file, {words[3]}" in done.stderr
    assert not table.exists()
    assert not page.exists()
