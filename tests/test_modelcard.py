"""The model card: what goes in comes out, and nobody else's bytes are taken for one."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from tests.support.exports import Models
from tests.support.linear_model import write_linear_model
from tinyedge.errors import ModelError
from tinyedge.modelcard import ModelCard, append_card, read_card

CARD = ModelCard(
    name="tiny",
    height=224,
    width=298,
    channels=3,
    classes=2,
    fit="letterbox",
    quantization="int8",
    softmax_groups=1,
    temperature=1.5,
    labels=("Käfer", 'a "quoted" name'),
    ids=("n01", "n02"),
    cfg_sha256="ab" * 32,
    weights_sha256="cd" * 32,
    calibration_sha256=("ef" * 32,),
    versions={"tensorflow": "2.21.0"},
)


def carded(path: Path, content: object) -> Path:
    """A file whose card holds `content`, whatever it is."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model_card.json", json.dumps(content))
    return path


def fields_of(card: ModelCard) -> dict[str, object]:
    return {"format": 1, **vars(card)}


def test_a_card_comes_back_as_it_went_in(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(append_card(b"TFL3" * 100, CARD))
    assert read_card(path) == CARD


def test_a_card_without_labels_comes_back_without(tmp_path: Path) -> None:
    card = ModelCard("net", 28, 28, 1, 10, "crop", "float32", softmax_groups=0)
    path = tmp_path / "model.tflite"
    path.write_bytes(append_card(b"TFL3", card))
    assert read_card(path) == card
    assert not card.softmax
    assert card.label(7) == "7"


def test_the_model_stands_in_front_untouched() -> None:
    model = bytes(range(256)) * 3
    assert append_card(model, CARD)[: len(model)] == model


def test_equal_cards_are_equal_bytes() -> None:
    assert append_card(b"TFL3", CARD) == append_card(b"TFL3", CARD)


def test_the_runtime_does_not_see_it(fashion_models: Models) -> None:
    content = fashion_models.float_model.read_bytes()
    bare = content[: content.rindex(b"PK\x03\x04")]
    assert len(bare) < len(content)
    pixels = np.linspace(0, 1, 28 * 28, dtype=np.float32).reshape(1, 28, 28, 1)
    answers = []
    for model in (content, bare):
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert np.array_equal(*answers)


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_prints_it(fashion_models: Models) -> None:
    done = subprocess.run(
        ["unzip", "-p", fashion_models.int8_model, "model_card.json"],
        capture_output=True,
        check=True,
    )
    card = json.loads(done.stdout)
    assert card["name"] == "fashion"
    assert card["quantization"] == "int8"
    assert len(card["calibration_sha256"]) == 200


@pytest.mark.parametrize("content", [b"", b"TFL3", b"PK", b"no zip at all" * 1000])
def test_a_file_without_an_archive_has_no_card(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    assert read_card(path) is None


def test_associated_files_of_tflite_metadata_are_no_card(tmp_path: Path) -> None:
    path = write_linear_model(tmp_path / "model.tflite", ((1.0, 0.0),))
    model = path.read_bytes()
    path.write_bytes(model[: model.rindex(b"PK\x03\x04")])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    assert read_card(path) is None
    path.write_bytes(append_card(path.read_bytes(), CARD))
    assert read_card(path) == CARD
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt") == b"cat\ndog\n"


def test_every_flipped_byte_is_found_or_harmless(tmp_path: Path) -> None:
    content = append_card(b"TFL3", CARD)
    path = tmp_path / "model.tflite"
    outcomes: list[ModelCard | str | None] = []
    for position in range(4, len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            outcomes.append(read_card(path))
        except ModelError as error:
            outcomes.append(str(error))
    complaints = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(complaints) > len(outcomes) / 2
    for complaint in complaints:
        assert complaint.startswith(f"{path}: its model card is damaged (")
        assert complaint.endswith("); export the model again")
    # A date or an attribute was hit, or the mark by which an archive is known at all.
    assert all(outcome in (CARD, None) for outcome in outcomes if outcome not in complaints)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = carded(tmp_path / "model.tflite", {**fields_of(CARD), "format": 2})
    with pytest.raises(ModelError) as refusal:
        read_card(path)
    assert str(refusal.value) == (
        f"{path}: its model card has format 2, this tinyedge reads 1;"
        " use the tinyedge that exported it, or export the model again"
    )


def test_what_is_no_object_is_no_card_of_any_format(tmp_path: Path) -> None:
    path = carded(tmp_path / "model.tflite", "hello")
    with pytest.raises(ModelError, match="its model card has format 'hello'"):
        read_card(path)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    content = fields_of(CARD)
    del content["fit"]
    path = carded(tmp_path / "model.tflite", content)
    with pytest.raises(ModelError, match=r"its model card is incomplete \(.*'fit'\)"):
        read_card(path)


def test_fields_of_a_later_tinyedge_are_passed_over(tmp_path: Path) -> None:
    path = carded(tmp_path / "model.tflite", {**fields_of(CARD), "colour": "BGR"})
    assert read_card(path) == CARD


def test_a_missing_file_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_card(tmp_path / "none.tflite")
