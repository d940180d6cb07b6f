"""What each thread of an inference runs on an emulated board, of 1, 2, 3 and 4 threads.

    python -m benchmarks.emulated.threads BOARD FILE... [--threads 1 2 3 4] [--inferences 10]

A line for each file and count, in millions of instructions without waiting: all threads together,
and those of the thread that has most to do, as the smallest and the median over inferences.
Operators are divided evenly at first, and a thread that is done takes from the others; so the
busiest one depends on how this machine's cores are shared while it is counted. *All* by the
threads is the least that equal, idle cores can do with, the smallest of the busiest an upper bound.
What a thread runs while it waits for others (threads.c) is told apart.
"""

import argparse
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import run
from benchmarks.emulated.cores import CORES
from benchmarks.emulated.instruction_counter import ran_by_threads
from benchmarks.emulated.measures import guest_words, site_packages
from tests.emulated_pi import emulated_pi

__all__ = ["Inference", "count_threads"]

# From a YIELD, bytes: the loop in which a thread of the pool waits is shorter.
_NEAR_YIELD = 128


class Inference(NamedTuple):
    """Instructions of one inference, for each thread in the order in which they were started.

    Attributes:
        work: without waiting.
        waiting: for other threads.
    """

    work: tuple[int, ...]
    waiting: tuple[int, ...]


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("board", choices=CORES)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--inferences", type=int, default=10)
    arguments = parser.parse_args()
    print("file threads all all/threads busiest: least median waiting: most")
    for path in arguments.files:
        for threads in arguments.threads:
            found = count_threads(arguments.board, path.resolve(), threads, arguments.inferences)
            print(path.name, threads, _row(found, threads), flush=True)


def count_threads(board: str, path: Path, threads: int, inferences: int) -> list[Inference]:
    """Each of the inferences behind the first two of the file, in which nothing is set up.

    Raises:
        RuntimeError: the file does not run there.
    """
    pi = emulated_pi("bookworm", board)
    log = ran_by_threads(
        pi,
        guest_words([path], threads=threads, unmarked=2, marked=inferences),
        environment={"PYTHONPATH": str(site_packages(pi))},
    )
    return [_inference(blocks) for blocks in _between_marks(log)]


def _between_marks(log: str) -> Iterator[list[list[int]]]:
    """The blocks of each inference: address, instructions, whether it yields, runs of threads."""
    _, *inferences = log.split("mark\n")[:-1]
    for part in inferences:
        rows = re.findall(r"^block ([0-9a-f]+) ([0-9 ]+)$", part, re.MULTILINE)
        yield [[int(address, 16), *map(int, rest.split())] for address, rest in rows]


def _inference(blocks: Sequence[Sequence[int]]) -> Inference:
    waits = [address for address, _, yields, *_ in blocks if yields]
    threads = max(len(block) for block in blocks) - 3
    work, waiting = [0] * threads, [0] * threads
    for address, instructions, _, *runs in blocks:
        is_wait = any(abs(address - wait) <= _NEAR_YIELD for wait in waits)
        for thread, times in enumerate(runs):
            (waiting if is_wait else work)[thread] += instructions * times
    return Inference(tuple(work), tuple(waiting))


def _row(found: Sequence[Inference], threads: int) -> str:
    total = statistics.median(sum(each.work) for each in found)
    busiest = [max(each.work) for each in found]
    waiting = max(max(each.waiting) for each in found)
    numbers = (total, total / threads, min(busiest), statistics.median(busiest), waiting)
    return " ".join(f"{number / 1e6:.1f}" for number in numbers)


if __name__ == "__main__":
    run(main)
