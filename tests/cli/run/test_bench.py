"""``tinyedge run --bench`` through the command line."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.commands import run_as_user, run_in_process
from tests.support.exports import Models
from tests.support.terminal import run_on_a_terminal
from tinyedge.cli import main


@pytest.fixture(scope="module")
def bags(fashion_images: Path) -> Path:
    return fashion_images / "Bag"


def test_json_holds_every_time_apart(model: Path, bags: Path) -> None:
    done = run_as_user("run", model, bags, "--bench", 30, "--threads", 1, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    measured = json.loads(done.stdout)
    assert list(measured) == [
        "schema",
        "model",
        "runtime",
        "threads",
        "delegate",
        "load_ms",
        "first_preprocess_ms",
        "preprocess_ms",
        "first_ms",
        "warm_up_ms",
        "steady_ms",
        "images_per_second",
        "photos_per_second",
        "peak_memory_bytes",
        "before",
        "after",
    ]
    assert measured["schema"] == "tinyedge.run/1"
    assert measured["model"] == str(model)
    assert measured["runtime"]["name"] == "ai-edge-litert"
    assert (measured["threads"], measured["delegate"]) == (1, None)
    assert (measured["steady_ms"]["runs"], measured["preprocess_ms"]["runs"]) == (30, 20)
    assert 1 <= measured["warm_up_ms"]["runs"] <= 10
    for name in ("preprocess_ms", "warm_up_ms", "steady_ms"):
        times = measured[name]
        assert 0 < times["minimum"] <= times["median"] <= times["p90"] <= times["maximum"]
    steady = measured["steady_ms"]
    assert 1000 / steady["maximum"] <= measured["images_per_second"] <= 1000 / steady["minimum"]
    both = steady["median"] + measured["preprocess_ms"]["median"]
    assert measured["photos_per_second"] == pytest.approx(1000 / both)
    # A Python with numpy takes more than 20 MB, a TensorFlow more than 300.
    assert 20e6 < measured["peak_memory_bytes"] < 300e6
    assert list(measured["before"]) == list(measured["after"]) == ["temperature", "throttling"]


def test_one_run_of_one_image_is_enough(model: Path, bags: Path) -> None:
    image = min(bags.iterdir())
    measured = json.loads(run_in_process("run", model, image, "--bench", 1, "--json").stdout)
    assert measured["steady_ms"]["runs"] == measured["preprocess_ms"]["runs"] == 1
    times = measured["steady_ms"]
    assert times["median"] == times["p90"] == times["minimum"] == times["maximum"]


def test_text_is_a_row_a_number(model: Path, bags: Path) -> None:
    lines = run_in_process("run", model, bags, "--bench", 3).stdout.splitlines()
    names = [line[:12].strip() for line in lines]
    expected = ["load", "first photo", "photo", "first", "warm-up", "steady", "images/s"]
    assert names[:8] == [*expected, "peak memory"]
    assert set(names[8:]) <= {"temperature", "throttling"}
    assert "median of 3, p90 " in lines[5]


def test_a_pi_tells_what_slows_it(model: Path, bags: Path, tmp_path: Path) -> None:
    firmware = tmp_path / "vcgencmd"
    firmware.write_text('#!/bin/sh\n[ "$*" = get_throttled ] && echo throttled=0x50004\n')
    firmware.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = ("run", model, bags, "--bench", 1)
    done = run_as_user(*words, "--json", environment=environment)
    expected = ["throttled", "under-voltage since boot"]
    assert json.loads(done.stdout)["after"]["throttling"] == expected
    done = run_as_user(*words, environment=environment)
    assert done.stdout.endswith("throttling   throttled, under-voltage since boot\n")


def test_a_bad_image_is_an_error(model: Path, tmp_path: Path) -> None:
    image = tmp_path / "bad.png"
    image.write_text("no photo")
    result = CliRunner().invoke(main, ["run", str(model), str(image), "--bench", "5"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {image} is not an image")


def test_int8_that_is_slower_than_the_float_file_beside_it_is_explained(
    model: Path, bags: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("run", model, bags, "--bench", 3)
    monkeypatch.setattr("tinyedge.devices.runtime.int8_speed._NOTABLE", 1e9)
    assert run_in_process(*words).stderr == ""
    monkeypatch.setattr("tinyedge.devices.runtime.int8_speed._NOTABLE", 0)
    monkeypatch.setattr("tinyedge.devices.runtime.int8_speed._LEAST_MILLISECONDS", -1e9)
    said = run_in_process(*words).stderr
    assert re.fullmatch(r"note: int8 takes [\d.]+ ms here, float [\d.]+ ms: .+\n", said)


@pytest.mark.parametrize("damage", ["no .tflite", "cut short"])
def test_what_is_wrong_with_the_float_file_beside_it_is_nothing_to_the_int8_ones_times(
    fashion_models: Models, bags: Path, tmp_path: Path, damage: str
) -> None:
    int8 = shutil.copy(fashion_models.int8_model, tmp_path)
    beside = Path(shutil.copy(fashion_models.float_model, tmp_path))
    content = beside.read_bytes()
    if damage == "no .tflite":  # its card stands behind and is whole
        beside.write_bytes(content[:4] + b"none" + content[8:])
    else:
        beside.write_bytes(content[: len(content) // 2])
    result = run_in_process("run", int8, bags, "--bench", 1, "--json")
    assert json.loads(result.stdout)["steady_ms"]["runs"] == 1
    assert result.stderr == ""


def test_a_terminal_sees_how_far_it_is(model: Path, bags: Path) -> None:
    command = [sys.executable, "-m", "tinyedge", "run", model, bags, "--bench", 2000]
    shown = run_on_a_terminal(command)
    assert shown.code == 0
    text = "\n".join(shown.lines)
    for stage in ("Loading photos", "Timing"):
        assert stage in text
    assert re.search(r"Timing .* of 2000 inferences", text)
    assert shown.stdout.startswith("load ")
