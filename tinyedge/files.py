"""Files: read within limits, written whole or not at all, their hashes, reproducible archives."""

import contextlib
import errno
import io
import itertools
import json
import os
import re
import stat
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from tinyedge.errors import TinyedgeError
from tinyedge.system import check_interrupted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = [
    "Content",
    "bytes_sha256",
    "check_is_no_input",
    "check_output_file",
    "check_replaceable",
    "check_writable",
    "file_sha256",
    "is_own_stream",
    "list_of",
    "open_bytes",
    "opened_parent",
    "read_bytes",
    "read_text",
    "reproducible_tar",
    "reproducible_zip",
    "unlisted",
    "with_list",
    "write_together",
    "zip_member",
]

# Of a file, or of a folder's files by their paths inside it.
Content = bytes | Mapping[str, bytes]

# A zip's members must bear a date; this is the first that they can.
_EPOCH = (1980, 1, 1, 0, 0, 0)
# Bytes of a path that every system takes; Linux 4,096.
_LONGEST_PATH = 1000
_LIST, _LIST_FORMAT = "tinyedge-files.json", 1
_MOST_LISTED = 1 << 24
_PART = 1 << 20
# Of a zip: the end of its directory, an entry of that, and what stands before a member.
_ZIP_END = struct.Struct("<4s4H2IH")
_ZIP_ENTRY = struct.Struct("<4s6H3I5H2I")
_ZIP_HEADER = struct.Struct("<4s5H3I2H")
# The version that reads a member without compression, times ten.
_ZIP_PLAIN = 20
_MOST_OF_A_STREAM = 2**31
_ANY_SIZE = 2**63
_OWN_STREAM = "/dev/(?:stdin|fd/([0-9]{1,6}))"
# In /dev/shm are files.
_OF_A_PROCESS = "/(dev/(?!shm/)|proc/)"
# What pipes gave, by their device and inode: they can be read once, and a model's card, graph and
# sha256 are asked for one after the other.
_read_from_pipes: dict[tuple[int, int], bytes] = {}


def read_bytes(
    path: Path, *, limit: int, what: str, error: type[TinyedgeError] = TinyedgeError
) -> bytes:
    """The content of the file at `path`: every file that a user names is read here.

    Args:
        path: a regular file, or ``/dev/stdin`` or ``/dev/fd/N``, which may be anything; a pipe
            among those can be read again, by this process.
        limit: the most bytes it may have.
        what: the kind of file, for the message: ``a Darknet .cfg``.
        error: the class of what is raised.

    Raises:
        TinyedgeError: of the class `error`: it is larger, or a folder, FIFO, socket or device,
            which is not opened; or no file can have that name.
        OSError: there is none, or it cannot be read.
    """
    with open_bytes(path, limit=limit, what=what, error=error) as stream:
        # Not up to the limit at once, for Python would take as much memory before it reads.
        in_memory = isinstance(stream, io.BytesIO)
        size = limit if in_memory else os.fstat(stream.fileno()).st_size
        content = stream.read(size + 1)
        if len(content) > size:
            content += _read_in_parts(stream, limit)
    if len(content) > limit:  # it has grown since
        raise error(_too_large(path, limit, what))
    return content


def read_text(
    path: Path, *, limit: int, what: str, error: type[TinyedgeError] = TinyedgeError
) -> str:
    """The text of the file at `path`, UTF-8 with or without a byte order mark; see `read_bytes`.

    Line ends are as the file has them.

    Raises:
        TinyedgeError: as of `read_bytes`, or it is no such text.
        OSError: there is none, or it cannot be read.
    """
    try:
        return read_bytes(path, limit=limit, what=what, error=error).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(
            f"{path} is no UTF-8 text, as {what} is: byte 0x{fault.object[fault.start]:02x} at"
            f" {fault.start:,} ({fault.reason})"
        ) from fault


