"""``tinyedge check``, as a user meets it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.support.commands import run_as_user
from tests.support.exports import Models
from tests.support.mixed import mixed_models
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.cli import main

_LOGS = Path(__file__).parents[1] / "data" / "edgetpu_logs"
_V = T((1, 8))
_RELU = Op("RELU", [_V], [_V])


def check(*words: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, words)])


def checked(*words: object) -> dict[str, Any]:
    result = check("--json", *words)
    assert result.exit_code in (0, 1), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    assert next(iter(found)) == "schema"
    assert found["schema"] == "tinyedge.check/1"
    return found


def written(folder: Path, *operators: Op, name: str = "model.tflite") -> Path:
    path = folder / name
    path.write_bytes(write_model(*operators))
    return path


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, for a script that ends as edgetpu_compiler may."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def install(folder: Path, script: str) -> None:
    path = folder / "edgetpu_compiler"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_of_a_mixed_file_the_integer_one_is_the_help(
    fashion_models: Models, tmp_path: Path
) -> None:
    result = check(mixed_models(fashion_models, tmp_path, {0: "float32"}).int8_model)
    assert result.exit_code == 1
    told = " ".join(result.stdout.split())
    assert "the Edge TPU computes in integers alone: export the network with --precision" in told
    assert "PRELU" not in told


def test_the_built_in_model_is_split_at_its_first_leaky(fashion_models: Models) -> None:
    result = check(fashion_models.int8_model)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert " ".join(lines).startswith(
        f"{fashion_models.int8_model}: 2 of 21 operations on the Edge TPU, 19 on the CPU"
    )
    assert "LEAKY_RELU       8  CPU       it is not among the operators the Edge TPU knows" in lines
    assert "CONV_2D          8  CPU       it comes after the split" in lines
    assert "split       at operation 3 of 21, LEAKY_RELU" in result.stdout
    assert "help        LEAKY_RELU: it maps as PRELU" in result.stdout
    assert "784 bytes in and 3,136 out per inference" in result.stdout
    assert "latency     an estimate for the Edge TPU's part" in result.stdout
    assert "what stays on the CPU comes on top" in " ".join(result.stdout.split())
    assert max(map(len, lines[1:])) <= 100


def test_the_latency_is_that_of_summary_where_everything_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One convolution, its cfg and its file: both count the same work and the same bytes."""
    monkeypatch.chdir(tmp_path)
    cfg = "[net]\nheight=8\nwidth=8\nchannels=3\n[convolutional]\nfilters=4\nsize=3\npad=1\n"
    Path("one.cfg").write_text(cfg + "activation=relu\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["summary", "one.cfg", "--device", "coral-usb", "--json"])
    wanted = json.loads(result.stdout)["latency_estimate"]["edge_tpu"]["milliseconds"]
    kernel, bias = constant(np.ones((4, 3, 3, 3))), replace(constant([0] * 4, "int32"), scale=1.0)
    image, features = T((1, 8, 8, 3)), T((1, 8, 8, 4))
    model = written(tmp_path, Op("CONV_2D", [image, kernel, bias], [features], "Conv2DOptions"))
    found = checked(model)
    assert found["macs"] == 8 * 8 * 4 * 27
    assert found["latency"]["milliseconds"] == pytest.approx(wanted)


def test_json_says_it_operation_by_operation(fashion_models: Models) -> None:
    found = checked(fashion_models.int8_model)
    assert (found["on_edge_tpu"], found["on_cpu"], found["cut"]) == (2, 19, 2)
    assert (found["device"], found["refusal"], found["compiler"]) == ("coral-usb", None, None)
    operations = found["operations"]
    assert [item["index"] for item in operations] == list(range(21))
    assert operations[2]["limit"] == "listed"
    assert operations[3]["maps"]
    assert not operations[3]["on_tpu"]


def test_a_float_file_has_nothing_on_the_edge_tpu(fashion_models: Models) -> None:
    result = check(fashion_models.float_model)
    assert result.exit_code == 1
    assert ": 0 of " in result.stdout
    assert "its input is float32" in result.stdout
    assert "USB" not in result.stdout


def test_a_file_that_maps_ends_with_0_and_says_where_to_make_sure(tmp_path: Path) -> None:
    model = written(tmp_path, _RELU)
    result = check(model)
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert "1 of 1 operation on the Edge TPU, 0 on the CPU" in said
    assert "on a Debian x86-64 machine" in said
    assert said.endswith("type: edgetpu_compiler -s model.tflite")


def test_a_version_that_no_compiler_parses_is_said_for_the_file(tmp_path: Path) -> None:
    quantize = Op("QUANTIZE", [_V], [_V], version=3)
    result = check(written(tmp_path, quantize, _RELU))
    assert result.exit_code == 1
    assert "refused" in result.stdout
    assert "QUANTIZE of version 3" in result.stdout


def test_an_older_runtime_knows_fewer_operators(tmp_path: Path) -> None:
    model = written(tmp_path, Op("QUANTIZE", [_V], [_V]))
    assert "runtime     13 of the Edge TPU, or newer" in check(model).stdout
    result = check(model, "--runtime", 12)
    assert result.exit_code == 1
    assert "it needs runtime 13 of the Edge TPU, not 12" in result.stdout


def test_advice_is_given_where_it_helps(tmp_path: Path) -> None:
    """Strides of two through an image can be a pool; through the integers of a shape not."""
    image, taken = T((1, 4, 4, 8)), T((1, 2, 2, 8))
    bounds = [constant(values, "int32") for values in ([0] * 4, [1, 4, 4, 8], [1, 2, 2, 1])]
    steps = Op("STRIDED_SLICE", [image, *bounds], [taken], "StridedSliceOptions", version=2)
    assert (
        "help        STRIDED_SLICE: a MAX_POOL_2D of 1x1" in check(written(tmp_path, steps)).stdout
    )
    shapes = replace(steps, inputs=[T((4,), "int32"), *bounds], outputs=[T((2,), "int32")])
    assert "help" not in check(written(tmp_path, shapes)).stdout
    pool = Op("MAX_POOL_2D", [image], [taken], "Pool2DOptions", {"strideW": 2, "strideH": 2})
    assert check(written(tmp_path, pool)).exit_code == 0


def test_several_graphs_and_strange_names_are_said_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    content = write_model(_RELU, Op("mine\x1b[2J" + 80 * "x", [0], [_V]), copies=2)
    # Tensors called t0 and so on, their lengths before them.
    strange = content.replace(b"\2\0\0\0t", b"\2\0\0\0\x1b")
    assert strange != content
    path.write_bytes(strange)
    result = check(path)
    assert "the file holds 2" in result.stdout
    assert "\x1b" not in result.stdout
    assert r"mine\x1b[2J" in result.stdout
    assert max(map(len, result.stdout.splitlines()[1:])) <= 100


def test_bad_input_is_a_message_and_2(tmp_path: Path) -> None:
    for words, message in (
        ((tmp_path / "none.tflite",), "No such file"),
        ((tmp_path,), "is a folder, not a file"),
        ((written(tmp_path, _RELU), "--device", "pi4"), "pi4 has no Edge TPU"),
        ((written(tmp_path, _RELU), "--device", "nonsense"), "unknown device"),
    ):
        result = check(*words)
        assert result.exit_code == 2, words
        assert message in result.output
    photo = tmp_path / "photo.tflite"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n")
    result = check(photo)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {photo}: no readable .tflite file: it does not bear TFL3, as such a file does\n"
    )


