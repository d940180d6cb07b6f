"""Writes sections of docs/performance.md: Tiny Darknet in tinyedge's files and in other engines.

    python -m benchmarks.performance --models DIR --photo FILE --calib DIR --peers PYTHON
        --tflite PYTHON [--rounds 120] -o docs/performance.md
    python -m benchmarks.performance --emulated --models DIR --photo FILE --calib DIR
        --peers PYTHON -o docs/performance.md

By this machine's clock, or with --emulated in guest instructions on Raspberry Pis, which are drawn
as well, beside the page. What DIR of models lacks of tinyedge's files is exported to it on photos
of --calib; other engines' files are made of the same photos. PYTHON of --peers is of an environment
with benchmarks/requirements.txt, that of --tflite of one with tflite-runtime and numpy before 2.
Darknet is compiled by make and gcc, and for the boards by Debian's gcc-aarch64-linux-gnu.
"""

import argparse
from pathlib import Path

from benchmarks import run
from benchmarks.performance import sections
from benchmarks.performance.boards import counted
from benchmarks.performance.clock import timed
from benchmarks.performance.plot import boards_plot
from benchmarks.performance.table import boards_section, clock_section


def main() -> None:
    """Measure, keep what was measured, and write its section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--tflite", type=Path)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    models, photo, state = given.models.resolve(), given.photo, sections.state()
    if given.emulated:
        counts = counted(models, photo, given.calib, given.peers)
        sections.keep(state, "boards", counts)
        plot = given.output.with_suffix(".svg")
        plot.write_text(boards_plot(counts), encoding="utf-8")
        sections.write_section(given.output, "boards", boards_section(counts, plot.name))
        return
    if given.tflite is None:
        parser.error("the clock's section takes --tflite")
    peers, tflite = given.peers, given.tflite
    times = timed(models, photo, given.calib, peers=peers, tflite=tflite, rounds=given.rounds)
    sections.keep(state, "clock", times)
    sections.write_section(given.output, "clock", clock_section(times))


if __name__ == "__main__":
    run(main)
