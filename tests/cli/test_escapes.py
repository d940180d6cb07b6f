"""What strangers wrote, on a terminal: shown, never obeyed, in every encoding."""

import json
import os
import pty
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.support.commands import run_as_user, run_in_process
from tests.support.pixel_model import write_pixel_model
from tinyedge.cli.output import say
from tinyedge.table import Column, table

# A window's title, a cleared screen, an answer above the true one, a text turned around.
HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x1b[1;1H\n  0.999999  forged\u202egpj\x9b1A"
SHOWN = r"\x1b]0;pwned\x07\x1b[2J\x1b[1;1H\n  0.999999  forged\u202egpj\x9b1A"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_pixel_model(tmp_path / "m.tflite", (HOSTILE, "Käfer", "犬"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "one.png"
    Image.new("RGB", (1, 1), (200, 100, 50)).save(path)
    return path


def on_a_terminal(words: Sequence[object], **environment: str) -> bytes:
    """All that a terminal, which is both stdout and stderr, receives of a command."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tinyedge", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **environment},
    ):
        os.close(theirs)
        received = b""
        try:
            while block := os.read(ours, 1 << 16):
                received += block
        except OSError:
            pass  # EIO: nobody has the other end open any more
        finally:
            os.close(ours)
    return received


def harmless(received: bytes) -> str:
    text = received.decode()
    assert not [letter for letter in text if not letter.isprintable() and letter not in "\r\n"]
    return text


def test_a_label_cannot_forge_an_answer(model: Path, photo: Path) -> None:
    text = harmless(on_a_terminal(["run", model, photo, "--top", "1"]))
    assert len(text.splitlines()) == 3
    assert text.splitlines()[2].endswith(SHOWN)


def test_neither_can_a_name_or_a_message_that_holds_it(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / f"f{HOSTILE}"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"no photo")
    Image.new("RGB", (1, 1)).save(folder / "good.png")
    text = harmless(on_a_terminal(["run", model, folder, "--top", "1"]))
    assert f"{SHOWN}/good.png  " in text
    assert f"skipped: {tmp_path}/f{SHOWN}/bad.png is not an image" in text
    text = harmless(on_a_terminal(["run", model, folder / "missing.png"]))
    assert text.startswith(f"error: {tmp_path}/f{SHOWN}/missing.png: ")
    text = harmless(on_a_terminal(["--debug", "run", folder / "none.tflite", folder / "good.png"]))
    assert "Traceback" in text


def test_a_layers_name_in_a_table_is_escaped_before_it_is_laid_out() -> None:
    text = table([Column("layer"), Column("n", "right")], [[HOSTILE, "1"]], width=80)
    assert text.splitlines() == [f"{'layer':{len(SHOWN)}}  n", f"{SHOWN}  1"]


def test_a_warning_is_one_line(model: Path, photo: Path, tmp_path: Path) -> None:
    labels = tmp_path / f"labels{HOSTILE[:20]}.txt"
    labels.write_text("label\na\nb\nc\n")
    text = harmless(on_a_terminal(["run", model, photo, "--labels", labels]))
    assert text.startswith("note: ")
    assert r"\x1b]0;pwned\x07\x1b[2J" in text


@pytest.mark.parametrize(
    ("environment", "label"),
    [
        ({"PYTHONIOENCODING": "ascii"}, rb"K\xe4fer"),
        ({"PYTHONIOENCODING": "latin-1"}, "Käfer".encode("latin-1")),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, rb"K\xe4fer"),
        ({"LC_ALL": "C.UTF-8"}, "Käfer".encode()),
    ],
)
def test_what_an_encoding_does_not_have_is_escaped(
    tmp_path: Path, environment: dict[str, str], label: bytes
) -> None:
    model = write_pixel_model(tmp_path / "m.tflite", ("Käfer", "犬", "c"))
    name = os.fsdecode(b"caf\xe9 \xe7\x8a\xac.png")
    photo = tmp_path / name
    Image.new("RGB", (1, 1), (200, 100, 50)).save(photo)
    (tmp_path / "bad.png").write_bytes(b"no photo")
    done = subprocess.run(
        [sys.executable, "-m", "tinyedge", "run", model, photo, tmp_path / "bad.png"],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert b"  " + label + b"\n" in done.stdout
    assert rb"caf\xe9 " in done.stdout
    assert b"UnicodeEncodeError" not in done.stderr
    assert b"error: " in done.stderr


def test_json_keeps_what_was_written(model: Path, photo: Path) -> None:
    result = run_in_process("run", model, photo, "--json")
    assert result.stdout.isascii()
    assert json.loads(result.stdout)["predictions"][0]["label"] == HOSTILE


def test_compare_names_the_classes_that_lost(tmp_path: Path, photo: Path) -> None:
    """Files of equal answers lose nothing; the label stands in the error about a folder."""
    model = write_pixel_model(tmp_path / "m.tflite", (HOSTILE, "b", "c"))
    (tmp_path / "data" / "nothing").mkdir(parents=True)
    photo.rename(tmp_path / "data" / "nothing" / "one.png")
    with warnings.catch_warnings():
        done = run_as_user("compare", model, model, "--data", tmp_path / "data")
    assert done.returncode == 2
    harmless(done.stderr.encode())


def test_closed_streams_take_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    say("nobody hears it")
    say("nobody hears it", err=True)
