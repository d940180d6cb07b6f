"""The program that rolls a board back, run on folders made for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinyedge.devices.deploy.scripts import ROLLBACK_PYTHON

PASSED = {"passed": True, "models": [{"passed": True}]}
SAYS = "#!/bin/sh\ncat <<'END'\n{}\nEND\n"


def installed(prefix: Path, name: str, selftest: str | None) -> str:
    """A version, whose tinyedge prints `selftest`, or is missing; where a link to it leads."""
    version = prefix / "versions" / name
    (version / "bin").mkdir(parents=True)
    (version / "bundle.json").write_text(
        json.dumps({"models": [{"file": f"models/{name}.tflite"}]})
    )
    if selftest is not None:
        program = version / "bin" / "tinyedge"
        program.write_text(SAYS.format(selftest))
        program.chmod(0o755)
    return f"versions/{name}"


def roll_back(prefix: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ROLLBACK_PYTHON, prefix], capture_output=True, text=True, check=False
    )


def links(prefix: Path) -> tuple[str, str]:
    return os.readlink(prefix / "current"), os.readlink(prefix / "before")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "current").symlink_to(installed(tmp_path, "new", json.dumps(PASSED)))
    return tmp_path


def test_there_and_back_again(prefix: Path) -> None:
    (prefix / "before").symlink_to(installed(prefix, "old", json.dumps(PASSED)))
    told = json.loads(roll_back(prefix).stdout)
    assert (told["back_to"], told["was"], told["models"]) == ("old", "new", ["old.tflite"])
    assert links(prefix) == ("versions/old", "versions/new")
    assert json.loads(roll_back(prefix).stdout)["back_to"] == "new"
    assert links(prefix) == ("versions/new", "versions/old")
    assert sorted(path.name for path in prefix.iterdir()) == ["before", "current", "versions"]


@pytest.mark.parametrize("selftest", ["passed, all of them", "", None])
def test_an_older_bundle_that_is_damaged_changes_nothing(
    prefix: Path, selftest: str | None
) -> None:
    (prefix / "before").symlink_to(installed(prefix, "old", selftest))
    done = roll_back(prefix)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: nothing was changed: ")
    assert links(prefix) == ("versions/new", "versions/old")


def test_one_that_was_cut_between_its_links_is_gone_on_with(prefix: Path) -> None:
    installed(prefix, "old", json.dumps(PASSED))
    (prefix / "before").symlink_to("versions/new")
    (prefix / ".other").symlink_to("versions/old")
    assert json.loads(roll_back(prefix).stdout)["back_to"] == "old"
    assert links(prefix) == ("versions/old", "versions/new")
