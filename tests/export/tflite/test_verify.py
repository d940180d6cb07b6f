"""Everything verified on a finished file, by a file that breaks it."""

import pytest

from tests.support import strangers
from tests.support.strangers import CHANNELS, CLASSES, HEIGHT, WIDTH
from tinyedge.errors import ExportError
from tinyedge.export.tflite.verify import verify_model
from tinyedge.modelcard import ModelCard

FLOAT = ModelCard("x", HEIGHT, WIDTH, CHANNELS, CLASSES, "crop", "float32", softmax_groups=1)
INT8 = FLOAT._replace(quantization="int8")


def refusal(content: bytes, card: ModelCard, *, input_type: str) -> str:
    with pytest.raises(ExportError) as error:
        verify_model(content, card, input_type=input_type)
    return str(error.value)


def test_files_as_asked_for_pass() -> None:
    verify_model(strangers.float_model(), FLOAT, input_type="float32")
    for kind in ("int8", "uint8"):
        verify_model(strangers.quantized_model(kind, kind), INT8, input_type=kind)
    labelled = FLOAT._replace(labels=("a", "b", "c", "d", "e"), ids=("1", "2", "3", "4", "5"))
    verify_model(strangers.float_model(), labelled, input_type="float32")


def test_another_input_type() -> None:
    uint8 = strangers.quantized_model("uint8", "uint8")
    assert refusal(uint8, INT8, input_type="int8") == (
        "the converted file's input is [((1, 3, 4, 3), 'uint8')], expected [((1, 3, 4, 3), 'int8')]"
    )


def test_another_output_type() -> None:
    mixed = strangers.quantized_model("uint8", "float32")
    assert refusal(mixed, INT8, input_type="uint8") == (
        "the converted file's output is [((1, 5), 'float32')], expected [((1, 5), 'uint8')]"
    )


@pytest.mark.parametrize("side", ["height", "width", "channels"])
def test_another_input_shape(side: str) -> None:
    card = FLOAT._replace(**{side: 7})  # type: ignore[arg-type]
    message = refusal(strangers.float_model(), card, input_type="float32")
    assert message.startswith("the converted file's input is [((1, 3, 4, 3), 'float32')], expected")


def test_another_number_of_classes() -> None:
    card = FLOAT._replace(classes=6)
    assert refusal(strangers.float_model(), card, input_type="float32") == (
        "the converted file's output is [((1, 5), 'float32')], expected [((1, 6), 'float32')]"
    )


def test_more_than_one_input_or_output() -> None:
    for content, role in ((strangers.two_inputs(), "input"), (strangers.two_outputs(), "output")):
        message = refusal(content, FLOAT, input_type="float32")
        assert message.startswith(f"the converted file's {role} is [(")


@pytest.mark.parametrize("texts", ["labels", "ids"])
def test_labels_of_another_number(texts: str) -> None:
    card = FLOAT._replace(**{texts: ("a", "b")})  # type: ignore[arg-type]
    assert refusal(strangers.float_model(), card, input_type="float32") == (
        f"the file has 5 classes and 2 {texts}"
    )


def test_float_inside() -> None:
    message = refusal(strangers.float_inside(), INT8, input_type="int8")
    assert message.startswith("the converted file is not full-integer: ")
    assert " tensors are float, the first is '" in message


def test_float_all_through() -> None:
    message = refusal(strangers.float_model(), INT8, input_type="float32")
    assert message.startswith("the converted file is not full-integer: ")


@pytest.mark.parametrize("content", [b"", b"TFL3", b"no model" * 100])
def test_what_does_not_load(content: bytes) -> None:
    message = refusal(content, FLOAT, input_type="float32")
    assert message.startswith("the converted file is none that a runtime should be given: ")
