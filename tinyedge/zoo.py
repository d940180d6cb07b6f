"""The models tinyedge knows by name: where their files are, and whether they are the right ones.

A packaged model ships inside tinyedge. The files of the others are Darknet's; they are fetched
once into a cache that may be read-only from then on, and checked by size and sha256 whenever
they are used.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tinyedge.cache import RemoteFile, cache_folder, mismatch
from tinyedge.download import RETRIES, download
from tinyedge.errors import FetchError

__all__ = [
    "MODELS",
    "Model",
    "ModelFiles",
    "PackagedFile",
    "RemoteFile",
    "cache_folder",
    "fetch",
    "fetch_cfg",
    "find",
    "locate",
]

_PACKAGED = Path(__file__).resolve().parent / "calib_data"


@dataclass(frozen=True)
class PackagedFile:
    """A file or folder inside the installed package; `name` is relative to ``calib_data``."""

    name: str

    @property
    def path(self) -> Path:
        """Where it is on this machine."""
        return _PACKAGED / self.name


@dataclass(frozen=True)
class Model:
    """A known model.

    Attributes:
        name: what the commands call it.
        title: what a person calls it.
        cfg, weights: Darknet's files.
        labels, ids: a class name and a WordNet id a line, in the order of the network's outputs;
            longer lists than the network has outputs are Darknet's own and are cut by their reader.
        calibration: a folder of images to calibrate with, or None where the user brings one.
        test: a folder of labelled images, one folder a class, or None.
    """

    name: str
    title: str
    cfg: RemoteFile | PackagedFile
    weights: RemoteFile | PackagedFile
    labels: RemoteFile | PackagedFile | None = None
    ids: RemoteFile | PackagedFile | None = None
    calibration: PackagedFile | None = None
    test: PackagedFile | None = None

    @property
    def packaged(self) -> bool:
        """Whether all of it ships with tinyedge, so that nothing has to be fetched."""
        return not list(self.remote_files())

    def remote_files(self) -> Iterator[RemoteFile]:
        """The files that live in the cache."""
        for file in (self.cfg, self.weights, self.labels, self.ids):
            if isinstance(file, RemoteFile):
                yield file


@dataclass(frozen=True)
class ModelFiles:
    """Where a model's files are on this machine; every path that is not None exists."""

    cfg: Path
    weights: Path
    labels: Path | None
    ids: Path | None
    calibration: Path | None
    test: Path | None = None


_DARKNET = "https://raw.githubusercontent.com/pjreddie/darknet/master"
_IMAGENET_NAMES = RemoteFile(
    name="imagenet/imagenet.shortnames.list",
    url=f"{_DARKNET}/data/imagenet.shortnames.list",
    sha256="6ba751a14e6470ccaf740476ab79df657925d29d9f29311629eed20f7efb0ed5",
    bytes=246_356,
)
_IMAGENET_IDS = RemoteFile(
    name="imagenet/imagenet.labels.list",
    url=f"{_DARKNET}/data/imagenet.labels.list",
    sha256="862f0b616543c2467bf66c967c173ef748c4d11244ee223ffd13e6591735ca0b",
    bytes=218_420,
)

MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "fashion": Model(
            name="fashion",
            title="Fashion-MNIST classifier, 28x28 grey, 10 classes; ships with tinyedge",
            cfg=PackagedFile("fashion/fashion.cfg"),
            weights=PackagedFile("fashion/fashion.weights"),
            labels=PackagedFile("fashion/fashion.labels"),
            calibration=PackagedFile("fashion/calibration"),
            test=PackagedFile("fashion/test"),
        ),
        "tiny": Model(
            name="tiny",
            title="Tiny Darknet, 224x224 RGB, 1000 ImageNet classes",
            cfg=RemoteFile(
                name="tiny/tiny.cfg",
                url=f"{_DARKNET}/cfg/tiny.cfg",
                sha256="54732dd230c45c22b5a6fe392274d1cbd9e6147bf6640fe76559d5f4bc3c41bf",
                bytes=1_751,
            ),
            weights=RemoteFile(
                name="tiny/tiny.weights",
                url="https://pjreddie.com/media/files/tiny.weights",
                sha256="f1c3fe6b9bab9af69ae2a090682df3e5b9d83accba69551315f030ce1b37ea81",
                bytes=4_185_968,
            ),
            labels=_IMAGENET_NAMES,
            ids=_IMAGENET_IDS,
        ),
        # The authors' Deep Compression SqueezeNet v1.0 rewritten for Darknet; nobody publishes
        # that file, so that it can be located but not fetched.
        "squeezenet": Model(
            name="squeezenet",
            title="SqueezeNet v1.0, 227x227 RGB, 1000 ImageNet classes",
            cfg=RemoteFile(
                name="squeezenet/squeezenet.cfg",
                url=None,
                sha256="1ce89ed0914c3ff1ba1942488e6f1305c208dd8556b1fccceae50be0f4e00fbf",
                bytes=2_211,
            ),
            weights=RemoteFile(
                name="squeezenet/squeezenet.weights",
                url=None,
                sha256="aace64f8339179fa80a54e89755b6d2c35b9ca6d88ab07aef24d9d1593bd93c0",
                bytes=4_993_712,
            ),
            labels=_IMAGENET_NAMES,
            ids=_IMAGENET_IDS,
        ),
    }
)


def find(name: str) -> Model | None:
    """The model of that name, or None: the caller may have been given a cfg's path."""
    return MODELS.get(name)


def locate(model: Model) -> ModelFiles:
    """The model's files, all of which must be there already; nothing is written or downloaded.

    Raises:
        FetchError: files are missing from the cache, or are not the expected ones; it says what
            to do about each.
    """
    command = f"tinyedge fetch {model.name}"
    problems = list(filter(None, (_problem(file, command) for file in model.remote_files())))
    if problems:
        raise FetchError("\n".join(problems))
    return _files(model)


def fetch(model: Model, *, progress: bool, retries: int = RETRIES) -> ModelFiles:
    """The model's files; those that are missing or wrong are downloaded first.

    Args:
        model: a model of the zoo.
        progress: show a progress bar on stderr.
        retries: how often a failed download is tried again.

    Raises:
        FetchError: a download failed, a file has no public address, or the cache cannot be
            written; it says which address and where to put the file.
        MissingPackageError: something must be downloaded and pooch (or rich, for the progress
            bar) is not installed.
    """
    _fetch_files(model, list(model.remote_files()), progress=progress, retries=retries)
    return _files(model)


def fetch_cfg(model: Model, *, progress: bool) -> Path:
    """The model's .cfg alone, downloaded if it is missing or wrong; raises as `fetch` does."""
    wanted = [model.cfg] if isinstance(model.cfg, RemoteFile) else []
    _fetch_files(model, wanted, progress=progress, retries=RETRIES)
    return model.cfg.path


def _fetch_files(model: Model, files: list[RemoteFile], *, progress: bool, retries: int) -> None:
    wanted = [file for file in files if mismatch(file, file.path)]
    for file in wanted:
        replaceable = file.path.is_file() or not file.path.exists()
        if file.url is None or not replaceable:
            raise FetchError(_problem(file, f"tinyedge fetch {model.name}"))
    if wanted:
        download(wanted, progress=progress, retries=retries)


def _files(model: Model) -> ModelFiles:
    return ModelFiles(
        cfg=model.cfg.path,
        weights=model.weights.path,
        labels=_path(model.labels),
        ids=_path(model.ids),
        calibration=_path(model.calibration),
        test=_path(model.test),
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
            f" ({file.bytes} bytes, sha256 {file.sha256})"
        )
    if file.path.exists():
        return f"{file.path} {problem}: delete it, then run `{fetch_command}`"
    return f"{file.path} {problem}: run `{fetch_command}`, or put there {file.url}"
