"""The measured end of docs/precision.md: integer and mixed files, board by board.

    python -m benchmarks.precision [--network tiny] [--seeds 0 1 2] [--draws 1 2 3 4 5]
        [--counts 0 10 25] [-o docs/precision.md]

TINYEDGE_CACHE names the cache; imagenet/calib, imagenet/calib_more and imagenet/val lie beside it.
A seed is calibrated on calib, and its answers are compared with the float file's on val and on
calib_more; a draw on 200 photos drawn from those two, and compared on val and on those that were
not drawn; a count on so many photos of calib, or on none (``--calib none``). No choice is made on
what answers are compared on. A seed takes ten minutes on two cores, the others six; what is there
already is not measured again, nor is anything begun after --minutes.
Instructions of a seed's files are counted in the emulated boards.
"""

import argparse
import datetime
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import run
from benchmarks.emulated.cores import CORES
from benchmarks.emulated.costs import count_contents
from benchmarks.places import imagenet, state
from benchmarks.precision.table import BEGIN, END, markdown
from tinyedge.accuracy.statistics import is_tied, kl_divergence, top1
from tinyedge.devices.latency.instructions import counted_boards
from tinyedge.devices.profile import find_profile
from tinyedge.export.check import run_file
from tinyedge.export.pipeline import observe, prepare
from tinyedge.export.request import ExportRequest
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.export.tflite.forms import in_forms
from tinyedge.images.find import evenly_spaced, read_unlabelled
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.progress import no_progress
from tinyedge.zoo.source import find_source

# Boards and budgets: each target's, and any of the boards at once.
_FILES = (("pi3", 1.0), ("pi4", 1.0), ("pi5", 1.1))
_FILES_OF_A_SEED = (*_FILES, ("pi", 1.0))
# What a little more buys.
_FILES_OF_THE_FIRST = (
    *(("pi3", 1.02), ("pi3", 1.04), ("pi4", 1.02), ("pi4", 1.04), ("pi4", 1.12)),
    *(("pi5", 1.0), ("pi5", 1.15), ("pi5", 1.2), ("pi", 1.1)),
)
_DRAWN = 200
_silent = no_progress("")


class Sample(NamedTuple):
    """Photos to calibrate on and to compare on.

    Attributes:
        name: of its file, such as ``seed-0``.
        seed: of the export.
        calibration: paths.
        compared: paths, by what the page calls them.
        files: boards and budgets.
    """

    name: str
    seed: int
    calibration: Sequence[Path]
    compared: Mapping[str, Sequence[Path]]
    files: Sequence[tuple[str, float]]


def main() -> None:
    """Measure what is not measured yet and write the end of the page."""
    kept = state() / "precision"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="tiny", help="[default: %(default)s]")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--draws", nargs="*", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--counts", nargs="*", type=int, default=[0, 10, 25])
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin none after so many")
    parser.add_argument("--folder", type=Path, default=kept, help="[default: %(default)s]")
    parser.add_argument("-o", "--output", type=Path, help="the page [default: stdout]")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * arguments.minutes
    for sample in _samples(arguments.seeds, arguments.draws, arguments.counts):
        place = arguments.folder / f"{arguments.network}-{sample.name}.json"
        if not place.is_file() and time.monotonic() < end:
            measured = json.dumps(_measured(arguments.network, sample))
            place.write_text(measured, encoding="utf-8")
            print(f"{arguments.network}, {sample.name}", file=sys.stderr, flush=True)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for place in sorted(arguments.folder.glob("*-*-*.json")):
        network, kind, number = place.stem.rsplit("-", 2)
        kind = f"{kind} {number}" if kind == "count" else kind
        measured = json.loads(place.read_text(encoding="utf-8"))
        found.setdefault((network, kind), []).append(measured)
    text = f"{BEGIN}{markdown(found)}{END}"
    if arguments.output is None:
        print(text, end="")
        return
    page = arguments.output.read_text(encoding="utf-8").partition(BEGIN)[0]
    arguments.output.write_text(f"{page.rstrip()}\n\n{text}", encoding="utf-8")


