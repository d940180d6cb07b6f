"""``tinyedge export`` as a user types it, and what its files are when looked at from outside."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from click.testing import CliRunner, Result
from PIL import Image

from tests.support.commands import run_as_user, run_in_process
from tests.support.exports import Exported, Models
from tests.support.toy import CLASSES, HEIGHT, PHOTOS, WIDTH, Toy, write_toy
from tinyedge.cli import main
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.modelcard import Check, ModelCard, read_card
from tinyedge.zoo.models import MODELS

FLOATING = (schema.TensorType.FLOAT16, schema.TensorType.FLOAT32, schema.TensorType.FLOAT64)

FEW_NOTE = (
    "note: calibrating on {}, which is few: of Tiny Darknet int8 strays 3.3 times as far from float"
    " with 25 as with 200, and 6.5 times with 10; give it 50 or more"
)


def export(*words: object) -> Result:
    """Run the command in this process, whatever comes of it."""
    return CliRunner().invoke(main, ["export", *map(str, words)])


def card_of(path: Path) -> ModelCard:
    card = read_card(path)
    assert card is not None
    return card


def check_of(path: Path) -> Check:
    check = card_of(path).check
    assert check is not None
    return check


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tensor_types(path: Path) -> list[int]:
    """The types of the flatbuffer's tensors, of all its subgraphs, by the schema alone."""
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    return [graph.Tensors(i).Type() for graph in graphs for i in range(graph.TensorsLength())]


def operators(path: Path) -> set[int]:
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    return {model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())}


def signature(path: Path) -> list[tuple[list[int], str]]:
    """Shape and type of the input and of the output."""
    interpreter = Interpreter(model_path=str(path))
    details = interpreter.get_input_details() + interpreter.get_output_details()
    return [(detail["shape"].tolist(), np.dtype(detail["dtype"]).name) for detail in details]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module", params=["default", pytest.param("tuned", marks=pytest.mark.long)])
