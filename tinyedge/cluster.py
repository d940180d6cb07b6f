"""Workers on other machines: a Dask scheduler's, as an executor of the standard library.

A Dask worker executes what it is sent, whoever sends it: docs/security.md says what follows.
"""

import contextlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import tinyedge
from tinyedge.errors import WorkerError
from tinyedge.installation import cluster_package_missing
from tinyedge.text import counted, shortened

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster", "cluster"]

_PATIENCE = 30
_Words = ParamSpec("_Words")
_Result = TypeVar("_Result")


class _Executor(Executor):
    """A Dask client's executor, whose futures may be cancelled while they come to their end.

    Of its own ones that fails in the client's event loop, which prints a traceback. What these are
    cancelled of is left undone from `shutdown` on.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(
        self, fn: Callable[_Words, _Result], /, *args: _Words.args, **kwargs: _Words.kwargs
    ) -> "Future[_Result]":
        found: Future[_Result] = Future()
        self._executor.submit(fn, *args, **kwargs).add_done_callback(partial(_hand_on, found))
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        del cancel_futures
        self._executor.shutdown(wait=wait)


def _hand_on(found: "Future[_Result]", done: "Future[_Result]") -> None:
    """Give a future what came of another."""
    if done.cancelled():
        found.cancel()
    if not found.set_running_or_notify_cancel():
        return
    error = done.exception()
    if error is None:
        found.set_result(done.result())
    else:
        found.set_exception(error)


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
        self.executor: Executor = _Executor(client.get_executor(pure=False))

    @contextlib.contextmanager
    def files_shipped(self, contents: Mapping[str, bytes]) -> Iterator[str]:
        """Have every worker, those that come later too, hold these files while the block runs.

        Yields the name of the ship, by which `tinyedge.shipping.shipped_file` finds them.

        Args:
            contents: by the name that it finds each by.

        Raises:
            WorkerError: a worker cannot hold them.
        """
        from tinyedge.shipping import Ship

        ship = Ship(contents)
        try:
            self._client.register_plugin(ship)
        except Exception as error:
            raise WorkerError(f"the workers do not take the models: {error}") from error
        try:
            yield ship.name
        finally:
            with contextlib.suppress(Exception):
                self._client.unregister_worker_plugin(ship.name)


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """The workers of the scheduler at `address`, such as ``tcp://10.0.0.2:8786`` or ``tls://..``.

    What tls:// needs is taken from Dask's configuration (``distributed.comm.tls``).

    Raises:
        WorkerError: there is none, it has no workers, or one of all these has not this tinyedge.
        MissingPackageError: distributed is not installed.
    """
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise cluster_package_missing(error.name) from error
    try:
        _connect(address)
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


def _connect(address: str) -> None:
    """Try the address: a client of one that does not answer hangs, and prints a traceback."""
    import asyncio

    from distributed import Security
    from distributed.comm import connect
    from distributed.utils import LoopRunner

    async def connected() -> None:
        arguments = Security().get_connection_args("client")
        comm = await asyncio.wait_for(connect(address, **arguments), _PATIENCE)
        await comm.close()

    LoopRunner().run_sync(connected)


def _check_workers(client: "Client", address: str) -> None:
    # The standard library's own function: nobody need know it first, whatever Python they have.
    ask, name = pkgutil.resolve_name, "tinyedge:__version__"
    try:
        said = client.run_on_scheduler(ask, name)
    except Exception as error:
        said = error
    if said != tinyedge.__version__:
        raise WorkerError(
            f"the scheduler at {address} has {_told(said)}; here is tinyedge"
            f" {tinyedge.__version__}: install the same where it runs, as on every worker"
        )
    found = client.run(ask, name, on_error="return")
    if not found:
        raise WorkerError(f"the scheduler at {address} has no workers: start some (dask worker)")
    others = {name: _told(said) for name, said in found.items() if said != tinyedge.__version__}
    if others:
        name, has = next(iter(others.items()))
        more = f", and {counted(len(others) - 1, 'other')} too" if len(others) > 1 else ""
        raise WorkerError(
            f"worker {name} has {has}{more}; here is tinyedge {tinyedge.__version__}: install the"
            " same on every worker, or end those"
        )


def _told(said: object) -> str:
    """What is installed where this was answered, a version or an error, to asking tinyedge's."""
    if isinstance(said, ModuleNotFoundError) and said.name == "tinyedge":
        return "no tinyedge"
    if isinstance(said, BaseException):
        reason = " ".join(f"{type(said).__name__}: {said}".split())
        return f"no tinyedge that can be imported ({shortened(reason)})"
    return f"tinyedge {said}"
