"""Silence below Python's streams, and none of it left over."""

import os
import subprocess
import sys

import pytest

from tinyedge.system import native_output_hidden

NATIVE = """
import os, sys
from tinyedge.system import native_output_hidden
print("before")
with native_output_hidden():
    os.write(1, b"native\\n"); os.write(2, b"native\\n")
    print("python")
print("after")
os.write(2, b"after\\n")
"""


def spoken(redirection: str = "", *, before: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        f'{before} "{sys.executable}" -c "$PROGRAM" {redirection}',
        shell=True,
        env={**os.environ, "PROGRAM": NATIVE},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_what_is_said_inside_is_lost_and_nothing_else() -> None:
    assert spoken() == (0, "before\nafter\n", "after\n")


def test_a_closed_stdout_stays_closed() -> None:
    assert spoken(">&-") == (0, "", "after\n")


def test_it_needs_no_disk() -> None:
    assert spoken(before="ulimit -f 0;") == (0, "before\nafter\n", "after\n")


def test_an_error_inside_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(1, b"lost\n")
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"), native_output_hidden():
        fail()
    os.write(1, b"heard\n")
    assert capfd.readouterr() == ("heard\n", "")


def test_it_leaves_no_descriptor_open() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with native_output_hidden():
            pass
    assert sorted(os.listdir("/proc/self/fd")) == before
