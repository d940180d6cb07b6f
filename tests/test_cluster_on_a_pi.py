"""Comparisons shared with a worker on an emulated Raspberry Pi: the same numbers."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.emulated_pi import EmulatedPi
from tests.support.commands import run_as_user
from tests.support.dask_cluster import DaskCluster, dask_cluster
from tests.support.exports import Models
from tests.support.linear_model import Rows, write_linear_model

pytestmark = pytest.mark.pi_emulated

_PI = ("bookworm", "pi4")
# Its Python, 3.13, is newer than most machines'.
_OTHER = ("trixie", "pi5")
# One product a class: no sum for a processor to take in its own order.
_SIDE = 4
_FLOAT: Rows = tuple(
    tuple((7.3, 6.1, 5.7, 6.7)[row] if row == column else 0.0 for column in range(_SIDE))
    for row in range(_SIDE)
)
_COARSE: Rows = tuple(
    tuple((7.0, 6.5, 5.5, 6.5)[row] if row == column else 0.0 for column in range(_SIDE))
    for row in range(_SIDE)
)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """Words for a comparison of models whose scores are the same bits on every processor."""
    folder = tmp_path_factory.mktemp("exact")
    random = np.random.default_rng(3)
    for number in range(120):
        photo = folder / "data" / str(number % _SIDE) / f"{number:03}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (1, _SIDE), np.uint8)).save(photo)
    (folder / "data" / "1" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    f = write_linear_model(folder / "f.tflite", _FLOAT)
    i = write_linear_model(folder / "i.tflite", _COARSE, quantization="int8")
    return ("compare", f, i, "--data", folder / "data", "--json", "--max-kl", 0.1)


@pytest.fixture(scope="module")
def as_a_board() -> dict[str, str]:
    """Numpy's exponential and logarithm by libm, as on ARM: those of AVX-512 are its own."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(found)}


@pytest.fixture
def with_pi(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    emulated_pi: Callable[..., EmulatedPi],
    unpacked_wheel: Path,
) -> Iterator[DaskCluster]:
    """A scheduler with a worker on a board that has nothing of this machine but the packages.

    The board is the test's parameter.
    """
    board = emulated_pi(*request.param)
    wheels = board.wheels("distributed")
    with dask_cluster(tmp_path / "cluster") as cluster:
        cluster.add_board(
            replace(board, shared=(unpacked_wheel, wheels), network=True),
            *("--name", "board"),
            environment={"PYTHONPATH": f"{unpacked_wheel}:{wheels}"},
        )
        yield cluster


def _numbers(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode in (0, 1, 3), done.stderr
    found = json.loads(done.stdout)
    del found["milliseconds"], found["models"][0]["milliseconds"], found["made"]
    return found


@pytest.mark.parametrize("with_pi", [_OTHER], ids="-".join, indirect=True)
def test_a_board_finds_what_one_process_here_does(
    with_pi: DaskCluster, exact: tuple[object, ...], as_a_board: dict[str, str]
) -> None:
    """To the last digit; and so do the two of them, whose Pythons may be of two versions."""
    alone = _numbers(run_as_user(*exact, "--workers", 1, environment=as_a_board))
    assert (alone["images"], len(alone["skipped"])) == (120, 1)
    assert 0 < alone["agreement"] < 100
    shared = ("--scheduler", with_pi.address, "--ship")
    with with_pi.busy_workers() as busy:
        done = run_as_user(*exact, *shared, environment=as_a_board)
    assert (_numbers(done), busy) == (alone, {"board"})
    with_pi.add_worker("--name", "here", environment=as_a_board)
    with with_pi.busy_workers() as busy:
        done = run_as_user(*exact, *shared, environment=as_a_board)
    assert (_numbers(done), busy) == (alone, {"board", "here"})


@pytest.fixture
def on_a_board(
    emulated_pi: Callable[..., EmulatedPi], unpacked_wheel: Path, fashion_images: Path, fifty: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``tinyedge`` on the board that the photos and `shared` are on, too."""

    def run(*words: object, shared: Sequence[Path]) -> subprocess.CompletedProcess[str]:
        board = emulated_pi(*_PI, shared=[unpacked_wheel, fashion_images, fifty, *shared])
        environment = {"PYTHONPATH": str(unpacked_wheel)}
        return board.run("python3", "-m", "tinyedge", *words, environment=environment)

    return run


@pytest.mark.parametrize("with_pi", [_PI], ids="-".join, indirect=True)
def test_a_board_answers_a_scheduler_as_it_does_alone(
    with_pi: DaskCluster,
    on_a_board: Callable[..., subprocess.CompletedProcess[str]],
    fashion_models: Models,
    fifty: Path,
    tmp_path: Path,
) -> None:
    """Of networks whose scores ARM and x86 round in their own ways: to the byte."""
    models = (fashion_models.float_model, fashion_models.int8_model)
    tables = tmp_path / "tables"
    tables.mkdir()
    words = ("compare", *models, "--data", fifty, "--json", "--csv")
    alone = on_a_board(*words, tables / "alone.csv", shared=[models[0].parent, tables])
    done = run_as_user(*words, tables / "shared.csv", "--scheduler", with_pi.address, "--ship")
    found, wanted = _numbers(done), _numbers(alone)
    assert (found["images"], found["flips"]) == (50, wanted["flips"])
    assert (tables / "shared.csv").read_bytes() == (tables / "alone.csv").read_bytes()
