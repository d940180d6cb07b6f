"""Writes devices/latency/instructions.json: what operators take on emulated cores.

    python -m benchmarks.emulated.costs [-o devices/latency/instructions.json] [--check FILE...]

Files of one operator each (operators.py) run through LiteRT on each core, one thread, and the
second inference of each is counted (marks.c). What is fitted are the multiples of
`tinyedge.devices.latency.instructions.operator_terms`, none negative, by least squares of the
relative error; each row says how far off it is. With --check nothing is written: whole files are
counted and held against the table, with the lines that miss the last cache.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import run
from benchmarks.emulated.cores import CORES
from benchmarks.emulated.instruction_counter import Marks, marked
from benchmarks.emulated.measures import guest_words, site_packages
from benchmarks.emulated.operators import operator_files
from tests.emulated_pi import emulated_pi
from tinyedge.devices.latency.instructions import file_cost, operator_kind, operator_terms
from tinyedge.devices.profile import find_profile
from tinyedge.tflite.model import parse_tflite

__all__ = ["count_contents", "count_files", "non_negative"]

_OUTPUT = Path(__file__).resolve().parents[2] / "devices" / "latency" / "instructions.json"


def main() -> None:
    """Count, fit and write; or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=_OUTPUT)
    parser.add_argument("--check", nargs="+", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.check:
        _check([path.resolve() for path in arguments.check])
        return
    cores: dict[str, Any] = {}
    contents = [file.content for file in operator_files()]
    for board in CORES:
        # What Python and LiteRT take to call an operator that does nothing comes first.
        nothing, *counted = (each.instructions for each in count_contents(board, contents))
        cpu = find_profile(board).cpu
        assert cpu is not None
        cores[cpu] = _fitted(contents[1:], counted, nothing)
        print(f"{cpu}: {len(contents)} operators", file=sys.stderr, flush=True)
    text = json.dumps({"runtime": _runtime(), "cores": cores}, indent=1, sort_keys=True)
    arguments.output.write_text(f"{text}\n", encoding="utf-8")


def count_contents(board: str, contents: Sequence[bytes]) -> list[Marks]:
    """As `count_files`, of files that are written for it."""
    with tempfile.TemporaryDirectory(prefix="tinyedge-costs-") as folder:
        paths = [Path(folder) / f"{number}.tflite" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return count_files(board, paths)


def count_files(board: str, paths: Sequence[Path]) -> list[Marks]:
    """What the second inference of each file takes."""
    pi, cache = emulated_pi("bookworm", board), find_profile(board).cache
    assert cache is not None
    places = marked(
        pi,
        # The first inference fills caches.
        guest_words(paths, threads=1, unmarked=1, marked=1),
        cache_bytes=cache,
        environment={"PYTHONPATH": str(site_packages(pi))},
    )
    pairs = zip(places[::2], places[1::2], strict=True)
    return [Marks(*(after - before for before, after in zip(*pair, strict=True))) for pair in pairs]


def _fitted(contents: list[bytes], instructions: list[int], nothing: int) -> dict[str, Any]:
    """A row for each kind: its coefficients, of how many operators, and its errors.

    `nothing` is what an inference takes that does nothing. Errors are relative to all that one
    takes, so that what the smallest operators are off by does not count for more.
    """
    rows: dict[str, list[tuple[dict[str, float], int]]] = {}
    for content, counted in zip(contents, instructions, strict=True):
        graph = parse_tflite(content).subgraphs[0]
        (operator,) = graph.operators
        found = operator_terms(graph, operator), counted
        rows.setdefault(operator_kind(graph, operator), []).append(found)
    return {kind: _row(measured, nothing) for kind, measured in sorted(rows.items())}


def _row(measured: list[tuple[dict[str, float], int]], nothing: int) -> dict[str, Any]:
    names = list(measured[0][0])
    counted = np.array([count for _, count in measured], np.float64)
    terms = np.array([[row[name] for name in names] for row, _ in measured])
    relative, wanted = terms / counted[:, np.newaxis], (counted - nothing) / counted
    coefficients = non_negative(relative, wanted)
    errors = np.abs(relative @ coefficients - wanted)
    return {
        "coefficients": {
            name: float(f"{value:.4g}")
            for name, value in zip(names, coefficients, strict=True)
            if value > 0
        },
        "operators": len(measured),
        "median_error": round(float(np.median(errors)), 4),
        "largest_error": round(float(errors.max()), 4),
    }


def non_negative(terms: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares with no coefficient below 0, by the active sets of Lawson and Hanson (1974)."""
    found = np.zeros(terms.shape[1])
    active: list[int] = []
    # Terms that grow together, of a kind that was counted in few shapes, cannot be told apart: one
    # that brings nothing is let be until another has.
    idle: list[int] = []
    sizes = np.linalg.norm(terms, axis=0)
    sizes[sizes == 0] = 1  # A term may be 0 in all shapes of a kind.
    scaled = terms / sizes
    while True:
        residual = wanted - scaled @ found
        gradient = scaled.T @ residual
        gradient[[*active, *idle]] = -np.inf
        best = int(np.argmax(gradient))
        if gradient[best] <= 1e-9:
            return np.asarray(found / sizes, np.float64)
        active.append(best)
        while True:
            trial = np.zeros_like(found)
            trial[active] = np.linalg.lstsq(scaled[:, active], wanted, rcond=None)[0]
            negative = [place for place in active if trial[place] <= 0]
            if not negative:
                found = trial
                break
            steps = [found[place] / (found[place] - trial[place]) for place in negative]
            found = found + min(steps) * (trial - found)
            active = [place for place in active if found[place] > 1e-12]
            found[[place for place in range(len(found)) if place not in active]] = 0
        gained = np.linalg.norm(residual) - np.linalg.norm(wanted - scaled @ found)
        idle = [] if gained > 1e-12 else [*idle, best]


def _check(paths: Sequence[Path]) -> None:
    """A line for each file and core: counted, by the table, and lines."""
    for board in CORES:
        profile = find_profile(board)
        for path, counted in zip(paths, count_files(board, paths), strict=True):
            cost = file_cost(parse_tflite(path.read_bytes()).subgraphs[0], profile)
            print(
                f"{profile.cpu} {path.name}: {counted.instructions / 1e6:.1f} M instructions,"
                f" {cost.instructions / 1e6:.1f} by the table;"
                f" {counted.memory_lines / 1e3:.0f} k lines missed, {cost.lines / 1e3:.0f} by rule"
            )


def _runtime() -> str:
    from importlib.metadata import version

    return f"ai-edge-litert {version('ai-edge-litert')}"


if __name__ == "__main__":
    run(main)
