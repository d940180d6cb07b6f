"""Models that crash a runtime, or answer with what is no number, given to the commands."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.support.linear_model import write_image
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.cli import main

# log(0) is -infinity: of a photo with a black pixel the model makes no score.
_PIXELS = T((1, 1, 2, 1), "float32")
_SCORES = T((1, 2), "float32")
_LOGARITHM = write_model(
    Op("RESHAPE", [_PIXELS, constant([1, 2], "int32")], [_SCORES], "ReshapeOptions"),
    Op("LOG", [0], [_SCORES]),
)
_NO_WEIGHTS = write_model(
    Op(
        "CONV_2D",
        [_PIXELS, None, None],
        [replace(_PIXELS, shape=(1, 1, 2, 1))],
        "Conv2DOptions",
        {"strideW": 1, "strideH": 1},
    )
)
# The quotient of the two constants is that of an integer and 0, which the kernel finds at last.
_DIVIDES_BY_ZERO = write_model(
    Op("RESHAPE", [_PIXELS, constant([1, 2], "int32")], [_SCORES], "ReshapeOptions"),
    Op("CAST", [0], [T((1, 2), "int32")], "CastOptions", {"inDataType": 0, "outDataType": 2}),
    Op("DIV", [1, constant([0, 0], "int32")], [T((1, 2), "int32")], "DivOptions"),
    Op("CAST", [2], [_SCORES], "CastOptions", {"inDataType": 2, "outDataType": 0}),
)


def run(*words: object) -> Result:
    result = CliRunner().invoke(main, ["run", *map(str, words), "--fit", "stretch"])
    # Whatever escapes the command line would be its exception.
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, pixels in (("a", (0, 255)), ("b", (255, 128)), ("c", (128, 0))):
        write_image(tmp_path / "photos" / f"{name}.png", *pixels)
    return tmp_path / "photos"


def model(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    return path


def test_a_file_that_crashes_runtimes_is_refused_in_one_line(tmp_path: Path, photos: Path) -> None:
    path = model(tmp_path, _NO_WEIGHTS)
    for words in ((photos,), (photos / "b.png",), (photos, "--bench", 3)):
        result = run(path, *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            f"error: {path}: no .tflite file that can be run: operator 0, CONV_2D: its input 1 is"
            " left out\n"
        )


def test_what_the_runtime_says_at_last_is_one_line(tmp_path: Path, photos: Path) -> None:
    path = model(tmp_path, _DIVIDES_BY_ZERO)
    result = run(path, photos)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"error: {path}: ai-edge-litert ")
    assert " cannot run it (" in result.stderr


def test_scores_that_are_no_numbers_are_an_error_of_that_photo(
    tmp_path: Path, photos: Path
) -> None:
    path = model(tmp_path, _LOGARITHM)
    result = run(path, photos, "--json")
    (line,) = result.stdout.splitlines()
    answer = json.loads(line, parse_constant=pytest.fail)
    assert answer["image"] == str(photos / "b.png")
    assert np.isfinite([found["probability"] for found in answer["predictions"]]).all()
    assert result.exit_code == 0
    for name in ("a", "c"):
        assert f"{photos}/{name}.png: {path} answers with infinite scores or NaN\n" in result.stderr


def test_one_photo_or_none_that_has_an_answer_is_an_error(tmp_path: Path, photos: Path) -> None:
    path = model(tmp_path, _LOGARITHM)
    result = run(path, photos / "a.png", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "answers with infinite scores or NaN" in result.stderr
    (photos / "b.png").unlink()
    result = run(path, photos)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_bench_of_no_numbers_is_an_error(tmp_path: Path, photos: Path) -> None:
    result = run(model(tmp_path, _LOGARITHM), photos / "a.png", "--bench", 2, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "answers with infinite scores or NaN" in result.stderr


def test_a_model_may_come_through_a_pipe(photos: Path) -> None:
    command = [sys.executable, "-m", "tinyedge", "run", "/dev/stdin", str(photos / "b.png")]
    # Its card, its graph and the runtime's copy are read one after the other.
    done = subprocess.run(
        [*command, "--fit", "stretch"], input=_LOGARITHM, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{photos}/b.png" in done.stdout.decode()


@pytest.mark.parametrize("words", [(), ("--bench", 1, "--operators")])
def test_what_comes_through_a_pipe_is_run_by_whoever_has_it(
    tmp_path: Path, words: tuple[object, ...]
) -> None:
    """Not by workers, which so many photos would have; a profiler gets a copy."""
    for number in range(64):
        write_image(tmp_path / "photos" / f"{number}.png", 255, 128)
    command = [sys.executable, "-m", "tinyedge", "run", "/dev/stdin", tmp_path / "photos"]
    done = subprocess.run(
        [*map(str, command), "--fit", "stretch", "--json", *map(str, words)],
        input=_LOGARITHM,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == (1 if words else 64)


def test_workers_that_cannot_have_the_model_are_refused(photos: Path) -> None:
    command = [sys.executable, "-m", "tinyedge", "run", "/dev/stdin", photos, "--workers", 2]
    done = subprocess.run(
        [*map(str, command), "--fit", "stretch"], input=_LOGARITHM, capture_output=True, check=False
    )
    assert done.returncode == 2
    said = b"error: 2 workers cannot read /dev/stdin, which is another file for each\n"
    assert done.stderr.endswith(said)
