"""How the cost of an inference and of an export grows with a network and its photos.

    python -m benchmarks.performance.growth --calib DIR -o docs/performance.md

Networks of 3x3 convolutions with random weights of He's scale: what is computed hangs on no weight.
One of input size, width, depth and number of photos varies at a time. Inferences are counted in
guest instructions on emulated Raspberry Pis; exports are measured on this machine.
"""

import argparse
import datetime
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import machine, run
from benchmarks.emulated.cores import CORES
from benchmarks.emulated.measures import inference_instructions
from benchmarks.performance import sections
from benchmarks.performance.export_cost import cost_of
from benchmarks.performance.growth_plot import growth_plot
from tests.support.random_weights import random_weights
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import write_weights

__all__ = ["AXES", "Point", "growth_section", "network_text"]

_CLASSES = 100


class Point(NamedTuple):
    """A network and how many photos it is calibrated on.

    Attributes:
        size: pixels along each side of the input.
        width: filters of the first convolution; twice and four times as many follow.
        depth: convolutions of four times as many filters.
        photos: of the calibration.
    """

    size: int = 224
    width: int = 8
    depth: int = 4
    photos: int = 50


AXES: Mapping[str, Sequence[Point]] = {
    "size": [Point(size=n) for n in (96, 160, 224, 320, 448)],
    "width": [Point(width=n) for n in (4, 8, 16)],
    "depth": [Point(depth=n) for n in (2, 4, 8)],
    "photos": [Point(photos=n) for n in (25, 50, 100, 200)],
}
"""What varies, and how; all meet in ``Point()``."""


def network_text(point: Point) -> str:
    """The .cfg of a point's network."""

    def convolution(filters: int, size: int = 3, activation: str = "leaky") -> str:
        return (
            f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride=1\npad=1\n"
            f"activation={activation}\n"
        )

    pool = "[maxpool]\nsize=2\nstride=2\n"
    text = f"[net]\nheight={point.size}\nwidth={point.size}\nchannels=3\n"
    text += convolution(point.width) + pool + convolution(2 * point.width) + pool
    text += point.depth * convolution(4 * point.width)
    return text + convolution(_CLASSES, 1, "linear") + "[avgpool]\n[softmax]\n"


def grown(calib: Path) -> dict[str, Any]:
    """What all points take, as `growth_section` takes it."""
    load, _, _ = os.getloadavg()
    points = dict.fromkeys(point for axis in AXES.values() for point in axis)
    counted: dict[Point, list[int]] = {}
    rows = []
    for point in points:
        with tempfile.TemporaryDirectory(prefix="tinyedge-growth-") as name:
            cfg, weights = Path(name, "net.cfg"), Path(name, "net.weights")
            cfg.write_text(network_text(point), encoding="utf-8")
            network = read_network(cfg)
            write_weights(weights, network, random_weights(network, 1))
            words = [cfg, "--weights", weights, "--calib", calib.resolve()]
            cost = cost_of([*words, "--count", point.photos, "-o", Path(name, "out")])
            # The instructions of an inference hang on no photo.
            alike = point._replace(photos=Point().photos)
            if alike not in counted:
                file = Path(name, "out", "net_int8.tflite")
                counted[alike] = [inference_instructions(board, file) for board in CORES]
        print(f"{point}: {cost}, {counted[alike]}", file=sys.stderr, flush=True)
        rows.append(
            {
                "point": point._asdict(),
                "operations": network.operations,
                "instructions": counted[alike],
                "cpu": cost.cpu,
                "peak": cost.peak,
            }
        )
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{machine()}, {os.cpu_count()} cores",
        "load": load,
        "rows": rows,
    }


def growth_section(found: Mapping[str, Any], plot: str) -> str:
    """Of ``rows``: ``point``, ``operations``, ``instructions`` a core, ``cpu`` (s), ``peak`` (B).

    `plot` is the drawing's file, beside the page.
    """
    rows = {Point(**row["point"]): row for row in found["rows"]}
    begin = Point()
    lines = [
        "## How cost grows",
        "",
        f"Written by `python -m benchmarks.performance.growth`. {found['machine']};",
        f"{found['date']}. Networks of 3x3 convolutions, two and a pool each, then `depth` of four",
        "times `width` filters, with random weights of He's scale. One number varies at a time",
        f"from an input of {begin.size}, a width of {begin.width}, a depth of {begin.depth} and"
        f" {begin.photos} photos. Millions of guest",
        "instructions are those of an inference of the int8 file, one thread, on each core",
        "(n = 1: counts repeat); seconds of all threads and the peak of memory are those of its",
        f"`export` on this machine, once, with a load of {found['load']:.1f} before it began.",
        "",
        f"![How cost grows]({plot})",
        "",
        f"| what varies | MMAC | {' | '.join(CORES.values())} | export, s | export, peak MB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, points in AXES.items():
        for point in points:
            row = rows[point]
            counts = " | ".join(f"{count / 1e6:.1f}" for count in row["instructions"])
            lines.append(
                f"| {name} {getattr(point, name)} | {row['operations'] / 2e6:.0f} | {counts}"
                f" | {row['cpu']:.0f} | {row['peak'] / 1e6:.0f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, keep what was measured, draw it, and write its section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    found = grown(given.calib)
    sections.keep(sections.state(), "growth", found)
    plot = given.output.with_name("growth.svg")
    plot.write_text(growth_plot(found, AXES), encoding="utf-8")
    sections.write_section(given.output, "growth", growth_section(found, plot.name))


if __name__ == "__main__":
    run(main)
