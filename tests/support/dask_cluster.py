"""A Dask scheduler and its workers, each a process of its own on this machine."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from distributed import Client, Security, get_task_stream

from tests.emulated_pi import EmulatedPi

__all__ = ["DaskCluster", "dask_cluster"]

_PATIENCE = 60
# Without it the page of each is open to every interface, --no-dashboard or not.
_LOOPBACK_ALONE = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


class DaskCluster:
    """A scheduler that runs; its processes end with the block of `dask_cluster`."""

    def __init__(
        self,
        folder: Path,
        stack: contextlib.ExitStack,
        certificate: Path | None,
        environment: dict[str, str] | None,
    ) -> None:
        self._folder, self._stack = folder, stack
        self._processes: list[subprocess.Popen[bytes]] = []
        protocol, security = "tcp", None
        self._tls: list[object] = []
        if certificate is not None:
            protocol = "tls"
            for name in ("--tls-ca-file", "--tls-cert", "--tls-key"):
                self._tls += [name, certificate]
            security = Security(
                tls_ca_file=str(certificate),
                tls_client_cert=str(certificate),
                tls_client_key=str(certificate),
                require_encryption=True,
            )
        file = folder / "scheduler.json"
        words = ("--host", f"{protocol}://127.0.0.1", "--port", 0, *_LOOPBACK_ALONE, *self._tls)
        self._start(
            *("scheduler", *words, "--scheduler-file", file), cwd=folder, environment=environment
        )
        self._client = Client(scheduler_file=str(file), set_as_default=False, security=security)
        stack.callback(self._client.close)
        self.address = str(self._client.scheduler.address)
        self._workers = 0

    def add_worker(
        self, *words: object, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker of one thread in an empty folder, and wait until it is known."""
        folder = self._folder / f"worker{self._workers + 1}"
        folder.mkdir()
        return self._known(
            self._start(
                *(*self._worker, "--local-directory", folder, *words),
                cwd=folder,
                environment=environment,
            )
        )

    def add_board(
        self, board: EmulatedPi, *words: object, environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start such a worker on a board, which must be on this machine's network."""
        command = board.command(
            *("python3", "-m", "dask", *self._worker, *words), environment=environment
        )
        return self._known(self._run(command))

    @property
    def _worker(self) -> tuple[object, ...]:
        options = ("--host", "127.0.0.1", "--nthreads", 1, "--no-nanny", *_LOOPBACK_ALONE)
        return ("worker", self.address, *options, *self._tls)

    def _known(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        self._workers += 1
        self._client.wait_for_workers(self._workers, timeout=_PATIENCE)
        return process

    def listens_at(self) -> set[str]:
        """The addresses of this machine at which the scheduler and the workers can be reached."""
        return {
            connection.laddr.ip
            for process in self._processes
            for connection in psutil.Process(process.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }

    @contextlib.contextmanager
    def busy_workers(self) -> Iterator[set[str]]:
        """The names of the workers that finish tasks while the block runs, known at its end."""
        found: set[str] = set()
        with get_task_stream(self._client) as tasks:
            yield found
        names = {
            address: str(worker["name"])
            for address, worker in self._client.scheduler_info(n_workers=-1)["workers"].items()
        }
        found |= {names[task["worker"]] for task in tasks.data}

    def tasks_done(self) -> int:
        """How many tasks workers have finished until now."""

        def count(dask_scheduler: object) -> int:
            return len(dask_scheduler.transition_log)  # type: ignore[attr-defined]

        return int(self._client.run_on_scheduler(count))

    def _start(
        self, *words: object, cwd: Path | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *map(str, words)]
        return self._run(command, cwd=cwd, env={**os.environ, **(environment or {})})

    def _run(self, command: list[str], **how: Any) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{time.monotonic_ns()}.log").open("wb"))
        process = subprocess.Popen(command, stdout=log, stderr=log, **how)
        self._processes.append(process)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


@contextlib.contextmanager
def dask_cluster(
    folder: Path, certificate: Path | None = None, *, environment: dict[str, str] | None = None
) -> Iterator[DaskCluster]:
    """A scheduler that listens on this machine alone, and no workers yet.

    Those that have the `certificate`, a file with its key, too, which vouches for itself, speak
    TLS with each other; without one nobody does.
    """
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        yield DaskCluster(folder, stack, certificate, environment)
