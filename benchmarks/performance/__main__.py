"""The section of docs/performance.md by this machine's clock.

    python -m benchmarks.performance --models DIR --photo FILE --peers PYTHON --tflite PYTHON
        [--rounds 120] [-o docs/performance.md]

DIR holds ``tiny_float.tflite`` and ``tiny_int8.tflite`` of `tinyedge export tiny`. PYTHON are of an
environment with ai-edge-litert and OpenCV 4, and of one with tflite-runtime and numpy before 2.
"""

import argparse
import contextlib
import datetime
import os
import platform
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import run
from benchmarks.performance import sections
from benchmarks.performance.table import clock_section
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

_ENGINES = Path(__file__).with_name("engines.py")


def main() -> None:
    """Time all engines, keep the times, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--tflite", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    integer, floating = (arguments.models / f"tiny_{kind}.tflite" for kind in ("int8", "float"))
    files = locate(MODELS["tiny"])
    assert files.weights is not None
    rows: dict[str, list[object]] = {
        "tinyedge int8, LiteRT": [arguments.peers, "litert", integer],
        "tinyedge float, LiteRT": [arguments.peers, "litert", floating],
        "tinyedge int8, tflite-runtime": [arguments.tflite, "tflite-runtime", integer],
        "OpenCV DNN, float": [arguments.peers, "opencv", files.cfg, files.weights],
    }
    measured = {
        "date": datetime.date.today().isoformat(),
        "machine": _machine(),
        "rows": _timed(rows, arguments.photo, arguments.rounds),
    }
    sections.keep(sections.state(), "clock", measured)
    sections.write_section(arguments.output, "clock", clock_section(measured))


def _timed(rows: dict[str, list[object]], photo: Path, rounds: int) -> dict[str, dict[str, object]]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        pixels = Path(folder) / "photo.npy"
        np.save(pixels, load_float_input(photo, InputSpec(224, 224, 3, "crop")))
        processes = {}
        for title, (python, engine, *files) in rows.items():
            processes[title] = stack.enter_context(
                subprocess.Popen(
                    list(map(str, [python, _ENGINES, engine, pixels, *files])),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
        answers = {title: int(_line(process)) for title, process in processes.items()}
        times: dict[str, list[float]] = {title: [] for title in rows}
        for _ in range(rounds):
            for title, process in processes.items():
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
                times[title].append(float(_line(process)))
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()
        return {title: {"answer": answers[title], "times": times[title]} for title in rows}


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise SystemExit(f"{process.args}: ended without an answer")
    return line


def _machine() -> str:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    kind = "with" if "avx512_vnni" in flags else "without"
    return f"{platform.machine()} {kind} AVX-512 VNNI, {os.cpu_count()} cores"


if __name__ == "__main__":
    run(main)
