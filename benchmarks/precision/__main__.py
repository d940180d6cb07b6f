"""The measured end of docs/precision.md: integer and mixed files, board by board.

    python -m benchmarks.precision [--network tiny] [--seeds 0 1 2] [-o docs/precision.md]

TINYEDGE_CACHE names the cache; imagenet/calib, imagenet/calib_more and imagenet/val lie beside it.
Calibrated on calib; answers are compared with the float file's on val and on calib_more, which no
choice was made on. A seed takes ten minutes on two cores; what is there already is not measured
again, nor is anything begun after --minutes. Instructions are counted in the emulated boards.
"""

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import run
from benchmarks.emulated.costs import count_files
from benchmarks.precision.table import BEGIN, END, markdown
from tinyedge.accuracy.statistics import is_tied, kl_divergence, top1
from tinyedge.devices.latency.instructions import counted_boards
from tinyedge.devices.profile import find_profile
from tinyedge.export.check import answers_divergence, run_file
from tinyedge.export.pipeline import Converted, Prepared, convert, prepare
from tinyedge.export.quantize.precision import Precisions, find_units, measure_roundings
from tinyedge.export.request import ExportRequest
from tinyedge.images.find import find_images
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.progress import no_progress
from tinyedge.zoo.source import find_source

# Boards and budgets: the default, and what a little more buys.
_FILES = (
    *(("pi3", 1.0), ("pi3", 1.04), ("pi4", 1.0), ("pi4", 1.04)),
    *(("pi5", 1.0), ("pi5", 1.1), ("pi5", 1.2), ("pi", 1.0), ("pi", 1.1)),
)
_BOARDS = ("pi3", "pi4", "pi5")
_PHOTOS = ("val", "calib_more")
_silent = no_progress("")


def main() -> None:
    """Measure what is not measured yet and write the end of the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="tiny", help="[default: %(default)s]")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no seed after so many")
    parser.add_argument("--folder", type=Path, default=_state(), help="[default: %(default)s]")
    parser.add_argument("-o", "--output", type=Path, help="the page [default: stdout]")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * arguments.minutes
    for seed in arguments.seeds:
        place = arguments.folder / f"{arguments.network}-{seed}.json"
        if not place.is_file() and time.monotonic() < end:
            place.write_text(json.dumps(_measured(arguments.network, seed)), encoding="utf-8")
            print(f"{arguments.network}, seed {seed}", file=sys.stderr, flush=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for place in sorted(arguments.folder.glob("*.json")):
        name = place.stem.rpartition("-")[0]
        found.setdefault(name, []).append(json.loads(place.read_text(encoding="utf-8")))
    text = f"{BEGIN}{markdown(found)}{END}"
    if arguments.output is None:
        print(text, end="")
        return
    page = arguments.output.read_text(encoding="utf-8").partition(BEGIN)[0]
    arguments.output.write_text(f"{page.rstrip()}\n\n{text}", encoding="utf-8")


def _measured(network: str, seed: int) -> dict[str, Any]:
    """Rows of the integer file and of each mixed one, of one seed."""
    photos = Path(os.environ["TINYEDGE_CACHE"]).parent / "imagenet"
    found = find_source(network, progress=no_progress)
    with tempfile.TemporaryDirectory(prefix="tinyedge-precision-") as folder:
        request = ExportRequest(
            name=network,
            files=replace(found.files, calibration=photos / "calib"),
            output=Path(folder),
            seed=seed,
        )
        integer = _converted(prepare(request, progress=no_progress), aside=False)[0]
        prepared = prepare(request, progress=no_progress)
        made, images = _converted(prepared, aside=True)
    assert made.int8_tflite is not None
    assert integer.int8_tflite is not None
    softmax, spec = prepared.network.softmax, InputSpec(*prepared.network.input, request.fit)
    reference = run_file(made.float_tflite, images, _silent).answers

    def divergence(content: bytes) -> float:
        return answers_divergence(reference, run_file(content, images, _silent).answers, softmax)

    units = find_units(made.int8_tflite)
    roundings = measure_roundings(made.int8_tflite, units, divergence, _silent)

    def precisions(board: str) -> Precisions:
        assert made.int8_tflite is not None
        boards = counted_boards(find_profile(board))
        return Precisions(made.int8_tflite, units, roundings, divergence, boards)

    files: dict[str, tuple[bytes, dict[str, Any]]] = {"integer": (integer.int8_tflite, {})}
    for board, budget in _FILES:
        mixed = precisions(board).choose(budget)
        if mixed.is_head_alone:
            # As the export does it: on all photos.
            mixed = mixed.of(integer.int8_tflite)
        facts = {"cycles": mixed.ratio, "precision": dict(mixed.precision)}
        files[f"{board} {budget:.2f}"] = mixed.content, facts
    whole = precisions("pi3").written(
        {number: "float32" for unit in units.units for number in unit.layers}
    )
    files["all float"] = whole.content, {"cycles": whole.ratio}
    rows: dict[str, Any] = {
        name: {**facts, "bytes": len(content)} for name, (content, facts) in files.items()
    }
    for name, counts in _instructions({name: each for name, (each, _) in files.items()}).items():
        rows[name]["instructions"] = counts
    for name in _PHOTOS:
        inputs = np.stack(
            [load_float_input(path, spec) for path in find_images([str(photos / name)])]
        )
        wanted = run_file(made.float_tflite, inputs, _silent).answers
        for row, (content, _) in files.items():
            rows[row][name] = _compared(wanted, run_file(content, inputs, _silent).answers)
    return {"date": datetime.date.today().isoformat(), "seed": seed, "rows": rows}


def _converted(prepared: Prepared, *, aside: bool) -> tuple[Converted, NDArray[np.float32]]:
    """The integer file, and with `aside` that of two thirds of the photos, and the others."""
    calibration = prepared.calibration
    assert calibration is not None
    chosen = np.arange(len(calibration.inputs)) % 3 == 0
    images = calibration.inputs[chosen]
    if aside:
        prepared.calibration = replace(calibration, inputs=calibration.inputs[~chosen])
    return convert(prepared, progress=no_progress), images


def _instructions(files: dict[str, bytes]) -> dict[str, dict[str, int]]:
    """By file and board."""
    with tempfile.TemporaryDirectory(prefix="tinyedge-precision-") as folder:
        paths = []
        for number, content in enumerate(files.values()):
            paths.append(Path(folder) / f"{number}.tflite")
            paths[-1].write_bytes(content)
        counted = {
            board: [marks.instructions for marks in count_files(board, find_profile(board), paths)]
            for board in _BOARDS
        }
    return {
        name: {board: counted[board][number] for board in _BOARDS}
        for number, name in enumerate(files)
    }


def _compared(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> dict[str, float]:
    return {
        "images": len(wanted),
        "kl": float(kl_divergence(wanted, found).mean()),
        "agreement": 100 * float(np.mean(top1(wanted) == top1(found))),
        "ties": int(np.count_nonzero(is_tied(found))),
    }


def _state() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "tinyedge-benchmarks" / "precision"


if __name__ == "__main__":
    run(main)
