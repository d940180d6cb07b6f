"""Engines by this machine's clock: each in a process of its own, asked round by round."""

import contextlib
import datetime
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cpu
from benchmarks.performance.models import export_missing, peer_models
from benchmarks.performance.packages import darknet_library, installed_versions
from benchmarks.performance.rows import engine_rows
from tinyedge.darknet.network import read_network
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

__all__ = ["timed"]

_ENGINES = Path(__file__).with_name("engines.py")
_PEAK = Path(__file__).with_name("peak.c")
_KINDS = ("int8", "float")
_FEATURES = "avx2|fma|avx_vnni|avx512(f|bw|_vnni|_bf16|_fp16)|amx_\\w+"
"""What engines choose their kernels by, of Linux's names."""

Command = list[object]


def timed(
    models: Path, photo: Path, calib: Path, *, peers: Path, tflite: Path, rounds: int
) -> dict[str, Any]:
    """Answers and times of all engines, as `table.clock_section` takes them.

    Args:
        models: the folder with tinyedge's files; absolute. What is not there is exported.
        photo: an image file.
        calib: a folder of photos.
        peers: Python of the environment of benchmarks/requirements.txt.
        tflite: Python of one with tflite-runtime and numpy before 2.
        rounds: of one inference by each engine.
    """
    export_missing(models, calib)
    versions = installed_versions(peers)
    made = peer_models(calib, peers, versions)
    rows = engine_rows(models, made, versions, darknet_library("gcc"))
    network = read_network(locate(MODELS["tiny"]).cfg)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="tinyedge-performance-") as name:
        pixels = Path(name) / "photo.npy"
        np.save(pixels, load_float_input(photo, InputSpec(224, 224, 3, "crop")))
        peaks: dict[str, Command] = {kind: [_compiled_peak(Path(name)), kind] for kind in _KINDS}

        def commands(threads: int) -> dict[str, Command]:
            return {
                title: [
                    *(tflite if row.engine == "tflite-runtime" else peers, _ENGINES, "times"),
                    *(row.engine, threads, pixels, *row.files),
                ]
                for title, row in rows.items()
                if threads <= row.most_threads
            }

        one = _in_turn(commands(1) | peaks, rounds)
        two = _in_turn(commands(2), rounds)
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu(),
        "load": load,
        "litert": versions["ai-edge-litert"],
        "macs": sum(layer.multiply_accumulates for layer in network.layers),
        "peaks": {kind: {"macs": one[kind][0], "times": one[kind][1]} for kind in _KINDS},
        "rows": {
            title: {
                "arithmetic": row.arithmetic,
                "answer": one[title][0],
                "times": one[title][1],
                "two_threads": two[title][1] if title in two else None,
            }
            for title, row in rows.items()
        },
    }


def _compiled_peak(folder: Path) -> Path:
    program = folder / "peak"
    subprocess.run(["gcc", "-O3", "-march=native", _PEAK, "-o", program], check=True)
    return program


def _in_turn(commands: Mapping[str, Command], rounds: int) -> dict[str, tuple[Any, list[float]]]:
    """Of each command: what it says first, and then its milliseconds, a number a round."""
    with contextlib.ExitStack() as stack:
        # Each ends where its input does, which is closed with the stack.
        processes = {
            title: stack.enter_context(
                subprocess.Popen(
                    list(map(str, words)),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            for title, words in commands.items()
        }
        first = {title: _line(process) for title, process in processes.items()}
        times: dict[str, list[float]] = {title: [] for title in commands}
        titles = list(commands)
        for turn in range(rounds):
            # Another one first each time.
            start = turn % len(titles)
            for title in titles[start:] + titles[:start]:
                process = processes[title]
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
                times[title].append(_line(process))
    return {title: (first[title], times[title]) for title in commands}


def _line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise SystemExit(f"{process.args!r}: ended without an answer")
    return json.loads(line)


def _cpu() -> str:
    """Such as "AMD EPYC, 2 cores (avx2 fma)"."""
    name, flags = cpu()
    features = [flag for flag in flags if re.fullmatch(_FEATURES, flag)]
    return f"{name}, {os.cpu_count()} cores ({' '.join(features)})"
