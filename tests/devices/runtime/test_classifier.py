"""The Classifier against the bare interpreter, with every step around it done by hand."""

import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image

from tests.support import strangers
from tests.support.exports import Exported, Models
from tests.support.linear_model import write_image, write_linear_model
from tinyedge.devices.profile import Profile, find_profile
from tinyedge.devices.runtime.classifier import Classifier, Prediction
from tinyedge.errors import (
    AnswerError,
    DatasetError,
    DeviceError,
    ImageError,
    ModelError,
    TinyedgeWarning,
)
from tinyedge.modelcard import ModelCard, append_card

NO_CARD = (
    ": it carries no model card, so how photos are fitted to it is unknown; say so with"
    " --fit crop, letterbox or stretch (and --labels NAMES)"
)


def interpreted(model: Path, pixels: NDArray[np.uint8]) -> list[float]:
    """What the model answers to 8-bit pixels of its input size, dequantized one by one."""
    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    inputs: NDArray[Any] = pixels.astype(np.float32)[np.newaxis] / np.float32(255)
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        lowest, highest = (0, 255) if source["dtype"] == np.uint8 else (-128, 127)
        steps = np.round(inputs.astype(np.float64) / scale) + zero_point
        inputs = steps.clip(lowest, highest).astype(source["dtype"])
    interpreter.set_tensor(source["index"], inputs)
    interpreter.invoke()
    scores = interpreter.get_tensor(result["index"])[0]
    if result["dtype"] == np.float32:
        return [float(score) for score in scores]
    scale, zero_point = result["quantization"]
    return [(int(score) - zero_point) * scale for score in scores]


def softmax(logits: list[float]) -> list[float]:
    exponentials = [math.exp(logit) for logit in logits]
    return [value / math.fsum(exponentials) for value in exponentials]


def grey_pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)[:, :, np.newaxis]


@pytest.fixture(scope="module")
def images(fashion_images: Path) -> list[Path]:
    """Three of each class of the built-in model, 28x28 as it takes them."""
    folders = sorted(fashion_images.iterdir())
    return [path for folder in folders for path in sorted(folder.iterdir())[:3]]


class TestOwnModels:
    """Files that tinyedge exported."""

    @pytest.mark.parametrize("kind", ["float_model", "int8_model"])
    def test_answers_are_the_bare_interpreters(
        self, fashion_models: Models, images: list[Path], kind: str
    ) -> None:
        model = getattr(fashion_models, kind)
        classifier = Classifier(model)
        for path in images:
            logits = interpreted(model, grey_pixels(path))
            assert classifier.logits(classifier.preprocess(path)).tolist() == logits
            probabilities = softmax(logits)
            order = sorted(range(10), key=lambda i: (-probabilities[i], i))
            found = classifier.classify(path, top=10)
            assert [prediction.index for prediction in found] == order
            assert [prediction.probability for prediction in found] == pytest.approx(
                [probabilities[i] for i in order], rel=1e-12
            )

    @pytest.mark.parametrize(
        "quantizer", ["default", pytest.param("tuned", marks=pytest.mark.long)]
    )
    def test_uint8_answers_as_int8_does(
        self, exported: Exported, images: list[Path], quantizer: str
    ) -> None:
        words = ("fashion", *(("--quantizer", "default") if quantizer == "default" else ()))
        signed, unsigned = (
            Classifier(exported(*words, *more).int8_model) for more in ((), ("--input", "uint8"))
        )
        for path in images:
            inputs = signed.preprocess(path), unsigned.preprocess(path)
            assert [str(one.dtype) for one in inputs] == ["int8", "uint8"]
            assert np.array_equal(inputs[0].astype(int) + 128, inputs[1])
            assert np.array_equal(signed.logits(inputs[0]), unsigned.logits(inputs[1]))

    @pytest.mark.parametrize(("kind", "tolerance"), [("float_model", 1e-5), ("int8_model", 0.02)])
    def test_tensorflows_interpreter_answers_the_same(
        self, fashion_models: Models, images: list[Path], kind: str, tolerance: float
    ) -> None:
        model = getattr(fashion_models, kind)
        litert = Classifier(model)
        only_tensorflow = Profile(
            name="board", description="board", threads=1, runtimes=("tensorflow",)
        )
        tensorflow = Classifier(model, device=only_tensorflow)
        assert (litert.runtime.name, tensorflow.runtime.name) == ("ai-edge-litert", "tensorflow")
        for path in images:
            inputs = litert.preprocess(path)
            expected = litert.probabilities(litert.logits(inputs))
            found = tensorflow.probabilities(tensorflow.logits(inputs))
            assert found == pytest.approx(expected, abs=tolerance)

    def test_it_says_what_it_is(self, fashion_models: Models) -> None:
        classifier = Classifier(fashion_models.int8_model, threads=2)
        assert (classifier.spec.height, classifier.spec.width, classifier.spec.channels) == (
            28,
            28,
            1,
        )
        assert (classifier.classes, classifier.threads) == (10, 2)
        assert classifier.path == fashion_models.int8_model
        assert classifier.bytes == fashion_models.int8_model.stat().st_size
        assert classifier.card.label(9) == "Ankle-boot"

    def test_labels_and_fit_override_the_cards(
        self, fashion_models: Models, tmp_path: Path, images: list[Path]
    ) -> None:
        names, ids = tmp_path / "names", tmp_path / "ids"
        names.write_text("".join(f"thing {i}\n" for i in range(10)))
        ids.write_text("".join(f"n{i}\n" for i in range(10)))
        ours = Classifier(fashion_models.float_model)
        theirs = Classifier(fashion_models.float_model, labels=names, ids=ids, fit="letterbox")
        assert theirs.card.fit == "letterbox"
        assert theirs.card.ids == tuple(f"n{i}" for i in range(10))
        first, second = ours.classify(images[0])[0], theirs.classify(images[0])[0]
        assert second == first._replace(label=f"thing {first.index}")
        names.write_text("too few\n")
        with pytest.raises(DatasetError, match="names 1 class, the network has 10 outputs"):
            Classifier(fashion_models.float_model, labels=names)

    def test_a_file_that_is_no_image_is_named(self, fashion_models: Models, tmp_path: Path) -> None:
        path = tmp_path / "photo.jpg"
        path.write_text("no photo")
        with pytest.raises(ImageError, match=r"photo\.jpg is not an image"):
            Classifier(fashion_models.float_model).classify(path)


