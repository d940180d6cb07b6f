"""The softmax in the file, against the formula."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from tests.support.commands import run_as_user, run_in_process
from tests.support.tflite_writer import Op, T, constant, write_model
from tests.support.toy import write_toy
from tinyedge import read_card
from tinyedge.darknet.layers import Softmax
from tinyedge.darknet.layers.base import Shape
from tinyedge.export.tflite.probabilities import append_softmax
from tinyedge.tflite.check import check_tflite
from tinyedge.tflite.head import output_head
from tinyedge.tflite.model import parse_tflite

LOGITS = np.array([[1.5, -2.0, 0.25, 3.0, 0.0, -1.0]], np.float32)
SCALE = 1 / 16


def layer(groups: int, temperature: float) -> Softmax:
    shape = Shape(1, 1, LOGITS.size)
    return Softmax(
        index=0, line=1, input=shape, output=shape, groups=groups, temperature=temperature
    )


def identity(kind: str) -> bytes:
    """A model whose logits are its input; uint8 is converted, as the converter has it."""
    shape = constant([1, LOGITS.size], "int32")

    def tensor(kind: str = kind) -> T:
        zero_point = 128 if kind == "uint8" else 0
        scale = 0.0 if kind == "float32" else SCALE
        return T((1, LOGITS.size), kind, scale=scale, zero_point=zero_point)

    def reshape(source: T | int, target: T) -> Op:
        options = {"newShape": [1, LOGITS.size]}
        return Op("RESHAPE", [source, shape], [target], "ReshapeOptions", options)

    if kind != "uint8":
        return write_model(reshape(tensor(), tensor()))
    return write_model(
        Op("QUANTIZE", [tensor()], [tensor("int8")]),
        reshape(0, tensor("int8")),
        Op("QUANTIZE", [1], [tensor()]),
    )


def answer(content: bytes, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """What LiteRT answers, dequantized."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    inputs = logits
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        inputs = np.rint(logits / scale + zero_point).astype(source["dtype"])
    interpreter.set_tensor(source["index"], inputs)
    interpreter.invoke()
    found = interpreter.get_tensor(target["index"]).astype(np.float64)[0]
    if target["dtype"] == np.float32:
        return np.asarray(found)
    scale, zero_point = target["quantization"]
    assert (scale, zero_point) == (1 / 256, 0 if target["dtype"] == np.uint8 else -128)
    return np.asarray((found - zero_point) * scale)


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8"])
@pytest.mark.parametrize(("groups", "temperature"), [(1, 1.0), (1, 2.5), (2, 1.0), (3, 0.5)])
def test_it_is_darknets_softmax(kind: str, groups: int, temperature: float) -> None:
    content = append_softmax(identity(kind), layer(groups, temperature))
    check_tflite(content)
    assert output_head(parse_tflite(content).subgraphs[0]) == "softmax"
    exponentials = np.exp(LOGITS.astype(np.float64).reshape(groups, -1) / temperature)
    expected = (exponentials / exponentials.sum(axis=1, keepdims=True)).reshape(-1)
    within = 1e-6 if kind == "float32" else 1.5 / 256
    assert answer(content, LOGITS) == pytest.approx(expected, abs=within)


@pytest.mark.long
def test_compare_takes_a_file_with_the_softmax_beside_one_without(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    words = (*toy.source(), "--labels", toy.labels)
    for folder, more in (("logits", ()), ("both", ("--probabilities",))):
        run_in_process("export", *words, "--calib", toy.photos, "-o", tmp_path / folder, *more)
    card = read_card(tmp_path / "both" / "toy_int8.tflite")
    assert card is not None
    assert card.softmax_groups == 0
    data = tmp_path / "data"
    for number, photo in enumerate(sorted(toy.photos.rglob("*.png"))):
        copy = data / str(number % 4) / photo.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(photo.read_bytes() + b"\n")  # other bytes than were calibrated on
    made = []
    for one, other in (("logits", "logits"), ("logits", "both"), ("both", "both")):
        files = tmp_path / one / "toy_float.tflite", tmp_path / other / "toy_int8.tflite"
        made.append(run_in_process("compare", *files, "--data", data).stdout.splitlines())
    agreement = [next(row for row in rows if row.startswith("agreement")) for rows in made]
    assert agreement[0] == agreement[1] == agreement[2]
    assert "KL           none: " in "\n".join(made[2])


@pytest.mark.long
def test_a_network_without_a_softmax_has_none_to_put_in(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    toy.cfg.write_text(toy.cfg.read_text().replace("[softmax]\n", ""))
    done = run_as_user(
        *("export", toy.cfg, "--weights", toy.weights, "--float-only", "--probabilities"),
        *("-o", tmp_path / "out"),
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {toy.cfg}: it ends in no softmax, and its outputs are as they are: export it"
        " without --probabilities\n"
    )
    assert not (tmp_path / "out").exists()
