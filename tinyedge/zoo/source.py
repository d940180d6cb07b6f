"""What a command's SOURCE means: a model of the zoo by name, or the path of a .cfg."""

from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import CfgError
from tinyedge.zoo.fetch import fetch, fetch_cfg, find_model
from tinyedge.zoo.models import MODELS

__all__ = ["Source", "find_source"]


@dataclass(frozen=True)
class Source:
    """Where a network comes from.

    Attributes:
        name: the zoo's name, or the .cfg's without its suffix.
        cfg: its .cfg.
        weights, labels, ids, calibration: what the zoo has besides; None for a .cfg.
    """

    name: str
    cfg: Path
    weights: Path | None = None
    labels: Path | None = None
    ids: Path | None = None
    calibration: Path | None = None


def find_source(text: str, *, progress: bool, cfg_only: bool = False) -> Source:
    """The source that `text` names; files of the zoo that are missing are downloaded.

    With `cfg_only` that is the .cfg alone, and the source has no other file.

    A name of the zoo wins over a file of that name; write ``./tiny`` for the file.

    Raises:
        CfgError: it is neither a name of the zoo nor a file.
        FetchError: a file of the zoo cannot be had.
    """
    model = find_model(text)
    if model is not None and cfg_only:
        return Source(model.name, fetch_cfg(model, progress=progress))
    if model is not None:
        files = fetch(model, progress=progress)
        return Source(
            model.name, files.cfg, files.weights, files.labels, files.ids, files.calibration
        )
    path = Path(text)
    if not path.is_file():
        raise CfgError(
            f"{text} is neither a .cfg file nor a model of the zoo ({', '.join(MODELS)})"
        )
    return Source(path.stem, path)
