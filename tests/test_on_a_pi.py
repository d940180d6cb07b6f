"""The command line on emulated Raspberry Pis, against the same on this machine."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Models, run_as_user
from tests.emulated_pi import EmulatedPi

pytestmark = pytest.mark.pi_emulated

_PIS = [
    ("bookworm", "pi-zero2w"),
    ("bookworm", "pi4"),
    ("bookworm", "pi5"),
    ("trixie", "pi4"),
    ("trixie", "pi5"),
]


_Tinyedge = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def on_a_pi(
    emulated_pi: Callable[..., EmulatedPi],
    unpacked_wheel: Path,
    fashion_models: Models,
    fashion_images: Path,
) -> _Tinyedge:
    """Runs tinyedge, as its wheel installs it, on a board that sees the built-in model's files."""

    def run(
        pi: tuple[str, str], *words: object, model: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        shared = [unpacked_wheel, fashion_models.int8_model.parent, fashion_images]
        board = emulated_pi(*pi, shared=shared)
        if model is not None:
            board = replace(board, model=model)
        variables = {"PYTHONPATH": str(unpacked_wheel)}
        return board.run("python3", "-m", "tinyedge", *words, environment=variables)

    return run


@pytest.mark.parametrize("pi", [*_PIS, ("armhf", "pi3")], ids="-".join)
def test_run_answers_there_as_here(
    on_a_pi: _Tinyedge, fashion_models: Models, fashion_images: Path, pi: tuple[str, str]
) -> None:
    release, name = pi
    words = ["run", fashion_models.int8_model, fashion_images / "Bag", "--device", name, "--json"]
    there, here = on_a_pi(pi, *words), run_as_user(*words)
    assert there.returncode == 0, there.stderr
    answers, expected = (
        [json.loads(line) for line in done.stdout.splitlines()] for done in (there, here)
    )
    assert len(answers) == 100
    agreed = 0
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer["image"] == wanted["image"]
        found, right = answer["predictions"], wanted["predictions"]
        agreed += found[0]["label"] == right[0]["label"]
        if release != "armhf":
            assert [item["label"] for item in found] == [item["label"] for item in right]
            # numpy's exponential differs in the last bit from one CPU to another.
            expected_values = pytest.approx([item["probability"] for item in right], abs=1e-6)
            assert [item["probability"] for item in found] == expected_values
    # tflite-runtime's int8 kernels round otherwise: only its answers agree, and not all.
    assert agreed == 100 if release != "armhf" else agreed >= 98