def quantizer(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The words for a quantizer; those for the one there is without words are none."""
    return () if request.param == "tuned" else ("--quantizer", request.param)


@pytest.fixture(scope="module")
def with_keras(
    quantizer: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The built-in model with its Keras file: the folder, and what --json printed."""
    folder = tmp_path_factory.mktemp("with-keras")
    result = run_in_process("export", "fashion", *quantizer, "--keras", "--json", "-o", folder)
    return folder, json.loads(result.stdout)


class TestFiles:
    """What the files are."""

    def test_int8_has_no_float_in_it(self, fashion_models: Models) -> None:
        assert set(tensor_types(fashion_models.int8_model)) == {
            schema.TensorType.INT8,
            schema.TensorType.INT32,
        }
        assert not operators(fashion_models.int8_model) & {
            schema.BuiltinOperator.QUANTIZE,
            schema.BuiltinOperator.DEQUANTIZE,
            schema.BuiltinOperator.CUSTOM,
        }
        assert set(tensor_types(fashion_models.float_model)) & set(FLOATING)

    def test_both_end_in_logits(self, fashion_models: Models) -> None:
        assert signature(fashion_models.float_model) == [
            ([1, 28, 28, 1], "float32"),
            ([1, 10], "float32"),
        ]
        assert signature(fashion_models.int8_model) == [
            ([1, 28, 28, 1], "int8"),
            ([1, 10], "int8"),
        ]
        for model in (fashion_models.float_model, fashion_models.int8_model):
            assert schema.BuiltinOperator.SOFTMAX not in operators(model)

    def test_uint8_is_in_and_out_alone(self, toy: Toy, tmp_path: Path) -> None:
        run_in_process(
            *("export", *toy.source(), "--calib", toy.photos, "--count", PHOTOS),
            *("--input", "uint8", "-o", tmp_path),
        )
        model = tmp_path / "toy_int8.tflite"
        assert signature(model) == [([1, HEIGHT, WIDTH, 3], "uint8"), ([1, CLASSES], "uint8")]
        assert tensor_types(model).count(schema.TensorType.UINT8) == 2
        assert not set(tensor_types(model)) & set(FLOATING)

    def test_the_card_says_what_went_in(self, fashion_models: Models, fashion_images: Path) -> None:
        folder = fashion_images.parent
        quantized, unquantized = map(
            card_of, (fashion_models.int8_model, fashion_models.float_model)
        )
        assert quantized.quantization == "int8"
        assert quantized.fit == "crop"
        assert quantized.cfg_sha256 == sha256(folder / "fashion.cfg")
        assert quantized.weights_sha256 == sha256(folder / "fashion.weights")
        photos = sorted((folder / "calibration").rglob("*.png"))
        assert quantized.calibration_sha256 == tuple(map(sha256, photos))
        assert list(quantized.versions) == ["tinyedge", "tensorflow", "keras", "numpy", "pillow"]
        assert quantized.versions["numpy"] == np.__version__
        assert unquantized.quantization == "float32"
        assert unquantized.calibration_sha256 == ()

    def test_keras_gives_the_float_files_logits(
        self, with_keras: tuple[Path, dict[str, Any]], fashion_images: Path
    ) -> None:
        from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed

        folder, _ = with_keras
        require_tensorflow()
        with tensorflow_hushed():
            import keras

            model = keras.saving.load_model(folder / "fashion.keras")
        classifier = Classifier(folder / "fashion_float.tflite")
        for photo in sorted(fashion_images.glob("*/*0.png"))[:10]:
            inputs = classifier.preprocess(photo)
            with tensorflow_hushed():
                expected = np.asarray(model(inputs))[0]
            assert classifier.logits(inputs) == pytest.approx(expected, abs=1e-4)

    def test_the_same_inputs_give_the_same_bytes(
        self,
        with_keras: tuple[Path, dict[str, Any]],
        quantizer: tuple[str, ...],
        exported: Exported,
        tmp_path: Path,
    ) -> None:
        """In another process, working folder and hash seed; every message where it belongs."""
        folder, printed = with_keras
        done = run_as_user(
            *("export", "fashion", *quantizer, "--keras", "--json", "-o", "here"),
            cwd=tmp_path,
            environment={"PYTHONHASHSEED": "7"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert contents(tmp_path / "here") == contents(folder)
        assert contents(exported("fashion", *quantizer).float_model.parent) == {
            name: content for name, content in contents(folder).items() if name != "fashion.keras"
        }
        theirs = json.loads(done.stdout)
        assert [file.pop("path") for file in theirs["files"]] == [
            f"here/fashion{end}" for end in ("_float.tflite", "_int8.tflite", ".keras")
        ]
        ours = {**printed, "files": [dict(file) for file in printed["files"]]}
        for file in ours["files"]:
            del file["path"]
        assert theirs == ours

    @pytest.mark.real_data
    def test_tiny_darknet_is_small(self, tiny_models: Models) -> None:
        assert tiny_models.float_model.stat().st_size <= 4_250_000
        assert tiny_models.int8_model.stat().st_size <= 1_190_000
        assert not set(tensor_types(tiny_models.int8_model)) & set(FLOATING)


class TestPrinted:
    """What is said of them."""

    def test_json(self, with_keras: tuple[Path, dict[str, Any]]) -> None:
        folder, printed = with_keras
        paths = [folder / f"fashion{end}" for end in ("_float.tflite", "_int8.tflite", ".keras")]
        assert sorted(folder.iterdir()) == sorted(paths)
        assert printed == {
            "schema": "tinyedge.export/1",
            "name": "fashion",
            "files": [
                {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)}
                for path in paths
            ],
            "input": [28, 28, 1],
            "fit": "crop",
            "batch_norm": "outside",
            "classes": 10,
            "features": None,
            "labels": True,
            "calibration": "photos",
            "calibration_images": 200,
            "check": {
                kind: check_of(path)._asdict()
                for kind, path in zip(("float", "int8"), paths, strict=False)
            },
            "forms": {},
            "edge_tpu": None,
            "pareto": [],
            "versions": card_of(paths[1]).versions,
        }

    def test_text(self, toy: Toy, tmp_path: Path) -> None:
        result = run_in_process(
            *("export", *toy.source(), "--float-only", "--fit", "stretch", "-o", tmp_path)
        )
        model = tmp_path / "toy_float.tflite"
        assert result.stdout == (
            f"{model}  {model.stat().st_size:,} bytes\n"
            "input 8x6 RGB, stretch; 4 classes, no labels\n"
            "float against keras: 4 of 4 images agree, equal but for float's rounding\n"
            "next:\n"
            f"  tinyedge run {model} PHOTO\n"
            f"  tinyedge info {model}\n"
            f"  tinyedge deploy {model} --host USER@HOST\n"
        )
        assert result.stderr == ""
        assert list(tmp_path.iterdir()) == [model]


class TestOptions:
    """What each option does."""

    def test_a_lists_heading_is_left_out_with_a_note(self, toy: Toy, tmp_path: Path) -> None:
        names, ids = tmp_path / "names", tmp_path / "ids"
        names.write_text("label\na\nb\nc\nd\n")
        ids.write_text("n1\nn2\nn3\nn4\n")
        result = run_in_process(
            *("export", *toy.source(), "--float-only", "-o", tmp_path / "out"),
            *("--labels", names, "--ids", ids),
        )
        assert result.stderr == (
            f"note: {names}: its first line, 'label', is a heading and names no class\n"
        )
        card = card_of(tmp_path / "out" / "toy_float.tflite")
        assert (card.labels, card.ids) == (("a", "b", "c", "d"), ("n1", "n2", "n3", "n4"))

    def test_without_labels_run_shows_indices(self, toy: Toy, tmp_path: Path) -> None:
        run_in_process("export", *toy.source(), "--float-only", "-o", tmp_path)
        photo = next(toy.photos.rglob("*.png"))
        result = run_in_process("run", tmp_path / "toy_float.tflite", photo, "--json")
        predictions = json.loads(result.stdout)["predictions"]
        assert {found["label"] for found in predictions} == {"0", "1", "2", "3"}
        assert all(found["label"] == str(found["index"]) for found in predictions)

    def test_another_size_need_not_be_square(self, toy: Toy, tmp_path: Path) -> None:
        run_in_process("export", *toy.source(), "--float-only", "--size", "13x5", "-o", tmp_path)
        model = tmp_path / "toy_float.tflite"
        assert signature(model) == [([1, 5, 13, 3], "float32"), ([1, CLASSES], "float32")]
        assert (card_of(model).width, card_of(model).height) == (13, 5)

    def test_a_grey_net_takes_grey_photos(self, tmp_path: Path) -> None:
        grey = write_toy(tmp_path / "net", channels=1)
        words = ("export", *grey.source(), "--calib", grey.photos, "--count", PHOTOS)
        result = run_in_process(*words, "-o", tmp_path)
        assert "input 8x6 grey, crop; 4 classes" in result.stdout
        assert signature(tmp_path / "toy_int8.tflite")[0] == ([1, HEIGHT, WIDTH, 1], "int8")

    def test_a_folder_and_a_manifest_calibrate_alike(self, toy: Toy, tmp_path: Path) -> None:
        photos = sorted(toy.photos.rglob("*.png"))
        manifest = toy.photos.parent / "photos.tsv"
        # The label of a manifest line is no matter of calibration.
        manifest.write_text(
            "".join(f"{photo.relative_to(toy.photos.parent)}\tx\n" for photo in photos)
        )
        pattern = toy.photos / "**" / "*.png"
        for name, calib in (("tree", toy.photos), ("list", manifest), ("pattern", pattern)):
            words = ("export", *toy.source(), "--calib", calib, "--count", PHOTOS)
            result = run_in_process(*words, "-o", tmp_path / name)
            assert "calibrated on 6 images" in result.stdout
            assert result.stderr.splitlines() == [FEW_NOTE.format("6 images")]
        assert contents(tmp_path / "tree") == contents(tmp_path / "list")
        assert contents(tmp_path / "tree") == contents(tmp_path / "pattern")
        card = card_of(tmp_path / "tree" / "toy_int8.tflite")
        assert card.calibration_sha256 == tuple(map(sha256, photos))

    def test_fewer_are_spread_evenly(self, toy: Toy, tmp_path: Path) -> None:
        words = ("export", *toy.source(), "--calib", toy.photos, "--count", 3)
        run_in_process(*words, "-o", tmp_path)
        photos = sorted(toy.photos.rglob("*.png"))
        card = card_of(tmp_path / "toy_int8.tflite")
        assert card.calibration_sha256 == tuple(sha256(photos[i]) for i in (0, 2, 5))

    def test_more_than_there_are_is_all_with_a_note(self, toy: Toy, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "broken.png").write_text("no photo")
        for photo in toy.photos.rglob("*.png"):
            (tmp_path / "photos" / photo.name).write_bytes(photo.read_bytes())
        calib = tmp_path / "photos"
        result = run_in_process("export", *toy.source(), "--calib", calib, "-o", tmp_path / "out")
        first, second = result.stderr.splitlines()
        assert first.startswith(f"note: skipped: {calib}/broken.png is not an image")
        assert second == FEW_NOTE.format("all 6 images")
        assert "calibrated on 6 images" in result.stdout

    def test_how_many_are_used_is_said_where_there_are_fewer(
        self, toy: Toy, tmp_path: Path
    ) -> None:
        for name in range(50):
            photo = Image.effect_noise((8, 8), 40).convert("RGB")
            photo.save(tmp_path / f"{name}.png")
        for count, notes in ((50, []), (51, ["note: calibrating on all 50 images"])):
            words = ("export", *toy.source(), "--calib", tmp_path, "--count", count)
            result = run_in_process(*words, "-o", tmp_path / "out")
            assert [line for line in result.stderr.splitlines() if "images" in line] == notes

    def test_the_fit_decides_the_calibration(self, toy: Toy, tmp_path: Path) -> None:
        """Photos black in the middle and white around: stretched they give another range."""
        photo = Image.new("RGB", (40, 6), "white")
        photo.paste("black", (16, 0, 24, 6))
        (tmp_path / "photos").mkdir()
        photo.save(tmp_path / "photos" / "wide.png")
        scales = {}
        for fit in ("crop", "stretch", "letterbox"):
            words = ("export", *toy.source(), "--calib", tmp_path / "photos", "--fit", fit)
            run_in_process(*words, "--count", 1, "-o", tmp_path / fit)
            model = tmp_path / fit / "toy_int8.tflite"
            interpreter = Interpreter(model_path=str(model))
            scales[fit] = interpreter.get_input_details()[0]["quantization"][0]
            assert card_of(model).fit == fit
        # The crop is black alone: a range of nothing.
        assert scales["crop"] != scales["stretch"] == pytest.approx(1 / 255)


class TestRefusals:
    """Exit code 2, one message, and not a file touched."""

    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        """A folder with the files of an earlier export."""
        folder = tmp_path / "out"
        folder.mkdir()
        for name in ("toy_float.tflite", "toy_int8.tflite", "toy.keras"):
            (folder / name).write_text("earlier")
        return folder

    def refusal(self, out: Path, *words: object) -> str:
        """What the command says; it must leave `out` as it is."""
        before = contents(out)
        result = export(*words, "-o", out)
        assert (result.exit_code, result.stdout) == (2, "")
        assert contents(out) == before
        return result.stderr

    def test_int8_without_photos(self, toy: Toy, out: Path) -> None:
        assert self.refusal(out, *toy.source()) == (
            "error: an int8 file needs photos to calibrate with: name a folder of them with"
            " --calib, do without and lose accuracy with --calib none, or make the float file"
            " alone with --float-only\n"
        )

    def test_too_few_labels(self, toy: Toy, out: Path, tmp_path: Path) -> None:
        names = tmp_path / "names"
        names.write_text("a\nb\nc\n")
        for option in ("--labels", "--ids"):
            message = self.refusal(out, *toy.source(), "--calib", toy.photos, option, names)
            assert message == (
                f"error: {names} names 3 classes, the network has 4 outputs: which lines are its"
                " classes cannot be told: use the list that belongs to it\n"
            )

    def test_weights_cut_short(self, toy: Toy, out: Path, tmp_path: Path) -> None:
        weights = tmp_path / "short.weights"
        weights.write_bytes(toy.weights.read_bytes()[:-4])
        message = self.refusal(out, toy.cfg, "--weights", weights, "--calib", toy.photos)
        assert message.startswith(f"error: {weights}")
        assert message.count("\n") <= 3

    def test_no_weights(self, toy: Toy, out: Path) -> None:
        message = self.refusal(out, toy.cfg, "--calib", toy.photos)
        assert message.endswith(f"error: {toy.cfg} needs its weights: name them with --weights.\n")

    def test_no_such_source(self, out: Path) -> None:
        assert self.refusal(out, "resnet") == (
            f"error: resnet is neither a .cfg file nor a model of the zoo ({', '.join(MODELS)})\n"
        )

    def test_no_such_device(self, toy: Toy, out: Path) -> None:
        message = self.refusal(out, *toy.source(), "--device", "toaster")
        assert message == (
            "error: unknown device 'toaster'; known: coral-usb, host, pi, pi-zero2w,"
            " pi3, pi4, pi5, tflm\n"
        )

    @pytest.mark.parametrize("size", ["0x5", "5", "5x", "x5", "5x5x5", "-5x5", "ax5", "5.0x5"])
    def test_no_such_size(self, toy: Toy, out: Path, size: str) -> None:
        message = self.refusal(out, *toy.source(), "--float-only", "--size", size)
        assert message.endswith(
            f"error: Invalid value for '--size': '{size}' is not a size such as 298x224\n"
        )

    @pytest.mark.parametrize("missing", ["--weights", "--labels", "--ids", "--calib"])
    def test_a_file_that_is_not_there(
        self, toy: Toy, out: Path, tmp_path: Path, missing: str
    ) -> None:
        words = (*toy.source(), "--calib", toy.photos, missing, tmp_path / "none")
        message = self.refusal(out, *words)
        assert message.startswith(f"error: {tmp_path / 'none'}: ")
        assert message.count("\n") == 1

    def test_photos_of_which_none_can_be_read(self, toy: Toy, out: Path, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "a.png").write_text("no photo")
        message = self.refusal(out, *toy.source(), "--calib", tmp_path / "photos", "--count", 1)
        assert message.splitlines()[-1] == (
            f"error: {tmp_path}/photos: none of its 1 images can be read"
        )

    def test_a_net_that_is_not_for_photos(self, toy: Toy, out: Path, tmp_path: Path) -> None:
        cfg = tmp_path / "two.cfg"
        cfg.write_text(toy.cfg.read_text().replace("channels=3", "channels=2"))
        message = self.refusal(out, cfg, "--weights", toy.weights, "--float-only")
        assert message == (
            f"error: {cfg}: its input has 2 channels;"
            " a network for photos has 3 (RGB) or 1 (grey)\n"
        )

    def test_more_pixels_a_side_than_the_card_can_say(self, toy: Toy, out: Path) -> None:
        message = self.refusal(out, *toy.source(), "--float-only", "--size", "65536x2")
        assert message == (
            f"error: {toy.cfg}: its input is 65536x2; a .tflite file of tinyedge takes at most"
            " 65,535 pixels a side\n"
        )

    @pytest.mark.parametrize("words", [("--precision", "mixed"), ("--input", "uint8")])
    def test_words_for_a_file_that_is_not_made(
        self, toy: Toy, out: Path, words: tuple[str, str]
    ) -> None:
        message = self.refusal(out, *toy.source(), "--float-only", *words)
        assert "--float-only makes no file that --precision or --input is of" in message

    @pytest.mark.parametrize(
        "layers", ["[dropout]", "[dropout]\n[route]\nlayers=-1", "[upsample]\nstride=1"]
    )
    @pytest.mark.parametrize("quantizer", ["tuned", "default"])
    def test_a_network_that_computes_nothing(
        self, toy: Toy, out: Path, tmp_path: Path, quantizer: str, layers: str
    ) -> None:
        cfg, weights = tmp_path / "nothing.cfg", tmp_path / "nothing.weights"
        cfg.write_text(f"[net]\nwidth={WIDTH}\nheight={HEIGHT}\nchannels=3\n{layers}\n")
        weights.write_bytes(bytes(16))
        words = (cfg, "--weights", weights, "--calib", toy.photos, "--quantizer", quantizer)
        assert "no layer of the network computes anything" in self.refusal(out, *words)

    def test_a_softmax_over_an_image(self, toy: Toy, out: Path, tmp_path: Path) -> None:
        cfg = tmp_path / "image.cfg"
        cfg.write_text(toy.cfg.read_text().replace("[avgpool]", ""))
        line = cfg.read_text().split("\n").index("[softmax]") + 1
        message = self.refusal(out, cfg, "--weights", toy.weights, "--float-only")
        assert message == (
            f"error: {cfg}:{line}: [softmax] is over {WIDTH}x{HEIGHT} pixels of {CLASSES} channels,"
            " not over a number a class: put an [avgpool] before it, or give it an input (--size)"
            " that leaves one pixel there\n"
        )

    def test_names_that_are_no_text(self, toy: Toy, out: Path, tmp_path: Path) -> None:
        cfg = tmp_path / os.fsdecode(b"caf\xe9.cfg")
        cfg.write_bytes(toy.cfg.read_bytes())
        message = self.refusal(out, cfg, "--weights", toy.weights, "--float-only")
        assert message == (
            f"error: {tmp_path}/caf\\xe9.cfg: its name, which is the network's, is no UTF-8 text,"
            " as the files are to hold it; rename it\n"
        )
        for option in ("--author", "--license"):
            words = (*toy.source(), "--float-only", option, os.fsdecode(b"Ren\xe9"))
            message = self.refusal(out, *words)
            assert message.endswith(f"error: Invalid value for '{option}': no UTF-8 text.\n")

    @pytest.mark.parametrize("what", ["author", "license"])
    def test_texts_that_no_metadata_can_hold(self, toy: Toy, out: Path, what: str) -> None:
        message = self.refusal(out, *toy.source(), "--float-only", f"--{what}", "é" * 32_769)
        assert message.startswith(f"error: the {what} has more than 65,536 bytes")

    def test_more_photos_than_a_card_can_name(self, toy: Toy, out: Path, tmp_path: Path) -> None:
        photo, listed = min(toy.photos.rglob("*.png")), tmp_path / "list.txt"
        listed.write_text(f"{photo}\n" * 200_001)
        message = self.refusal(out, *toy.source(), "--calib", listed, "--count", 1_000_000)
        assert message == (
            f"error: {listed}: 200,001 photos are more than the 200,000 that a model card can name:"
            " give a smaller --count\n"
        )

    def test_a_file_where_the_folder_should_be(self, toy: Toy, tmp_path: Path) -> None:
        out = tmp_path / "out"
        out.write_text("mine")
        result = export(*toy.source(), "--float-only", "-o", out)
        assert result.exit_code == 2
        assert result.stderr == f"error: {out} is a file; -o names a folder\n"
        assert out.read_text() == "mine"

    def test_a_folder_that_cannot_be_made(self, toy: Toy) -> None:
        # Where nobody can make a folder, root neither.
        result = export(*toy.source(), "--float-only", "-o", "/proc/nowhere")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: /proc/nowhere: ")
        assert result.stderr.count("\n") == 1

    def test_a_folder_where_the_second_file_should_be(self, toy: Toy, out: Path) -> None:
        (out / "toy_int8.tflite").unlink()
        (out / "toy_int8.tflite").mkdir()
        words = (*toy.source(), "--calib", toy.photos, "--count", PHOTOS)
        result = export(*words, "-o", out)
        assert result.exit_code == 2
        assert result.stderr == (
            f"error: {out}/toy_int8.tflite: is a folder, not a file to replace\n"
        )
        assert sorted(path.name for path in out.iterdir()) == [
            "toy.keras",
            "toy_float.tflite",
            "toy_int8.tflite",
        ]
        assert (out / "toy_float.tflite").read_text() == "earlier"

    def test_a_success_replaces_what_is_made_and_leaves_the_rest(self, toy: Toy, out: Path) -> None:
        run_in_process("export", *toy.source(), "--float-only", "-o", out)
        assert Classifier(out / "toy_float.tflite").classes == CLASSES
        assert (out / "toy_int8.tflite").read_text() == "earlier"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_on_a_terminal_stages_are_drawn_and_notes_stand_on_lines_of_their_own(
    toy: Toy, tmp_path: Path
) -> None:
    import pty
    import subprocess

    names = tmp_path / "names"
    names.write_text("label\na\nb\nc\nd\n")
    ours, theirs = pty.openpty()
    command = ["export", *toy.source(), "--float-only", "--labels", names, "-o", tmp_path / "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyedge", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "400"},
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            drawn += os.read(ours, 65536)
        except OSError:  # the terminal's other end is closed
            break
    os.close(ours)
    assert process.stdout is not None
    assert process.communicate()[0].startswith(bytes(tmp_path / "out" / "toy_float.tflite"))
    text = drawn.decode()
    assert f"note: {names}: its first line, 'label', is a heading and names no class" in [
        line.split("\x1b[2K")[-1].strip() for line in text.splitlines()
    ]
    for stage in ("Reading the network", "Starting TensorFlow", "Converting to float .tflite"):
        assert stage in text
    assert "TensorSpec" not in text
