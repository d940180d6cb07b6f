"""``tinyedge check --device tflm``, and the commands that refuse a microcontroller."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.commands import run_as_user
from tests.support.exports import Models
from tests.support.micro_models import typed
from tests.support.peers import need_package
from tests.support.pixel_model import write_pixel_model
from tests.support.tflite_writer import Op, T, write_model
from tests.support.toy import PHOTOS, write_toy
from tinyedge.cli import main
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.tflm import interpreter
from tinyedge.errors import DeviceError

_V = T((1, 8))
_RELU = Op("RELU", [_V], [_V])


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "is_installed", lambda: False)


def said(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def check(*words: object, device: object = "tflm") -> Result:
    return said("check", "--device", device, *words)


def checked(*words: object, device: object = "tflm") -> dict[str, Any]:
    result = check("--json", *words, device=device)
    assert result.exit_code in (0, 1), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["runs"] == (result.exit_code == 0)
    return found


def written(folder: Path, *operators: Op) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(write_model(*operators))
    return path


@pytest.mark.usefixtures("without_package")
def test_the_built_in_model_has_all_its_kernels(fashion_models: Models) -> None:
    result = check(fashion_models.int8_model)
    assert result.exit_code == 0
    lines, text = result.stdout.splitlines(), " ".join(result.stdout.split())
    assert text.startswith(
        f"{fashion_models.int8_model}: TFLite Micro has kernels for 21 of 21 operations"
    )
    assert "LEAKY_RELU       8  yes" in lines
    # 28x28x16 before the first pool and 14x14x16 behind it.
    assert f"arena at least {12_544 + 3_136:,} bytes, an estimate by rule" in text
    assert "Type: pip install tflite-micro" in text
    assert f"flash {fashion_models.int8_model.stat().st_size:,} bytes" in text
    assert "resolver MicroMutableOpResolver<5>" in text
    assert max(map(len, lines[1:])) <= 100


@pytest.mark.peers
def test_the_package_measures_the_arena(fashion_models: Models) -> None:
    need_package("tflite_micro")
    found = checked(fashion_models.int8_model)
    arena = found["arena"]
    assert found["package"]["refusal"] is None
    assert arena["tensors"] == found["tensor_bytes"] == 15_680
    assert arena["total"] == arena["tensors"] + arena["structures"]
    assert arena["least"] == arena["tensors"] + arena["structures"] / 2
    # Multipliers and shifts of 377 channels are 8 bytes each, on any machine.
    assert arena["structures"] > 8 * 377
    text = " ".join(check(fashion_models.int8_model).stdout.split())
    assert "runs the file here" in text
    assert f"{arena['least']:,} to {arena['total']:,} bytes on a microcontroller" in text


@pytest.mark.peers
def test_the_package_has_the_last_word(tmp_path: Path) -> None:
    need_package("tflite_micro")
    # It has kernels for both types, and none from one to the other.
    model = written(tmp_path, Op("QUANTIZE", [T((1, 8), "uint8")], [T((1, 8), "int16")]))
    found = checked(model)
    assert (found["missing"], found["runs"], found["arena"]) == (0, False, None)
    assert found["package"]["version"]
    text = " ".join(check(model).stdout.split())
    assert "does not run the file: " in text
    assert "arena at least 32 bytes, an estimate by rule" in text
    assert "pip install" not in text


def test_a_file_that_comes_through_a_pipe_is_tried_as_any_other(fashion_models: Models) -> None:
    need_package("tflite_micro")
    model = fashion_models.int8_model
    command = [
        sys.executable,
        "-m",
        "tinyedge",
        "check",
        "/dev/stdin",
        "--device",
        "tflm",
        "--json",
    ]
    done = subprocess.run(command, input=model.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {**json.loads(done.stdout), "model": str(model)} == checked(model)


@pytest.mark.usefixtures("without_package")
def test_a_missing_operator_ends_with_1_and_is_named(tmp_path: Path) -> None:
    result = check(written(tmp_path, _RELU, Op("RELU_N1_TO_1", [0], [_V])))
    assert result.exit_code == 1
    assert "kernels for 1 of 2 operations" in " ".join(result.stdout.split())
    assert "RELU_N1_TO_1      1  no      TFLite Micro has no kernel for it" in result.stdout


@pytest.mark.usefixtures("without_package")
def test_types_without_a_kernel_are_named_and_what_helps(tmp_path: Path) -> None:
    result = check(written(tmp_path, typed("RELU", "uint8")))
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "its input is uint8; it has kernels for float32, int8 and int16" in text
    assert "help make the file compute in int8: tinyedge export --device tflm" in text
    whole, integers = typed("FULLY_CONNECTED", "float32"), typed("FULLY_CONNECTED", "int8")
    inputs = [whole.inputs[0], integers.inputs[1], whole.inputs[2]]
    mixed = Op("FULLY_CONNECTED", inputs, whole.outputs, whole.options, whole.fields)
    result = check(written(tmp_path, mixed))
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "its weights are int8: hybrid" in text
    assert "help a file of integers throughout has no such layers" in text


def test_a_package_that_does_not_import_says_nothing_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "tflite_micro" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("raise ImportError('it is broken')\n")
    monkeypatch.syspath_prepend(package.parents[1])
    monkeypatch.setenv("PYTHONPATH", str(package.parents[1]), prepend=os.pathsep)
    result = check(written(tmp_path, _RELU))
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "package tflite-micro cannot be tried: ImportError: it is broken" in text
    assert "arena at least 32 bytes" in text


@pytest.mark.usefixtures("without_package")
def test_a_profile_of_ones_own_says_whether_the_arena_can_fit(tmp_path: Path) -> None:
    model = written(tmp_path, Op("RELU", [T((1, 2**15))], [T((1, 2**15))]))
    board = tmp_path / "board.toml"
    for memory, verdict, runs in ((2**16, "may fit", True), (2**16 + 2**10, "may fit", True)):
        board.write_text(
            f'description = "board"\nmicrocontroller = true\nthreads = 1\nmemory = {memory}\n'
        )
        assert checked(model, device=board)["runs"] is runs
        assert (
            f"{memory:,} bytes by the profile: the arena {verdict}"
            in check(model, device=board).stdout
        )
    large = written(tmp_path, Op("RELU", [T((1, 2**16))], [T((1, 2**16))]))
    assert not checked(large, device=board)["runs"]
    assert "the arena cannot fit" in check(large, device=board).stdout


@pytest.mark.parametrize("content", [b"", b"TFL3" * 20, b"\0" * 100])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    result = run_as_user("check", path, "--device", "tflm")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {path}")
    assert result.stderr.count("\n") == 1


def test_options_of_the_edge_tpu_are_refused(tmp_path: Path) -> None:
    for words in (("--runtime", 13), ("--log", tmp_path / "log")):
        result = check(written(tmp_path, _RELU), *words)
        assert result.exit_code == 2
        assert "--runtime and --log are of the Edge TPU" in result.stderr


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_pixel_model(tmp_path / "pixel.tflite")


REFUSAL = (
    "error: tflm is a microcontroller, whose firmware runs the model: tinyedge runs and installs"
    " nothing there; see what it takes by tinyedge check MODEL with the same --device, and try the"
    " file here with --device host\n"
)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "MODEL", "FOLDER"),
        ("run", "MODEL", "FOLDER/a.png", "--bench", "2"),
        ("run", "MODEL", "--watch", "FOLDER"),
        ("compare", "MODEL", "MODEL", "--data", "FOLDER"),
        ("bundle", "MODEL", "-o", "FOLDER/bundle"),
        ("deploy", "MODEL", "--host", "pi@board.invalid"),
        ("deploy", "--rollback", "--host", "pi@board.invalid"),
    ],
    ids=" ".join,
)
def test_whatever_would_run_there_refuses(
    words: tuple[str, ...], model: Path, tmp_path: Path
) -> None:
    typed_words = [
        word.replace("MODEL", str(model)).replace("FOLDER", str(tmp_path)) for word in words
    ]
    before = sorted(tmp_path.rglob("*"))
    result = run_as_user(*typed_words, "--device", "tflm")
    assert (result.returncode, result.stdout, result.stderr) == (2, "", REFUSAL)
    assert sorted(tmp_path.rglob("*")) == before


def test_python_refuses_too(model: Path) -> None:
    with pytest.raises(DeviceError, match="tflm is a microcontroller"):
        Classifier(model, device="tflm")


def test_summary_says_where_weights_lie() -> None:
    result = said("summary", "fashion", "--device", "tflm")
    assert result.exit_code == 0
    assert "weights lie in flash; tinyedge check says what memory a file takes" in result.stdout


@pytest.mark.long
def test_a_file_of_uint8_at_both_ends_has_its_kernels_too(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    result = said(
        *("export", toy.cfg, "--weights", toy.weights, "--calib", toy.photos, "--count", PHOTOS),
        *("--quantizer", "default", "--input", "uint8", "--probabilities", "--device", "tflm"),
        *("-o", tmp_path),
    )
    assert result.exit_code == 0, result.output
    found = checked(tmp_path / "toy_int8.tflite")
    assert (found["missing"], found["runs"]) == (0, True)


def test_export_makes_the_integer_file_and_says_what_to_type(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    out = tmp_path / "out"
    result = said(
        *("export", toy.cfg, "--weights", toy.weights, "--calib", toy.photos, "--count", PHOTOS),
        *("--quantizer", "default", "--device", "tflm", "-o", out),
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["toy_float.tflite", "toy_int8.tflite"]
    assert "memory" not in result.stderr
    int8 = out / "toy_int8.tflite"
    assert result.stdout.splitlines()[-4:] == [
        "next:",
        f"  tinyedge check {int8} --device tflm",
        f"  tinyedge compare {out / 'toy_float.tflite'} {int8} --data PHOTOS",
        f"  xxd -i {int8} > model.cc",
    ]
    assert checked(int8)["missing"] == 0
