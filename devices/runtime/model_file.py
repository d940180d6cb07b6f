"""What is run of a model: which file, and through which library."""

from dataclasses import dataclass
from pathlib import Path

from tinyedge.modelcard import ModelCard

__all__ = ["RunnableFile"]


@dataclass(frozen=True)
class RunnableFile:
    """The file to run, and how.

    Attributes:
        path: of the file.
        delegate: the library to run it through; None for the CPU.
        card: for a compiled file, that of the file it was compiled from: the compiler drops it.
        note: what the user should know of the choice; None where it is as asked for.
    """

    path: Path
    delegate: str | None = None
    card: ModelCard | None = None
    note: str | None = None
