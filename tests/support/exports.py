"""Exports that several tests look at: through the command line, once a run."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.support.commands import run_in_process
from tests.support.once import made_once

__all__ = ["Exported", "Models", "exporter"]


@dataclass(frozen=True)
class Models:
    """The two files of one export."""

    float_model: Path
    int8_model: Path


Exported = Callable[..., Models]
"""Given the words behind ``tinyedge export``, the files; no test may change them."""


def exporter(folder: Path) -> Exported:
    """Exports below `folder`, each made by the first process that asks for it."""

    def exported(*words: object) -> Models:
        command = [str(word) for word in words]
        stem = Path(command[0]).stem
        digest = sha256("\0".join(command).encode()).hexdigest()[:12]
        found = made_once(
            folder / f"{stem}-{digest}", lambda made: _export(*command, "-o", str(made))
        )
        return Models(found / f"{stem}_float.tflite", found / f"{stem}_int8.tflite")

    return exported


def _export(*words: str) -> None:
    run_in_process("export", *words)
