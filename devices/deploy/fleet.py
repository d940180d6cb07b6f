"""Several boards side by side; a failure on one does not touch the others."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tinyedge.children import stop_children
from tinyedge.devices.bundle.assembly import Bundle, answer, assemble
from tinyedge.devices.bundle.reference import Reference
from tinyedge.devices.bundle.target import Target
from tinyedge.devices.deploy.board import (
    BoardReport,
    Comparing,
    Service,
    deploy_to,
    roll_back,
)
from tinyedge.devices.deploy.inventory import BoardAddress
from tinyedge.devices.deploy.ssh import Ssh
from tinyedge.devices.profile import check_runs_models, find_profile
from tinyedge.progress import Progress

__all__ = ["Reaching", "deploy", "roll_back_all"]

_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class Reaching:
    """How boards are reached, and where on them tinyedge is.

    Attributes:
        ssh_options, may_ask: see `Ssh`.
        timeout: see `Ssh`; also how long each may take for its first answer, seconds, and the
            measure of how long for others.
        prefix: where tinyedge is installed on each.
        progress_of: for a host, what to tell of its stages; called from several threads.
    """

    ssh_options: Sequence[str] = ()
    may_ask: bool = False
    timeout: float = 60.0
    prefix: str = "~/tinyedge"
    progress_of: Callable[[str], Progress]

    def ssh(self, board: BoardAddress) -> Ssh:
        """The way to a board."""
        return Ssh(board.host, tuple(self.ssh_options), self.may_ask, self.timeout)


def deploy(
    models: Sequence[Path],
    boards: Sequence[BoardAddress],
    reaching: Reaching,
    *,
    online: bool = False,
    service: Service | None = None,
    comparing: Comparing | None = None,
) -> list[BoardReport]:
    """Deploy `models` to every board; a report for each, in their order.

    Args:
        models: .tflite files that tinyedge exported.
        boards: where to.
        reaching: how.
        online: have the boards download their packages.
        service: one to start on each, or None.
        comparing: an accuracy check to make on each, or None.

    Raises:
        DatasetError, DeviceError, MissingPackageError, ModelError, OSError: see `answer`; no
            board has been touched.
    """
    answers = {device: answer(models, device) for device in {board.device for board in boards}}
    bundles = _Bundles(answers, online=online)

    def one(board: BoardAddress) -> BoardReport:
        return deploy_to(
            reaching.ssh(board),
            find_profile(board.device),
            lambda target: bundles.of(board.device, target),
            prefix=reaching.prefix,
            service=service,
            comparing=comparing,
            progress=reaching.progress_of(board.host),
        )

    return _on_each(boards, one)


def roll_back_all(boards: Sequence[BoardAddress], reaching: Reaching) -> list[BoardReport]:
    """Have every board go back to the bundle before; a report for each, in their order.

    Raises:
        DeviceError: there is no such device, or no model runs by it; no board has been touched.
    """
    for device in {board.device for board in boards}:
        check_runs_models(find_profile(device))

    def one(board: BoardAddress) -> BoardReport:
        progress = reaching.progress_of(board.host)
        ssh = reaching.ssh(board)
        return roll_back(ssh, board.device, prefix=reaching.prefix, progress=progress)

    return _on_each(boards, one)


def _on_each(
    boards: Sequence[BoardAddress], one: Callable[[BoardAddress], BoardReport]
) -> list[BoardReport]:
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(boards))) as pool:
        try:
            return list(pool.map(one, boards))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_children()
            raise


class _Bundles:
    """Each bundle is made once, by the first board that needs it."""

    def __init__(self, answers: Mapping[str, Mapping[Path, Reference]], *, online: bool) -> None:
        self._answers = answers
        self._online = online
        self._made: dict[tuple[str, Target], Bundle] = {}
        self._lock = threading.Lock()

    def of(self, device: str, target: Target) -> Bundle:
        """The bundle for that device and target; raises as `assemble`."""
        with self._lock:
            if (device, target) not in self._made:
                answers = self._answers[device]
                made = assemble(answers, device, target, online=self._online)
                self._made[device, target] = made
            return self._made[device, target]
