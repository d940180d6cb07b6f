"""``tinyedge fetch`` as a user types it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import run_as_user


def fetch(*words: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with a closed port for a proxy: no address answers."""
    closed = "http://127.0.0.1:9"
    environment = {"TINYEDGE_CACHE": str(cache), "HTTPS_PROXY": closed, "https_proxy": closed}
    return run_as_user("fetch", *words, environment=environment)


def test_offline_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = fetch("tiny", cache=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    address = "https://pjreddie.com/media/files/tiny.weights"
    assert done.stderr == (
        f"error: cannot download {address}: no connection;"
        f" try again, or put that file at {tmp_path}/tiny/tiny.weights\n"
    )


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    done = fetch("fashion", "yolo", cache=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: no model is named 'yolo'; known: alexnet, darknet, darknet19, darknet53,"
        " densenet201, extraction, fashion, resnet50, squeezenet, tiny, vgg-16\n"
    )


def test_no_name_is_a_usage_error(tmp_path: Path) -> None:
    assert fetch(cache=tmp_path).returncode == 2


def test_the_packaged_model_is_there_already(tmp_path: Path) -> None:
    done = fetch("fashion", "--json", cache=tmp_path / "none")
    assert done.returncode == 0
    assert done.stderr == "note: fashion ships with tinyedge, nothing to download\n"
    paths = json.loads(done.stdout)["fashion"]
    assert Path(paths["cfg"]).name == "fashion.cfg"
    assert Path(paths["calibration"]).is_dir()
    assert paths["ids"] is None
    assert not (tmp_path / "none").exists()


@pytest.mark.real_data
def test_a_full_cache_is_printed_without_a_word_on_stderr(cache: Path) -> None:
    done = fetch("tiny", "squeezenet", cache=cache)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny: Tiny Darknet, 224x224 RGB, 1000 ImageNet classes"
    assert lines[2].split() == ["weights", str(cache / "tiny" / "tiny.weights")]
    assert lines[7].split() == ["weights", str(cache / "squeezenet" / "squeezenet.weights")]
    paths = [line.split()[1] for line in lines if line.startswith("  ")]
    assert len(paths) == 8
    assert all(Path(path).is_file() for path in paths)
