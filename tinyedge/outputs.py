"""Files that appear whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_together"]


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write every file, or none of them.

    Each file is written under a temporary name beside its target and flushed to disk; only
    when all are there are they renamed into place, replacing what stood there before.

    Raises:
        OSError: a folder cannot be made, or the disk is full; the targets are as they were.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for target, data in contents.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise IsADirectoryError(
                    errno.EISDIR, "is a folder, not a file to replace", str(target)
                )
            descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            staged.append((Path(name), target))
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            # mkstemp makes files for the owner alone; outputs get what the umask allows.
            Path(name).chmod(0o666 & ~_umask())
        for temporary, target in staged:
            temporary.replace(target)
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
