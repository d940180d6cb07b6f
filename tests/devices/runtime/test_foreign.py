"""Files that others made: fed as their authors fed them, read as they mean it."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.commands import run_as_user, run_in_process
from tests.support.foreign import (
    BYTES,
    IMAGENET,
    SIGNED,
    UNIT,
    Scale,
    float_model,
    integer_model,
    probability,
    with_metadata,
    write_grey,
    write_photos,
)
from tests.support.tflite_writer import TYPES, Op, T, constant, write_model
from tinyedge.devices.runtime.classifier import Classifier, open_models
from tinyedge.errors import ModelError, TinyedgeWarning

GREYS = (0, 40, 100, 127, 128, 160, 255)
# Of an int8 answer: half a step of the probability, one of the logits and one of the pixel.
INT8 = 0.02
THREE = {"0..1": UNIT, "-1..1": SIGNED, "0..255": BYTES}


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def light(classifier: Classifier, grey: int) -> float:
    """The probability it gives a grey pixel of being light, class 1."""
    answer = classifier.classify(np.full((1, 1, 3), grey, np.uint8), top=2)
    return {one.index: one.probability for one in answer}[1]


def check_answers(classifier: Classifier, within: float) -> None:
    for grey in GREYS:
        assert light(classifier, grey) == pytest.approx(probability(grey), abs=within), grey


def notes(path: Path, **options: object) -> tuple[Classifier, list[str]]:
    """The classifier, and what it warns of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        classifier = Classifier(path, fit="stretch", **options)  # type: ignore[arg-type]
    return classifier, [str(each.message) for each in found]


