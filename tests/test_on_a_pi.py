"""The command line on emulated Raspberry Pis, against the same on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import emulated_pi as emulation
from tests.emulated_pi import EmulatedPi
from tests.support.commands import run_as_user
from tests.support.exports import Models
from tests.support.mixed import mixed_models
from tinyedge.installation import pip_advice
from tinyedge.modelcard import Precision

pytestmark = pytest.mark.pi_emulated

_PIS = [
    ("bookworm", "pi-zero2w"),
    ("bookworm", "pi4"),
    ("bookworm", "pi5"),
    ("trixie", "pi4"),
    ("trixie", "pi5"),
]
_ARMHF = ("armhf", "pi3")
_Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def on_a_pi(
    emulated_pi: Callable[..., EmulatedPi],
    unpacked_wheel: Path,
    fashion_models: Models,
    fashion_images: Path,
) -> _Python:
    """Runs a board's Python, which imports tinyedge as its wheel installs it.

    The board, a release and a name, sees the built-in model's files and those `shared`.
    """

    def run(
        pi: tuple[str, str], *words: object, shared: Sequence[Path] = (), model: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        models = fashion_models.int8_model.parent
        board = emulated_pi(*pi, shared=[unpacked_wheel, models, fashion_images, *shared])
        if model is not None:
            board = replace(board, model=model)
        return board.run("python3", *words, environment={"PYTHONPATH": str(unpacked_wheel)})

    return run


@pytest.mark.parametrize("pi", [*_PIS, _ARMHF], ids="-".join)
def test_run_answers_there_as_here(
    on_a_pi: _Python, fashion_models: Models, fashion_images: Path, pi: tuple[str, str]
) -> None:
    release, name = pi
    words = ["run", fashion_models.int8_model, fashion_images / "Bag", "--device", name, "--json"]
    there, here = on_a_pi(pi, "-m", "tinyedge", *words), run_as_user(*words)
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


@pytest.mark.parametrize("pi", [("bookworm", "pi4"), ("trixie", "pi5"), _ARMHF], ids="-".join)
def test_operators_are_timed_there_as_here(
    on_a_pi: _Python, fashion_models: Models, fashion_images: Path, pi: tuple[str, str]
) -> None:
    image = min((fashion_images / "Bag").iterdir())
    words = ["run", fashion_models.int8_model, image, "--bench", 1, "--operators", "--json"]
    there, here = on_a_pi(pi, "-m", "tinyedge", *words), run_as_user(*words)
    if pi == _ARMHF:
        assert (there.returncode, there.stdout) == (2, "")
        assert "tflite-runtime 2.14.0 has no profiler" in there.stderr
        return
    assert there.returncode == 0, there.stderr
    found, expected = (
        [(row["layer"], row["operator"]) for row in json.loads(done.stdout)["operators"]["rows"]]
        for done in (there, here)
    )
    assert found == expected


@pytest.fixture(scope="session")
def fifty(fashion_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of five labelled images of each class of the built-in model."""
    manifest = tmp_path_factory.mktemp("fifty") / "fifty.tsv"
    images = [image for label in fashion_images.iterdir() for image in sorted(label.iterdir())[:5]]
    manifest.write_text("".join(f"{image}\t{image.parent.name}\n" for image in images))
    return manifest


def _leaves(content: Any) -> Iterator[Any]:
    """What stands in JSON, in its order."""
    if not isinstance(content, dict | list):
        yield content
        return
    for each in content.values() if isinstance(content, dict) else content:
        yield from _leaves(each)


def _numbers(content: Any) -> list[float]:
    return [each for each in _leaves(content) if isinstance(each, float)]


def _words(content: Any) -> list[Any]:
    return [None if isinstance(each, float) else each for each in _leaves(content)]


@pytest.mark.parametrize("pi", [("bookworm", "pi4"), ("trixie", "pi5"), _ARMHF], ids="-".join)
def test_compare_reports_there_what_it_reports_here(
    on_a_pi: _Python, fashion_models: Models, fifty: Path, pi: tuple[str, str]
) -> None:
    models = (fashion_models.float_model, fashion_models.int8_model)
    words = ["-m", "tinyedge", "compare", *models, "--data", fifty, "--json"]
    there, here = on_a_pi(pi, *words, shared=[fifty]), run_as_user(*words[2:])
    assert there.returncode == 0, there.stderr
    found, wanted = json.loads(there.stdout), json.loads(here.stdout)
    assert found["images"] == 50
    if pi == _ARMHF:
        # Another runtime's kernels: the float file answers the same, int8 nearly.
        assert found["float"] == wanted["float"]
        assert found["int8"]["top1"] == pytest.approx(wanted["int8"]["top1"], abs=2)
        return
    for each in (found, wanted):
        del each["milliseconds"], each["models"][0]["milliseconds"], each["made"]
    assert _numbers(found) == pytest.approx(_numbers(wanted), rel=1e-4)
    assert _words(found) == _words(wanted)


