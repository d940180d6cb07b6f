"""Files that the workers of a Dask scheduler are sent, and find again.

Workers import this module. What is no module's would reach them as bytecode, which a worker with
another Python, such as a board's, cannot run.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from distributed import Worker, WorkerPlugin, get_worker

__all__ = ["SHIPPED", "Ship", "shipped_file"]

SHIPPED = "tinyedge-shipped"
"""The plugin's name, and the folder's inside of a worker's own."""


class Ship(WorkerPlugin):  # type: ignore[misc]
    """Has a worker hold files, by the names that `shipped_file` finds them by."""

    name = SHIPPED
    idempotent = False

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = dict(contents)

    def setup(self, worker: Worker) -> None:
        """Write them; the worker calls this once, before it is given work that needs them."""
        folder = _folder(worker)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name, content in self._contents.items():
            (folder / name).write_bytes(content)

    def teardown(self, worker: Worker) -> None:
        """Remove them."""
        shutil.rmtree(_folder(worker), ignore_errors=True)


def shipped_file(name: str) -> Path:
    """Where the worker that calls this holds one of them."""
    return _folder(get_worker()) / name


def _folder(worker: Worker) -> Path:
    return Path(worker.local_directory) / SHIPPED
