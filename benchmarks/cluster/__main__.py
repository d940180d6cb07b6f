"""How far one Dask scheduler reaches: tasks a second, its CPU a task, its memory.

    python -m benchmarks.cluster [--workers 100] [--images 1300000] [--milliseconds 10]

The workers are threads of this process and their tasks sleep for as long as a batch would take, so
that the scheduler, its connections and the client are all that works: what is told as the
scheduler's CPU is theirs together, which is more than the scheduler's own.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice

from tinyedge.accuracy.observations import Answer, ImageAnswers
from tinyedge.accuracy.sharing import AHEAD
from tinyedge.images.evaluate import evaluate

_ANSWERS = ImageAnswers((Answer(1, 0, False, 0.5), Answer(1, 0, False, 0.5)), (0.01,))


def main() -> None:
    """Measure each size of a batch and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--images", type=int, default=1_300_000)
    parser.add_argument("--milliseconds", type=float, default=10.0, help="that an image takes")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128, 512])
    arguments = parser.parse_args()
    from distributed import Client, LocalCluster

    print("| images a task | tasks | tasks/s | CPU ms a task | cores | of the ideal | peak MB |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for batch in arguments.batches:
        with (
            LocalCluster(
                n_workers=arguments.workers,
                threads_per_worker=1,
                processes=False,
                dashboard_address=None,
            ) as workers,
            Client(workers) as client,
        ):
            seconds = batch * arguments.milliseconds / 1000
            tasks = arguments.images // batch
            begin, cpu = time.monotonic(), time.process_time()
            done = _run(client.get_executor(pure=False), tasks, batch, seconds, arguments.workers)
            took, cpu = time.monotonic() - begin, time.process_time() - cpu
            assert done == tasks * batch
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            ideal = tasks * seconds / arguments.workers
            print(
                f"| {batch} | {tasks:,} | {tasks / took:.0f} | {1000 * cpu / tasks:.2f} |"
                f" {cpu / took:.2f} | {ideal / took:.0%} | {peak:,.0f} |",
                flush=True,
            )


def _run(executor: object, tasks: int, batch: int, seconds: float, workers: int) -> int:
    def work(numbers: Sequence[int]) -> list[ImageAnswers]:
        time.sleep(seconds)
        return [_ANSWERS for _ in numbers]

    def batches() -> Iterator[tuple[int, ...]]:
        numbers = iter(range(tasks * batch))
        while chosen := tuple(islice(numbers, batch)):
            yield chosen

    done = 0
    results = evaluate(work, batches(), executor, in_flight=AHEAD * workers)  # type: ignore[arg-type]
    with closing(results):
        for _, found in results:
            done += len(found)  # type: ignore[arg-type]
    return done


if __name__ == "__main__":
    main()
