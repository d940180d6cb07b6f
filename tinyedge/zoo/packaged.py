"""Files that ship with tinyedge; the built-in model's images, in a wheel, as one archive.

There are 1,200 of them, of some 500 bytes, each of which takes 4,096 of a disk. A checkout has them
as files; `pack_images` is a wheel's build step (setup.py).
"""

import atexit
import contextlib
import io
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import FetchError, TinyedgeWarning
from tinyedge.files import bytes_sha256, reproducible_zip
from tinyedge.installation import DISTRIBUTION
from tinyedge.temporary import put_into_place, temporary_folder
from tinyedge.zoo.cache import cache_folder

__all__ = ["ARCHIVE", "PackagedFile", "PackagedImages", "pack_images"]

ARCHIVE = "images.zip"

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class PackagedFile:
    """A file inside the installed package; `name` is relative to ``tinyedge``."""

    name: str

    @property
    def path(self) -> Path:
        """Where it is on this machine."""
        return _PACKAGE / self.name


@dataclass(frozen=True)
class PackagedImages:
    """A folder of images that ships with tinyedge.

    Attributes:
        folder: of the model, relative to ``tinyedge``; it holds the images, or `ARCHIVE`.
        name: of the folder of images in it, or in the archive.
    """

    folder: str
    name: str

    @property
    def _files(self) -> Path:
        """Where a checkout has them."""
        return _PACKAGE / self.folder / self.name

    def find(self) -> Path | None:
        """Where they are on this machine; None where they have to be unpacked first.

        Raises:
            FetchError: this install has none, or its archive is damaged; or see `cache_folder`.
        """
        if self._files.is_dir():
            return self._files
        archive = _read_archive(self._files.with_name(ARCHIVE))
        return archive.place / self.name if archive.is_unpacked() else None

    def unpack(self, *, keep: bool) -> Path:
        """Where they are, unpacked into the cache if they are not there as they should be.

        Of a cache that cannot be written a folder takes the place that lasts as long as this
        process, and a TinyedgeWarning says so; with `keep` that is an error.

        Raises:
            FetchError: as of `find`; or the cache cannot be written, or holds another image among
                these.
        """
        if self._files.is_dir():
            return self._files
        archive = _read_archive(self._files.with_name(ARCHIVE))
        if archive.is_unpacked():
            return archive.place / self.name
        try:
            archive.unpack(archive.place)
            return archive.place / self.name
        except OSError as error:
            problem = f"{archive.place} cannot be written ({error.strerror})"
            if keep:
                raise FetchError(f"{problem}: name another cache in TINYEDGE_CACHE") from error
        place = _folder_of_this_process() / archive.place.name
        archive.unpack(place)
        warnings.warn(
            f"{problem}: the images are unpacked into a temporary folder",
            TinyedgeWarning,
            stacklevel=2,
        )
        return place / self.name


def pack_images(folder: Path) -> bytes:
    """The archive of the images in `folder` and below; equal images give equal bytes."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    # A PNG is compressed, and a wheel compresses the names.
    return reproducible_zip({path: (folder / path).read_bytes() for path in paths}, compress=False)


@dataclass(frozen=True)
class _Archive:
    """An archive of images: content by path, and the folder of the cache for them."""

    images: Mapping[str, bytes]
    place: Path

    def is_unpacked(self) -> bool:
        """Whether its place holds these images and nothing else.

        Raises:
            FetchError: it holds a file that is none of them.
        """
        paths = [path for path in self.place.rglob("*") if not path.is_dir()]
        found = {path.relative_to(self.place).as_posix(): path for path in paths}
        for name in sorted(found.keys() - self.images.keys()):
            raise FetchError(f"{found[name]} is none of tinyedge's images: move it elsewhere")
        return found.keys() == self.images.keys() and all(
            path.is_file() and path.read_bytes() == self.images[name]
            for name, path in found.items()
        )

    def unpack(self, place: Path) -> None:
        """Write all of them to the folder `place`, or none.

        Raises:
            OSError: they cannot be written.
        """
        place.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(place.parent) as folder:
            for name, content in self.images.items():
                path = folder / place.name / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            put_into_place({folder: [(place.name, place.name)]})


def _read_archive(path: Path) -> _Archive:
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            images = {name: archive.read(name) for name in archive.namelist()}
    except FileNotFoundError as error:
        raise FetchError(
            f"{path} is left out on a board, with the built-in model: use it on your computer"
        ) from error
    except (OSError, zipfile.BadZipFile) as error:
        raise FetchError(f"{path} is damaged ({error}): install {DISTRIBUTION} again") from error
    place = cache_folder() / path.parent.name / f"images-{bytes_sha256(content)[:16]}"
    return _Archive(images, place)


def _folder_of_this_process() -> Path:
    stack = contextlib.ExitStack()
    folder = stack.enter_context(temporary_folder(Path(tempfile.gettempdir())))
    atexit.register(stack.close)
    return folder
