"""``tinyedge run MODEL -``: one image on stdin, or paths, answered as they come."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.running import Running
from tinyedge.cli import main
from tinyedge.exit_codes import ExitCode


def run(text: bytes, *words: object) -> Result:
    return CliRunner().invoke(main, ["run", *map(str, words), "--json"], input=text)


def images_in(result: Result) -> list[str]:
    return [json.loads(line)["image"] for line in result.stdout.splitlines()]


def test_each_path_is_answered_before_the_next_is_given(model: Path, bags: list[Path]) -> None:
    with Running("run", model, "-", "--json") as command:
        for path in bags[:3]:
            command.type(path)
            assert json.loads(command.answer())["image"] == str(path)
        code, stdout, stderr = command.end()
    assert (code, stdout) == (0, "")
    assert stderr.startswith("ai-edge-litert ")


def test_stdin_stands_where_it_is_named(model: Path, bags: list[Path]) -> None:
    lines = b"".join(os.fsencode(path) + b"\r\n" for path in bags[1:3])
    result = run(lines + b"\n", model, bags[0], "-", bags[3])
    assert result.exit_code == 0
    assert images_in(result) == [str(path) for path in bags[:4]]


def test_a_path_that_is_no_image_is_skipped(model: Path, bags: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no photo")
    lines = f"{text}\n{tmp_path / 'none.png'}\n{tmp_path}\nbag\0.png\n{bags[0]}".encode()
    result = run(lines, model, "-")
    assert result.exit_code == 0
    assert images_in(result) == [str(bags[0])]
    assert result.stderr.count("\nskipped: ") == 4
    assert f"skipped: {tmp_path / 'none.png'}: no such file\n" in result.stderr


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (b"", "stdin: no image, and no path of one; one a line is expected"),
        (b"\n\n", "stdin: no image, and no path of one; one a line is expected"),
        (b"none.png\n", "none of the 1 images can be read"),
    ],
)
def test_nothing_to_answer_is_an_error(model: Path, lines: bytes, reason: str) -> None:
    result = run(lines, model, "-")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"error: {reason}\n")


def test_a_wrong_name_beside_it_is_told_before_anything_is_read(model: Path) -> None:
    with Running("run", model, "-", "none.png") as command:
        assert command.said("none.png") == "error: none.png: no such file or folder\n"


def test_a_closed_stdin_names_nothing(model: Path) -> None:
    done = subprocess.run(
        f'"{sys.executable}" -m tinyedge run "{model}" - <&-',
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.endswith(
        "error: stdin: no image, and no path of one; one a line is expected\n"
    )


def test_an_image_is_answered_as_its_file_is(model: Path, bags: list[Path]) -> None:
    """Redirected, and through a pipe."""
    named = json.loads(run(b"", model, bags[0]).stdout)["predictions"]
    command = [sys.executable, "-m", "tinyedge", "run", str(model), "-", "--json"]
    content = bags[0].read_bytes()
    with bags[0].open("rb") as file:
        redirected = subprocess.run(command, stdin=file, capture_output=True, check=False)
    piped = subprocess.run(command, input=content, capture_output=True, check=False)
    for done in (redirected, piped):
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        answer = json.loads(line)
        assert (answer["image"], answer["predictions"]) == ("-", named)
    assert len(piped.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\nand no more", "stdin is not an image that can be read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "stdin is not an image that can be read (no JPEG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "stdin is not an image that can be read"),
    ],
)
def test_a_damaged_image_is_an_error(model: Path, content: bytes, reason: str) -> None:
    result = run(content, model, "-")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"error: {reason}" in result.stderr


def test_paths_may_end_in_nul_as_find_writes_them(
    model: Path, bags: list[Path], tmp_path: Path
) -> None:
    names = ["a\nb.png", "c d.png"]
    for name, bag in zip(names, bags, strict=False):
        (tmp_path / name).write_bytes(bag.read_bytes())
    listed = b"".join(os.fsencode(tmp_path / name) + b"\0" for name in names)
    result = run(listed, model, "-", "-0")
    assert result.exit_code == 0
    assert images_in(result) == [str(tmp_path / name) for name in names]
    # Without the option they are recognised where no name has a line feed before.
    other = b"".join(os.fsencode(path) + b"\0" for path in bags[:2])
    assert images_in(run(other, model, "-")) == [str(path) for path in bags[:2]]


def test_null_is_about_stdin(model: Path, bags: list[Path]) -> None:
    result = run(b"", model, bags[0], "--null")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--null says how paths on stdin end: give - as IMAGE" in result.stderr


def test_control_c_ends_it(model: Path, bags: list[Path]) -> None:
    with Running("run", model, "-", "--json") as command:
        command.type(bags[0])
        command.answer()
        command.send(signal.SIGINT)
        code, stdout, stderr = command.end()
    assert (code, stdout) == (ExitCode.INTERRUPTED, "")
    assert re.fullmatch(
        r"so far 1: 1 answered in .* s; median inference .* ms\n"
        r"commonest answers: .* 1\nended by SIGINT\n",
        stderr.partition("\n")[2],
    )


def test_a_full_disk_is_an_error(model: Path, bags: list[Path]) -> None:
    with open("/dev/full", "wb") as full, Running("run", model, "-", stdout=full) as command:
        command.type(bags[0])
        code, _, stderr = command.end()
    assert code == 2
    assert stderr.splitlines()[1:] == ["error: No space left on device"]