def open_bytes(
    path: Path, *, limit: int, what: str, error: type[TinyedgeError] = TinyedgeError
) -> io.BufferedReader | io.BytesIO:
    """A stream, to be closed, that can seek over what `read_bytes` reads; see there.

    Raises:
        TinyedgeError, OSError: as of `read_bytes`.
    """
    own = re.fullmatch(_OWN_STREAM, str(path)) if path.parts[:2] == ("/", "dev") else None
    try:
        with opened_parent(path) as (name, parent):
            status = os.stat(name, dir_fd=parent)
            if own is not None and not stat.S_ISREG(status.st_mode):
                return io.BytesIO(_own_stream(int(own[1] or 0), path, limit, what, error))
            _check_regular(status, path, error)
            # A FIFO that took the file's place since would block without.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=parent)
    except ValueError as fault:
        raise error(f"{str(path)!r} is no name of a file ({fault})") from fault
    stream: io.BufferedReader = io.BufferedReader(_NamedFile(descriptor, path))
    try:
        status = os.fstat(descriptor)
        _check_regular(status, path, error)
        if status.st_size > limit:
            raise error(_too_large(path, limit, what))
    except BaseException:
        stream.close()
        raise
    return stream


def is_own_stream(path: str | Path) -> bool:
    """Whether what stands at `path` may be another file for each process, as ``/dev/stdin`` is."""
    return re.match(_OF_A_PROCESS, str(path)) is not None