class TestImages:
    """What a classifier takes for an image, and what not."""

    @pytest.fixture
    def classifier(self, fashion_models: Models) -> Classifier:
        return Classifier(fashion_models.int8_model)

    @pytest.fixture
    def rgb(self, tmp_path: Path) -> Classifier:
        model = tmp_path / "rgb.tflite"
        model.write_bytes(strangers.quantized_model("uint8", "uint8"))
        return Classifier(model, fit="crop")

    def test_a_path_an_array_and_a_pil_image_answer_alike(
        self, classifier: Classifier, images: list[Path]
    ) -> None:
        for path in images[::10]:
            grey = grey_pixels(path)
            expected = list(classifier.classify(path))
            with Image.open(path) as opened:
                for image in (str(path), grey, grey[:, :, 0], opened, opened.convert("RGB")):
                    assert list(classifier.classify(image)) == expected
            assert list(classifier.classify(np.repeat(grey, 3, axis=2))) == expected

    def test_colours_keep_their_order(self, rgb: Classifier, tmp_path: Path) -> None:
        pixels = strangers.photo_like(3)
        path = tmp_path / "photo.png"
        Image.fromarray(pixels).save(path)
        expected = rgb.classify(path).scores.tolist()
        # As OpenCV's blue, green, red is turned: a view with a negative stride.
        turned = np.ascontiguousarray(pixels[:, :, ::-1])[:, :, ::-1]
        for image in (pixels, turned, Image.fromarray(pixels)):
            assert rgb.classify(image).scores.tolist() == expected
        assert rgb.classify(turned[:, :, ::-1]).scores.tolist() != expected

    def test_a_pil_image_is_turned_upright_and_left_as_it_is(
        self, rgb: Classifier, tmp_path: Path
    ) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        path = tmp_path / "turned.png"
        Image.fromarray(strangers.photo_like(4)).save(path, exif=exif)
        with Image.open(path) as opened:
            size = opened.size
            found = rgb.classify(opened)
            assert opened.size == size
            assert opened.getpixel((0, 0)) == tuple(strangers.photo_like(4)[0, 0])
        assert list(found) == list(rgb.classify(path))

    @pytest.mark.parametrize(
        ("shape", "kind", "message"),
        [
            ((3, 4, 3), "float32", "an array of float32 is no image: pixels are uint8, 0 to 255"),
            ((3, 4, 4), "uint8", r"an array of shape \(3, 4, 4\) is no image: it has \(height, "),
            ((1, 3, 4, 3), "uint8", r"an array of shape \(1, 3, 4, 3\) is no image"),
            ((12,), "uint8", r"an array of shape \(12,\) is no image"),
            ((0, 4, 3), "uint8", r"an array of shape \(0, 4, 3\) is no image"),
            ((3, 4), "uint8", r"an array of shape \(3, 4\) is grey and the network takes RGB"),
        ],
    )
    def test_an_array_that_is_no_image_is_told(
        self, rgb: Classifier, shape: tuple[int, ...], kind: str, message: str
    ) -> None:
        with pytest.raises(ImageError, match=message):
            rgb.classify(np.zeros(shape, kind))  # type: ignore[arg-type]

    def test_a_pil_image_without_pixels_is_told(self, classifier: Classifier) -> None:
        with pytest.raises(ImageError, match="the image has no pixels"):
            classifier.classify(Image.new("L", (0, 0)))

    @pytest.mark.parametrize("image", [7, None, [[0, 0], [0, 0]], b"photo.jpg"])
    def test_anything_else_is_a_type_error(self, classifier: Classifier, image: Any) -> None:
        with pytest.raises(TypeError, match="an image is a path, a NumPy array or a PIL image, no"):
            classifier.classify(image)

    def test_no_class_at_all_cannot_be_asked_for(
        self, classifier: Classifier, images: list[Path]
    ) -> None:
        for top in (0, "2", 1.5, None):
            with pytest.raises(ValueError, match=f"^top is {top!r}, not an integer of at least 1$"):
                classifier.classify(images[0], top=top)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^least is '0\.5', not a number$"):
            classifier.classify(images[0]).reaching("0.5")  # type: ignore[arg-type]
        assert len(classifier.classify(images[0], top=np.int64(2))) == 2  # type: ignore[arg-type]

    def test_an_answer_is_its_predictions_and_more(
        self, classifier: Classifier, images: list[Path]
    ) -> None:
        answer = classifier.classify(images[0], top=3)
        assert len(answer) == 3
        assert answer[0] is answer.predictions[0]
        assert answer[1:] == answer.predictions[1:]
        assert answer.scores.shape == (10,)
        assert int(answer.scores.argmax()) == answer[0].index
        assert answer.milliseconds > 0
        assert classifier.load_milliseconds > 0


