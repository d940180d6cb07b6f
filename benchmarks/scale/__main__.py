"""The page docs/scale.md: how a comparison goes with more workers and with more photos.

    python -m benchmarks.scale FLOAT INT8 [--workers 1 2] [--photos 1000 5000 20000 50000]
        [-o docs/scale.md]

The machine must be idle: rates are by the clock, what they are compared with is CPU time. The
photos are made here; 50,000 of them are links to fifty.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import run
from benchmarks.scale.alone import measure_alone
from benchmarks.scale.compared import compared
from benchmarks.scale.photos import make_photos
from benchmarks.scale.table import MEMORY, Measured, Rate, markdown

_FEW, _MANY = 200, 1000
"""Photos for a rate: times the workers."""
_ROUNDS = 3


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs=2, type=Path, metavar="FLOAT INT8")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument(
        "--workers",
        nargs="*",
        type=int,
        default=list(range(1, cores + 1)),
        help="for rates; of none, what the page says of them stays",
    )
    parser.add_argument(
        "--photos",
        nargs="*",
        type=int,
        default=[1000, 5000, 20_000, 50_000],
        help="for memory; of none, what the page says of it stays",
    )
    parser.add_argument("-o", "--output", type=Path, help="write the page there [default: stdout]")
    arguments = parser.parse_args()
    found = Measured()
    with tempfile.TemporaryDirectory(prefix="tinyedge-scale-") as name:
        folder = Path(name)
        for workers in arguments.workers:
            counts = _FEW * workers, _MANY * workers
            places = [make_photos(folder / f"{count}", count) for count in counts]
            alone = measure_alone(arguments.models, places[0])
            words = ("--workers", str(workers))
            few, many = [], []
            for _ in range(_ROUNDS):
                few.append(compared(arguments.models, places[0], *words))
                many.append(compared(arguments.models, places[1], *words))
            rate = Rate(workers, counts, few, many, alone)
            found.rates.append(rate)
            _say(f"{workers} workers: {rate.images_a_second:.1f} of {rate.possible:.1f} images/s")
        for count in arguments.photos:
            place = make_photos(folder / f"{count}", count)
            took = compared(arguments.models, place, "--workers", str(cores), watched=True)
            found.memory.append((count, took))
            _say(f"{count} photos: {took.memory / 1e6:.0f} MB, {took.seconds:.0f} s")
    text = markdown(found)
    if arguments.output is None:
        print(text, end="")
        return
    rates, _, memory = text.partition(MEMORY)
    if not (arguments.workers and arguments.photos):
        old_rates, _, old_memory = arguments.output.read_text(encoding="utf-8").partition(MEMORY)
        rates = rates if arguments.workers else old_rates
        memory = memory if arguments.photos else old_memory
    text = f"{rates}{MEMORY}{memory}"
    arguments.output.write_text(text, encoding="utf-8")


def _say(done: str) -> None:
    print(done, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(main)