@contextlib.contextmanager
def opened_parent(path: str | Path) -> Iterator[tuple[str, int | None]]:
    """A name for `path`, and the descriptor of the folder that it is relative to.

    That is the path itself and None but where it is longer than the system takes (PATH_MAX).

    Raises:
        OSError: a folder on the way to it cannot be opened.
    """
    rest = os.fsencode(path)
    if len(rest) < _LONGEST_PATH:
        yield str(path), None
        return
    slash = os.fsencode(os.sep)
    parent = os.open(slash if rest.startswith(slash) else b".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        rest = rest.strip(slash)
        while len(rest) >= _LONGEST_PATH and slash in rest:
            end = rest.rfind(slash, 0, _LONGEST_PATH)
            inside = os.open(rest[:end], os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
            os.close(parent)
            parent, rest = inside, rest[end:].lstrip(slash)
        yield os.fsdecode(rest), parent
    finally:
        os.close(parent)


def write_together(
    contents: Mapping[Path, Content], *, executables: Collection[str] = (), swept: bool = False
) -> None:
    """Write every file, or none of them.

    A target's content is that of a file or, for a folder, those of its files by their paths
    inside it. Each is written into a temporary folder beside its target and flushed to disk; only
    when all are there are they renamed into place, replacing what stood there before. A process
    that is killed between two renames leaves every file whole, and the next that writes there
    makes the rest of the renames; see `tinyedge.temporary`. `executables` are paths inside the
    folders of files that may be executed. `swept` says that what killed runs left has been cleared
    up: to look for it takes longer than to write where there are ten thousands of files.

    Raises:
        OSError: a folder cannot be made, or the disk is full; the targets are as they were, and no
            folder is left that was made for them.
    """
    # Here, as below: who writes nothing, as a board that answers, needs none of it.
    from tinyedge.temporary import put_into_place, temporary_folder

    check_interrupted()
    with contextlib.ExitStack() as stack:
        folders: dict[Path, Path] = {}
        renames: dict[Path, list[tuple[str, str]]] = {}
        for number, (target, content) in enumerate(contents.items()):
            place = target.parent
            if place not in folders:
                stack.callback(_remove_empty, _missing(place))
                place.mkdir(parents=True, exist_ok=True)
                folders[place] = stack.enter_context(temporary_folder(place, swept=swept))
            check_replaceable(target, folder=not isinstance(content, bytes))
            staged = folders[place] / str(number)
            with _errors_naming(target):
                if isinstance(content, bytes):
                    _write(staged, content)
                else:
                    _write_folder(staged, content, executables)
            renames.setdefault(place, []).append((staged.name, target.name))
        put_into_place({folders[place]: names for place, names in renames.items()})


def _missing(folder: Path) -> list[Path]:
    """The folder and those around it that are not there, the innermost first."""
    around = (folder, *folder.parents)
    return list(itertools.takewhile(lambda each: not os.path.lexists(each), around))


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of the folders, the innermost first, that are there and hold nothing."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def check_replaceable(target: Path, *, folder: bool = False) -> None:
    """Refuse a target of `write_together` that is there and is none to replace.

    A link to a file is replaced itself, and what it leads to stays.

    Raises:
        OSError: a file's target is a folder, a FIFO, socket or device, leads to one, or is a link
            to a link, as ``/dev/stdout`` is; a `folder`'s is a file, or a link.
    """
    if folder and (target.is_symlink() or (target.exists() and not target.is_dir())):
        raise NotADirectoryError(errno.ENOTDIR, "is no folder to replace", str(target))
    if not folder and target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file to replace", str(target))
    if not folder and target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "is a device or a pipe, not a file to replace", str(target))
    if target.is_symlink() and (target.parent / os.readlink(target)).is_symlink():
        raise OSError(errno.ELOOP, "is a link to a link, not a file to replace", str(target))


def check_is_no_input(target: Path, *inputs: Path | None) -> None:
    """Refuse to replace what the same command reads.

    Raises:
        OSError: `target` is one of the `inputs`, by whatever name.
    """
    for each in inputs:
        if each is not None and target.exists() and each.exists() and target.samefile(each):
            raise OSError(errno.EINVAL, "is read by this command and would be lost", str(target))


def check_output_file(target: Path, *inputs: Path | None) -> None:
    """Say before the work whether `write_together` can put a file there; leaves no trace.

    Raises:
        OSError: it cannot, as of `check_replaceable` and `check_writable`; or `target` is one of
            the `inputs`.
    """
    check_replaceable(target)
    check_writable(target.parent)
    check_is_no_input(target, *inputs)


def with_list(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a folder and a list of them, by which `unlisted` knows them again."""
    return {**files, **list_of(files)}


def list_of(names: Iterable[str]) -> dict[str, bytes]:
    """The list alone, for a folder whose contents are not all held in memory."""
    listed = {"format": _LIST_FORMAT, "files": sorted(names)}
    return {_LIST: f"{json.dumps(listed, indent=1)}\n".encode()}


def unlisted(folder: Path) -> list[str]:
    """What stands in a folder and below it that its list (`with_list`) does not have, sorted.

    All of it where there is no such list: nothing then says who wrote it. Links count, and folders
    without a file.

    Raises:
        OSError: a folder cannot be read.
    """
    names = {
        os.path.relpath(os.path.join(inside, name), folder)
        for inside, folders, files in os.walk(folder)
        for name in [*files, *(each for each in folders if not _holds_files(inside, each))]
    }
    return sorted(names - _listed(folder))


def check_writable(folder: Path) -> None:
    """Refuse a folder in which nothing can be written, or that cannot be made; leaves no trace.

    Raises:
        OSError: it cannot; a full disk is found out by writing alone.
    """
    from tinyedge.temporary import temporary_folder

    # A link that leads nowhere is there, and no folder can be made in its place.
    there = next(at for at in (folder, *folder.absolute().parents) if os.path.lexists(at))
    try:
        with temporary_folder(there):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content, hexadecimal.

    Raises:
        TinyedgeError: it is no file that `read_bytes` would read, but for its size.
        OSError: the file cannot be read.
    """
    # Loads OpenSSL, which a board that only runs has no use for.
    import hashlib

    with open_bytes(path, limit=_ANY_SIZE, what="a file") as stream:
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


def zip_member(stream: IO[bytes], name: str, *, limit: int) -> bytes | None:
    """A member of the zip that a stream is, or ends in; None where there is no zip, or no member.

    Raises:
        ValueError: the zip is damaged, or the member has more than `limit` bytes.
        OSError: the stream cannot be read.
    """
    plain = _plain_zip_member(stream, name, limit)
    if plain is not None:
        return plain
    import zipfile

    try:
        if not zipfile.is_zipfile(stream):
            return None
        with zipfile.ZipFile(stream) as archive:
            if name not in archive.namelist():
                return None
            with archive.open(name) as member:
                content = member.read(limit + 1)
    except Exception as error:  # damaged bytes set off anything, a seek to below 0 too
        # Of the system's errors; bz2 has an OSError without a number for a damaged stream.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(str(error)) from error
    if len(content) > limit:
        raise ValueError(f"it has more than {limit:,} bytes")
    return content


def _plain_zip_member(stream: IO[bytes], name: str, limit: int) -> bytes | None:
    """A member that lies in a zip as `reproducible_zip` stores it; None where zipfile has to look.

    zipfile takes longer to import than a card to be read. PKWARE's APPNOTE 6.3.10, 4.3.
    """
    size, wanted = stream.seek(0, io.SEEK_END), name.encode()
    if size < _ZIP_END.size or not name.isascii():
        return None
    stream.seek(-_ZIP_END.size, io.SEEK_END)
    end = _ZIP_END.unpack(stream.read(_ZIP_END.size))
    mark, disk, directory_disk, here, count, length, start, comment = end
    is_plain = mark == b"PK\5\6" and not (disk or directory_disk or comment) and here == count
    if not is_plain or length > _MOST_LISTED or start + length + _ZIP_END.size != size:
        return None
    stream.seek(start)
    entry = _plain_zip_entry(stream.read(length), count, wanted)
    if entry is None or entry[1] > limit:
        return None
    checksum, plain, header = entry
    stream.seek(header)
    local = stream.read(_ZIP_HEADER.size).ljust(_ZIP_HEADER.size)
    mark, _, flags, method, *_, named, extra = _ZIP_HEADER.unpack(local)
    if mark != b"PK\3\4" or flags or method or stream.read(named) != wanted:
        return None
    stream.seek(extra, io.SEEK_CUR)
    content = stream.read(plain)
    return content if len(content) == plain and zlib.crc32(content) == checksum else None


def _plain_zip_entry(directory: bytes, count: int, name: bytes) -> tuple[int, int, int] | None:
    """Of a member that is stored as it is: its CRC-32, its bytes, where its header stands."""
    at, found = 0, None
    for _ in range(count):
        if at + _ZIP_ENTRY.size > len(directory):
            return None
        entry = _ZIP_ENTRY.unpack_from(directory, at)
        mark, _, needed, flags, method, _, _, checksum, packed, plain, *lengths = entry[:13]
        named = at + _ZIP_ENTRY.size
        # Of any member, for zipfile refuses the whole.
        if mark != b"PK\1\2" or needed > _ZIP_PLAIN or flags:
            return None
        if directory[named : named + lengths[0]] == name:
            # Of two with the same name zipfile takes the last.
            found = None if method or packed != plain else (checksum, plain, entry[-1])
        at = named + sum(lengths)
    return found if at == len(directory) else None


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
    import tarfile

    stream = io.BytesIO()
    with contextlib.ExitStack() as stack:
        target: IO[bytes] = stream
        if compress:
            # What is large is compressed already: more effort takes time and saves nothing.
            zipped = gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0)
            target = cast("IO[bytes]", stack.enter_context(zipped))
        # BusyBox passes over the names of PAX's headers, which a long name is in.
        archive = stack.enter_context(
            tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT)
        )
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if name in executables else 0o644
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _holds_files(parent: str, name: str) -> bool:
    """Whether a folder is none to be named by itself: no link, and not empty."""
    path = os.path.join(parent, name)
    return not os.path.islink(path) and bool(os.listdir(path))


