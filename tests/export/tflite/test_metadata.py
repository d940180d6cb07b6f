"""The metadata in our files, as others read them."""

import json
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from tests.support.commands import run_in_process
from tests.support.exports import Models
from tests.support.once import made_once
from tests.support.peers import mediapipe_answers, netron_shows
from tests.support.tflite_writer import Op, T, constant, write_model
from tests.support.toy import HEIGHT, WIDTH, Toy, write_toy
from tinyedge import read_card
from tinyedge.export.tflite.metadata import add_metadata
from tinyedge.modelcard import ModelCard, labels_file
from tinyedge.tflite.check import check_tflite
from tinyedge.tflite.metadata import UNIT_PIXELS, LabelFile, read_metadata

NAMES = ("ash", "birch", "cedar", "date palm")
CARD = ModelCard(
    "net", 1, 1, 3, 3, "stretch", "float32", 1, labels=("red", "green", "blue"),
    normalization=UNIT_PIXELS.for_channels(3),
)  # fmt: skip


@dataclass(frozen=True)
class Described:
    """The toy's files, and photos of exactly its input's size."""

    toy: Toy
    folder: Path
    photos: list[Path]

    def export(self, *words: object) -> Models:
        """Its files; the name says which words made them."""
        name = "-".join(map(str, words)).replace("--", "") or "plain"
        made = made_once(
            self.folder / name,
            lambda folder: run_in_process(
                *("export", *self.toy.source(), "--labels", self.toy.labels),
                *("--calib", self.toy.photos, "-o", folder, *words),
            ),
        )
        return Models(made / "toy_float.tflite", made / "toy_int8.tflite")


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Described:
    folder = tmp_path_factory.mktemp("described")
    random, photos = np.random.default_rng(3), []
    for number in range(3):
        photos.append(folder / f"{number}.png")
        pixels = random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(photos[-1])
    return Described(write_toy(folder / "toy"), folder, photos)


def own_scores(model: Path, photos: list[Path]) -> list[dict[str, float]]:
    """What `tinyedge run` prints for each photo: a probability a name."""
    lines = run_in_process("run", model, *photos, "--json").stdout.splitlines()
    return [
        {one["label"]: one["probability"] for one in json.loads(line)["predictions"]}
        for line in lines
    ]


@pytest.mark.peers
class TestMediaPipe:
    """Its ImageClassifier, on our files."""

    @pytest.mark.parametrize(
        ("kind", "words", "within"),
        [
            ("float_model", ("--probabilities", "--float-only"), 1e-4),
            # A step of an int8 probability.
            ("int8_model", ("--probabilities", "--input", "uint8"), 1 / 256),
        ],
    )
    def test_names_and_probabilities_are_those_of_run(
        self, described: Described, kind: str, words: tuple[str, ...], within: float
    ) -> None:
        model = getattr(described.export(*words), kind)
        answers = mediapipe_answers(model, *described.photos)["answers"]
        for answer, own in zip(answers, own_scores(model, described.photos), strict=True):
            assert answer["head"] == "probabilities"
            assert set(answer["scores"]) == set(own) == set(NAMES)
            assert answer["scores"] == pytest.approx(own, abs=within)

    def test_without_the_option_it_gives_the_logits(self, described: Described) -> None:
        model = described.export("--float-only").float_model
        answers = mediapipe_answers(model, *described.photos)["answers"]
        for answer, own in zip(answers, own_scores(model, described.photos), strict=True):
            assert answer["head"] == "scores"
            logits = np.array([answer["scores"][name] for name in own])
            exponentials = np.exp(logits - logits.max())
            assert list(own.values()) == pytest.approx(exponentials / exponentials.sum(), abs=1e-5)

    def test_it_refuses_an_int8_input_and_says_so(self, described: Described) -> None:
        said = mediapipe_answers(described.export("--probabilities").int8_model)["refused"]
        assert "Requested one of these types: uint8/float32, got INT8" in said


@pytest.mark.peers
def test_netron_shows_the_description(described: Described, tmp_path: Path) -> None:
    model = described.export(
        *("--probabilities", "--input", "uint8", "--author", "A. Uthor", "--license", "MIT")
    ).int8_model
    shown = netron_shows(model, tmp_path)
    assert shown["format"] == "TensorFlow Lite v3"
    assert shown["name"] == "toy"
    assert "Darknet image classifier, full-integer int8" in shown["description"]
    assert shown["metadata"]["author"] == "A. Uthor"
    assert shown["metadata"]["license"] == "MIT"
    assert shown["inputs"] == [
        "Takes RGB photos of 8x6 pixels: the largest centred rectangle of this aspect is taken of"
        " a photo."
    ]
    assert shown["outputs"] == ["Gives the probabilities of 4 classes."]
    assert "Softmax" in shown["operators"]


