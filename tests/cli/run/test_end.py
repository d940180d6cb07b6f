"""How a plain ``tinyedge run IMAGE...`` ends its process: at once, with all of its output told."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.pixel_model import write_pixel_model

# What Python does on its way out leaves a mark; a process that ends at once does not get there.
_MARKED = """
import atexit, sys
sys.argv = ["tinyedge", *sys.argv[1:]]
atexit.register(lambda: print("the usual way out"))
from tinyedge.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("end")
    image = folder / "red.png"
    Image.new("RGB", (1, 1), (200, 10, 20)).save(image)
    return write_pixel_model(folder / "pixel.tflite"), image


def ended(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _MARKED, "run", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_ends_at_once_and_has_told_everything(files: tuple[Path, Path]) -> None:
    done = ended(*files)
    assert done.returncode == 0
    assert done.stdout.startswith(str(files[1]))
    assert len(done.stdout.splitlines()) > 1
    assert "the usual way out" not in done.stdout


@pytest.mark.parametrize("option", ["--save", "--html", "--journal", "--bench"])
def test_what_has_written_or_timed_ends_as_ever(
    files: tuple[Path, Path], option: str, tmp_path: Path
) -> None:
    value = {"--save": tmp_path / "copies", "--bench": 3}.get(option, tmp_path / "it.html")
    done = ended(*files, option, value)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the usual way out\n")


def test_an_error_ends_as_ever(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = ended(files[0], files[1], tmp_path / "none.png")
    assert done.returncode == 2
    assert done.stdout.endswith("the usual way out\n")
    assert "error: " in done.stderr