def _listed(folder: Path) -> set[str]:
    try:
        content = json.loads(read_bytes(folder / _LIST, limit=_MOST_LISTED, what="a list of files"))
        if content["format"] == _LIST_FORMAT:
            return {_LIST, *map(str, content["files"])}
    except (TinyedgeError, OSError, ValueError, RecursionError, LookupError, TypeError):
        pass
    return set()


def _check_regular(status: os.stat_result, path: Path, error: type[TinyedgeError]) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    raise error(f"{path} is {kinds.get(stat.S_IFMT(status.st_mode), 'something else')}, not a file")


def _too_large(path: Path, limit: int, what: str) -> str:
    return f"{path}: more than {limit:,} bytes, the most that {what} may have"


class _NamedFile(io.FileIO):
    """A file whose errors while it is read name it, as those of opening it do."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "rb")
        self._path = path

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        with _errors_naming(self._path):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with _errors_naming(self._path):
            return super().readall()


@contextlib.contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """Give an error of the system's that names no file the name of `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _read_in_parts(stream: IO[bytes], most: int) -> bytes:
    content = bytearray()
    while len(content) < most and (part := stream.read(min(_PART, most - len(content)))):
        content += part
    return bytes(content)


def _own_stream(
    descriptor: int, path: Path, limit: int, what: str, error: type[TinyedgeError]
) -> bytes:
    """What comes to its end on one of this process's own descriptors."""
    status = os.fstat(descriptor)
    limit = min(limit, _MOST_OF_A_STREAM)
    pipe = stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)
    key = (status.st_dev, status.st_ino)
    content = _read_from_pipes.get(key) if pipe else None
    if content is None:
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        with io.BufferedReader(_NamedFile(os.dup(descriptor), path)) as stream:
            content = _read_in_parts(stream, limit + 1)
    if len(content) > limit:
        raise error(_too_large(path, limit, what))
    if pipe:
        _read_from_pipes[key] = content
    return content


def _write_folder(
    folder: Path, contents: Mapping[str, bytes], executables: Collection[str]
) -> None:
    folder.mkdir()
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content, mode=0o777 if name in executables else 0o666)


def _write(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