class TestBytes:
    """Where the metadata lie, and what stays as it was."""

    def test_the_model_stays_byte_for_byte_and_aligned(self) -> None:
        weights = constant(np.arange(12).reshape(3, 4), "float32")
        dense = Op(
            *("FULLY_CONNECTED", [T((1, 4), "float32"), weights, None]),
            *([T((1, 3), "float32")], "FullyConnectedOptions"),
        )
        plain = write_model(dense)
        described = add_metadata(plain, CARD)
        assert described.endswith(plain)
        assert (len(described) - len(plain)) % 16 == 0
        check_tflite(described)
        old, new = (schema.ModelT.InitFromPackedBuf(each, 0) for each in (plain, described))
        assert [entry.name for entry in new.metadata] == [b"TFLITE_METADATA"]
        data = new.buffers[new.metadata[0].buffer].data.tobytes()
        assert data[4:8] == b"M001"
        assert described.index(data) % 16 == 0
        assert len(new.buffers) == len(old.buffers) + 1
        for one, other in zip(old.buffers, new.buffers, strict=False):
            assert np.array_equal(one.data, other.data)
        for name in ("version", "description"):
            assert getattr(old, name) == getattr(new, name)
        pixels = np.array([[1, 2, 3, 4]], np.float32)
        assert run(described, pixels) == run(plain, pixels) == [20.0, 60.0, 100.0]

    def test_what_the_converter_says_of_it_stays(self, described: Described) -> None:
        content = described.export("--float-only").float_model.read_bytes()
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        names = [entry.name for entry in model.metadata]
        assert names == [b"min_runtime_version", b"CONVERSION_METADATA", b"TFLITE_METADATA"]
        assert all(model.buffers[entry.buffer].data is not None for entry in model.metadata)
        assert model.signatureDefs

    def test_what_was_written_is_read(self) -> None:
        content = add_metadata(simple(), CARD, author="Ä. Uthor", license="MIT")
        found = read_metadata(content)
        assert found is not None
        assert (found.name, found.author, found.license) == ("net", "Ä. Uthor", "MIT")
        assert found.normalization == UNIT_PIXELS
        assert found.label_files == (LabelFile("labels.txt"),)
        assert read_metadata(simple()) is None

    def test_a_card_without_labels_names_no_file(self) -> None:
        card = ModelCard("net", 1, 1, 3, 3, "stretch", "float32", 1)
        assert labels_file(card) is None
        found = read_metadata(add_metadata(simple(), card))
        assert found is not None
        assert (found.author, found.label_files, found.normalization) == ("", (), None)

    def test_a_file_of_mixed_precision_says_so_and_what_it_answers(self) -> None:
        card = CARD._replace(quantization="int8", precision={"0_convolutional": "float32"})
        kinds = {
            "full-integer int8": card._replace(precision={}),
            "mixed precision (int8 input and weights, float32 output)": card,
            "float32": CARD,
        }
        for kind, each in kinds.items():
            found = read_metadata(add_metadata(simple(), each))
            assert found is not None
            assert f"image classifier, {kind}, exported by" in found.description

    def test_one_output_has_the_name_of_what_1_stands_for(self) -> None:
        one = ModelCard("net", 1, 1, 3, 1, "stretch", "float32", 0, labels=("cat", "dog"))
        assert labels_file(one) == b"dog\n"

    def test_unzip_lists_card_and_labels_and_nothing_is_compressed(
        self, described: Described
    ) -> None:
        model = described.export("--float-only").float_model
        with zipfile.ZipFile(model) as archive:
            members = archive.infolist()
            assert archive.read("labels.txt").decode().split("\n") == [*NAMES, ""]
        assert [member.filename for member in members] == ["model_card.json", "labels.txt"]
        assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}
        card = read_card(model)
        assert card is not None
        assert card.normalization == UNIT_PIXELS.for_channels(3)
        if shutil.which("unzip"):
            done = subprocess.run(["unzip", "-tqq", model], capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, b"")

    @pytest.mark.long
    def test_equal_exports_are_equal_to_the_byte(self, described: Described) -> None:
        first = described.export("--probabilities")
        folder = described.folder / "again"
        run_in_process(
            *("export", *described.toy.source(), "--labels", described.toy.labels),
            *("--calib", described.toy.photos, "-o", folder, "--probabilities"),
        )
        assert first.float_model.read_bytes() == (folder / "toy_float.tflite").read_bytes()
        assert first.int8_model.read_bytes() == (folder / "toy_int8.tflite").read_bytes()


def simple() -> bytes:
    """A model whose scores are its pixels."""
    source = T((1, 1, 1, 3), "float32")
    shape = constant([1, 3], "int32")
    options: dict[str, Any] = {"newShape": [1, 3]}
    return write_model(
        Op("RESHAPE", [source, shape], [T((1, 3), "float32")], "ReshapeOptions", options)
    )


def run(content: bytes, inputs: Any) -> list[float]:
    """What LiteRT answers."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return [float(number) for number in found.reshape(-1)]