class TestDevice:
    """What the device decides."""

    def test_a_name_and_a_profile_say_the_same(self, fashion_models: Models) -> None:
        named = Classifier(str(fashion_models.int8_model), device="pi-zero2w")
        given = Classifier(fashion_models.int8_model, device=find_profile("pi-zero2w"))
        assert named.threads == given.threads == find_profile("pi-zero2w").usable_threads()
        assert Classifier(fashion_models.int8_model, device="pi-zero2w", threads=2).threads == 2

    def test_an_unknown_one_is_an_error(self, fashion_models: Models) -> None:
        with pytest.raises(DeviceError, match="unknown device 'toaster'"):
            Classifier(fashion_models.int8_model, device="toaster")

    def test_a_required_accelerator_must_be_there(self, fashion_models: Models) -> None:
        with pytest.raises(DeviceError, match="host has no accelerator"):
            Classifier(fashion_models.int8_model, delegate="required")
        with pytest.raises(DeviceError, match="is not compiled for the Edge TPU"):
            Classifier(fashion_models.int8_model, device="coral-usb", delegate="required")

    def test_what_stands_in_is_told(self, fashion_models: Models) -> None:
        with pytest.warns(TinyedgeWarning, match="is not compiled for the Edge TPU.*on the CPU"):
            Classifier(fashion_models.int8_model, device="coral-usb")

    def test_the_very_file_runs_without_a_word(self, fashion_models: Models) -> None:
        found = Classifier(fashion_models.int8_model, device="coral-usb", delegate="exact")
        assert (found.path, found.delegate) == (fashion_models.int8_model, None)


