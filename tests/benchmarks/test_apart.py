"""What a program took that ran in a process of its own."""

import sys
from pathlib import Path

import pytest

from benchmarks.apart import run_apart
from benchmarks.performance.export_cost import cost_of

_PROGRAM = """
import os, sys, time
kept = bytearray(os.urandom(1)) * 200_000_000
while time.process_time() < 0.5:
    pass
print(os.getcwd(), os.environ["WORD"])
print("a complaint", file=sys.stderr)
sys.exit(3)
"""


def test_what_it_said_and_took(tmp_path: Path) -> None:
    ended = run_apart([sys.executable, "-c", _PROGRAM], tmp_path, {"WORD": "two words"})
    assert ended.code == 3
    assert ended.printed.split(maxsplit=1) == [str(tmp_path), "two words\n"]
    assert ended.complaint == "a complaint\n"
    assert ended.cpu >= 0.5
    assert ended.peak > 200_000_000


def test_a_failed_export_has_no_cost(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nothing\.cfg"):
        cost_of([tmp_path / "nothing.cfg", "-o", tmp_path])
