"""The folder where downloaded files are kept, and what makes a file there the right one."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import MissingPackageError

__all__ = ["RemoteFile", "cache_folder", "mismatch"]


@dataclass(frozen=True)
class RemoteFile:
    """A file of the cache.

    Attributes:
        name: its path inside the cache, such as ``tiny/tiny.weights``.
        url: its public address, or None where it has none and must be put there by hand.
        sha256: hexadecimal.
        bytes: its exact size.
    """

    name: str
    url: str | None
    sha256: str
    bytes: int

    @property
    def path(self) -> Path:
        """Where it is, or belongs, on this machine."""
        return cache_folder() / self.name


def cache_folder() -> Path:
    """``$TINYEDGE_CACHE``, else the platform's cache folder for tinyedge; it may not exist yet.

    Raises:
        MissingPackageError: the variable is not set and platformdirs is not installed.
    """
    named = os.environ.get("TINYEDGE_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    try:
        import platformdirs
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "finding the platform's cache folder needs the package platformdirs:"
            " pip install 'tinyedge[export]', or name a folder in TINYEDGE_CACHE"
        ) from error
    return Path(platformdirs.user_cache_path("tinyedge"))


def mismatch(file: RemoteFile, path: Path) -> str | None:
    """What keeps the content of `path` from being `file`, or None where it is that file.

    The answer continues a sentence that begins with the path: "is missing", "has 5 bytes,
    expected 7". The size is looked at first: it costs nothing and says most.
    """
    if not path.exists():
        return "is missing"
    if not path.is_file():
        return "is not a file"
    found = path.stat().st_size
    if found != file.bytes:
        return f"has {found} bytes, expected {file.bytes}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != file.sha256:
        return f"has sha256 {digest}, expected {file.sha256}"
    return None
