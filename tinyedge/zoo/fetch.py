"""The files of the models tinyedge knows by name: found, fetched, and made sure of.

A packaged model ships inside tinyedge; its images may have to be unpacked. The files of the others
are Darknet's; they are fetched once into a cache that may be read-only from then on, and checked by
size and sha256 whenever they are used. Of a file nobody has seen yet the first fetch pins the
sha256.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from tinyedge.errors import FetchError
from tinyedge.progress import Progress, no_progress
from tinyedge.text import printable
from tinyedge.zoo.cache import RemoteFile, mismatch, pin
from tinyedge.zoo.download import RETRIES, download
from tinyedge.zoo.models import MODELS, Cost, Model, SourceFiles
from tinyedge.zoo.packaged import PackagedFile, PackagedImages

__all__ = [
    "as_json",
    "as_text",
    "fetch",
    "fetch_cfg",
    "find_model",
    "is_cached",
    "locate",
    "network_cost",
]


def find_model(name: str) -> Model | None:
    """The model of that name, or None: the caller may have been given a cfg's path."""
    return MODELS.get(name)


def network_cost(model: Model) -> Cost:
    """What the model's network costs: by the .cfg that ships, or as known where none does."""
    from tinyedge.darknet.network import read_network

    if model.cost is not None:
        return model.cost
    network = read_network(model.cfg.path)
    return Cost(network.operations, network.parameters)


def is_cached(model: Model) -> bool:
    """Whether all its files are on this machine with the right sizes; nothing is hashed."""
    return all(
        file.path.is_file() and (not file.bytes or file.path.stat().st_size in file.bytes)
        for file in model.remote_files()
    )


def locate(model: Model) -> SourceFiles:
    """The model's files, all of which must be there already; nothing is written or downloaded.

    Raises:
        FetchError: files are missing from the cache, or are not the expected ones; it says what
            to do about each.
    """
    command = f"tinyedge fetch {model.name}"
    problems = list(filter(None, (_problem(file, command) for file in model.remote_files())))
    if problems:
        raise FetchError("; ".join(problems))

    def there(images: PackagedImages) -> Path:
        found = images.find()
        if found is None:
            raise FetchError(f"{model.name}'s images are packed: run `{command}`")
        return found

    return _files(model, there)


def fetch(
    model: Model,
    *,
    progress: Progress = no_progress,
    retries: int = RETRIES,
    keep: bool = False,
) -> SourceFiles:
    """The model's files; those that are missing or wrong are downloaded, or unpacked, first.

    Args:
        model: a model of the zoo.
        progress: told of each file that is downloaded.
        retries: how often a failed download is tried again.
        keep: refuse to unpack images into a folder that lasts no longer than this process, as is
            done of a cache that cannot be written.

    Raises:
        FetchError: a download failed, a file has no public address, or the cache cannot be
            written; it says which address and where to put the file.
        MissingPackageError: something must be downloaded and pooch is not installed.
    """
    _fetch_files(model, list(model.remote_files()), progress=progress, retries=retries)
    return _files(model, lambda images: images.unpack(keep=keep))


def fetch_cfg(model: Model, *, progress: Progress = no_progress) -> Path:
    """The model's .cfg alone, downloaded if it is missing or wrong; raises as `fetch` does."""
    wanted = [model.cfg] if isinstance(model.cfg, RemoteFile) else []
    _fetch_files(model, wanted, progress=progress, retries=RETRIES)
    return model.cfg.path


def as_text(found: Mapping[str, SourceFiles]) -> str:
    """Each model's name, title and files; `found` are the models' by their names."""
    lines = []
    for name, files in found.items():
        lines.append(f"{name}: {MODELS[name].title}")
        paths = asdict(files).items()
        lines += [f"  {kind:<11} {printable(path)}" for kind, path in paths if path is not None]
    return "\n".join(lines)


def as_json(found: Mapping[str, SourceFiles]) -> dict[str, object]:
    """The paths of each model, by its name; null for what it does not have."""
    models = {
        name: {kind: path and str(path) for kind, path in asdict(files).items()}
        for name, files in found.items()
    }
    return {"schema": "tinyedge.fetch/1", **models}


def _fetch_files(
    model: Model, files: list[RemoteFile], *, progress: Progress, retries: int
) -> None:
    wanted = [file for file in files if mismatch(file, file.path)]
    for file in wanted:
        # Of a file without a known or pinned sha256 nobody can say that it is the wrong one.
        replaceable = file.path.is_file() and file.expected_sha256 is not None
        if file.url is None or not (replaceable or not file.path.exists()):
            raise FetchError(_problem(file, f"tinyedge fetch {model.name}"))
    if wanted:
        download(wanted, progress=progress, retries=retries)
    for file in files:
        pin(file)


def _files(model: Model, place: Callable[[PackagedImages], Path]) -> SourceFiles:
    return SourceFiles(
        cfg=model.cfg.path,
        weights=model.weights.path,
        labels=_path(model.labels),
        ids=_path(model.ids),
        calibration=None if model.calibration is None else place(model.calibration),
        test=None if model.test is None else place(model.test),
    )


def _path(file: RemoteFile | PackagedFile | None) -> Path | None:
    return None if file is None else file.path


def _problem(file: RemoteFile, fetch_command: str) -> str | None:
    """One line on what is wrong with `file` in the cache and how to mend it, or None."""
    problem = mismatch(file, file.path)
    if problem is None:
        return None
    if file.url is None:
        return (
            f"{file.path} {problem}; it has no public address: put the file there"
            f" ({file.bytes[0]} bytes, sha256 {file.sha256})"
        )
    if file.path.exists():
        pinned = f" and {file.pin_path.name}" if file.pin_path.exists() else ""
        return f"{file.path} {problem}: delete it{pinned}, then run `{fetch_command}`"
    return f"{file.path} {problem}: run `{fetch_command}`, or put there {file.url}"
