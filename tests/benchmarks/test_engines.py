"""What benchmarks/performance asks its processes, without their times."""

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmarks.performance
from tests.support.commands import need_programs
from tests.support.exports import Models
from tinyedge import Classifier
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec

_FOLDER = Path(benchmarks.performance.__file__).parent


@pytest.mark.parametrize("threads", [1, 2])
def test_an_engine_answers_what_tinyedge_answers(
    fashion_models: Models, fashion_images: Path, tmp_path: Path, threads: int
) -> None:
    image = sorted(fashion_images.glob("*/*.png"))[7]
    np.save(tmp_path / "photo.npy", load_float_input(image, InputSpec(28, 28, 1, "crop")))
    for model in (fashion_models.float_model, fashion_models.int8_model):
        (first,) = Classifier(model).classify(image, top=1)
        words = ["times", "litert", threads, tmp_path / "photo.npy", model]
        answer, *times = _said([sys.executable, _FOLDER / "engines.py", *words], inferences=3)
        assert answer["class"] == first.index
        assert answer["probability"] == pytest.approx(first.probability, abs=1e-6)
        assert len(times) == 3
        assert min(times) > 0


def test_the_peak_is_of_whole_vectors(tmp_path: Path) -> None:
    need_programs("gcc", "objdump")
    if platform.machine() != "x86_64":
        pytest.skip("written for x86-64")
    program = tmp_path / "peak"
    subprocess.run(["gcc", "-O3", "-march=native", _FOLDER / "peak.c", "-o", program], check=True)
    # As many vectors of as many bits: a float32 is four bytes, and four int8.
    wide, *_ = _said([program, "int8"], inferences=0)
    narrow, *_ = _said([program, "float"], inferences=0)
    assert wide / narrow in {4, 2}  # Without AVX-512's VNNI, bytes have vectors half as long.
    code = subprocess.run(
        ["objdump", "-d", program], check=True, capture_output=True, text=True
    ).stdout
    # None of the twelve sums is dropped by the compiler, nor are their products shared.
    assert max(code.count("vpdpbusd"), code.count("vpmaddubsw")) >= 12
    assert code.count("vfmadd") >= 12


def _said(command: list[object], inferences: int) -> list[Any]:
    done = subprocess.run(
        list(map(str, command)),
        input="\n" * inferences,
        check=True,
        capture_output=True,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
