"""What runs on a board: when the connection to it breaks, and beside whatever lies there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import set_traps
from tinyedge.devices.deploy import scripts


@pytest.mark.parametrize("script", [scripts.INSTALL, scripts.IMAGES])
def test_a_connection_that_breaks_leaves_nothing_though_nobody_can_be_told(
    tmp_path: Path, script: str
) -> None:
    prefix = tmp_path / "board"
    prefix.mkdir()
    (prefix / "kept").touch()
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as gone:
        done = subprocess.run(
            ["sh", "-c", script, "tinyedge", prefix, "x"],
            input=b"half of an archive",
            stdout=gone,
            stderr=gone,
            check=False,
        )
    assert done.returncode == 2
    assert os.listdir(prefix) == ["kept"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (scripts.PROBE_PYTHON, '"problem": null'),
        (scripts.ROLLBACK_PYTHON, "no bundle is installed"),
    ],
)
def test_what_lies_in_the_logins_folder_is_not_imported(
    tmp_path: Path, program: str, said: str
) -> None:
    command = [sys.executable, "-c", program, tmp_path / "board", "none"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        command,
        cwd=set_traps(tmp_path),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in done.stdout + done.stderr
