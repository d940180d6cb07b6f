"""What is read as a file, and what is refused without being opened."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tinyedge.errors import CfgError, TinyedgeError
from tinyedge.files import open_bytes, read_bytes, read_text


def read(path: Path, limit: int = 10) -> bytes:
    return read_bytes(path, limit=limit, what="a list", error=CfgError)


@contextmanager
def piped(content: bytes) -> Iterator[Path]:
    """A pipe of this process that gives `content`, by its name in /dev/fd."""
    reading, writing = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as stream:
            stream.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield Path(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        thread.join()


def test_a_file_of_as_many_bytes_as_there_may_be_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"0123456789")
    assert read(path) == b"0123456789"
    (tmp_path / "link").symlink_to(path)
    assert read(tmp_path / "link") == b"0123456789"


def test_one_byte_more_is_an_error_that_says_how_many_there_may_be(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"0123456789a")
    with pytest.raises(CfgError, match=r"/list: more than 10 bytes, the most that a list may have"):
        read(path)


def test_a_sparse_file_of_terabytes_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "list"
    with path.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(CfgError, match="more than 10 bytes"):
        read(path)


def test_a_file_that_says_it_has_no_bytes_is_read_no_further_than_the_limit() -> None:
    # Files of /proc are regular and have a size of 0.
    assert read(Path("/proc/version"), 10_000).startswith(b"Linux")
    with pytest.raises(CfgError, match="more than 10 bytes"):
        read(Path("/proc/version"))


@pytest.mark.parametrize("kind", ["folder", "named pipe", "socket", "device"])
def test_what_is_no_file_is_refused_without_being_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "list"
    if kind == "folder":
        path.mkdir()
    elif kind == "named pipe":
        os.mkfifo(path)  # to open it would wait for a writer for ever
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(CfgError, match=f"/list is a {kind}, not a file"):
        read(path)


def test_a_link_to_an_own_stream_is_no_name_of_it(tmp_path: Path) -> None:
    with piped(b"") as path:
        (tmp_path / "list").symlink_to(path)
        with pytest.raises(CfgError, match="is a named pipe"):
            read(tmp_path / "list")


def test_a_pipe_that_is_named_is_read_as_often_as_asked() -> None:
    with piped(b"content") as path:
        assert [read(path), read(path)] == [b"content", b"content"]
        with open_bytes(path, limit=10, what="a list") as stream:
            assert stream.seek(0, os.SEEK_END) == 7
        with pytest.raises(CfgError, match="more than 5 bytes"):
            read(path, 5)


def test_a_pipe_without_end_is_read_no_further_than_the_limit() -> None:
    with piped(b"x" * 2**20) as path, pytest.raises(CfgError, match="more than 10 bytes"):
        read(path)


@pytest.mark.parametrize("given", ["pipe", "file", "/dev/zero"])
def test_standard_input_may_be_anything(tmp_path: Path, given: str) -> None:
    program = (
        "from pathlib import Path; from tinyedge.files import read_bytes;"
        "print(read_bytes(Path('/dev/stdin'), limit=9, what='a list'))"
    )
    path = tmp_path / "list"
    path.write_bytes(b"content")
    with open("/dev/zero" if given == "/dev/zero" else path, "rb") as stream:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=False,
            **({"input": b"content"} if given == "pipe" else {"stdin": stream}),
        )
    if given == "/dev/zero":
        assert b"/dev/stdin: more than 9 bytes" in done.stderr
    else:
        assert done.stdout == b"b'content'\n"


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"])
def test_what_no_file_can_be_called_is_an_error_of_one_line(name: str) -> None:
    with pytest.raises(TinyedgeError, match="is no name of a file") as refusal:
        read(Path(name))
    assert str(refusal.value).isprintable()


def test_what_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")


def test_text_loses_its_byte_order_mark_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes("\ufeffé\r\nb\u2028".encode())
    assert read_text(path, limit=20, what="a list") == "é\r\nb\u2028"


def test_what_is_no_text_is_an_error_that_says_where(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(CfgError, match=r"is no UTF-8 text, as a list is: byte 0xe9 at 3"):
        read_text(path, limit=20, what="a list", error=CfgError)


def open_bytes_at_once(path: Path) -> bytes:
    with open_bytes(path, limit=10, what="a list", error=CfgError) as stream:
        return stream.read()


@pytest.mark.parametrize("reader", [read, open_bytes_at_once])
def test_an_error_while_a_file_is_read_names_it(reader: Callable[[Path], bytes]) -> None:
    """Linux opens a process's own memory, and has nothing at its beginning."""
    with pytest.raises(OSError, match="Input/output error") as caught:
        reader(Path("/proc/self/mem"))
    assert caught.value.filename == "/proc/self/mem"


def test_a_folder_on_a_descriptor_is_none_to_read(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError) as caught:
            read(Path(f"/dev/fd/{descriptor}"))
    finally:
        os.close(descriptor)
    assert caught.value.filename == f"/dev/fd/{descriptor}"
