"""A comparison's work divided among processes: of this machine, or of an executor's."""

import contextlib
import hashlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from tinyedge.accuracy.compare import Workers
from tinyedge.accuracy.model import ScoringModel
from tinyedge.accuracy.scoring import OpenedModels
from tinyedge.files import bytes_sha256
from tinyedge.text import counted
from tinyedge.workers import local_workers, share_cores

__all__ = ["AHEAD", "share", "share_with_cluster"]

_IN_A_BATCH = 32
"""Images: with them a task takes far longer than it takes to hand out, and the end is not long."""
_A_THREAD = 2
"""Images in a cluster's batch for each of its threads: so its scheduler has 50 tasks a second of
10 ms an image, half a core's work, however many workers there are (docs/cluster.md)."""
_BATCHES_A_WORKER = 4
AHEAD = 3
"""Tasks that are handed out for each that is worked on: a worker never waits for the next."""
_IN_FLIGHT = 64


@contextlib.contextmanager
def share(
    models: Sequence[ScoringModel],
    images: int,
    *,
    workers: int | Executor | None,
    threads: int | None,
    most_threads: int,
    only_here: str | None,
) -> Iterator[Workers | None]:
    """The workers for a comparison while the block runs; None where one process does it all.

    Args:
        models: as they were opened here.
        images: how many there are.
        workers: how many there shall be, None for what is of use; or who has them.
        threads: of the runtime in each; None for what the cores leave.
        most_threads: no worker gets more unasked.
        only_here: why no other process can run them, in words that go on after "workers"; None
            where others can.

    Raises:
        ValueError: more are asked for than there are cores, or than can use what is there.
        WorkerError: a worker has ended, or another tinyedge's.
    """
    if isinstance(workers, Executor):
        work = _work(models, threads or 1)
        described = f"{counted(threads or 1, 'thread')} in each of an executor's workers"
        yield Workers(workers, work, _IN_A_BATCH, _IN_FLIGHT, described)
        return
    if only_here and workers not in (None, 1):
        raise ValueError(f"{workers} workers {only_here}")
    divided = share_cores(
        images, workers=1 if only_here else workers, threads=threads, most_threads=most_threads
    )
    if divided.workers == 1:
        yield None
        return
    batch = _batch(images, divided.workers, most=_IN_A_BATCH)
    with local_workers(divided.workers) as executor:
        work = _work(models, divided.threads)
        yield Workers(executor, work, batch, AHEAD * divided.workers, str(divided))


@contextlib.contextmanager
def share_with_cluster(
    models: Sequence[ScoringModel],
    images: int,
    address: str,
    *,
    ship: bool,
    threads: int | None,
) -> Iterator[Workers]:
    """The workers of a Dask scheduler while the block runs.

    Args:
        models: as they were opened here.
        images: how many there are.
        address: the scheduler's, such as ``tcp://10.0.0.2:8786``.
        ship: send models and images to workers that have not the files.
        threads: of the runtime in each task; 1 where not given, for a worker with several threads
            does as many tasks at a time.

    Raises:
        WorkerError: no scheduler answers, or a worker has another tinyedge, or none.
        MissingPackageError: distributed is not installed.
    """
    from tinyedge.cluster import cluster

    with contextlib.ExitStack() as stack:
        found = stack.enter_context(cluster(address))
        finders: list[Callable[[], Path] | None] = [None] * len(models)
        if ship:
            from tinyedge.shipping import shipped_file

            contents = [model.path.read_bytes() for model in models]
            names = [f"{bytes_sha256(content)}.tflite" for content in contents]
            shipped = found.files_shipped(dict(zip(names, contents, strict=True)))
            ship_name = stack.enter_context(shipped)
            finders = [partial(shipped_file, ship_name, name) for name in names]
        work = _work(models, threads or 1, finders)
        batch = _batch(images, found.threads, most=_A_THREAD * found.threads)
        each = counted(threads or 1, "thread")
        described = f"{each} in each of {counted(found.threads, 'task')} at a time of {address}"
        yield Workers(found.executor, work, batch, AHEAD * found.threads, described, ship)


def _batch(images: int, workers: int, *, most: int) -> int:
    return max(1, min(max(most, _IN_A_BATCH), images // (_BATCHES_A_WORKER * workers)))


def _work(
    models: Sequence[ScoringModel],
    threads: int,
    finders: Sequence[Callable[[], Path] | None] | None = None,
) -> OpenedModels:
    finders = finders or [None] * len(models)
    openers = tuple(
        model.opener(threads, find) for model, find in zip(models, finders, strict=True)
    )
    return OpenedModels(hashlib.sha256(pickle.dumps(openers)).hexdigest(), openers)