def _samples(seeds: Iterable[int], draws: Iterable[int], counts: Iterable[int]) -> Iterable[Sample]:
    calib, more, val = (
        list(read_unlabelled(imagenet() / name)) for name in ("calib", "calib_more", "val")
    )
    for seed in seeds:
        files = sorted({*_FILES_OF_A_SEED, *(() if seed else _FILES_OF_THE_FIRST)})
        yield Sample(f"seed-{seed}", seed, calib, {"val": val, "others": more}, files)
    for draw in draws:
        both = [*calib, *more]
        drawn = np.random.default_rng(draw).permutation(len(both))
        chosen = [both[n] for n in sorted(drawn[:_DRAWN])]
        others = [both[n] for n in sorted(drawn[_DRAWN:])]
        compared = {"val": val, "others": others}
        yield Sample(f"draw-{draw}", 0, chosen, compared, _FILES)
    for count in counts:
        chosen = evenly_spaced(calib, count) if count else []
        compared = {"val": val, "others": more}
        yield Sample(f"count-{count}", 0, chosen, compared, _FILES)


def _measured(network: str, sample: Sample) -> dict[str, Any]:
    """Rows of the integer file and of each mixed one."""
    found = find_source(network, progress=no_progress)
    with tempfile.TemporaryDirectory(prefix="tinyedge-precision-") as folder:
        listed = Path(folder) / "photos.txt"
        listed.write_text("".join(f"{path}\n" for path in sample.calibration), encoding="utf-8")
        request = ExportRequest(
            name=network,
            files=replace(found.files, calibration=listed if sample.calibration else None),
            output=Path(folder),
            data_free=not sample.calibration,
            calibration_count=max(1, len(sample.calibration)),
            seed=sample.seed,
        )
        prepared = prepare(request, progress=no_progress)
        require_tensorflow()
        observed = observe(prepared, no_progress)
    made, spec = observed.files, InputSpec(*prepared.network.input, request.fit)
    assert made is not None
    int8 = made.integer(no_progress)
    files: dict[str, tuple[bytes, dict[str, Any]]] = {"integer": (int8, {})}
    integer: dict[str, bytes] = {}  # as an export for the board writes it
    for board, budget in sample.files:
        weighed = made.precisions(counted_boards(find_profile(board)), no_progress)
        integer.setdefault(board, in_forms(int8, weighed.forms))
        chosen = weighed.choose(budget)
        facts = {"cycles": chosen.ratio, "precision": dict(chosen.precision)}
        content = in_forms(made.fitted(chosen, no_progress)[1].content, weighed.forms)
        files[f"{board} {budget:.2f}"] = content, facts
    is_seed = sample.name.startswith("seed")
    if is_seed:
        # By the boards of the last.
        whole = weighed.all_float()
        files["all float"] = made.fitted(whole, no_progress)[1].content, {"cycles": whole.ratio}
    rows: dict[str, Any] = {
        name: {**facts, "bytes": len(content)} for name, (content, facts) in files.items()
    }
    if is_seed:
        for board in CORES:
            contents = [integer[board] if n == "integer" else c for n, (c, _) in files.items()]
            for name, marks in zip(files, count_contents(board, contents), strict=True):
                rows[name].setdefault("instructions", {})[board] = marks.instructions
    for name, paths in sample.compared.items():
        inputs = np.stack([load_float_input(path, spec) for path in paths])
        wanted = run_file(observed.float_tflite.read(), inputs, _silent).answers
        for row, (content, _) in files.items():
            rows[row][name] = _compared(wanted, run_file(content, inputs, _silent).answers)
    return {
        "date": datetime.date.today().isoformat(),
        "sample": sample.name,
        "photos": len(sample.calibration),
        "rows": rows,
    }


def _compared(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> dict[str, float]:
    return {
        "images": len(wanted),
        "kl": float(kl_divergence(wanted, found).mean()),
        "agreement": 100 * float(np.mean(top1(wanted) == top1(found))),
        "ties": int(np.count_nonzero(is_tied(found))),
    }


if __name__ == "__main__":
    run(main)
