"""The model card: what goes in comes out, and nobody else's bytes are taken for one."""

import contextlib
import json
import shutil
import struct
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from tests.support.exports import Models
from tests.support.linear_model import write_linear_model
from tinyedge.errors import ModelError
from tinyedge.json_values import as_object
from tinyedge.modelcard import (
    MOST_CALIBRATION_PHOTOS,
    Check,
    ModelCard,
    Normalization,
    append_card,
    read_card,
)

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
    return {"format": 2, **as_object(card)}


def test_a_card_comes_back_as_it_went_in(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(append_card(b"TFL3" * 100, CARD))
    assert read_card(path) == CARD


def test_labels_are_a_file_beside_the_card(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(append_card(b"TFL3" * 100, CARD))
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("model_card.json"))["labels"] == "labels.txt"
        assert archive.read("labels.txt").decode() == 'Käfer\na "quoted" name\n'
    # Two names of one output, and a name of two lines, are in the card.
    for card in (
        CARD._replace(classes=1, ids=None),
        CARD._replace(labels=("a\nb", "c")),
    ):
        path.write_bytes(append_card(b"TFL3" * 100, card))
        assert read_card(path) == card


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (None, "labels.txt is not beside it"),
        (b"a\n", "1 label for 2 classes"),
        (b"a\n\xff\n", "utf-8"),
    ],
)
def test_labels_that_are_not_the_cards_are_said(
    tmp_path: Path, labels: bytes | None, why: str
) -> None:
    path = carded(tmp_path / "model.tflite", {**fields_of(CARD), "labels": "labels.txt"})
    if labels is not None:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("labels.txt", labels)
    with pytest.raises(ModelError, match=why):
        read_card(path)


def test_a_card_without_labels_comes_back_without(tmp_path: Path) -> None:
    card = ModelCard("net", 28, 28, 1, 10, "crop", "float32", softmax_groups=0)
    path = tmp_path / "model.tflite"
    path.write_bytes(append_card(b"TFL3", card))
    assert read_card(path) == card
    assert not card.softmax
    assert card.label(7) == "7"


def test_a_card_of_the_most_photos_and_classes_is_read(tmp_path: Path) -> None:
    names = tuple(f"{number:05} {'x' * 30}" for number in range(21_842))
    card = CARD._replace(
        classes=len(names),
        labels=names,
        ids=tuple(f"n{number:08}" for number in range(len(names))),
        calibration="photos",
        calibration_sha256=("ab" * 32,) * MOST_CALIBRATION_PHOTOS,
    )
    path = tmp_path / "model.tflite"
    path.write_bytes(append_card(b"model", card))
    assert read_card(path) == card


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
        archive.writestr("labels_de.txt", "cat\ndog\n")
    assert read_card(path) is None
    path.write_bytes(append_card(path.read_bytes(), CARD))
    assert read_card(path) == CARD
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels_de.txt") == b"cat\ndog\n"


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
    path = carded(tmp_path / "model.tflite", {**fields_of(CARD), "format": 3})
    with pytest.raises(ModelError) as refusal:
        read_card(path)
    assert str(refusal.value) == (
        f"{path}: its model card has format 3, this tinyedge reads 1 to 2;"
        " use the tinyedge that exported it, or export the model again"
    )


def test_a_card_of_format_1_is_read_with_what_it_meant(tmp_path: Path) -> None:
    later = ("check", "batch_norm", "normalization", "precision")
    content = {name: value for name, value in fields_of(CARD).items() if name not in later}
    path = carded(tmp_path / "model.tflite", {**content, "format": 1})
    card = read_card(path)
    assert card == CARD._replace(check=None, normalization=None, precision={})
    assert card is not None
    assert card.batch_norm == "outside"


def test_a_full_card_comes_back(tmp_path: Path) -> None:
    card = CARD._replace(
        check=Check("float", 50, "photos", agreement=49, kl=0.0125, noise_db=27.5),
        batch_norm="inside",
        normalization=Normalization((123.7, 116.3, 103.5), (58.4, 57.1, 57.4)),
        precision={"3_convolutional_1": "hybrid"},
    )
    path = tmp_path / "model.tflite"
    path.write_bytes(append_card(b"TFL3", card))
    assert read_card(path) == card


