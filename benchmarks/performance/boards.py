"""Engines on emulated Raspberry Pis, in guest instructions and lines missed in the last cache."""

import hashlib
import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.emulated import instruction_counter
from benchmarks.emulated.cores import CORES
from benchmarks.emulated.measures import site_packages
from benchmarks.performance.models import export_missing, peer_models
from benchmarks.performance.packages import (
    board_wheels,
    darknet_library,
    installed_versions,
)
from benchmarks.performance.rows import Row, engine_rows
from benchmarks.performance.sections import keep, load, state
from tests.emulated_pi import emulated_pi
from tinyedge.devices.profile import find_profile
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec

__all__ = ["counted"]

_ENGINES = Path(__file__).with_name("engines.py")
_MARKS = Path(instruction_counter.__file__).with_name("marks.c")
_INPUT = InputSpec(224, 224, 3, "crop")
_KNOWN = "counts"


def counted(models: Path, photo: Path, calib: Path, peers: Path) -> dict[str, Any]:
    """What all engines take on all cores, as `table.boards_section` takes it.

    Counts repeat: one that was made before of the same files, engine and photo is not made again.

    Args:
        models: the folder with tinyedge's files; absolute. What is not there is exported.
        photo: an image file.
        calib: a folder of photos.
        peers: Python of the peers' environment; its packages for the boards are fetched.
    """
    export_missing(models, calib)
    versions = {
        **installed_versions(peers),
        # The boards have this environment's.
        "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
    }
    made = peer_models(calib, peers, versions)
    darknet = darknet_library("aarch64-linux-gnu-gcc")
    rows = {board: engine_rows(models, made, versions, darknet, board) for board in CORES}
    with tempfile.TemporaryDirectory(prefix="tinyedge-performance-") as name:
        pixels = Path(name) / "photo.npy"
        np.save(pixels, load_float_input(photo, _INPUT))
        return {
            "litert": versions["ai-edge-litert"],
            "rows": {
                title: [_known(board, rows[board][title], pixels) for board in CORES]
                for title in next(iter(rows.values()))
            },
        }


def _known(board: str, row: Row, pixels: Path) -> dict[str, Any]:
    known: dict[str, Any] = load(state(), _KNOWN) or {}
    key = _digest(board, row, pixels)
    if key not in known:
        print(f"counting {row.engine} {row.files[0]} on {board}", file=sys.stderr, flush=True)
        packages = board_wheels(row.requirements) if row.requirements else None
        known[key] = _counted(board, row, packages, pixels)
        keep(state(), _KNOWN, known)
    found: dict[str, Any] = known[key]
    return found


def _digest(board: str, row: Row, pixels: Path) -> str:
    """Of all that a count hangs on."""
    words = [board, row.engine, *row.requirements, importlib.metadata.version("ai-edge-litert")]
    digest = hashlib.sha256(json.dumps(words).encode())
    # OpenVINO's .xml has a .bin beside it.
    beside = (file.with_suffix(".bin") for file in row.files if file.suffix == ".xml")
    for path in (_ENGINES, _MARKS, pixels, *row.files, *beside):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _counted(board: str, row: Row, packages: Path | None, pixels: Path) -> dict[str, Any]:
    """The third inference's instructions, the lines it missed in the last cache, its answer."""
    pi, cache = emulated_pi("bookworm", board), find_profile(board).cache
    assert cache is not None
    answer = pixels.with_name("answer.json")
    places = [*([packages] if packages else []), site_packages(pi)]
    begun, ended = instruction_counter.marked(
        pi,
        ["/usr/bin/python3", _ENGINES, "marks", answer, row.engine, pixels, *row.files],
        cache_bytes=cache,
        environment={"PYTHONPATH": ":".join(map(str, places)), "OMP_NUM_THREADS": "1"},
    )
    return {
        "instructions": ended.instructions - begun.instructions,
        "memory_lines": ended.memory_lines - begun.memory_lines,
        "answer": json.loads(answer.read_text(encoding="utf-8")),
    }
