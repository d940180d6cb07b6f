"""The folder where downloaded files are kept, and what makes a file there the right one."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import FetchError, TinyedgeWarning
from tinyedge.files import file_sha256, write_together

__all__ = ["RemoteFile", "cache_folder", "mismatch", "pin"]

# A sha256 has 64.
_PIN_BYTES = 100


@dataclass(frozen=True)
class RemoteFile:
    """A file of the cache.

    Attributes:
        name: its path inside the cache, such as ``tiny/tiny.weights``.
        url: its public address, or None where it has none and must be put there by hand.
        sha256: hexadecimal, or None where it is not known yet: then the first fetch pins what
            came, and later uses are checked against that.
        bytes: the sizes it can have; empty where not even that is known.
    """

    name: str
    url: str | None
    sha256: str | None = None
    bytes: tuple[int, ...] = ()

    @property
    def path(self) -> Path:
        """Where it is, or belongs, on this machine."""
        return cache_folder() / self.name

    @property
    def pin_path(self) -> Path:
        """Where the sha256 of its first fetch is kept."""
        return self.path.with_name(f"{self.path.name}.sha256")

    @property
    def expected_sha256(self) -> str | None:
        """The sha256 it must have: the known one, else the pinned one, or None."""
        if self.sha256 is None and self.pin_path.is_file():
            with self.pin_path.open("rb") as stream:
                found = stream.read(_PIN_BYTES)
            # In one line, whatever it is.
            return " ".join(found.decode("ascii", "replace").split())
        return self.sha256


def cache_folder() -> Path:
    """``$TINYEDGE_CACHE``, else the platform's cache folder for tinyedge; it may not exist yet.

    Where platformdirs, which knows the platforms, is not installed, as on a board, that is
    ``$XDG_CACHE_HOME/tinyedge`` or ``~/.cache/tinyedge`` (freedesktop.org's base directories).

    Raises:
        FetchError: it is in a home that the system does not know.
    """
    named = os.environ.get("TINYEDGE_CACHE")
    try:
        folder = Path(named) if named else _platforms_cache()
        return folder.expanduser().absolute()
    except RuntimeError as error:  # Python's, and platformdirs', of a home
        raise FetchError(
            f"there is no folder for the cache ({error}): name one in TINYEDGE_CACHE"
        ) from error


def _platforms_cache() -> Path:
    try:
        import platformdirs
    except ModuleNotFoundError:
        return Path(os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache") / "tinyedge"
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
    if file.bytes and found not in file.bytes:
        return f"has {found} bytes, expected {' or '.join(map(str, file.bytes))}"
    expected = file.expected_sha256
    if expected is not None and (digest := file_sha256(path)) != expected:
        return f"has sha256 {digest}, expected {expected}"
    return None


def pin(file: RemoteFile) -> None:
    """Remember the sha256 of `file`, of which none is known; say so in a TinyedgeWarning.

    Does nothing where there is one. A cache that cannot be written keeps no pin, which is said.
    """
    if file.expected_sha256 is not None:
        return
    digest = file_sha256(file.path)
    kept = f"is kept in {file.pin_path.name} and must be the same from now on"
    try:
        write_together({file.pin_path: f"{digest}\n".encode()})
    except OSError as error:
        kept = f"cannot be kept beside it ({error.strerror}), so that another would be taken too"
    warnings.warn(
        f"{file.path}: trusted as it came, for nobody has vouched for this file; its sha256,"
        f" {digest}, {kept}",
        TinyedgeWarning,
        stacklevel=2,
    )