class TestScores:
    """From logits to predictions, on nets whose logits are known by construction."""

    def test_ties_go_to_the_lower_index(self, tmp_path: Path) -> None:
        model = write_linear_model(tmp_path / "model.tflite", ((1.0, 2.0, 1.0, 2.0, 2.0),))
        found = Classifier(model).classify(write_image(tmp_path / "white.png", 255), top=4)
        assert [prediction.index for prediction in found] == [1, 3, 4, 0]

    def test_more_than_there_are_is_all(self, tmp_path: Path) -> None:
        model = write_linear_model(tmp_path / "model.tflite", ((1.0, 2.0),))
        assert len(Classifier(model).classify(write_image(tmp_path / "white.png", 255), 99)) == 2

    def test_a_softmax_of_several_groups_with_temperature(self, tmp_path: Path) -> None:
        model = write_linear_model(
            tmp_path / "model.tflite", ((4.0, 0.0, 10.0, 10.0),), softmax_groups=2, temperature=2.0
        )
        found = Classifier(model).classify(write_image(tmp_path / "white.png", 255))
        # e^(4/2) against e^0 in the first group, 1:1 in the second; likeliest first over both.
        share = math.exp(2) / (math.exp(2) + 1)
        assert [prediction.index for prediction in found] == [0, 2, 3, 1]
        assert [prediction.probability for prediction in found] == pytest.approx(
            [share, 0.5, 0.5, 1 - share]
        )

    def test_without_a_softmax_scores_stay_what_they_are(self, tmp_path: Path) -> None:
        model = write_linear_model(
            tmp_path / "model.tflite", ((-3.0, 7.5),), softmax_groups=0, labels=("no", "yes")
        )
        found = Classifier(model).classify(write_image(tmp_path / "white.png", 255))
        assert list(found) == [Prediction(1, "yes", 7.5), Prediction(0, "no", -3.0)]

    def test_large_scores_do_not_overflow(self, tmp_path: Path) -> None:
        model = write_linear_model(tmp_path / "model.tflite", ((-5e4, 5e4, 4e4),))
        found = Classifier(model).classify(write_image(tmp_path / "white.png", 255))
        # Two probabilities underflow to 0; their logits still tell them apart.
        assert list(found) == [
            Prediction(1, "1", 1.0),
            Prediction(2, "2", 0.0),
            Prediction(0, "0", 0.0),
        ]


