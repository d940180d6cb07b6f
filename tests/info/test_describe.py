"""What `describe` reads of files made for it, against what was put into them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.support.linear_model import write_linear_model
from tests.support.tflite_writer import Op, T, constant, packed, write_model
from tinyedge.darknet.layer_names import named_layer
from tinyedge.errors import DatasetError, ModelError
from tinyedge.info import report
from tinyedge.info.describe import describe, label_lines


def write(path: Path, *operators: Op) -> Path:
    path.write_bytes(write_model(*operators))
    return path


def dense(name: str, outputs: int, inputs: int, source: int | None = None) -> Op:
    kernel = replace(constant(np.ones((outputs, inputs)), "float32"), name=f"{name}/kernel")
    first = T((1, inputs), "float32") if source is None else source
    return Op(
        "FULLY_CONNECTED", [first, kernel, None],
        [T((1, outputs), "float32", name=f"{name}/BiasAdd")], "FullyConnectedOptions",
    )  # fmt: skip


def test_layers_are_darknets_with_their_bytes(tmp_path: Path) -> None:
    found = describe(
        write(
            tmp_path / "m.tflite",
            dense("3_connected", 5, 4),
            Op("LOGISTIC", [0], [T((1, 5), "float32", name="3_connected_logistic/Sigmoid")]),
            dense("head", 2, 5, source=1),
        )
    )
    assert [layer.name for layer in found.layers] == ["3 connected", "head/BiasAdd"]
    first, last = found.layers
    assert (first.operators, first.shape) == (("FULLY_CONNECTED", "LOGISTIC"), (1, 5))
    # Five times four, and two times five, floats of four bytes.
    assert (first.bytes, last.bytes) == (80, 40)
    assert (first.multiply_accumulates, last.multiply_accumulates) == (20, 10)
    assert found.operators == {"FULLY_CONNECTED": 2, "LOGISTIC": 1}
    assert (found.head, found.classes, found.card, found.labels) == ("scores", 2, None, None)


def test_a_constant_that_layers_share_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tflite", dense("one", 4, 4), dense("two", 4, 4, source=0))
    model = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)
    kernels = [tensor for tensor in model.subgraphs[0].tensors if tensor.name.endswith(b"/kernel")]
    kernels[1].buffer = kernels[0].buffer
    path.write_bytes(packed(model))
    assert [layer.bytes for layer in describe(path).layers] == [64, 0]


def test_one_output_has_two_classes(tmp_path: Path) -> None:
    path = write_linear_model(
        tmp_path / "m.tflite", ((1.0,),), softmax_groups=0, labels=("cat", "dog")
    )
    found = describe(path)
    assert (found.classes, found.labels) == (2, ("cat", "dog"))
    assert label_lines(found) == "cat\ndog\n"


@pytest.mark.parametrize("labels", [None, ("a", " "), ("a", "b\nc")])
def test_labels_that_no_file_holds_are_an_error(
    tmp_path: Path, labels: tuple[str, ...] | None
) -> None:
    path = write_linear_model(tmp_path / "m.tflite", ((1.0, 2.0),), labels=labels)
    with pytest.raises(DatasetError, match=r"m\.tflite: "):
        label_lines(describe(path))


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x1c\x00\x00\x00TFL3" + bytes(8)])
def test_what_is_no_tflite_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelError):
        describe(tmp_path / "m.tflite")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_text_fits_its_width(tmp_path: Path, width: int) -> None:
    labels = tuple(f"{'a name of a class ' * 9}{index}" for index in range(40))
    path = write_linear_model(
        tmp_path / "m.tflite",
        (tuple(float(index) for index in range(40)),),
        labels=labels,
        cfg_sha256="ab" * 32,
        weights_sha256="cd" * 32,
        versions={f"package{index}": "1.2.3" for index in range(30)},
    )
    text = report.as_text(describe(path), width=width)
    assert max(map(len, text.splitlines()[1:])) <= width
    assert f"cfg sha256      {'ab' * 32}" in text


def test_the_precision_of_layers_is_one_short_row(tmp_path: Path) -> None:
    hybrid = dict.fromkeys(("14_convolutional", "15_convolutional"), "hybrid")
    floats = dict.fromkeys(
        ("0_convolutional", "2_convolutional", "3_depthwise_convolutional"), "float32"
    )
    path = write_linear_model(
        tmp_path / "m.tflite",
        ((1.0, 2.0),),
        quantization="int8",
        quantizer="tuned",
        precision=hybrid | floats,
    )
    lines = report.as_text(describe(path), width=80).splitlines()
    assert "precision       float in layers 0, 2, 3; hybrid in 14, 15; int8 in the others" in lines
    assert "quantizer       tuned" in lines
    assert report.as_json(describe(path))["card"]["precision"] == hybrid | floats  # type: ignore[index]


@pytest.mark.parametrize(
    ("precision", "said"),
    [
        ({"20_connected": "float32"}, "float in layer 20; int8 in the others"),
        ({"output": "float32"}, "float in output; int8 in the others"),
        ({"head\x1b[0m": "hybrid"}, "hybrid in head"),
        ({}, None),
    ],
)
def test_the_precision_of_one_layer_or_none(
    tmp_path: Path, precision: dict[str, str], said: str | None
) -> None:
    path = write_linear_model(
        tmp_path / "m.tflite", ((1.0, 2.0),), quantization="int8", precision=precision
    )
    text = report.as_text(describe(path), width=80)
    assert "\x1b" not in text
    assert f"\nprecision       {said}" in text if said else "\nprecision" not in text


def test_a_name_that_all_tensors_bear_is_looked_at_once(tmp_path: Path) -> None:
    """It may be megabytes long, and there may be a hundred thousand operators."""
    shared = T((1, 4), "float32", name="x" * 1000)
    operators = [Op("RELU", [shared], [shared])]
    operators += [Op("RELU", [number], [shared]) for number in range(50)]
    path = write(tmp_path / "m.tflite", *operators)
    named_layer.cache_clear()
    assert len(describe(path).layers) == 51
    assert named_layer.cache_info().misses == 1
