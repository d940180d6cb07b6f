"""One bad photo among good ones: huge, a pipe, a device, half written; the others are answered."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.support.huge_images import webp_header, write_png
from tests.support.pixel_model import write_pixel_model
from tests.support.running import Running
from tinyedge.exit_codes import ExitCode

# A board with less memory: addresses are limited to what the process has, and 300 MB.
_LIMITED = """
import resource, sys
from pathlib import Path
import numpy, PIL.Image, ai_edge_litert.interpreter
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 300_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from tinyedge.cli import main
main(sys.argv[1:], prog_name="tinyedge")
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_pixel_model(tmp_path / "m.tflite")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A red photo, one of 169 megapixels, a blue one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (4, 4), "red").save(folder / "1.png")
    write_png(folder / "2.png", 13_000, 13_000)
    Image.new("RGB", (4, 4), "blue").save(folder / "3.png")
    return folder


def limited(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _LIMITED, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def run(*words: object, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "tinyedge", "run", *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, input=stdin)


def answered(stdout: str | bytes) -> list[str]:
    text = stdout if isinstance(stdout, str) else stdout.decode()
    return [line.split()[0].rpartition("/")[2] for line in text.splitlines() if line[0] != " "]


def test_of_a_folder_a_huge_photo_is_skipped(model: Path, photos: Path) -> None:
    done = limited("run", model, photos, "--top", "1")
    assert done.returncode == 0, done.stderr
    assert answered(done.stdout) == ["1.png", "3.png"]
    assert f"skipped: {photos}/2.png has 13000 x 13000 pixels; decoding them" in done.stderr


def test_one_that_is_named_is_an_error_and_the_others_are_answered(
    model: Path, photos: Path
) -> None:
    done = limited("run", model, *sorted(photos.iterdir()), "--top", "1")
    assert done.returncode == ExitCode.ERROR
    assert answered(done.stdout) == ["1.png", "3.png"]
    assert done.stderr.count("error: ") == 1


def test_a_watch_goes_on(model: Path, photos: Path, tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    words: Sequence[object] = ("run", model, "--watch", incoming, "--interval", "0.1")
    with Running(*words, program=_LIMITED) as watch:
        watch.said("watching")
        for name in ("1.png", "2.png", "3.png"):
            os.mkfifo(incoming / f"pipe{name}")
            (photos / name).rename(incoming / name)
            (incoming / f"{name}.heic").touch()
            if name == "2.png":
                watch.said("2.png has 13000 x 13000 pixels")
                continue
            while not (line := watch.answer()).startswith(f"{incoming}/{name}  "):
                assert line.startswith("  ")


def test_a_webp_of_34_bytes_takes_no_gigabytes(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "big.webp"
    path.write_bytes(webp_header(16_383, 16_383))
    done = limited("run", model, path)
    assert done.returncode == ExitCode.ERROR
    assert "16383 x 16383 pixels; decoding them takes 4,294 MB of memory" in done.stderr
    assert len([line for line in done.stderr.splitlines() if "error" in line]) == 1


def test_a_pipe_or_a_device_is_refused_without_being_opened(model: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path, kind in ((pipe, "a named pipe"), (Path("/dev/zero"), "a device")):
        done = run(model, path)
        assert done.returncode == ExitCode.ERROR
        assert done.stderr.decode().splitlines()[1:] == [f"error: {path} is {kind}, not a file"]


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0"])
def test_a_photo_may_come_on_a_pipe_that_is_named(model: Path, photos: Path, name: str) -> None:
    done = run(model, name, "--top", "1", stdin=(photos / "3.png").read_bytes())
    assert done.returncode == 0, done.stderr
    assert b"blue" in done.stdout


def test_links_to_pipes_are_left_out_and_counted(model: Path, photos: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "outside")
    (photos / "2.png").unlink()
    (photos / "link.jpg").symlink_to(tmp_path / "outside")
    (photos / "iphone.heic").touch()
    done = run(model, photos)
    assert done.returncode == 0, done.stderr
    assert answered(done.stdout) == ["1.png", "3.png"]
    assert b"left out: 1 file of formats not read: .heic 1; 1 called like photos" in done.stderr


@pytest.mark.parametrize("suffix", ["bmp", "webp"])
def test_a_photo_that_is_still_written_waits(model: Path, tmp_path: Path, suffix: str) -> None:
    """Its place is reserved at once, its content comes in two halves."""
    whole, folder = tmp_path / f"whole.{suffix}", tmp_path / "incoming"
    folder.mkdir()
    noise = Image.effect_noise((300, 200), 90).convert("RGB")
    noise.save(whole)
    content = whole.read_bytes()
    path = folder / f"photo.{suffix}"
    half = content[: len(content) // 2]
    with Running("run", model, "--watch", folder, "--interval", "0.1") as watch:
        watch.said("watching")
        path.write_bytes(half + bytes(len(content) - len(half)))
        assert "it ends in zeros" in watch.said("tried again if it changes")
        path.write_bytes(content)
        assert watch.answer().startswith(f"{path}  ")
    path.write_bytes(half + bytes(len(content) - len(half)))
    done = run(model, path)
    assert (done.returncode, done.stdout) == (ExitCode.ERROR, b"")