class TestOneOutput:
    """A model of one output: the probability of one class, or of the second of two."""

    def test_it_stands_as_it_is(self, tmp_path: Path) -> None:
        photo = write_image(tmp_path / "grey.png", 51)
        for number, labels in enumerate((None, ("dog",))):
            model = write_linear_model(
                tmp_path / f"{number}.tflite", ((1.0,),), softmax_groups=0, labels=labels
            )
            (found,) = Classifier(model).classify(photo)
            assert (found.index, found.label) == (0, labels[0] if labels else "0")
            assert found.probability == pytest.approx(0.2)

    @pytest.mark.parametrize(
        ("pixel", "order"), [(51, [0, 1]), (204, [1, 0]), (127, [0, 1]), (128, [1, 0])]
    )
    def test_two_labels_are_of_0_and_1(self, tmp_path: Path, pixel: int, order: list[int]) -> None:
        model = write_linear_model(
            tmp_path / "m.tflite", ((1.0,),), softmax_groups=0, labels=("cat", "dog")
        )
        found = Classifier(model).classify(write_image(tmp_path / "grey.png", pixel))
        assert [one.index for one in found] == order
        assert [one.label for one in found] == [("cat", "dog")[index] for index in order]
        of_class = {one.label: one.probability for one in found}
        assert of_class["dog"] == pytest.approx(pixel / 255)
        assert of_class["cat"] == pytest.approx(1 - pixel / 255)
        assert found.scores.shape == (1,)
        assert len(Classifier(model).classify(tmp_path / "grey.png", top=1)) == 1

    @pytest.mark.parametrize(
        ("labels", "names"),
        [(("cat", "dog"), ["cat", "dog"]), (("dog",), ["not dog", "dog"]), (None, ["0", "1"])],
    )
    def test_a_threshold_decides_which_comes_first(
        self, tmp_path: Path, labels: tuple[str, ...] | None, names: list[str]
    ) -> None:
        model = write_linear_model(
            tmp_path / "m.tflite", ((1.0,),), softmax_groups=0, labels=labels
        )
        # 0.2 of 255 is 51. At the threshold an output is not above it.
        for pixel, threshold, order in (
            *((50, 0.2, [0, 1]), (52, 0.2, [1, 0]), (255, 0.2, [1, 0])),
            *((0, 0.0, [0, 1]), (1, 0.0, [1, 0]), (255, 1.0, [0, 1])),
        ):
            photo = write_image(tmp_path / "grey.png", pixel)
            found = Classifier(model, threshold=threshold).classify(photo)
            assert [one.index for one in found] == order
            assert [one.label for one in found] == [names[index] for index in order]
            assert found[order.index(1)].probability == pytest.approx(pixel / 255)
            (answer,) = Classifier(model, threshold=threshold).classify(photo, top=1)
            assert answer.index == order[0]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"fit": "squeeze"}, "fit is 'squeeze', not one of crop, letterbox, stretch"),
            ({"delegate": "gpu"}, "delegate is 'gpu', not one of preferred, required, exact"),
            ({"threads": 0}, "threads is 0, not an integer from 1 to 1024"),
            ({"threads": -2}, "threads is -2, not an integer from 1 to 1024"),
            ({"threads": 1025}, "threads is 1025, not an integer from 1 to 1024"),
            ({"threads": 2.0}, "threads is 2.0, not an integer from 1 to 1024"),
            ({"threads": "2"}, "threads is '2', not an integer from 1 to 1024"),
            ({"threads": True}, "threads is True, not an integer from 1 to 1024"),
            ({"threshold": 2}, "threshold is 2, not a number from 0 to 1"),
            ({"threshold": "0.5"}, "threshold is '0.5', not a number from 0 to 1"),
            ({"threshold": np.nan}, "threshold is nan, not a number from 0 to 1"),
        ],
    )
    def test_an_argument_that_is_none_of_those_allowed(
        self, given: dict[str, Any], said: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match=f"^{said}$"):
            Classifier(tmp_path / "is never looked for", **given)

    def test_a_threshold_is_a_probability_and_for_one_output(self, tmp_path: Path) -> None:
        model = write_linear_model(tmp_path / "m.tflite", ((1.0,),), softmax_groups=0)
        for outside in (-0.1, 1.1, float("nan")):
            with pytest.raises(ValueError, match="threshold"):
                Classifier(model, threshold=outside)
        two = write_linear_model(tmp_path / "two.tflite", ((1.0, 0.0),))
        with pytest.raises(ModelError, match=r"it has 2 outputs, .* a threshold is for one output"):
            Classifier(two, threshold=0.5)

    def test_no_probability_is_none_of_two_classes(self, tmp_path: Path) -> None:
        photo = write_image(tmp_path / "white.png", 255)
        for value in (-3.0, 1.5):
            model = write_linear_model(
                tmp_path / f"{value}.tflite", ((value,),), softmax_groups=0, labels=("cat", "dog")
            )
            with pytest.raises(ModelError, match=f"answers with {value:g}, no probability"):
                Classifier(model).classify(photo)

    @pytest.mark.parametrize("rows", [((math.nan,),), ((math.nan, 1.0),)])
    def test_scores_that_are_no_numbers_are_an_error_of_their_photo(
        self, tmp_path: Path, rows: tuple[tuple[float, ...], ...]
    ) -> None:
        photo = write_image(tmp_path / "white.png", 255)
        classifier = Classifier(write_linear_model(tmp_path / "m.tflite", rows, softmax_groups=0))
        with pytest.raises(
            AnswerError, match=r"white\.png: \S+ answers with infinite scores or NaN"
        ):
            classifier.classify(photo)
        with pytest.raises(AnswerError, match=r"^the image: "):
            classifier.classify(np.full((1, 1), 255, np.uint8))

    def test_a_temperature_that_makes_infinities_of_scores(self, tmp_path: Path) -> None:
        model = write_linear_model(tmp_path / "m.tflite", ((9.0, 1.0),), temperature=1e-308)
        with pytest.raises(ModelError, match=r"temperature is 1e-308, not a number"):
            Classifier(model)

    def test_the_least_temperature_of_a_card_makes_no_infinities(self, tmp_path: Path) -> None:
        least, most = 2.0**-126, (2 - 2**-23) * 2.0**127
        model = write_linear_model(tmp_path / "m.tflite", ((most, -most),), temperature=least)
        found = Classifier(model).classify(write_image(tmp_path / "white.png", 255))
        assert [one.probability for one in found] == [1, 0]

    def test_a_step_of_int8_beyond_is_rounding(self, tmp_path: Path) -> None:
        model = write_linear_model(
            tmp_path / "m.tflite", ((1 + 1 / 256,),), softmax_groups=0, labels=("cat", "dog")
        )
        found = Classifier(model).classify(write_image(tmp_path / "white.png", 255))
        assert [one.probability for one in found] == [1, 0]

    def test_a_softmax_over_one_score_says_nothing(self, tmp_path: Path) -> None:
        model = write_linear_model(tmp_path / "m.tflite", ((1.0,),), softmax_groups=1)
        with pytest.warns(TinyedgeWarning, match="softmax over one score, which is 1 whatever"):
            Classifier(model)

    def test_a_strangers_is_a_probability_already(self, tmp_path: Path) -> None:
        names = tmp_path / "names"
        for content, tolerance in (
            (strangers.one_output(), 1e-6),
            (strangers.quantized_one_output(), 0.03),
        ):
            model = tmp_path / "model.tflite"
            model.write_bytes(content)
            for lines in ("dog\n", "cat\ndog\n"):
                names.write_text(lines)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", TinyedgeWarning)
                    classifier = Classifier(model, fit="stretch", labels=names)
                for seed in range(5):
                    pixels = strangers.photo_like(seed)
                    answer = classifier.classify(Image.fromarray(pixels))
                    found = {one.label: one.probability for one in answer}
                    assert found["dog"] == pytest.approx(
                        strangers.sigmoid_by_hand(pixels), abs=tolerance
                    )


