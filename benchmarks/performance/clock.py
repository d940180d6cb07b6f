"""Engines by this machine's clock: each in a process of its own, asked round by round."""

import contextlib
import datetime
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

__all__ = ["timed"]

_ENGINES = Path(__file__).with_name("engines.py")


def timed(models: Path, photo: Path, peers: Path, tflite: Path, rounds: int) -> Mapping[str, Any]:
    """Answers and times of all engines, as `table.clock_section` takes them.

    Args:
        models: the folder with tinyedge's files.
        photo: an image file.
        peers: Python of an environment with ai-edge-litert and OpenCV 4.
        tflite: Python of one with tflite-runtime and numpy before 2.
        rounds: of one inference by each engine.
    """
    integer, floating = (models / f"tiny_{kind}.tflite" for kind in ("int8", "float"))
    files = locate(MODELS["tiny"])
    assert files.weights is not None
    rows: dict[str, list[object]] = {
        "tinyedge int8, LiteRT": [peers, "litert", integer],
        "tinyedge float, LiteRT": [peers, "litert", floating],
        "tinyedge int8, tflite-runtime": [tflite, "tflite-runtime", integer],
        "OpenCV DNN, float": [peers, "opencv", files.cfg, files.weights],
    }
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{machine()}, {os.cpu_count()} cores",
        "rows": _timed(rows, photo, rounds),
    }


def _timed(rows: dict[str, list[object]], photo: Path, rounds: int) -> dict[str, dict[str, object]]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        pixels = Path(folder) / "photo.npy"
        np.save(pixels, load_float_input(photo, InputSpec(224, 224, 3, "crop")))
        processes = {}
        for title, (python, engine, *files) in rows.items():
            processes[title] = stack.enter_context(
                subprocess.Popen(
                    list(map(str, [python, _ENGINES, "times", engine, pixels, *files])),
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
        raise SystemExit(f"{process.args!r}: ended without an answer")
    return line
