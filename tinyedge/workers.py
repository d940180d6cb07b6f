"""Processes of this machine among which work is divided, as an executor of the standard library."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, InvalidStateError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from tinyedge.children import die_with_parent
from tinyedge.errors import WorkerError
from tinyedge.json_values import argument, integer, optional
from tinyedge.memory import available_memory
from tinyedge.system import untold
from tinyedge.text import counted

__all__ = ["WorkerShare", "decoding_workers", "local_workers", "share_cores"]

_WORKER_BYTES = 200 << 20
"""What a worker takes with NumPy, a runtime and two models of a few MB."""
_LEAST_IMAGES = 32
"""Fewer are done before another worker has started."""
_LEAST_BYTES = 64 << 20
"""Of image files: fewer are decoded before workers have started."""


@dataclass(frozen=True)
class WorkerShare:
    """How many workers there are, and how many threads the runtime has in each.

    Their product is no more than the cores of this process.
    """

    workers: int
    threads: int

    def __str__(self) -> str:
        """Such as ``1 thread in each of 4 workers``."""
        return f"{counted(self.threads, 'thread')} in each of {counted(self.workers, 'worker')}"


def share_cores(
    images: int, *, workers: int | None, threads: int | None, most_threads: int = 1
) -> WorkerShare:
    """Divide the cores that this process may use among workers.

    Args:
        images: how many there are to do.
        workers: as many as were asked for; None for as many as are of use: no more than leave 200
            MB of memory for each, or 32 images.
        threads: of each worker, as asked for; None for what the cores leave.
        most_threads: no worker gets more unasked.

    Raises:
        ValueError: more was asked for than there are cores, or no worker.
    """
    argument("workers", workers, optional(integer(1)))
    cores = len(os.sched_getaffinity(0))
    if workers is None:
        free = available_memory()
        by_memory = cores if free is None else free // _WORKER_BYTES
        workers = max(1, min(cores // (threads or 1), by_memory, -(-images // _LEAST_IMAGES)))
        if workers == 1:
            return WorkerShare(1, threads or most_threads)
    if threads is None:
        threads = max(1, min(most_threads, cores // workers))
    if workers > 1 and workers * threads > cores:
        raise ValueError(
            f"{workers} workers of {threads} threads each are more than the {cores} cores there are"
        )
    return WorkerShare(workers, threads)


@contextlib.contextmanager
def decoding_workers(
    images: Sequence[Path], workers: int | None, *, moved: int = 0
) -> Iterator[Executor | None]:
    """An executor that images are decoded by; None where this thread does it as soon.

    Args:
        images: files.
        workers: how many there shall be; None for what is of use.
        moved: bytes that come back of each: to move them takes about as long as to decode as many
            bytes of a JPEG.

    Raises:
        ValueError, WorkerError: see `share_cores` and `local_workers`.
    """
    least = max(_LEAST_BYTES, 2 * moved * len(images))
    if workers is None and sum(map(_bytes, images)) < least:
        workers = 1
    # Large images are few.
    share = share_cores(_LEAST_IMAGES * len(images), workers=workers, threads=1)
    if share.workers == 1:
        yield None
        return
    with local_workers(share.workers) as executor:
        yield executor


def _bytes(image: Path) -> int:
    try:
        return image.stat().st_size
    except OSError:  # whoever reads it says so
        return 0


@contextlib.contextmanager
def local_workers(count: int) -> Iterator[Executor]:
    """An executor of `count` processes, which end with the block, or with this process.

    Signals that interrupt this process are not for them: it ends them. They are started anew, not
    forked: the program's main module must not run anything when it is imported.

    Raises:
        WorkerError: a worker has ended, as when the system's memory ran out.
    """
    before = {child.pid for child in multiprocessing.active_children()}
    context = multiprocessing.get_context("spawn")
    with _of_no_concern_to_children():
        pool = ProcessPoolExecutor(count, context, initializer=die_with_parent)
    # When its processes are gone the pool tells all work so, and stumbles over what was cancelled.
    with untold(threading, "excepthook", InvalidStateError):
        try:
            # All now and by this thread: they inherit its signal mask, and die with it.
            with _of_no_concern_to_children():
                for _ in range(count):
                    pool.submit(os.getpid)
            yield pool
        except BrokenProcessPool as error:
            raise WorkerError(
                f"one of the {count} workers ended before its work was done, perhaps for want of"
                " memory: try fewer --workers"
            ) from error
        except BaseException:
            for child in multiprocessing.active_children():
                if child.pid not in before:
                    child.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _of_no_concern_to_children() -> Iterator[None]:
    """Processes started meanwhile, and multiprocessing's own, pass over what a terminal sends.

    Not over SIGTERM, by which a pool ends its workers when one of them is gone.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
