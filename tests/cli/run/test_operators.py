"""``tinyedge run --bench RUNS --operators``: each operator is one of the file's."""

import ctypes.util
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.commands import run_as_user, run_in_process, set_traps
from tests.support.exports import Models
from tinyedge.cli import main
from tinyedge.darknet.layer_names import operator_layer
from tinyedge.devices.bench import operators as operators_module
from tinyedge.devices.profile import find_profile
from tinyedge.export.tflite.forms import choose_forms, forms_of, in_forms
from tinyedge.tflite.model import read_tflite

# A description of a runtime's board, that the tests' environment has beside the usual one.
_TENSORFLOW = 'description = "board"\nthreads = 1\nruntimes = ["tensorflow"]\n'


def _expected(model: Path) -> list[tuple[dict[str, object], str]]:
    """Of each operator of the file its layer and how XNNPACK does its work.

    XNNPACK multiplies matrices where a convolution looks at one pixel.
    """
    graph = read_tflite(model).subgraphs[0]
    found = []
    for operator in graph.operators:
        kernel = operator.name
        if kernel == "CONV_2D":
            sides = graph.tensors[operator.inputs[1]].shape[1:3]
            kernel = "Fully Connected" if sides == (1, 1) else "Convolution"
        layer = operator_layer(graph, operator)
        if layer is not None:
            found.append(({"index": layer[0], "kind": layer[1]}, kernel))
    return found


_XNNPACKS = {
    "CONCATENATION": "Copy",
    "LEAKY_RELU": "LeakyReLU",
    "MAX_POOL_2D": "Max Pooling",
    "MEAN": "Mean",
    "PAD": "Constant Pad",
    "RESHAPE": "Static Reshape",
    "SLICE": "Slice",
}


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_operators_are_those_of_the_file(
    fashion_models: Models, bags: list[Path], kind: str
) -> None:
    model = fashion_models.float_model if kind == "float" else fashion_models.int8_model
    words = ("--bench", 5, "--operators", "--threads", 1, "--json")
    done = run_as_user("run", model, bags[0], *words)
    assert (done.returncode, done.stderr) == (0, "")
    times = json.loads(done.stdout)["operators"]
    assert list(times) == ["runs", "inference_ms", "fastest_ms", "sum_ms", "rows"]
    rows = times["rows"]
    found = [(row["layer"], row["operator"]) for row in rows if row["layer"] is not None]
    expected = _expected(model)
    assert [layer for layer, _ in found] == [layer for layer, _ in expected]
    for (_, operator), (_, kernel) in zip(found, expected, strict=True):
        assert operator.startswith(_XNNPACKS.get(kernel, kernel))
    assert [row["operator"] for row in rows if row["layer"] is None] == ["Static Reshape (NC)"]
    weighted = [row["operator"] for row in rows if row["operator"].startswith(("Conv", "Fully"))]
    assert all(("F32" in each) == (kind == "float") for each in weighted)
    assert times["runs"] == 5
    assert 0 < times["fastest_ms"] <= times["inference_ms"]
    assert times["sum_ms"] == pytest.approx(sum(row["ms"] for row in rows))
    assert all(row["xnnpack"] for row in rows)


def test_what_lies_in_the_folder_it_runs_in_is_not_imported(
    fashion_models: Models, bags: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(set_traps(tmp_path))
    words = ("--bench", 1, "--operators", "--json")
    done = run_in_process("run", fashion_models.int8_model.absolute(), bags[0].absolute(), *words)
    assert json.loads(done.stdout)["operators"]["runs"] == 1


def test_operators_of_a_convolution_in_another_form_are_of_its_layer(
    fashion_models: Models, bags: list[Path], tmp_path: Path
) -> None:
    plain = fashion_models.int8_model.read_bytes()
    chosen = choose_forms(plain, [find_profile("pi4")])
    assert chosen
    model = tmp_path / "formed.tflite"
    model.write_bytes(in_forms(plain, forms_of(chosen)))
    words = ("--fit", "crop", "--bench", 1, "--operators", "--json")
    rows = json.loads(run_as_user("run", model, bags[0], *words).stdout)["operators"]["rows"]
    kernels = ("Convolution", "Fully Connected", "MAXIMUM")
    for names in (kernels[:2], kernels[2:], ("LeakyReLU",), ("Max Pooling",)):
        found = [
            (row["layer"], kernel)
            for row in rows
            for kernel in names
            if row["operator"].startswith(kernel)
        ]
        expected = [
            (layer, _XNNPACKS.get(kernel, kernel))
            for layer, kernel in _expected(model)
            if _XNNPACKS.get(kernel, kernel) in names
        ]
        assert found == expected
    # TFLite runs what need not wait for a MAXIMUM before it: nobody can tell those apart.
    assert any(row["layer"] is None and row["operator"].startswith("Slice") for row in rows)


def test_text_is_a_table_below_the_other_times(model: Path, bags: list[Path]) -> None:
    done = run_as_user(
        "run", model, bags[0], "--bench", 3, "--operators", environment={"COLUMNS": "80"}
    )
    above, _, below = done.stdout.partition("\n\n")
    assert above.startswith("load ")
    heading, *rows = below.splitlines()
    assert heading.split() == ["layer", "operator", "ms", "share"]
    count = len(read_tflite(model).subgraphs[0].operators)
    assert rows[0].startswith("0 convolutional   Convolution (NHWC, QC8) IGEMM ")
    assert rows[count].startswith(f"{count} operators, medians of 3: ")
    assert max(map(len, below.splitlines())) <= 80
    shares = [float(row.split()[-1].rstrip("%")) for row in rows[:count]]
    assert sum(shares) == pytest.approx(100, abs=0.1 * count) or sum(shares) == 0


def test_operators_go_with_bench(model: Path, bags: list[Path]) -> None:
    result = CliRunner().invoke(main, ["run", str(model), str(bags[0]), "--operators"])
    assert result.exit_code == 2
    assert "--operators goes with --bench" in result.stderr


def test_a_runtime_without_a_profiler_is_refused(
    model: Path, bags: list[Path], tmp_path: Path
) -> None:
    board = tmp_path / "board.toml"
    board.write_text(_TENSORFLOW)
    words = ("--device", board, "--bench", 1, "--operators")
    done = run_as_user("run", model, bags[0], *words)
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: tensorflow ")
    assert "has no profiler: --operators needs ai-edge-litert 2" in last


def test_another_library_is_refused(
    model: Path, bags: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["run", str(model), str(bags[0]), "--bench", "1", "--operators"]
    library = tmp_path / "library.so"
    library.symlink_to(_mapped(ctypes.util.find_library("c") or "libc.so.6"))
    monkeypatch.setattr(operators_module, "_LIBRARY", str(library))
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"the operators of {model} cannot be timed by ai-edge-litert" in result.stderr
    assert "undefined symbol: LiteRtCreateEnvironment" in result.stderr


def _mapped(name: str) -> str:
    """Where this process has that library from."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.endswith(name))


def test_a_crash_is_told_and_ends_nothing_else(
    model: Path, bags: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    words = ["run", str(model), str(bags[0]), "--bench", "1", "--operators"]
    monkeypatch.setattr(sys, "executable", str(crashing))
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "its profiler crashes (signal 11)" in result.stderr


def test_without_the_option_json_has_no_operators(model: Path, bags: list[Path]) -> None:
    measured = json.loads(run_in_process("run", model, bags[0], "--bench", 1, "--json").stdout)
    assert "operators" not in measured
