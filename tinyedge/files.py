"""Files that are written whole or not at all, their hashes, and reproducible archives."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import IO, cast

__all__ = [
    "Content",
    "bytes_sha256",
    "check_replaceable",
    "check_writable",
    "file_sha256",
    "reproducible_tar",
    "reproducible_zip",
    "write_together",
]

# Of a file, or of a folder's files by their paths inside it.
Content = bytes | Mapping[str, bytes]

# A zip's members must bear a date; this is the first that they can.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_together(contents: Mapping[Path, Content], *, executables: Collection[str] = ()) -> None:
    """Write every file, or none of them.

    A target's content is that of a file or, for a folder, those of its files by their paths
    inside it. Each is written under a temporary name beside its target and flushed to disk; only
    when all are there are they renamed into place, replacing what stood there before. A folder
    is replaced whole; for a moment, between two renames, it does not exist. `executables` are
    paths inside the folders of files that may be executed.

    Raises:
        OSError: a folder cannot be made, or the disk is full; the targets are as they were.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for target, content in contents.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                _stage_file(target, content, staged)
            else:
                _stage_folder(target, content, executables, staged)
        for temporary, target in staged:
            _put_into_place(temporary, target)
    finally:
        for temporary, _ in staged:
            _remove(temporary)


def check_replaceable(target: Path, *, folder: bool = False) -> None:
    """Refuse a target of `write_together` that exists and is of the other kind.

    Raises:
        OSError: a file's target is a folder; or a `folder`'s is a file, or a link.
    """
    if folder and (target.is_symlink() or (target.exists() and not target.is_dir())):
        raise NotADirectoryError(errno.ENOTDIR, "is no folder to replace", str(target))
    if not folder and target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file to replace", str(target))


def check_writable(folder: Path) -> None:
    """Refuse a folder in which nothing can be written, or that cannot be made; leaves no trace.

    Raises:
        OSError: it cannot; a full disk is found out by writing alone.
    """
    there = next(at for at in (folder, *folder.absolute().parents) if at.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".tinyedge.", dir=there):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content, hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    # Loads OpenSSL, which a board that only runs has no use for.
    import hashlib

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def bytes_sha256(content: bytes) -> str:
    """The sha256 of `content`, hexadecimal."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


def reproducible_zip(
    members: Mapping[str, bytes], *, behind: bytes = b"", compress: bool = True, mode: int = 0
) -> bytes:
    """A zip of `members`, in their order, appended to the bytes `behind`.

    Equal arguments give equal bytes: no dates. `mode` are the Unix permissions and type of every
    member, 0 for none.
    """
    import io
    import zipfile

    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    stream = io.BytesIO(behind)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a" if behind else "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.external_attr = mode << 16
            archive.writestr(member, content, method, 9 if compress else None)
    return stream.getvalue()


def reproducible_tar(
    members: Iterable[tuple[str, bytes]],
    *,
    executables: Collection[str] = (),
    compress: bool = False,
) -> bytes:
    """A tar of `members`, their names and contents, in their order; gzipped with `compress`.

    Equal arguments give equal bytes: no dates and no owners. `executables` are names of members
    that may be executed.
    """
    import gzip
    import io
    import tarfile

    stream = io.BytesIO()
    with contextlib.ExitStack() as stack:
        target: IO[bytes] = stream
        if compress:
            # What is large is compressed already: more effort takes time and saves nothing.
            zipped = gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0)
            target = cast("IO[bytes]", stack.enter_context(zipped))
        archive = stack.enter_context(
            tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT)
        )
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if name in executables else 0o644
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _stage_file(target: Path, content: bytes, staged: list[tuple[Path, Path]]) -> None:
    check_replaceable(target)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    staged.append((Path(name), target))
    with os.fdopen(descriptor, "wb") as stream:
        _write(stream.fileno(), content)
    # mkstemp makes files for the owner alone; outputs get what the umask allows.
    Path(name).chmod(0o666 & ~_umask())


def _stage_folder(
    target: Path,
    contents: Mapping[str, bytes],
    executables: Collection[str],
    staged: list[tuple[Path, Path]],
) -> None:
    check_replaceable(target, folder=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    staged.append((folder, target))
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            _write(stream.fileno(), content)
        if name in executables:
            path.chmod(0o777 & ~_umask())
    folder.chmod(0o777 & ~_umask())


def _write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)


def _put_into_place(temporary: Path, target: Path) -> None:
    if not target.is_dir():
        temporary.replace(target)
        return
    # No rename replaces a folder that holds anything.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
        old = target.rename(Path(aside) / target.name)
        try:
            temporary.rename(target)
        except OSError:
            old.rename(target)
            raise


def _remove(path: Path) -> None:
    """What is left of a staged output that was not put into place."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