CHECK = {"against": "float", "images": 5, "source": "photos"}


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("name", 7, "name is 7, not a text"),
        ("name", "\ud800", "name is '\\ud800', not a text"),
        ("height", "224", "height is '224', not an integer from 1 to 65535"),
        ("height", True, "height is True, not an integer from 1 to 65535"),
        ("width", 0, "width is 0, not an integer from 1 to 65535"),
        ("channels", 3.0, "channels is 3.0, not an integer from 1 to 65535"),
        ("classes", -1, "classes is -1, not an integer from 0 to 2147483647"),
        ("fit", "squash", "fit is 'squash', not one of crop, letterbox, stretch"),
        ("fit", ["crop"], "fit is ['crop'], not one of crop, letterbox, stretch"),
        ("softmax_groups", 3, "3 groups for a softmax over 2 classes"),
        (
            "normalization",
            {"mean": [0.0] * 3, "std": [1e-44] * 3},
            "a normalization that makes pixels infinite",
        ),
        ("temperature", 0, "temperature is 0, not a number of at least 1.17549e-38"),
        ("temperature", 1e-300, "temperature is 1e-300, not a number of at least 1.17549e-38"),
        ("temperature", "1", "temperature is '1', not a number of at least 1.17549e-38"),
        (
            "temperature",
            10**400,
            "temperature is an integer of 1329 bits, not a number of at least",
        ),
        ("labels", ["\ud800", "b"], r"(labels[0] is '\ud800', not a text)"),
        ("labels", ["one"], "1 label for 2 classes"),
        ("labels", ["one", 2], "labels[1] is 2, not a text"),
        ("ids", "n01", "ids is 'n01', not a list"),
        ("cfg_sha256", "AB" * 32, "not a sha256"),
        ("seed", 2**32, "seed is 4294967296, not an integer from 0 to 4294967295"),
        ("versions", {"numpy": 2}, "versions['numpy'] is 2, not a text"),
        ("versions", {"\ud800": "2"}, r"(versions is {'\ud800': '2'}, not a text)"),
        ("features", [1, 2], "features is [1, 2], not a list of 3"),
        ("check", {**CHECK, "agreement": 6}, "6 of 5 images agree"),
        ("check", {**CHECK, "kl": -0.1}, "check.kl is -0.1, not a number of at least 0"),
        ("check", {"images": 5}, "(check.against is missing)"),
        ("check", {**CHECK, "images": "5"}, "(check.images is '5', not an integer from 1 to"),
        ("check", [5], "(check is [5], not an object)"),
        ("batch_norm", None, "batch_norm is None, not one of inside, outside"),
        ("normalization", {"mean": [0.0], "std": [1.0]}, "a normalization of 1 channel, not 3"),
        ("normalization", {"mean": [0.0] * 3, "std": [1, 1, 0]}, "(normalization.std[2] is 0, not"),
        ("precision", {"3": "int4"}, "(precision['3'] is 'int4', not one of int8,"),
    ],
)
def test_a_value_of_another_type_or_range_is_refused(
    tmp_path: Path, field: str, value: object, complaint: str
) -> None:
    path = carded(tmp_path / "model.tflite", {**fields_of(CARD), field: value})
    with pytest.raises(ModelError) as refusal:
        read_card(path)
    assert str(refusal.value).startswith(f"{path}: its model card is damaged (")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NaN", "NaN is no number of JSON"),
        ("-Infinity", "-Infinity is no number of JSON"),
        ("1" * 5000, "an integer of 5,000 digits"),
        ("[" * 100_000, "it is nested too deep"),
    ],
)
def test_json_that_python_cannot_hold_is_a_damaged_card(
    tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "model.tflite"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model_card.json", '{"format": 1, "temperature": ' + text + "}")
    with pytest.raises(ModelError, match=rf"its model card is damaged \({why}\);"):
        read_card(path)


def test_a_card_that_inflates_to_gigabytes_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("model_card.json", "w") as member,
    ):
        for _ in range(64):
            member.write(b" " * (1 << 20))
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"it has more than 16,777,216 bytes"):
        read_card(path)
    assert tracemalloc.get_traced_memory()[1] < 3 * (16 << 20)
    tracemalloc.stop()


def test_an_end_of_zip64_alone_is_no_traceback(tmp_path: Path) -> None:
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 2**63, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 2**32 - 1, 2**32 - 1, 0)
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3" * 5 + locator + end)
    with contextlib.suppress(ModelError):
        assert read_card(path) is None


def test_what_is_no_object_is_no_card_of_any_format(tmp_path: Path) -> None:
    path = carded(tmp_path / "model.tflite", "hello")
    with pytest.raises(ModelError, match="its model card has format 'hello'"):
        read_card(path)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    content = fields_of(CARD)
    del content["fit"]
    path = carded(tmp_path / "model.tflite", content)
    with pytest.raises(ModelError, match=r"its model card is damaged \(fit is missing\)"):
        read_card(path)


def test_fields_of_a_later_tinyedge_are_passed_over(tmp_path: Path) -> None:
    path = carded(tmp_path / "model.tflite", {**fields_of(CARD), "colour": "BGR"})
    assert read_card(path) == CARD


def test_a_missing_file_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_card(tmp_path / "none.tflite")
