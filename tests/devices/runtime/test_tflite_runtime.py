"""The real tflite-runtime, the one for 32-bit boards, with numpy 1 and with numpy 2."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import run_as_user
from tests.support.exports import Models
from tests.support.once import made_once

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="tflite-runtime stopped at Python 3.11"
)


def _installed(folder: Path, *requirements: str) -> Path:
    """The packages in a folder of their own, downloaded once and kept in pytest's cache."""

    def install(made: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps"]
        done = subprocess.run(
            [*pip, "--target", made, *requirements], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            if os.environ.get("CI"):
                pytest.fail(f"on CI nothing may be missing: {done.stderr}", pytrace=False)
            pytest.skip("tflite-runtime cannot be downloaded")

    return made_once(folder, install)


@pytest.fixture(scope="module")
def tflite_runtime(request: pytest.FixtureRequest) -> Path:
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("tflite-runtime")
    return _installed(folder / "2.14.0", "tflite-runtime==2.14.0")


@pytest.fixture(scope="module")
def numpy_1(tflite_runtime: Path) -> Path:
    return _installed(tflite_runtime.parent / "numpy-1.26.4", "numpy==1.26.4")


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A profile of a board that has nothing else."""
    path = tmp_path / "board.toml"
    path.write_text('description = "board"\nthreads = 1\nruntimes = ["tflite-runtime"]\n')
    return path


def test_int8_runs_and_is_said_to_be_slower_and_other(
    fashion_models: Models, fashion_images: Path, tflite_runtime: Path, numpy_1: Path, board: Path
) -> None:
    packages = {"PYTHONPATH": os.pathsep.join(map(str, (numpy_1, tflite_runtime)))}
    image = next((fashion_images / "Bag").iterdir())

    def run(model: Path, *options: str) -> list[str]:
        words = ("run", model, image, "--device", board, *options)
        done = run_as_user(*words, environment=packages)
        assert done.returncode == 0, done.stderr
        assert "  Bag" in done.stdout.splitlines()[1]
        return done.stderr.splitlines()

    used = "tflite-runtime 2.14.0, 1 thread"
    note = (
        "note: tflite-runtime 2.14.0 runs int8 without XNNPACK: it is slower, and its numbers"
        " differ a little from those of ai-edge-litert"
    )
    assert run(fashion_models.int8_model) == [note, used]
    assert run(fashion_models.float_model) == [used]
    exactly = (
        "note: tflite-runtime 2.14.0 resizes without XNNPACK, and no faster: photos are resized"
        " exactly"
    )
    assert run(fashion_models.float_model, "--fast-resize") == [exactly, used]


def test_compare_says_so_once(
    fashion_models: Models, fashion_images: Path, tflite_runtime: Path, numpy_1: Path, board: Path
) -> None:
    few = board.with_name("few.tsv")
    folders = sorted(fashion_images.iterdir())
    few.write_text("".join(f"{next(folder.iterdir())}\t{folder.name}\n" for folder in folders))
    done = run_as_user(
        *("compare", fashion_models.float_model, fashion_models.int8_model),
        *("--data", few, "--device", board),
        environment={"PYTHONPATH": os.pathsep.join(map(str, (numpy_1, tflite_runtime)))},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("runs int8 without XNNPACK: it is slower") == 1


@pytest.mark.skipif(int(np.__version__.split(".")[0]) < 2, reason="there is no numpy 2 here")
def test_numpy_2_is_told_before_it_crashes(
    fashion_models: Models, fashion_images: Path, tflite_runtime: Path, board: Path
) -> None:
    image = next((fashion_images / "Bag").iterdir())
    words = ("run", fashion_models.int8_model, image, "--device", board)
    done = run_as_user(*words, environment={"PYTHONPATH": str(tflite_runtime)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: no TFLite runtime: tflite-runtime 2.14.0 needs numpy 1, this is {np.__version__}."
        " Type: pip install tflite-runtime==2.14.0 'numpy<2'\n"
    )
    # It would have: this is what the message is for.
    crash = "import sys, tflite_runtime.interpreter as t; t.Interpreter(model_content=MODEL)"
    crash = crash.replace("MODEL", "open(sys.argv[1], 'rb').read()")
    done = subprocess.run(
        [sys.executable, "-c", crash, fashion_models.int8_model],
        env={**os.environ, "PYTHONPATH": str(tflite_runtime)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "SystemError" in done.stderr