@pytest.mark.parametrize("pi", _PIS, ids="-".join)
def test_output_tensors_of_int8_are_the_same_to_the_bit(
    on_a_pi: _Python, fashion_models: Models, fifty: Path, tmp_path: Path, pi: tuple[str, str]
) -> None:
    images = tmp_path / "images.txt"
    lines = fifty.read_text().splitlines()
    images.write_text("".join(line.split("\t")[0] + "\n" for line in lines))
    script = Path(emulation.__file__).with_name("outputs.py")
    models = (fashion_models.float_model, fashion_models.int8_model)
    done = on_a_pi(
        pi, script, tmp_path / "there.npz", images, *models, shared=[tmp_path, script.parent]
    )
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    words = [sys.executable, script, tmp_path / "here.npz", images, *models]
    subprocess.run(words, env=environment, check=True)
    with np.load(tmp_path / "there.npz") as there, np.load(tmp_path / "here.npz") as here:
        assert sorted(there) == sorted(here)
        assert len(here) == 6
        for name in here:
            # x86 sums the float file's last layer, of ten outputs, in another order than ARM.
            tolerance = {
                "fashion_float.tflite.logits": 1e-5,
                "fashion_float.tflite.probabilities": 1e-6,
                "fashion_int8.tflite.probabilities": 1e-15,
            }.get(name, 0)
            np.testing.assert_allclose(there[name], here[name], 0, tolerance, err_msg=name)


@pytest.mark.parametrize("pi", [*_PIS, _ARMHF], ids="-".join)
def test_a_mixed_file_answers_there_as_here_but_for_rounding(
    on_a_pi: _Python, fashion_models: Models, fifty: Path, tmp_path: Path, pi: tuple[str, str]
) -> None:
    """Layers in float, hybrid and int8, behind each other: within what the self-test asks."""
    precision: dict[int, Precision] = {0: "float32", 2: "hybrid", 3: "hybrid", 6: "float32"}
    model = mixed_models(fashion_models, tmp_path, {**precision, 8: "hybrid"}).int8_model
    images = tmp_path / "images.txt"
    lines = fifty.read_text().splitlines()
    images.write_text("".join(line.split("\t")[0] + "\n" for line in lines))
    script = Path(emulation.__file__).with_name("outputs.py")
    shared = [tmp_path, script.parent]
    done = on_a_pi(pi, script, tmp_path / "there.npz", images, model, shared=shared)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    words = [sys.executable, script, tmp_path / "here.npz", images, model]
    subprocess.run(words, env=environment, check=True)
    found = [np.load(tmp_path / f"{place}.npz") for place in ("there", "here")]
    there, here = (each[f"{model.name}.logits"] for each in found)
    errors = np.abs(there - here).max(axis=1) / np.abs(here).max(axis=1)
    if pi == _ARMHF:
        # tflite-runtime has a hybrid kernel that rounds a whole image to one range.
        assert np.sum(there.argmax(axis=1) == here.argmax(axis=1)) >= 49
    else:
        assert np.array_equal(there.argmax(axis=1), here.argmax(axis=1))
        # Without dot products hybrid kernels add as here.
        assert errors.max() < (3e-3 if pi[1] == "pi5" else 1e-6)


@pytest.mark.parametrize(
    "case",  # --device, the board's own name, what the note says it is not
    [
        ("pi", "Raspberry Pi 4 Model B Rev 1.5", ""),
        ("pi4", "Raspberry Pi 4 Model B Rev 1.5", ""),
        ("pi5", "Raspberry Pi 4 Model B Rev 1.5", "Raspberry Pi 5"),
        ("pi", "Banana Pi BPI-M5", "Raspberry Pi"),
        ("pi", "", "Raspberry Pi"),
    ],
)
def test_the_board_is_known_by_its_device_tree(
    on_a_pi: _Python, fashion_models: Models, fashion_images: Path, case: tuple[str, str, str]
) -> None:
    device, model, note = case
    photo = fashion_images / "Bag" / "00018.png"
    words = ["-m", "tinyedge", "run", fashion_models.int8_model, photo, "--device", device]
    done = on_a_pi(("bookworm", "pi4"), *words, model=model)
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert notes == ([f"note: this machine is no {note}; running here"] if note else [])


@pytest.mark.parametrize(
    ("pi", "requirements"),
    [
        (("bookworm", "pi4"), "ai-edge-litert"),
        (("trixie", "pi5"), "ai-edge-litert"),
        (_ARMHF, "tflite-runtime==2.14.0 'numpy<2'"),
    ],
    ids=["bookworm", "trixie", "armhf"],
)
def test_the_advice_suits_a_python_that_pip_refuses(
    on_a_pi: _Python, pi: tuple[str, str], requirements: str
) -> None:
    """Debian's own has the file of PEP 668."""
    program = "from tinyedge.devices.runtime.runtimes import runtime_advice as f; print(f())"
    done = on_a_pi(pi, "-c", program)
    assert done.stdout == f"{pip_advice(requirements, managed=True)}\n", done.stderr