class TestStrangers:
    """Files without our card."""

    @pytest.mark.parametrize("softmax", [False, True])
    def test_a_float_one(self, tmp_path: Path, softmax: bool) -> None:
        model = tmp_path / "model.tflite"
        model.write_bytes(strangers.float_model(softmax=softmax))
        self._assert_answers(model, tmp_path, tolerance=1e-6, mean=0, std=255)

    @pytest.mark.parametrize("softmax", [False, True])
    @pytest.mark.parametrize("types", [("int8", "int8"), ("uint8", "uint8"), ("uint8", "float32")])
    def test_a_quantized_one(self, tmp_path: Path, softmax: bool, types: tuple[str, str]) -> None:
        model = tmp_path / "model.tflite"
        model.write_bytes(strangers.quantized_model(*types, softmax=softmax))
        self._assert_answers(model, tmp_path, tolerance=0.03)

    def _assert_answers(
        self, model: Path, folder: Path, *, tolerance: float, **options: Any
    ) -> None:
        classifier = Classifier(model, fit="stretch", **options)
        for seed in range(100, 110):
            pixels = strangers.photo_like(seed)
            photo = folder / f"{seed}.png"
            Image.fromarray(pixels).save(photo)
            expected = strangers.softmax_by_hand(strangers.logits_by_hand(pixels))
            answer = {found.index: found.probability for found in classifier.classify(photo)}
            assert [answer[i] for i in range(5)] == pytest.approx(expected, abs=tolerance)
            assert sum(answer.values()) == pytest.approx(1, abs=0.02)

    def test_an_8_bit_pixel_is_its_own_input(self, tmp_path: Path) -> None:
        every_byte = np.arange(256, dtype=np.uint8).reshape(8, 32, 1)
        for kind, lowest in (("int8", -128), ("uint8", 0)):
            model = tmp_path / f"{kind}.tflite"
            model.write_bytes(strangers.quantized_model(kind, kind))
            steps = Classifier(model, fit="crop").spec.encode(every_byte.astype(np.float32) / 255)
            assert steps.dtype == kind
            assert np.array_equal(steps.astype(int) - lowest, every_byte)

    def test_its_classes_are_numbered_and_may_be_named(self, tmp_path: Path) -> None:
        model, names = tmp_path / "model.tflite", tmp_path / "names"
        model.write_bytes(strangers.float_model())
        names.write_text("a\nb\nc\nd\ne\n")
        for labels, name in ((None, "2"), (names, "c")):
            classifier = Classifier(model, fit="crop", labels=labels, mean=0, std=255)
            assert classifier.card.label(2) == name

    def test_how_to_fit_photos_must_be_said(self, tmp_path: Path) -> None:
        model = tmp_path / "model.tflite"
        model.write_bytes(strangers.float_model())
        assert refusal(model) == f"{model}{NO_CARD}"


