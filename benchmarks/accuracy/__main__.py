"""The table of docs/accuracy_peers.md: what int8 costs a network in each engine.

    python -m benchmarks.accuracy --python PEERS/bin/python [-o docs/accuracy_peers.md]

PEERS is an environment with benchmarks/requirements.txt; tinyedge's own rows are made by this
one. TINYEDGE_CACHE names the cache; imagenet/calib and imagenet/val lie beside it. Models and
their scores are kept in a folder outside the repository: finished rows stay as they are, unless
--only names them, and the table can be made in pieces.
"""

import argparse
import datetime
import importlib.metadata
import json
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import tinyedge
from benchmarks import run
from benchmarks.accuracy.networks import (
    CALIBRATION_IMAGES,
    NETWORKS,
    calibration_source,
    is_prepared,
    prepare,
)
from benchmarks.accuracy.peers.rows import BASELINE, FLOAT, GRAPH, ROWS, Row
from benchmarks.accuracy.table import markdown
from benchmarks.places import state
from tinyedge.errors import TinyedgeWarning

_ROOT = Path(__file__).resolve().parents[2]

TOLERANCE = 1e-4
"""How far, in logits, the float ONNX graph may be from the float .tflite."""

ROUNDS = {"fashion": 2000, "tiny": 300, "squeezenet": 150}
"""How often each model is timed."""

_LATENCY = "latency"


def main() -> None:
    """Measure what is not measured yet and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", type=Path, required=True, help="of the peers' environment")
    parser.add_argument("-o", "--output", type=Path, help="write the table there [default: stdout]")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="do a network, a row, NETWORK/ROW, or the times alone (latency) again, nothing else",
    )
    parser.add_argument("--network", action="append", choices=NETWORKS, help="[default: all]")
    parser.add_argument(
        "--folder", type=Path, default=state() / "accuracy", help="[default: %(default)s]"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", TinyedgeWarning)
    _check_names(arguments.only or (), parser)
    for name in arguments.network or NETWORKS:
        folder = arguments.folder / name
        # The float rows first: the others are made of them.
        rows = (FLOAT, GRAPH, *(row for row in ROWS if row is not FLOAT))
        wanted = [row for row in rows if _is_wanted(name, row.name, arguments)]
        if wanted and not is_prepared(folder):
            prepare(name, folder)
        made = [_measure(name, row, folder, arguments.python) for row in wanted]
        if any(made) or _is_wanted(name, _LATENCY, arguments):
            _time(name, folder, arguments.python)
    text = markdown({name: arguments.folder / name for name in NETWORKS})
    if arguments.output is None:
        print(text, end="")
    else:
        arguments.output.write_text(text, encoding="utf-8")


def _check_names(names: Sequence[str], parser: argparse.ArgumentParser) -> None:
    rows = [_LATENCY, *(row.name for row in (*ROWS, GRAPH))]
    known = {*NETWORKS, *rows, *(f"{name}/{row}" for name in NETWORKS for row in rows)}
    if unknown := sorted(set(names) - known):
        parser.error(f"--only {unknown[0]}: no such network or row")


def _is_wanted(network: str, part: str, arguments: argparse.Namespace) -> bool:
    """Whether a row, or the times, of a network are to be measured."""
    if arguments.only is not None:
        return not {network, part, f"{network}/{part}"}.isdisjoint(arguments.only)
    done = "latency.json" if part == _LATENCY else f"{part}/scores.npy"
    return not (arguments.folder / network / done).is_file()


def _measure(name: str, row: Row, folder: Path, python: Path) -> bool:
    """Make the row's model and score it; whether that went well. A failure is kept as well."""
    print(f"{name}/{row.name} ...", end=" ", file=sys.stderr, flush=True)
    place = folder / row.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    start = time.monotonic()
    if row.tool == "tinyedge":
        failure = _export(name, row, place)
    else:
        failure = _run([python, "-m", "benchmarks.accuracy.peers", "make", row.name, folder], place)
    seconds = time.monotonic() - start
    if not failure:
        failure = _run(
            [python, "-m", "benchmarks.accuracy.peers", "scores", row.name, folder], place
        )
    if row is GRAPH:
        _check_graph(folder, failure)
    content = {
        "date": datetime.date.today().isoformat(),
        "seconds": seconds,
        "failure": failure,
        "versions": _versions() if row.tool == "tinyedge" else {},
        "bytes": sum(file.stat().st_size for file in place.glob("model.*")),
    }
    (place / "row.json").write_text(json.dumps(content), encoding="utf-8")
    print(failure or f"{seconds:.0f} s", file=sys.stderr)
    return not failure


def _export(name: str, row: Row, place: Path) -> str:
    """The row's file by the command a user types; why there is none, or nothing."""
    words = ["export", name, "--calib", calibration_source(name)]
    words += ["--count", CALIBRATION_IMAGES, *row.options["words"], "-o", place / "export"]
    failure = _run([Path(sys.executable), "-m", "tinyedge", *words], place)
    if not failure:
        (place / "export" / f"{name}_{row.options['file']}.tflite").rename(place / "model.tflite")
        shutil.rmtree(place / "export")
    return failure


def _versions() -> dict[str, str]:
    """Of what converts in this environment."""
    return {
        "tensorflow": importlib.metadata.version("tensorflow"),
        "tinyedge": tinyedge.__version__,
    }


def _check_graph(folder: Path, failure: str) -> None:
    """The peers quantize the same function as tinyedge, or nothing is compared."""
    if failure:
        raise SystemExit(f"{folder / GRAPH.name}: {failure}")
    ours, theirs = (np.load(folder / row.name / "scores.npy") for row in (FLOAT, GRAPH))
    difference = float(abs(ours - theirs).max())
    if not difference <= TOLERANCE:
        raise SystemExit(f"{folder}: the ONNX graph's logits are off by {difference:.1e}")


def _time(name: str, folder: Path, python: Path) -> None:
    """All rows that have a model, also those that are not new: times compare within one run."""
    rows = [row.name for row in ROWS if (folder / row.name / "scores.npy").is_file()]
    if BASELINE.name not in rows:
        return
    words = ["latency", folder, *rows, "--rounds", ROUNDS[name]]
    if failure := _run([python, "-m", "benchmarks.accuracy.peers", *words], folder):
        raise SystemExit(f"{folder}: {failure}")


def _run(command: Sequence[object], place: Path) -> str:
    """The last line of what it complained of, or nothing where it did well.

    What it prints is kept in `place`.
    """
    with (place / "log.txt").open("a+", encoding="utf-8") as log:
        start = log.tell()
        child = subprocess.run(
            [str(word) for word in command],
            cwd=_ROOT,
            stdout=log,
            stderr=log,
            check=False,
        )
        if child.returncode == 0:
            return ""
        log.seek(start)
        return (log.read().strip().splitlines() or [f"exit code {child.returncode}"])[-1]


if __name__ == "__main__":
    run(main)
