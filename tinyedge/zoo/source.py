"""What a command's SOURCE means: a model of the zoo by name, or the path of a .cfg."""

import os
from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import CfgError
from tinyedge.progress import Progress, no_progress
from tinyedge.zoo.fetch import fetch, fetch_cfg, find_model
from tinyedge.zoo.models import MODELS, SourceFiles

__all__ = ["Source", "find_source"]


@dataclass(frozen=True)
class Source:
    """Where a network comes from.

    Attributes:
        name: the zoo's name, or the .cfg's without its suffix.
        files: its .cfg, and of a model of the zoo what it has besides.
    """

    name: str
    files: SourceFiles


def find_source(text: str, *, progress: Progress = no_progress, cfg_only: bool = False) -> Source:
    """The source that `text` names; files of the zoo that are missing are downloaded.

    With `cfg_only` that is the .cfg alone, and the source has no other file.

    A name of the zoo wins over a file of that name; write ``./tiny`` for the file.

    Raises:
        CfgError: it is neither a name of the zoo nor a path where something is, or a .tflite.
        FetchError: a file of the zoo cannot be had.
    """
    model = find_model(text)
    if model is not None and cfg_only:
        return Source(model.name, SourceFiles(fetch_cfg(model, progress=progress)))
    if model is not None:
        return Source(model.name, fetch(model, progress=progress))
    path = Path(text)
    # What it is if no file, its reader says.
    if not os.path.lexists(text):
        raise CfgError(
            f"{text} is neither a .cfg file nor a model of the zoo ({', '.join(MODELS)})"
        )
    if path.suffix.lower() == ".tflite":
        raise CfgError(f"{text} is no .cfg: what a .tflite file is, `tinyedge info` says")
    return Source(path.stem, SourceFiles(path))