class TestPixels:
    """Float and integer files of one network, on every pixel scale."""

    @pytest.mark.parametrize("scale", [UNIT, SIGNED, BYTES, IMAGENET])
    def test_a_float_file_is_fed_as_the_user_says(self, tmp_path: Path, scale: Scale) -> None:
        path = written(tmp_path / "a.tflite", float_model(scale))
        classifier, said = notes(path, mean=scale.mean, std=scale.std)
        check_answers(classifier, 1e-6)
        assert said == []

    @pytest.mark.parametrize("scale", [UNIT, SIGNED, BYTES, IMAGENET])
    @pytest.mark.parametrize("kind", ["float32", "int8", "uint8"])
    def test_metadata_say_it_for_all_types(self, tmp_path: Path, scale: Scale, kind: str) -> None:
        made = float_model(scale) if kind == "float32" else integer_model(scale, kind)
        path = written(tmp_path / "a.tflite", with_metadata(made, scale))
        classifier, said = notes(path)
        check_answers(classifier, 1e-6 if kind == "float32" else INT8)
        assert said == []
        assert classifier.card.labels == ("dark", "light")

    @pytest.mark.parametrize("name", THREE)
    @pytest.mark.parametrize("kind", ["int8", "uint8"])
    def test_an_integer_input_shows_its_own_scale(
        self, tmp_path: Path, name: str, kind: str
    ) -> None:
        path = written(tmp_path / "a.tflite", integer_model(THREE[name], kind))
        classifier, said = notes(path)
        check_answers(classifier, INT8)
        assert (said, classifier.pixels_known) == ([], True)

    @pytest.mark.parametrize("said_by", ["metadata", "scale"])
    def test_it_is_not_the_byte_that_counts(self, tmp_path: Path, said_by: str) -> None:
        """Calibrated on photos without white: the byte would be up to 20 % too dark."""
        model = integer_model(SIGNED, range_=(-1.0, 0.6))
        if said_by == "metadata":
            model = with_metadata(model, SIGNED)
        classifier, _ = notes(written(tmp_path / "a.tflite", model))
        for grey in (0, 100, 150, 200):
            assert light(classifier, grey) == pytest.approx(probability(grey), abs=INT8)
        # What is beyond the range is as bright as its end.
        assert light(classifier, 255) == pytest.approx(probability(0.8 * 255), abs=INT8)

    @pytest.mark.parametrize(
        ("said", "calibrated"), [(BYTES, UNIT), (UNIT, BYTES), (SIGNED, UNIT), (BYTES, SIGNED)]
    )
    def test_metadata_that_contradict_the_input_are_passed_over(
        self, tmp_path: Path, said: Scale, calibrated: Scale
    ) -> None:
        model = with_metadata(integer_model(calibrated), said)
        classifier, found = notes(written(tmp_path / "a.tflite", model))
        check_answers(classifier, INT8)
        assert len(found) == 1
        assert "but its input holds" in found[0]
        assert "each pixel's own byte is fed" in found[0]

    def test_where_nobody_knows_it_is_said(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.tflite", float_model(SIGNED))
        classifier, found = notes(path)
        assert found == [
            f"{path}: it does not say what its pixels are: they are fed as 0 to 1, and its answers"
            " are wrong if it was trained on others: --pixels -1..1 or 0..255, or --mean and --std"
        ]
        assert not classifier.pixels_known
        # By the byte, so that an input of any linear scale is nearly right.
        path = written(tmp_path / "b.tflite", integer_model(IMAGENET))
        classifier, found = notes(path)
        assert found == [
            f"{path}: it does not say what its pixels are, and its input holds -2.13 to 2.63: each"
            " pixel's own byte is fed; if its answers are wrong, say what pixels become: --mean and"
            " --std"
        ]
        check_answers(classifier, 0.06)

    def test_a_user_who_contradicts_the_input_is_told(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.tflite", integer_model(BYTES))
        _, found = notes(path, mean=0.0, std=255.0)
        assert found == [
            f"{path}: its input holds 0 to 255, and pixels become 0 to 1 as you say: is that so?"
        ]

    @pytest.mark.parametrize(
        ("mean", "std", "why"),
        [
            (1.0, None, "a mean without a std"),
            (None, 1.0, "a mean without a std"),
            ((1.0, 2.0), (1.0,), "mean is 1,2: it is one number, or three"),
            (0.0, 0.0, "std is 0: it is above 0"),
            (float("nan"), 1.0, "mean is nan: its numbers are between -1,000,000 and 1,000,000"),
            (0.0, float("inf"), "std is inf: its numbers are between"),
            ((0.0, 1e9, 0.0), 1.0, r"mean is 0,1e\+09,0: its numbers are between"),
            ("black", 1.0, "mean is 'black': it is one number, or three"),
            ([None], 1.0, r"mean is \[None\]: it is one number, or three"),
            (0.0, 10**400, "std is an integer of 1329 bits: it is one number, or three"),
        ],
    )
    def test_what_is_no_mean_or_std(
        self, tmp_path: Path, mean: object, std: object, why: str
    ) -> None:
        path = written(tmp_path / "a.tflite", float_model(UNIT))
        with pytest.raises(ModelError, match=why):
            notes(path, mean=mean, std=std)

    @pytest.mark.parametrize("kind", [list, tuple, np.array, np.float32])
    def test_a_mean_and_a_std_may_be_lists_or_arrays(self, tmp_path: Path, kind: Any) -> None:
        path = written(tmp_path / "a.tflite", float_model(IMAGENET))
        classifier, _ = notes(path, mean=kind(IMAGENET.mean), std=kind(IMAGENET.std))
        check_answers(classifier, 1e-5)

    def test_a_letterbox_has_grey_bars_on_every_scale(self, tmp_path: Path) -> None:
        for scale in (UNIT, SIGNED, BYTES, IMAGENET):
            path = written(tmp_path / "a.tflite", with_metadata(float_model(scale), scale))
            classifier = Classifier(path, fit="letterbox")
            inputs = classifier.preprocess(np.zeros((1, 2, 3), np.uint8))
            # So flat a photo rounds to nothing: bars alone.
            expected = (127.5 - np.array(scale.mean)) / np.array(scale.std)
            assert inputs.reshape(-1) == pytest.approx(expected, rel=1e-5)


def test_an_output_of_integers_without_a_scale_is_told_as_it_is(tmp_path: Path) -> None:
    """As uint8 scores that a CAST makes: there is nothing to multiply them by."""
    image = T((1, 1, 1, 3), "float32")
    sums = T((1, 3), "float32")
    path = written(
        tmp_path / "m.tflite",
        write_model(
            Op("RESHAPE", [image, constant([1, 3], "int32")], [sums]),
            Op(
                "CAST",
                [0],
                [T((1, 3), "uint8", scale=0)],
                "CastOptions",
                {"inDataType": TYPES["float32"], "outDataType": TYPES["uint8"]},
            ),
        ),
    )
    classifier, _ = notes(path, mean=0.0, std=1.0)
    pixels = np.array([[[7, 200, 31]]], np.uint8)
    found = classifier.classify(pixels)
    assert found.scores.tolist() == [7, 200, 31]
    assert found[0].index == 1


class TestLabels:
    """Those in the zip behind the model."""

    def test_the_first_list_is_taken_and_the_user_overrides(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.tflite", with_metadata(float_model(UNIT), UNIT))
        names = tmp_path / "names.txt"
        names.write_text("night\nday\n")
        assert Classifier(path, fit="stretch").card.labels == ("dark", "light")
        assert Classifier(path, fit="stretch", labels=names).card.labels == ("night", "day")

    @pytest.mark.parametrize(
        ("files", "why"),
        [
            ({}, "'labels.txt' is not in the zip behind the model"),
            ({"other.txt": "a\nb\n"}, "'labels.txt' is not in the zip behind the model"),
            ({"labels.txt": "a\n"}, "names 1 class"),
            ({"labels.txt": "a\n\n"}, "names 1 class"),
        ],
    )
    def test_lists_that_are_no_use_are_said(
        self, tmp_path: Path, files: dict[str, str], why: str
    ) -> None:
        model = with_metadata(float_model(UNIT), UNIT, files)
        classifier, found = notes(written(tmp_path / "a.tflite", model))
        assert classifier.card.labels is None
        assert len(found) == 1
        assert found[0].startswith(f"{tmp_path / 'a.tflite'}: ")
        assert found[0].endswith("; classes have no names here")
        assert why in found[0]

    def test_damaged_metadata_are_passed_over_aloud(self, tmp_path: Path) -> None:
        model = with_metadata(float_model(UNIT), UNIT)
        damaged = model.replace(b"M001", b"M002")
        classifier, found = notes(written(tmp_path / "a.tflite", damaged))
        assert "its metadata are passed over, for they are damaged: it does not bear" in found[0]
        assert "it does not say what its pixels are" in found[1]
        check_answers(classifier, 1e-6)


class TestCommands:
    """`run` and `compare`, as a user has them."""

    def test_run(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.tflite", float_model(SIGNED))
        photo = write_grey(tmp_path / "p.png", 100)
        for options in (("--pixels", "-1..1"), ("--mean", "127.5", "--std", "127.5")):
            words = ("run", path, photo, "--fit", "stretch", "--json", *options)
            (line,) = run_in_process(*words).stdout.splitlines()
            best = json.loads(line)["predictions"][0]
            assert best["index"] == 0
            assert best["probability"] == pytest.approx(1 - probability(100), abs=1e-6)

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            (("--mean", "1"), "--mean and --std go together"),
            (("--mean", "x", "--std", "1"), "'x' is not a number, or three"),
            (("--mean", "1,2", "--std", "1"), "'1,2' is not a number, or three"),
            (("--pixels", "0..1", "--mean", "0", "--std", "1"), "--pixels stands for --mean"),
            (("--mean", "0", "--std", "0"), "std is 0: it is above 0"),
        ],
    )
    def test_options_that_say_nothing(
        self, tmp_path: Path, options: tuple[str, ...], why: str
    ) -> None:
        path = written(tmp_path / "a.tflite", float_model(SIGNED))
        photo = write_grey(tmp_path / "p.png", 100)
        done = run_as_user("run", path, photo, "--fit", "stretch", *options)
        assert done.returncode == 2
        assert why in done.stderr

    @pytest.mark.parametrize("name", THREE)
    @pytest.mark.parametrize("kind", ["int8", "uint8"])
    def test_compare_feeds_both_as_their_author_did(
        self, tmp_path: Path, name: str, kind: str
    ) -> None:
        scale = THREE[name]
        files = (
            written(tmp_path / "float.tflite", float_model(scale)),
            written(tmp_path / "int8.tflite", integer_model(scale, kind)),
        )
        data = write_photos(tmp_path / "photos", range(5, 250, 10))
        names = tmp_path / "labels.txt"
        names.write_text("dark\nlight\n")
        words = ("compare", *files, "--data", data, "--fit", "stretch", "--labels", names)
        result = run_in_process(*words, "--json")
        found = json.loads(result.stdout)
        assert (found["float"]["top1"], found["int8"]["top1"], found["agreement"]) == (100,) * 3
        assert f"they become {' to '.join(name.split('..'))}, as in {files[1]}" in result.stderr

    def test_a_float_file_that_is_worse_was_fed_wrongly(self, tmp_path: Path) -> None:
        """On ImageNet's scale 0 to 1 is bright: every photo is light."""
        files = (
            written(tmp_path / "float.tflite", float_model(IMAGENET)),
            written(tmp_path / "int8.tflite", integer_model(IMAGENET)),
        )
        data = write_photos(tmp_path / "photos", range(5, 250, 5))
        names = tmp_path / "labels.txt"
        names.write_text("dark\nlight\n")
        words = ("compare", *files, "--data", data, "--fit", "stretch", "--labels", names)
        for budget in ((), ("--max-drop", "5")):
            done = run_as_user(*words, *budget)
            assert done.returncode == 3, done.stderr
            assert "verdict      INCONCLUSIVE: the float file is worse" in done.stdout
            assert "--pixels, or --mean and --std" in done.stdout
        found = json.loads(run_as_user(*words, "--json").stdout)
        assert (found["verdict"], found["float_worse"]) == ("inconclusive", True)
        done = run_as_user(*words, "--max-drop", "20", *IMAGENET.options())
        assert done.returncode == 0, done.stdout
        assert "verdict      PASS" in done.stdout

    def test_two_opened_models_stay_as_they_are(self, tmp_path: Path) -> None:
        paths = (
            written(tmp_path / "float.tflite", float_model(UNIT)),
            written(tmp_path / "int8.tflite", integer_model(UNIT)),
        )
        with pytest.warns(TinyedgeWarning):
            opened = Classifier(paths[0], fit="stretch")
        pair = open_models([opened, paths[1]], fit="stretch")
        assert pair[0] is opened
