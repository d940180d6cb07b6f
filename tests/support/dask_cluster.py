"""A Dask scheduler and its workers, each a process of its own on this machine."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from distributed import Client

__all__ = ["DaskCluster", "dask_cluster"]

_PATIENCE = 60


class DaskCluster:
    """A scheduler that runs; its processes end with the block of `dask_cluster`."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._file = folder / "scheduler.json"
        words = ("--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file")
        self._start("scheduler", *words, self._file)
        self._client = Client(scheduler_file=str(self._file), set_as_default=False)
        stack.callback(self._client.close)
        self.address = str(self._client.scheduler.address)
        self._workers = 0

    def add_worker(
        self, *words: object, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker of one thread in an empty folder, and wait until it is known."""
        self._workers += 1
        folder = self._folder / f"worker{self._workers}"
        folder.mkdir()
        options = ("--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", folder)
        process = self._start(
            *("worker", "--scheduler-file", self._file, "--host", "127.0.0.1", *options, *words),
            cwd=folder,
            environment=environment,
        )
        self._client.wait_for_workers(self._workers, timeout=_PATIENCE)
        return process

    def tasks_done(self) -> int:
        """How many tasks workers have finished until now."""

        def count(dask_scheduler: object) -> int:
            return len(dask_scheduler.transition_log)  # type: ignore[attr-defined]

        return int(self._client.run_on_scheduler(count))

    def _start(
        self, *words: object, cwd: Path | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{time.monotonic_ns()}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, words)],
            stdout=log,
            stderr=log,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


@contextlib.contextmanager
def dask_cluster(folder: Path) -> Iterator[DaskCluster]:
    """A scheduler that listens on this machine alone, and no workers yet."""
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        yield DaskCluster(folder, stack)
