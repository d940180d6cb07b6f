"""Comparisons worked by hand: models whose scores are the pixels, in photos of three pixels."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.linear_model import Rows, write_image, write_linear_model
from tinyedge.accuracy.budgets import Budgets
from tinyedge.accuracy.compare import Comparisons, compare_models
from tinyedge.accuracy.gates import worst_verdict
from tinyedge.accuracy.result import (
    ClassName,
    ClassResult,
    Comparison,
    FlipAnswer,
    SkippedImage,
)
from tinyedge.accuracy.statistics import drop_interval
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import AnswerError, DatasetError, ImageError, ModelError, TinyedgeWarning
from tinyedge.files import file_sha256
from tinyedge.images.image_list import LabelledImage
from tinyedge.progress import Advance

# The "int8" model sees class 0 at half its score.
IDENTITY: Rows = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
HALVED: Rows = ((0.5, 0, 0), (0, 1, 0), (0, 0, 1))
PHOTOS = [
    # label, pixels: what float and int8 answer
    (0, (255, 0, 0)),  # 0, 0
    (0, (200, 150, 0)),  # 0, 1: lost
    (0, (220, 180, 0)),  # 0, 1: lost
    (1, (201, 150, 0)),  # 0, 1: gained
    (2, (10, 10, 10)),  # a tie of all, a tie of 1 and 2: 0, 1, both wrong
    (2, (0, 0, 9)),  # 2, 2
]


def compare(
    float_model: Classifier,
    int8_model: Classifier,
    images: Sequence[LabelledImage | Path],
    **how: Any,
) -> Comparison:
    """Of one model with the reference, in this thread."""
    (found,) = compare_models(float_model, [int8_model], images, **how).each
    return found


def photos(folder: Path) -> list[LabelledImage]:
    return [
        LabelledImage(write_image(folder / f"{number}.png", *pixels), label)
        for number, (label, pixels) in enumerate(PHOTOS)
    ]


def classifier(path: Path, rows: Rows = IDENTITY, **card: Any) -> Classifier:
    return Classifier(write_linear_model(path, rows, **card))


def models(folder: Path, **card: Any) -> tuple[Classifier, Classifier]:
    return (
        classifier(folder / "f.tflite", IDENTITY, **card),
        classifier(folder / "i.tflite", HALVED, quantization="int8", **card),
    )


def compared(folder: Path, max_drop: float | None = None, **card: Any) -> Comparison:
    return compare(*models(folder, **card), photos(folder), budgets=Budgets(max_drop))


def test_counts_worked_by_hand(tmp_path: Path) -> None:
    found = compared(tmp_path)
    assert (found.images, found.classes, found.top_k) == (6, 3, 3)
    assert found.float_model.top1 == pytest.approx(100 * 4 / 6)
    assert found.int8_model.top1 == pytest.approx(100 * 3 / 6)
    assert (found.float_model.top5, found.int8_model.top5) == (100, 100)
    assert found.drop == pytest.approx(100 / 6)
    assert (found.lost, found.gained, found.mcnemar_p) == (2, 1, 1.0)
    assert found.interval.low < 0 < found.drop < found.interval.high
    assert found.agreement == pytest.approx(100 * 2 / 6)
    # (0, 0, 9) and (255, 0, 0) tie at the bottom only.
    assert (found.float_model.ties, found.int8_model.ties) == (1, 1)
    assert found.worst_classes == (ClassResult(0, "0", 3, 3, 1, 1.0),)
    assert (found.skipped, found.duplicates) == ((), 0)
    assert found.float_model.bytes == (tmp_path / "f.tflite").stat().st_size
    assert min(found.float_model.milliseconds, found.int8_model.milliseconds) > 0
    assert (found.max_drop, found.verdict, found.images_needed) == (None, None, None)


def test_divergence_worked_by_hand(tmp_path: Path) -> None:
    def softmax(scores: list[float]) -> list[float]:
        total = sum(math.exp(score) for score in scores)
        return [math.exp(score) / total for score in scores]

    values = []
    for _, (a, b, c) in PHOTOS:
        p = softmax([a / 255, b / 255, c / 255])
        q = softmax([a / 510, b / 255, c / 255])
        values.append(sum(x * math.log(x / y) for x, y in zip(p, q, strict=True)))
    values.sort()
    found = compared(tmp_path).divergence
    assert found is not None
    assert found.mean == pytest.approx(sum(values) / 6, rel=1e-5)
    # 95 % of the way from the first of six to the last: a quarter of a step before the last.
    assert found.p95 == pytest.approx(values[4] + 0.75 * (values[5] - values[4]), rel=1e-5)


def test_divergence_is_that_of_the_softmax_at_its_temperature(tmp_path: Path) -> None:
    # (255, 0, 0) at a fifth: logits 5, 0, 0 and 2.5, 0, 0.
    images = photos(tmp_path)[:1]
    found = compare(*models(tmp_path, temperature=0.2), images).divergence
    p_sum, q_sum = math.exp(5) + 2, math.exp(2.5) + 2
    expected = math.exp(5) / p_sum * 2.5 - math.log(p_sum / q_sum)
    assert found is not None
    assert found.mean == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("groups", [0, 3])
def test_scores_of_no_single_softmax_have_no_divergence(tmp_path: Path, groups: int) -> None:
    found = compared(tmp_path, softmax_groups=groups)
    assert found.divergence is None
    assert found.drop == pytest.approx(100 / 6)


def test_top5_counts_five_of_six_classes(tmp_path: Path) -> None:
    six: Rows = tuple(tuple(float(row == column) for column in range(6)) for row in range(6))
    last = write_image(tmp_path / "last.png", 9, 8, 7, 6, 5, 4)
    images = [LabelledImage(last, label) for label in (3, 4, 5)]
    pair = classifier(tmp_path / "f", six), classifier(tmp_path / "i", six, quantization="int8")
    found = compare(*pair, images)
    assert found.top_k == 5
    assert found.float_model.top5 == pytest.approx(100 * 2 / 3)
    assert found.duplicates == 2


def test_without_labels_there_is_agreement_and_no_accuracy(tmp_path: Path) -> None:
    images = [image.path for image in photos(tmp_path)]
    found = compare(*models(tmp_path), images, budgets=Budgets(min_agreement=90))
    labelled = compared(tmp_path)
    assert (found.labelled, labelled.labelled) == (False, True)
    assert (found.drop, found.interval, found.lost, found.gained) == (None,) * 4
    assert (found.float_model.top1, found.int8_model.top5, found.mcnemar_p) == (None,) * 3
    assert found.agreement == labelled.agreement
    assert found.divergence == labelled.divergence
    assert found.int8_model.ties == labelled.int8_model.ties
    assert [gate.name for gate in found.gates] == ["min_agreement", "max_kl"]
    # Wilson: of 2 in 6 at most 70 %.
    assert found.verdict == "fail"
    assert [flip.truth for flip in found.flips] == [None] * 4


def test_a_budget_for_the_drop_needs_labels(tmp_path: Path) -> None:
    images = [image.path for image in photos(tmp_path)]
    with pytest.raises(DatasetError, match=r"have no labels.*--min-agreement and --max-kl"):
        compare(*models(tmp_path), images, budgets=Budgets(max_drop=1))


def test_some_with_labels_and_some_without_are_refused(tmp_path: Path) -> None:
    images: Any = photos(tmp_path)
    images[0] = images[0].path
    with pytest.raises(ValueError, match="5 of the 6 images have labels"):
        compare(*models(tmp_path), images)


@pytest.mark.parametrize("groups", [0, 3])
def test_a_budget_for_the_divergence_needs_one_softmax(tmp_path: Path, groups: int) -> None:
    both = models(tmp_path, softmax_groups=groups)
    with pytest.raises(ModelError, match="use --min-agreement for --max-kl"):
        compare(*both, photos(tmp_path), budgets=Budgets(max_kl=1))


def test_flips_worked_by_hand(tmp_path: Path) -> None:
    found = compared(tmp_path).flips
    # (220, 180, 0) as (220, 180, 0) / 255 and as (110, 180, 0) / 255.
    before, after = ([math.exp(x / 255) for x in row] for row in ((220, 180, 0), (110, 180, 0)))
    flip = next(flip for flip in found if flip.path.name == "2.png")
    assert flip.truth == ClassName(0, "0")
    assert flip.float_answer == FlipAnswer(0, "0", pytest.approx(before[0] / sum(before), rel=1e-5))
    assert flip.int8_answer == FlipAnswer(1, "1", pytest.approx(after[1] / sum(after), rel=1e-5))
    assert {flip.path.name for flip in found} == {"1.png", "2.png", "3.png", "4.png"}
    divergences = [flip.divergence for flip in found]
    assert divergences == sorted(divergences, reverse=True)
    assert flip.divergence == max(divergences)


def test_flips_of_one_output_have_the_probability_of_the_answer(tmp_path: Path) -> None:
    found = compare(*of_one(tmp_path, labels=("dog",)), grey_photos(tmp_path)).flips
    # 110 and 120 are no dog to float, and times 1.25 are one; without a KL the surest first.
    assert [flip.path.name for flip in found] == ["3.png", "1.png"]
    assert found[0].float_answer == FlipAnswer(0, "not dog", pytest.approx(1 - 110 / 255))
    assert found[0].int8_answer == FlipAnswer(1, "dog", pytest.approx(1.25 * 110 / 255))
    assert found[0].divergence is None


def test_the_worst_of_several_gates_decides(tmp_path: Path) -> None:
    images, both = photos(tmp_path), models(tmp_path)
    for budgets, expected in (
        (Budgets(max_drop=100, min_agreement=0), "pass"),
        (Budgets(max_drop=1, min_agreement=0), "inconclusive"),
        (Budgets(max_drop=1, min_agreement=99), "fail"),
        (Budgets(max_drop=100, min_agreement=99), "fail"),
        # Six images are too few for an interval of the KL.
        (Budgets(max_kl=1000), "inconclusive"),
    ):
        assert compare(*both, images, budgets=budgets).verdict == expected


def test_verdicts(tmp_path: Path) -> None:
    assert compared(tmp_path, max_drop=100).verdict == "pass"
    open_question = compared(tmp_path, max_drop=1)
    assert open_question.verdict == "inconclusive"
    assert open_question.images_needed is not None
    assert open_question.images_needed > 6


def test_a_certain_loss_fails(tmp_path: Path) -> None:
    wrong: Rows = ((0, 1, 0), (0, 0, 1), (1, 0, 0))
    images = [
        LabelledImage(write_image(tmp_path / f"{value}.png", value, 0, 0), 0)
        for value in range(100, 120)
    ]
    pair = classifier(tmp_path / "f"), classifier(tmp_path / "i", wrong, quantization="int8")
    found = compare(*pair, images, budgets=Budgets(50))
    assert (found.drop, found.lost, found.verdict) == (100, 20, "fail")
    assert found.images_needed is None


@pytest.mark.parametrize("budget", [-0.1, 100.1, math.nan, math.inf])
def test_a_budget_is_0_to_100_points(tmp_path: Path, budget: float) -> None:
    with pytest.raises(ValueError, match="0 to 100 points"):
        compared(tmp_path, max_drop=budget)


def test_progress_is_told_of_every_image(tmp_path: Path) -> None:
    images = photos(tmp_path)
    images[2].path.write_bytes(b"no image")
    told: list[object] = []

    def progress(
        description: str, steps: int | None = 1, *, weight: float = 1.0, unit: str = ""
    ) -> Advance:
        del weight
        told.append((description, steps, unit))
        return lambda count=1, /: told.append(count)

    compare(*models(tmp_path), images, progress=progress)
    assert told == [("Comparing", 6, "images"), 1, 1, 1, 1, 1, 1]


def test_unreadable_images_are_left_out_and_told(tmp_path: Path) -> None:
    images = photos(tmp_path)
    images[1].path.write_bytes(b"no image")
    images[2].path.unlink()
    found = compare(*models(tmp_path), images)
    assert (found.images, found.lost, found.gained) == (4, 0, 1)
    assert [item.path for item in found.skipped] == [images[1].path, images[2].path]
    assert all(
        isinstance(item, SkippedImage) and str(item.path) in item.reason for item in found.skipped
    )


def test_unreadable_images_are_an_error_where_they_were_named(tmp_path: Path) -> None:
    images = photos(tmp_path)
    images[3].path.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"3\.png"):
        compare(*models(tmp_path), images, skip_unreadable=False)


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    images = photos(tmp_path)
    for image in images:
        image.path.write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"none of the 6 images could be read.*0\.png"):
        compare(*models(tmp_path), images)
    with pytest.raises(DatasetError, match="none of the 0 images"):
        compare(*models(tmp_path), [])


@pytest.mark.parametrize("which", ["float", "int8"])
def test_calibration_images_are_refused(tmp_path: Path, which: str) -> None:
    images = photos(tmp_path)
    # A copy under another name is the same photo.
    hashes = tuple(file_sha256(image.path) for image in images[:4])
    moved = images[0].path.rename(tmp_path / "moved.png")
    images[0] = LabelledImage(moved, 0)
    f = classifier(tmp_path / "f", calibration_sha256=hashes if which == "float" else ())
    i = classifier(
        tmp_path / "i", quantization="int8", calibration_sha256=hashes if which == "int8" else ()
    )
    with pytest.raises(DatasetError) as caught:
        compare(f, i, images)
    message = str(caught.value)
    assert message.startswith("4 of the 6 images calibrated the model")
    assert "moved.png" in message
    assert "2.png, ...)" in message
    assert "3.png" not in message
    assert "--calib" in message


def test_models_of_different_classes_are_refused(tmp_path: Path) -> None:
    two = classifier(tmp_path / "two", ((1, 0), (0, 1), (0, 0)), quantization="int8")
    with pytest.raises(ModelError, match=r"3 classes.*two has 2"):
        compare(classifier(tmp_path / "f"), two, photos(tmp_path))


def test_models_of_different_labels_are_refused(tmp_path: Path) -> None:
    cats = classifier(tmp_path / "f", labels=("cat", "dog", "eel"))
    cows = classifier(tmp_path / "i", labels=("cat", "cow", "eel"), quantization="int8")
    with pytest.raises(ModelError, match=r"class 1 is 'dog' in .*f and 'cow' in .*i"):
        compare(cats, cows, photos(tmp_path))


def test_labels_of_either_model_name_the_classes(tmp_path: Path) -> None:
    f = classifier(tmp_path / "f")
    i = classifier(tmp_path / "i", HALVED, quantization="int8", labels=("cat", "dog", "eel"))
    assert compare(f, i, photos(tmp_path)).worst_classes[0].label == "cat"


def test_models_of_different_fit_are_refused(tmp_path: Path) -> None:
    other = classifier(tmp_path / "crop", fit="crop", quantization="int8")
    with pytest.raises(ModelError, match=r"3x1x1, stretch.*3x1x1, crop"):
        compare(classifier(tmp_path / "f"), other, photos(tmp_path))


def test_models_of_different_sizes_are_compared_with_a_note(tmp_path: Path) -> None:
    """Four pixels of which the last counts for nothing: the middle ones of three are mixed."""
    rows: Rows = ((1, 0, 0), (0, 1.5, 0), (0, 0, 1.5), (0, 0, 0))
    wide = classifier(tmp_path / "wide", rows, quantization="int8")
    images = photos(tmp_path)
    with pytest.warns(TinyedgeWarning, match="3x1x1, stretch.*4x1x1, stretch.*that of the size"):
        found = compare(classifier(tmp_path / "f"), wide, images)
    alone = compare(classifier(tmp_path / "again", rows), wide, images)
    assert found.int8_model.top1 == alone.int8_model.top1
    assert found.float_model.top1 == pytest.approx(100 * 4 / 6)


def test_several_models_are_each_compared_with_the_first(tmp_path: Path) -> None:
    reference, halved = models(tmp_path)
    second = classifier(tmp_path / "j", ((1, 0, 0), (0, 1, 0), (0, 0, 0.01)), quantization="int8")
    images = photos(tmp_path)
    found = compare_models(reference, [halved, second], images, budgets=Budgets(max_drop=90))
    for each, other in zip(found.each, (halved, second), strict=True):
        alone = compare(reference, other, images, budgets=Budgets(max_drop=90))
        assert without_times(each) == without_times(alone)
    # Halved and second say 0 0, 1 0, 1 0, 1 0, 1 0, 2 2 of labels 0 0 0 1 2 2.
    (pair,) = found.pairs
    assert pair.models == (1, 2)
    assert pair.agreement == pytest.approx(100 * 2 / 6)
    assert (pair.lost, pair.gained) == (1, 2)
    assert found.verdict == worst_verdict(each.verdict for each in found.each)
    assert found.observed.top1.tolist() == [[0, 0, 0, 0, 0, 2], [0, 1, 1, 1, 1, 2], [0] * 5 + [2]]


def without_times(found: Comparison) -> Comparison:
    """All but what is never the same twice."""
    float_model, int8_model = (
        replace(each, milliseconds=None) for each in (found.float_model, found.int8_model)
    )
    return replace(found, float_model=float_model, int8_model=int8_model)


def test_models_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    f, i = models(tmp_path)
    with pytest.raises(ModelError, match="name the float model first"):
        compare(i, f, photos(tmp_path))


def test_two_models_of_one_kind_are_compared_with_a_note(tmp_path: Path) -> None:
    f = classifier(tmp_path / "f")
    with pytest.warns(TinyedgeWarning, match="both models are float32"):
        found = compare(f, classifier(tmp_path / "g"), photos(tmp_path))
    assert (found.drop, found.agreement) == (0, 100)


@pytest.mark.parametrize(
    ("precisions", "said"),
    [
        (({}, {"0_x": "hybrid"}), "/f.* is int8 and .*/g.* is mixed: read .* and 'mixed' as"),
        (({"0_x": "hybrid"}, {}), "/f.* is mixed and .*/g.* is int8: read .* and 'int8' as"),
        (({"0_x": "hybrid"}, {"0_x": "float32"}), "both models are mixed: read .* and 'mixed' as"),
    ],
)
def test_a_mixed_file_is_called_so(
    tmp_path: Path, precisions: tuple[dict[str, str], dict[str, str]], said: str
) -> None:
    one, other = (
        classifier(tmp_path / name, quantization="int8", precision=precision)
        for name, precision in zip("fg", precisions, strict=True)
    )
    with pytest.warns(TinyedgeWarning, match=said):
        found = compare(one, other, photos(tmp_path))
    assert found.int8_model.kind == ("mixed" if precisions[1] else "int8")


def test_models_of_different_weights_are_compared_with_a_note(tmp_path: Path) -> None:
    f = classifier(tmp_path / "f", weights_sha256="aa" * 32)
    i = classifier(tmp_path / "i", weights_sha256="bb" * 32, quantization="int8")
    with pytest.warns(TinyedgeWarning, match="different weights"):
        compare(f, i, photos(tmp_path))


def test_models_of_different_batch_norms_are_compared_with_a_note(tmp_path: Path) -> None:
    made = {"weights_sha256": "aa" * 32}
    f = classifier(tmp_path / "f", batch_norm="inside", **made)
    i = classifier(tmp_path / "i", quantization="int8", **made)
    with pytest.warns(TinyedgeWarning, match=r"--batch-norm inside, \S+ with outside"):
        compare(f, i, photos(tmp_path))
    # Of a model of other makers no card tells it.
    compare(f, classifier(tmp_path / "other", quantization="int8"), photos(tmp_path))


def test_a_label_beyond_the_classes_is_refused(tmp_path: Path) -> None:
    image = photos(tmp_path)[0]
    with pytest.raises(DatasetError, match="class 3, the models have 3 classes, 0 to 2"):
        compare(*models(tmp_path), [LabelledImage(image.path, 3)])


def test_scores_that_are_no_numbers_are_an_error_of_their_photo(tmp_path: Path) -> None:
    broken: Rows = ((math.nan, 0, 0), (0, 1, 0), (0, 0, 1))
    i = classifier(tmp_path / "i.tflite", broken, quantization="int8")
    images = photos(tmp_path)
    with pytest.raises(AnswerError, match=r"0\.png: .*i\.tflite answers with infinite"):
        compare(classifier(tmp_path / "f"), i, images, skip_unreadable=False)
    with pytest.raises(
        DatasetError, match=r"none of the 6 images could be read; the first: .*0\.p"
    ):
        compare(classifier(tmp_path / "f"), i, images)


ONE: Rows = ((1.0,),)
# Pixels of class 0 and of class 1, and what a model of 1.25 times their value makes of them.
OF_ONE = [(0, 10), (0, 120), (0, 140), (1, 110), (1, 150), (1, 200), (1, 180)]


def of_one(folder: Path, factor: float = 1.25, **card: Any) -> tuple[Classifier, Classifier]:
    given = {"softmax_groups": 0, **card}
    return (
        classifier(folder / "f.tflite", ONE, **given),
        classifier(folder / "i.tflite", ((factor,),), quantization="int8", **given),
    )


def grey_photos(folder: Path) -> list[LabelledImage]:
    return [
        LabelledImage(write_image(folder / f"{number}.png", pixel), label)
        for number, (label, pixel) in enumerate(OF_ONE)
    ]


@pytest.mark.parametrize("labels", [None, ("dog",), ("cat", "dog")])
def test_one_output_is_compared_by_a_half(tmp_path: Path, labels: tuple[str, ...] | None) -> None:
    """Above 127.5 is class 1 to float, above 102 to the other: 120 is lost, 110 gained."""
    found = compare(*of_one(tmp_path, labels=labels), grey_photos(tmp_path))
    assert (found.classes, found.top_k) == (2, 2)
    assert found.float_model.top1 == pytest.approx(100 * 5 / 7)
    assert found.int8_model.top1 == pytest.approx(100 * 5 / 7)
    assert (found.lost, found.gained, found.drop) == (1, 1, 0)
    assert found.agreement == pytest.approx(100 * 5 / 7)
    assert (found.float_model.ties, found.divergence) == (0, None)
    name = {None: "0", ("dog",): "not dog", ("cat", "dog"): "cat"}[labels]
    # One of the five that float names rightly is lost, two of which are of this class; two classes.
    assert found.worst_classes == (ClassResult(0, name, 3, 2, 1, pytest.approx(2 * 2 / 5)),)


def test_one_output_that_is_no_probability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"i\.tflite answers \S+ with 2\.8.*, no probability"):
        compare(*of_one(tmp_path, 4.0), grey_photos(tmp_path)[-1:])


@pytest.mark.filterwarnings("ignore:.*softmax over one score")
def test_a_softmax_over_one_score_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"f\.tflite ends in a softmax over one score, which is 1"):
        compare(*of_one(tmp_path, softmax_groups=1), grey_photos(tmp_path))


def test_names_of_one_output_the_other_way_round_are_noticed(tmp_path: Path) -> None:
    images = [
        LabelledImage(write_image(tmp_path / f"{number}.png", 100 * (number % 2)), number % 2)
        for number in range(10)
    ]
    found = [LabelledImage(image.path, 1 - image.index) for image in images]
    both = of_one(tmp_path, 2.0, labels=("cat", "dog"))
    # Of 100 float makes no class 1: right on the five of class 0 alone, as by chance.
    assert compare(*both, images).float_model.top1 == 50
    reference, _ = both
    with pytest.warns(TinyedgeWarning, match="An output of 1 is taken for 'dog', of 0 for 'cat'"):
        compare(
            classifier(tmp_path / "d", ((2.0,),), softmax_groups=0, labels=("cat", "dog")),
            both[1],
            found,
        )
    assert reference.classes == 1


def test_models_of_one_output_with_other_names_are_refused(tmp_path: Path) -> None:
    f, _ = of_one(tmp_path, labels=("cat", "dog"))
    other = classifier(tmp_path / "i", ONE, softmax_groups=0, labels=("dog",), quantization="int8")
    with pytest.raises(ModelError, match=r"class 0 is 'cat' in \S+ and 'not dog' in"):
        compare(f, other, grey_photos(tmp_path))


def test_what_is_known_so_far_is_no_verdict_and_names_no_budget_that_would_pass(
    tmp_path: Path,
) -> None:
    def interrupted_after_three(
        description: str, steps: int | None = 1, *, weight: float = 1.0, unit: str = ""
    ) -> Advance:
        del description, steps, weight, unit
        done = 0

        def advance(steps: int = 1, /) -> None:
            nonlocal done
            done += steps
            if done == 3:
                raise KeyboardInterrupt

        return advance

    shown: list[Comparisons] = []
    a, b = models(tmp_path)
    # All of these would be judged, the first two as passes, of the whole set.
    budgets = Budgets(max_drop=100, min_agreement=0, max_kl=None)
    with pytest.raises(KeyboardInterrupt):
        compare_models(
            a,
            [b],
            photos(tmp_path),
            budgets=budgets,
            so_far=shown.append,
            progress=interrupted_after_three,
        )
    (found,) = shown[0].each
    assert (found.images, found.left, found.lost, found.gained) == (3, 3, 2, 0)
    assert found.interval == drop_interval(2, 0, 3)
    assert found.verdict is None
    for gate in found.gates:
        assert (gate.verdict, gate.images_needed, gate.strictest) == (None, None, None)
    whole = compare(a, b, photos(tmp_path), budgets=budgets)
    assert [gate.verdict for gate in whole.gates[:2]] == ["pass", "pass"]
