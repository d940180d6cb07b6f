"""What runs on a board, when the connection to it breaks."""

import os
import subprocess
from pathlib import Path

import pytest

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
