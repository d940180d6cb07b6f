"""Files that the workers of a Dask scheduler are sent, and find again.

Workers import this module. What is no module's would reach them as bytecode, which a worker with
another Python, such as a board's, cannot run.
"""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from distributed import Worker, WorkerPlugin, get_worker

__all__ = ["Ship", "shipped_file"]


class Ship(WorkerPlugin):  # type: ignore[misc]
    """Has a worker hold files, by the names that `shipped_file` finds them by.

    Attributes:
        name: the plugin's, and the folder's inside of a worker's own; no other ship's, for several
            commands may use one scheduler, and each removes what it sent.
    """

    idempotent = False

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.name = f"tinyedge-shipped-{secrets.token_hex(8)}"
        self._contents = dict(contents)

    def setup(self, worker: Worker) -> None:
        """Write them; the worker calls this once, before it is given work that needs them."""
        folder = _folder(worker, self.name)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name, content in self._contents.items():
            (folder / name).write_bytes(content)

    def teardown(self, worker: Worker) -> None:
        """Remove them."""
        shutil.rmtree(_folder(worker, self.name), ignore_errors=True)


def shipped_file(ship: str, name: str) -> Path:
    """Where the worker that calls this holds one of the files of the ship of that name."""
    return _folder(get_worker(), ship) / name


def _folder(worker: Worker, ship: str) -> Path:
    return Path(worker.local_directory) / ship
