"""How far one Dask scheduler reaches: tasks a second, its CPU a task, its memory.

    python -m benchmarks.cluster [--workers 100] [--images 1300000] [--milliseconds 10]
        [--batches 100 200] [-o docs/cluster.md]

The scheduler is a process of its own, as it is elsewhere. The workers are threads of this process,
and their tasks sleep for as long as a batch would take.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from itertools import islice
from pathlib import Path

from benchmarks import run
from tinyedge.accuracy.observations import Answer, ImageAnswers
from tinyedge.accuracy.sharing import AHEAD
from tinyedge.devices.runtime.made import cpu_name
from tinyedge.images.evaluate import evaluate

_ANSWERS = ImageAnswers((Answer(1, 0, False, 0.5), Answer(1, 0, False, 0.5)), (0.01,))
_MARK = "## How far it reaches\n"
_CPUINFO = Path("/proc/cpuinfo")
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure each size of a batch; print a table, or write it behind the page's last heading."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--images", type=int, default=1_300_000)
    parser.add_argument("--milliseconds", type=float, default=10.0, help="that an image takes")
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 200])
    parser.add_argument("-o", "--output", type=Path, help="the page [default: stdout]")
    arguments = parser.parse_args()
    lines = [
        f"{arguments.workers} workers whose images take {arguments.milliseconds:g} ms each,"
        f" {arguments.images:,} images, one run each on {os.cpu_count()} cores of"
        f" {cpu_name(_CPUINFO.read_text())}:",
        "",
        "| images a task | tasks | tasks/s | of the ideal | scheduler: CPU ms a task"
        " | of a core | memory |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for batch in arguments.batches:
        lines.append(_row(arguments.workers, arguments.images, arguments.milliseconds, batch))
        print(lines[-1], file=sys.stderr, flush=True)
    if arguments.output is None:
        print("\n".join(lines))
        return
    page = arguments.output.read_text(encoding="utf-8")
    head, _, _ = page.partition(_MARK)
    text = "\n".join(lines)
    arguments.output.write_text(f"{head}{_MARK}\n{_EXPLAINED}\n\n{text}\n", encoding="utf-8")


_EXPLAINED = """A scheduler is one process. `compare` gives it tasks of two images for each thread
of its workers (32 at least, fewer where there are not so many), so that it has 50 tasks a second of
10 ms an image to hand out however many workers there are. Made by
`python -m benchmarks.cluster -o docs/cluster.md`, with workers that sleep in place of working.
How near to the ideal they come is theirs: all are threads of one process, on the same cores."""


def _row(workers: int, images: int, milliseconds: float, batch: int) -> str:
    from distributed import Client

    seconds, tasks = batch * milliseconds / 1000, images // batch
    with _scheduler() as (process, address), _sleepers(address, workers), Client(address) as client:
        client.wait_for_workers(workers, timeout=120)
        begin, cpu = time.monotonic(), _cpu_seconds(process)
        done = _done(client.get_executor(pure=False), tasks, batch, seconds, workers)
        took, cpu = time.monotonic() - begin, _cpu_seconds(process) - cpu
        memory = _peak_bytes(process)
    assert done == tasks * batch
    ideal = tasks * seconds / workers
    return (
        f"| {batch} | {tasks:,} | {tasks / took:.0f} | {ideal / took:.0%} |"
        f" {1000 * cpu / tasks:.2f} | {cpu / took:.0%} | {memory / 1e6:,.0f} MB |"
    )


def _done(executor: Executor, tasks: int, batch: int, seconds: float, workers: int) -> int:
    def work(numbers: Sequence[int]) -> list[ImageAnswers]:
        time.sleep(seconds)
        return [_ANSWERS for _ in numbers]

    def batches() -> Iterator[tuple[int, ...]]:
        numbers = iter(range(tasks * batch))
        while chosen := tuple(islice(numbers, batch)):
            yield chosen

    with contextlib.closing(
        evaluate(work, batches(), executor, in_flight=AHEAD * workers)
    ) as results:
        return sum(len(found) for _, found in results if isinstance(found, list))


@contextlib.contextmanager
def _scheduler() -> Iterator[tuple[int, str]]:
    """A scheduler's process id and address."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        words += ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file)]
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", "scheduler", *words],
            stderr=subprocess.DEVNULL,
        )
        try:
            while not file.exists() or not file.read_text().strip():
                time.sleep(0.1)
            yield process.pid, json.loads(file.read_text())["address"]
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _sleepers(address: str, count: int) -> Iterator[None]:
    """Workers of one thread each, in a loop of their own."""
    from distributed import Worker

    loop = asyncio.new_event_loop()
    end = asyncio.Event()
    how = {"nthreads": 1, "memory_limit": 0, "host": "127.0.0.1"}
    how["dashboard_address"] = "127.0.0.1:0"

    async def live() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(count):
                await stack.enter_async_context(Worker(address, **how))
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_bytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    run(main)
