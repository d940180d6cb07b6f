"""Files that appear whole or not at all, against real failures of the file system."""

import io
import os
import re
import resource
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tinyedge.files import (
    check_writable,
    reproducible_tar,
    reproducible_zip,
    unlisted,
    with_list,
    write_together,
)


def everything_in(folder: Path) -> dict[str, bytes | None]:
    """Every path below `folder`, with its content where it is a file."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_every_file_is_written_and_nothing_else(tmp_path: Path) -> None:
    write_together({tmp_path / "a": b"one", tmp_path / "deep" / "er" / "b": b""})
    assert everything_in(tmp_path) == {
        "a": b"one",
        "deep": None,
        "deep/er": None,
        "deep/er/b": b"",
    }


def test_what_stood_there_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.write_bytes(b"a much longer old content")
    with target.open("rb") as reader:
        write_together({target: b"new"})
        # Whoever had the old file open goes on reading the old file.
        assert reader.read() == b"a much longer old content"
    assert everything_in(tmp_path) == {"model": b"new"}


def test_a_second_target_that_is_a_folder_spares_the_first(tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(b"old")
    (tmp_path / "second").mkdir()
    before = everything_in(tmp_path)
    with pytest.raises(IsADirectoryError) as refusal:
        write_together({tmp_path / "first": b"new", tmp_path / "second": b"new"})
    assert refusal.value.filename == str(tmp_path / "second")
    assert everything_in(tmp_path) == before


def test_a_second_target_below_a_file_spares_the_first(tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(b"old")
    (tmp_path / "file").write_bytes(b"")
    before = everything_in(tmp_path)
    with pytest.raises(OSError, match="file"):
        write_together({tmp_path / "first": b"new", tmp_path / "file" / "second": b"new"})
    assert everything_in(tmp_path) == before


def test_a_second_target_that_cannot_be_made_spares_the_first(tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(b"old")
    before = everything_in(tmp_path)
    with pytest.raises(OSError, match="File name too long"):
        write_together({tmp_path / "first": b"new", tmp_path / ("n" * 256): b"new"})
    assert everything_in(tmp_path) == before


def test_running_out_of_room_in_the_second_file_spares_the_first(tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(b"old")
    before = everything_in(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_together({tmp_path / "first": b"new", tmp_path / "second": b"n" * 200_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert everything_in(tmp_path) == before


def test_of_folders_made_for_files_that_do_not_fit_none_is_left(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    before = everything_in(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        for contents in (
            {"out/deep/file": b"n" * 200_000},
            {"out/deep/first": b"new", "out/other/second": b"n" * 200_000},
            {"there/in/first": b"new", "there/model": {"deep/er": b"n" * 200_000}},
        ):
            with pytest.raises(OSError, match="File too large"):
                write_together({tmp_path / name: content for name, content in contents.items()})
            assert everything_in(tmp_path) == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(OSError, match="File name too long"):
        write_together({tmp_path / "out" / ("n" * 256) / "file": b"new"})
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o077, 0o600)])
def test_permissions_are_what_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
    previous = os.umask(umask)
    try:
        write_together({tmp_path / "model": b"x"})
        assert os.umask(umask) == umask
    finally:
        os.umask(previous)
    assert (tmp_path / "model").stat().st_mode & 0o777 == mode


class TestFolders:
    """A folder of files as one target."""

    def test_a_folder_is_written_beside_files(self, tmp_path: Path) -> None:
        folder = {"top": b"one", "deep/er": b"two"}
        write_together({tmp_path / "a": b"x", tmp_path / "out" / "model": folder})
        assert everything_in(tmp_path) == {
            "a": b"x",
            "out": None,
            "out/model": None,
            "out/model/deep": None,
            "out/model/deep/er": b"two",
            "out/model/top": b"one",
        }

    def test_a_folder_is_replaced_whole(self, tmp_path: Path) -> None:
        write_together({tmp_path / "model": {"old": b"1", "both": b"old"}})
        write_together({tmp_path / "model": {"both": b"new"}})
        assert everything_in(tmp_path) == {"model": None, "model/both": b"new"}

    def test_a_file_in_a_folders_place_spares_the_others(self, tmp_path: Path) -> None:
        (tmp_path / "first").write_bytes(b"old")
        (tmp_path / "model").write_bytes(b"a file")
        before = everything_in(tmp_path)
        with pytest.raises(NotADirectoryError) as refusal:
            write_together({tmp_path / "first": b"new", tmp_path / "model": {"x": b""}})
        assert refusal.value.filename == str(tmp_path / "model")
        assert everything_in(tmp_path) == before

    def test_a_link_to_a_folder_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "precious").mkdir()
        (tmp_path / "model").symlink_to("precious")
        with pytest.raises(NotADirectoryError):
            write_together({tmp_path / "model": {"x": b""}})
        assert everything_in(tmp_path) == {"model": None, "precious": None}

    def test_a_file_that_fails_spares_the_folder(self, tmp_path: Path) -> None:
        write_together({tmp_path / "model": {"old": b"1"}})
        before = everything_in(tmp_path)
        with pytest.raises(OSError, match="File name too long"):
            write_together({tmp_path / "model": {"new": b"2"}, tmp_path / ("n" * 256): b""})
        assert everything_in(tmp_path) == before

    def test_its_permissions_are_what_the_umask_leaves(self, tmp_path: Path) -> None:
        previous = os.umask(0o027)
        try:
            write_together({tmp_path / "model": {"deep/file": b"x"}})
        finally:
            os.umask(previous)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
        assert modes == {"model": 0o750, "deep": 0o750, "file": 0o640}


def test_a_zip_is_the_same_every_time_and_any_tool_reads_it() -> None:
    members = {"b/one": b"1" * 1000, "a": b"2"}
    content = reproducible_zip(members, behind=b"before", mode=0o100644)
    assert content == reproducible_zip(members, behind=b"before", mode=0o100644)
    assert content.startswith(b"before")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == members
        assert archive.namelist() == list(members)


@pytest.mark.parametrize("compress", [False, True])
def test_a_tar_is_the_same_every_time_and_any_tool_reads_it(tmp_path: Path, compress: bool) -> None:
    members = {"b/tool": b"1" * 1000, f"a/{'long' * 40}": b"2", "größe": b""}

    def made() -> bytes:
        return reproducible_tar(members.items(), executables={"b/tool"}, compress=compress)

    content = made()
    time.sleep(1.1)  # a gzip's and a tar's dates have seconds
    assert content == made()
    assert (content[:2] == b"\x1f\x8b") == compress
    subprocess.run(["tar", f"-x{'z' * compress}f", "-"], input=content, cwd=tmp_path, check=True)
    found = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {str(path.relative_to(tmp_path)): path.read_bytes() for path in found} == members
    assert [path.name for path in found if os.access(path, os.X_OK)] == ["tool"]


class TestWhatIsNotReplaced:
    """Devices, pipes, links to links, and folders of somebody else."""

    def test_a_device_or_a_pipe(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        for target in (pipe, Path("/dev/null")):
            with pytest.raises(OSError, match="is a device or a pipe, not a file to replace"):
                write_together({tmp_path / "a": b"a", target: b"x"})
        assert everything_in(tmp_path).keys() == {"pipe"}
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

    def test_a_link_to_a_device(self, tmp_path: Path) -> None:
        link = tmp_path / "out.json"
        link.symlink_to("/dev/null")
        with pytest.raises(OSError, match="is a device or a pipe"):
            write_together({link: b"x"})
        assert link.readlink() == Path("/dev/null")

    def test_a_link_to_a_link(self, tmp_path: Path) -> None:
        """As /dev/stdout is, which leads to /proc/self/fd/1, which leads to a file, say."""
        kept = tmp_path / "kept"
        kept.write_bytes(b"kept")
        (tmp_path / "one").symlink_to("kept")
        (tmp_path / "two").symlink_to("one")
        with pytest.raises(OSError, match="is a link to a link"):
            write_together({tmp_path / "two": b"x"})
        assert (tmp_path / "two").readlink() == Path("one")
        # A link alone is replaced, what it leads to is not.
        write_together({tmp_path / "one": b"x"})
        assert not (tmp_path / "one").is_symlink()
        assert kept.read_bytes() == b"kept"

    def test_a_folder_is_known_by_its_list(self, tmp_path: Path) -> None:
        folder = tmp_path / "model"
        assert unlisted(tmp_path) == []
        write_together({folder: with_list({"a.pb": b"a", "variables/b": b"b"})})
        assert unlisted(folder) == []
        (folder / "variables" / "c").write_bytes(b"somebody's")
        (folder / "empty").mkdir()
        (folder / "link").symlink_to(tmp_path)
        assert unlisted(folder) == ["empty", "link", "variables/c"]

    @pytest.mark.parametrize(
        "content", [None, b"", b"[]", b"{}", b'{"format": 2, "files": ["a"]}', b"[" * 10**5]
    )
    def test_without_a_list_of_its_own_all_is_somebody_elses(
        self, tmp_path: Path, content: bytes | None
    ) -> None:
        (tmp_path / "a").write_bytes(b"a")
        if content is not None:
            (tmp_path / "tinyedge-files.json").write_bytes(content)
        assert "a" in unlisted(tmp_path)


def test_an_error_while_a_file_is_written_names_it(tmp_path: Path) -> None:
    """A process may be allowed no file of more bytes than so many."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from tinyedge.files import write_together\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "for content in (bytes(5000), {'inside': bytes(5000)}):\n"
        "    try: write_together({Path(sys.argv[1], 'name'): content})\n"
        "    except OSError as error: print(error.strerror, error.filename)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"File too large {tmp_path}/name\n" * 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_found_out_before_the_work(tmp_path: Path) -> None:
    dangling, loop = tmp_path / "dangling", tmp_path / "loop"
    dangling.symlink_to(tmp_path / "nowhere")
    loop.symlink_to(loop)
    for folder in (dangling, loop, dangling / "deeper"):
        with pytest.raises(OSError, match=re.escape(str(folder))) as caught:
            check_writable(folder)
        assert caught.value.filename == str(folder)
    check_writable(tmp_path / "a" / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "loop"]