def test_it_needs_neither_tensorflow_nor_a_runtime(tmp_path: Path) -> None:
    model = written(tmp_path, _RELU)
    for package in ("tensorflow", "ai_edge_litert", "tflite_runtime", "flatbuffers", "rich"):
        (tmp_path / "gone" / package).mkdir(parents=True)
        (tmp_path / "gone" / package / "__init__.py").write_text("raise ImportError('gone')")
    path = os.pathsep.join((str(tmp_path / "gone"), os.getcwd()))
    done = run_as_user("check", model, cwd=tmp_path, environment={"PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (0, "")


def test_the_compiler_has_the_last_word_and_its_log_is_kept(
    compiler: Path, fashion_models: Models, tmp_path: Path
) -> None:
    install(compiler, f"cat {_LOGS / 'leaky_16.log'}")
    kept = tmp_path / "kept.log"
    result = check(fashion_models.int8_model, "--log", kept)
    assert result.exit_code == 1
    assert "edgetpu_compiler 16.0.384591198 maps 2 of 21, as predicted" in result.stdout
    assert kept.read_bytes() == (_LOGS / "leaky_16.log").read_bytes()
    install(compiler, f"cat {_LOGS / 'all_mapped_16.log'}")
    result = check(fashion_models.int8_model, "--log", kept)
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert "maps 39 of 39, not as predicted: CONCATENATION 8, predicted 0; CONV_2D 26, pred" in said


def test_the_log_lies_beside_the_model_unless_that_cannot_be(
    compiler: Path, tmp_path: Path
) -> None:
    install(compiler, f'echo "$@"; cat {_LOGS / "all_mapped_16.log"}')
    model = written(tmp_path, _RELU, name="a model.tflite")
    found = checked(model, "--runtime", 13)
    log = tmp_path / "a model_edgetpu_compiler.log"
    first = log.read_text(encoding="utf-8").splitlines()[0].split(" -o ")
    assert first[0] == "-s -m 13"
    assert first[1].endswith(str(model))
    assert not Path(first[1].split()[0]).exists()
    assert found["compiler"]["differences"][0] == {
        "operator": "CONCATENATION",
        "predicted": 0,
        "mapped": 8,
    }
    log.unlink()
    log.mkdir()
    result = check(model)
    assert result.exit_code == 0
    assert "the compiler's log cannot be kept" in result.stderr


def test_a_log_that_cannot_be_is_said_before_the_work(compiler: Path, tmp_path: Path) -> None:
    install(compiler, f"touch {tmp_path / 'ran'}; cat {_LOGS / 'all_mapped_16.log'}")
    model = written(tmp_path, _RELU)
    for log, said in (
        (tmp_path, "is a folder, not a file to replace"),
        (model / "x.log", "Not a directory"),
        (Path("/proc/none/x.log"), "No such file or directory"),
        (model, "is read by this command and would be lost"),
    ):
        result = check(model, "--log", log)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
    assert not (tmp_path / "ran").exists()
    assert check(model, "--log", tmp_path / "a new folder" / "x.log").exit_code == 0
    assert (tmp_path / "ran").exists()


def test_the_result_is_told_though_the_log_cannot_be_written(
    compiler: Path, tmp_path: Path
) -> None:
    install(compiler, f"cat {_LOGS / 'all_mapped_16.log'}; yes | head -c 99999")
    model = written(tmp_path, _RELU)
    # No file may be longer here, as on a full disk.
    program = (
        "import resource, sys; from tinyedge.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9999, 9999)); main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "check", model, "--log", tmp_path / "x.log"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "edgetpu_compiler 16.0.384591198 maps 39 of 39" in done.stdout
    assert done.stderr.startswith(f"error: {tmp_path / 'x.log'}: ")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"cat {_LOGS / 'not_quantized_15.log'}; exit 1", "made no file: Invalid model"),
        (f"cat {_LOGS / 'leaky_16.log'}; exit 1", "made no file: "),
        ("kill -SEGV $$", "made no file: killed by signal 11"),
        ("echo 'no licence'; exit 7", "made no file: no licence; exit code 7"),
    ],
)
def test_a_compiler_that_fails_is_told_apart(
    compiler: Path, tmp_path: Path, script: str, said: str
) -> None:
    install(compiler, script)
    result = check(written(tmp_path, _RELU))
    assert result.exit_code == 1
    assert said in " ".join(result.stdout.split())


def test_a_compiler_of_another_machine_leaves_the_prediction(
    compiler: Path, tmp_path: Path
) -> None:
    (compiler / "edgetpu_compiler").write_bytes(b"\x7fELF of another machine")
    (compiler / "edgetpu_compiler").chmod(0o755)
    result = check(written(tmp_path, _RELU))
    assert result.exit_code == 0
    assert "it cannot be run: Exec format error" in " ".join(result.stdout.split())


def test_what_was_compiled_already_is_not_compiled_again(compiler: Path, tmp_path: Path) -> None:
    install(compiler, "exit 9")
    result = check(written(tmp_path, Op("edgetpu-custom-op", [_V], [_V])))
    assert result.exit_code == 0
    assert "compiled for the Edge TPU already" in result.stdout
