"""``tinyedge export --device coral-usb``: the file for the Edge TPU, read with TFLite's schema."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from click.testing import CliRunner, Result

from tests.support.commands import run_in_process
from tests.support.exports import Models
from tests.support.toy import PHOTOS, Toy, write_toy
from tinyedge.cli import main
from tinyedge.export.edgetpu.lower import edge_tpu_file
from tinyedge.modelcard import append_card, read_card

_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items()}


def graph_of(path: Path) -> tuple[Any, list[str]]:
    """The schema's model, and its operators' names in order."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    codes = [_NAMES[code.builtinCode] for code in model.operatorCodes]
    return model, [codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]


def described(model: Any) -> list[tuple[Any, ...]]:
    """Of each tensor its name, shape, type, steps and, of a constant, bytes."""
    return [
        (
            tensor.name.decode(),
            list(tensor.shape),
            tensor.type,
            None if tensor.quantization is None else str(vars(tensor.quantization)),
            None if (data := model.buffers[tensor.buffer].data) is None else bytes(data),
        )
        for tensor in model.subgraphs[0].tensors
    ]


def answer(path: Path, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    found: np.ndarray[Any, Any] = interpreter.get_tensor(
        interpreter.get_output_details()[0]["index"]
    )
    return found


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return write_toy(tmp_path_factory.mktemp("toy"))


def exported(toy: Toy, out: Path, *words: object, cfg: Path | None = None) -> Result:
    command = (
        *("export", cfg or toy.cfg, "--weights", toy.weights, "--calib", toy.photos),
        *("--count", PHOTOS, "--device", "coral-usb", "-o", out, *words),
    )
    return CliRunner().invoke(main, list(map(str, command)))


@pytest.fixture(scope="module")
def tuned(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("tuned")
    result = exported(toy, out)
    assert result.exit_code == 0, result.output
    return out, result


def test_three_files_and_what_to_type_next(tuned: tuple[Path, Result]) -> None:
    out, result = tuned
    names = ["toy_coral.tflite", "toy_float.tflite", "toy_int8.tflite"]
    assert sorted(path.name for path in out.iterdir()) == names
    coral = out / "toy_coral.tflite"
    assert result.stdout.splitlines()[-5:] == [
        "Edge TPU: 5 of 5 operations",
        "next:",
        f"  tinyedge check {coral}",
        f"  tinyedge compare {out / 'toy_float.tflite'} {coral} --data PHOTOS",
        f"  edgetpu_compiler -s {coral}",
    ]
    assert [line for line in result.stderr.splitlines() if "which is few" not in line] == []
    card = read_card(out / "toy_coral.tflite")
    assert card is not None
    assert (card.quantization, card.lowerings) == ("int8", ("leaky-as-prelu",))


def test_the_float_file_alone_is_none_for_the_edge_tpu(toy: Toy, tmp_path: Path) -> None:
    words = ("export", toy.cfg, "--weights", toy.weights, "--float-only", "--device", "coral-usb")
    result = CliRunner().invoke(main, [*map(str, words), "-o", str(tmp_path)])
    assert result.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["toy_float.tflite"]
    assert "coral-usb is for a file for the Edge TPU" in result.stderr


def test_check_agrees_and_compare_takes_it(tuned: tuple[Path, Result]) -> None:
    out, _ = tuned
    found = json.loads(run_in_process("check", "--json", out / "toy_coral.tflite").stdout)
    assert (found["on_edge_tpu"], found["on_cpu"]) == (5, 0)
    assert CliRunner().invoke(main, ["check", str(out / "toy_int8.tflite")]).exit_code == 1
    # Other pixels than those it was calibrated on.
    data = out.parent / "labelled"
    write_toy(data, channels=1)
    words = ("--data", data / "photos", "--json")
    result = run_in_process("compare", out / "toy_float.tflite", out / "toy_coral.tflite", *words)
    assert json.loads(result.stdout)["images"] == PHOTOS


@pytest.mark.parametrize("quantizer", ["tuned", "default"])
@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_only_the_leaky_is_another_operator(
    toy: Toy, tmp_path: Path, quantizer: str, kind: str
) -> None:
    result = exported(toy, tmp_path, "--quantizer", quantizer, "--input", kind, "--json")
    assert json.loads(result.stdout)["edge_tpu"]["on_cpu"] == 0
    before, names = graph_of(tmp_path / "toy_int8.tflite")
    after, coral_names = graph_of(tmp_path / "toy_coral.tflite")
    assert names.count("LEAKY_RELU") == 1
    assert [n.replace("LEAKY_RELU", "PRELU") for n in names] == coral_names
    assert (names[0] == "QUANTIZE") is (kind == "uint8")
    tensors = described(after)
    assert tensors.pop()[0].endswith("/alpha")
    assert tensors == described(before)
    pixels = np.random.default_rng(3).integers(0, 256, (1, 6, 8, 3)) - 128 * (kind == "int8")
    moved = pixels.astype(kind)
    one, other = (answer(tmp_path / f"toy_{name}.tflite", moved) for name in ("int8", "coral"))
    assert one.dtype == np.dtype(kind)
    assert np.abs(one.astype(int) - other).max() <= 1


def test_what_does_not_map_is_said_and_the_file_is_made(toy: Toy, tmp_path: Path) -> None:
    cfg = tmp_path / "elu.cfg"
    cfg.write_text(toy.cfg.read_text().replace("activation=leaky", "activation=elu"))
    result = exported(toy, tmp_path / "out", "--quantizer", "default", cfg=cfg)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "elu_coral.tflite").is_file()
    assert "Edge TPU: 0 of 10 operations\nnext:" in result.stdout
    assert "note: elu_coral.tflite: 10 of 10 operations stay on the CPU" in result.stderr
    assert "compiler 16.0 cannot parse a file with EXP of version 2" in result.stderr


def test_there_is_none_without_int8_or_for_another_device(toy: Toy, tmp_path: Path) -> None:
    result = exported(toy, tmp_path / "float", "--float-only")
    assert [path.name for path in (tmp_path / "float").iterdir()] == ["toy_float.tflite"]
    assert "Edge TPU" not in result.stdout
    exported(toy, tmp_path / "pi", "--quantizer", "default", "--device", "pi4")
    names = sorted(path.name for path in (tmp_path / "pi").iterdir())
    assert names == ["toy_float.tflite", "toy_mixed.tflite"]


@pytest.mark.real_data
def test_tiny_darknet_keeps_its_answers(
    tiny_models: Models, imagenet: Path, tmp_path: Path
) -> None:
    """As the int8 file does, its agreement but for what chance moves on 650 photos."""
    coral = tmp_path / "tiny_coral.tflite"
    card = read_card(tiny_models.int8_model)
    assert card is not None
    made = edge_tpu_file(tiny_models.int8_model.read_bytes())
    coral.write_bytes(append_card(made.content, card))
    assert made.partition.whole
    found = [
        json.loads(
            run_in_process(
                *("compare", tiny_models.float_model, model, "--data", imagenet / "val", "--json")
            ).stdout
        )
        for model in (tiny_models.int8_model, coral)
    ]
    assert [item["images"] for item in found] == [650, 650]
    divergences = [item["kl"]["mean"] for item in found]
    assert abs(divergences[0] - divergences[1]) < 0.005
    agreements = [item["agreement"] for item in found]
    assert abs(agreements[0] - agreements[1]) < 2
