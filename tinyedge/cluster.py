"""Workers on other machines: a Dask scheduler's, as an executor of the standard library.

A Dask worker executes what it is sent, whoever sends it: docs/security.md says what follows.
"""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

import tinyedge
from tinyedge.errors import WorkerError
from tinyedge.installation import cluster_package_missing
from tinyedge.text import counted

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster", "cluster", "shipped_file"]

_SHIPPED = "tinyedge-shipped"
_PATIENCE = 30


class Cluster:
    """The workers of a scheduler; see `cluster`.

    Attributes:
        executor: what they are given work by.
        threads: how many tasks its workers did at a time at the beginning.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        found = client.scheduler_info(n_workers=-1)["workers"]
        self.threads = max(1, sum(int(worker["nthreads"]) for worker in found.values()))
        self.executor: Executor = client.get_executor(pure=False)

    @contextlib.contextmanager
    def files_shipped(self, contents: Mapping[str, bytes]) -> Iterator[None]:
        """Have every worker, those that come later too, hold these files while the block runs.

        Args:
            contents: by the name that `shipped_file` finds each by.

        Raises:
            WorkerError: a worker cannot hold them.
        """
        from distributed import WorkerPlugin

        # Of this function alone, so that it is sent as it is here: no worker need know it.
        class Ship(WorkerPlugin):  # type: ignore[misc]
            name = _SHIPPED
            idempotent = False

            def setup(self, worker: object) -> None:
                import os

                folder = os.path.join(worker.local_directory, _SHIPPED)  # type: ignore[attr-defined]
                os.makedirs(folder, mode=0o700, exist_ok=True)
                for name, content in contents.items():
                    with open(os.path.join(folder, name), "wb") as stream:
                        stream.write(content)

            def teardown(self, worker: object) -> None:
                import os
                import shutil

                folder = os.path.join(worker.local_directory, _SHIPPED)  # type: ignore[attr-defined]
                shutil.rmtree(folder, ignore_errors=True)

        try:
            self._client.register_plugin(Ship())
        except Exception as error:
            raise WorkerError(f"the workers do not take the models: {error}") from error
        try:
            yield
        finally:
            with contextlib.suppress(Exception):
                self._client.unregister_worker_plugin(_SHIPPED)


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """The workers of the scheduler at `address`, such as ``tcp://10.0.0.2:8786`` or ``tls://..``.

    What tls:// needs is taken from Dask's configuration (``distributed.comm.tls``).

    Raises:
        WorkerError: there is none, it has no workers, or one of them has not this tinyedge.
        MissingPackageError: distributed is not installed.
    """
    try:
        import distributed
        from distributed.comm.addressing import parse_address
        from distributed.comm.registry import get_backend
    except ModuleNotFoundError as error:
        raise cluster_package_missing(error.name) from error
    try:
        # First, because a client of no such address prints a traceback when it is collected.
        get_backend(parse_address(address)[0])
        client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WorkerError(f"no scheduler answers at {address} ({reason})") from error
    with client:
        _check_workers(client, address)
        found = Cluster(client)
        try:
            yield found
        finally:
            found.executor.shutdown(wait=False)


def shipped_file(name: str) -> Path:
    """Where the worker that calls this holds a file of `Cluster.files_shipped`."""
    from distributed import get_worker

    return Path(get_worker().local_directory) / _SHIPPED / name


def _check_workers(client: "Client", address: str) -> None:
    # In here, so that the function itself is sent: no worker need know it.
    def version() -> str:
        import tinyedge

        return str(tinyedge.__version__)

    found = client.run(version, on_error="return")
    if not found:
        raise WorkerError(f"the scheduler at {address} has no workers: start some (dask worker)")
    others = {
        name: "no tinyedge" if isinstance(said, BaseException) else f"tinyedge {said}"
        for name, said in found.items()
        if said != tinyedge.__version__
    }
    if others:
        name, has = next(iter(others.items()))
        more = f", and {counted(len(others) - 1, 'other')} too" if len(others) > 1 else ""
        raise WorkerError(
            f"worker {name} has {has}{more}; here is tinyedge {tinyedge.__version__}: install the"
            " same on every worker, or end those"
        )