def refusal(model: Path, **options: Any) -> str:
    """The message of the ModelError that the file raises."""
    with pytest.raises(ModelError) as error:
        Classifier(model, **options)
    return str(error.value)


class TestWrongFiles:
    """What cannot be run, and what is said about it."""

    def test_an_empty_one(self, tmp_path: Path) -> None:
        model = tmp_path / "model.tflite"
        model.touch()
        assert refusal(model) == f"{model} is empty"

    @pytest.mark.parametrize("content", [b"hello, I am a text file\n" * 50, b"\0", b"\0" * 1000])
    def test_no_model_at_all(self, tmp_path: Path, content: bytes) -> None:
        model = tmp_path / "model.tflite"
        model.write_bytes(content)
        message = refusal(model)
        assert message.startswith(f"{model}: no .tflite file that can be run: ")
        assert "\n" not in message

    @pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9])
    def test_one_cut_short(self, fashion_models: Models, tmp_path: Path, share: float) -> None:
        content = fashion_models.int8_model.read_bytes()
        with zipfile.ZipFile(fashion_models.int8_model) as archive:
            end = archive.getinfo("model_card.json").header_offset
        model = tmp_path / "model.tflite"
        model.write_bytes(content[: int(share * end)])
        assert "no .tflite file that can be run: " in refusal(model)

    def test_one_whose_card_alone_is_cut_short(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        model = tmp_path / "model.tflite"
        model.write_bytes(fashion_models.int8_model.read_bytes()[:-100])
        assert refusal(model) == f"{model}{NO_CARD}"

    def test_two_inputs(self, tmp_path: Path) -> None:
        assert self._message(tmp_path, strangers.two_inputs()) == (
            "an image classifier has one input tensor, this model has 2"
        )

    def test_two_outputs(self, tmp_path: Path) -> None:
        assert self._message(tmp_path, strangers.two_outputs()) == (
            "an image classifier has one output tensor, this model has 2"
        )

    def test_a_grid_of_boxes(self, tmp_path: Path) -> None:
        assert self._message(tmp_path, strangers.grid_output()) == (
            "its output has shape (1, 3, 12); an image classifier gives one score a class,"
            " (1, classes)"
        )

    def test_no_image_in(self, tmp_path: Path) -> None:
        assert self._message(tmp_path, strangers.flat_input()) == (
            "its input has shape (1, 8); an image classifier takes one photo,"
            " (1, height, width, 1 or 3)"
        )

    def test_an_open_size(self, tmp_path: Path) -> None:
        assert self._message(tmp_path, strangers.open_size()) == (
            "the size of its input is left open; tinyedge runs models of a fixed one:"
            " convert it again with a height and a width"
        )

    def _message(self, folder: Path, content: bytes) -> str:
        model = folder / "model.tflite"
        model.write_bytes(content)
        message = refusal(model, fit="crop")
        assert message.startswith(f"{model}: ")
        return message.removeprefix(f"{model}: ")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (
                {"classes": 6},
                "its card says 3x4x3 and 6 classes, its tensors 3x4x3 and 5;"
                " export the model again",
            ),
            (
                {"height": 4, "width": 3},
                "its card says 4x3x3 and 5 classes, its tensors 3x4x3 and 5;"
                " export the model again",
            ),
            (
                {"labels": ("one",)},
                "its model card is damaged (1 label for 5 classes); export the model again",
            ),
            (
                {"ids": ("n1", "n2")},
                "its model card is damaged (2 ids for 5 classes); export the model again",
            ),
        ],
        ids=["classes", "size", "labels", "ids"],
    )
    def test_a_card_of_another_model(
        self, tmp_path: Path, wrong: dict[str, Any], message: str
    ) -> None:
        right = {"name": "x", "height": 3, "width": 4, "channels": 3, "classes": 5}
        card = ModelCard(
            **{**right, "fit": "crop", "quantization": "float32", "softmax_groups": 1, **wrong}
        )
        model = tmp_path / "model.tflite"
        model.write_bytes(append_card(strangers.float_model(), card))
        assert refusal(model) == f"{model}: {message}"

    def test_a_missing_one_is_an_oserror(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            Classifier(tmp_path / "none.tflite")
