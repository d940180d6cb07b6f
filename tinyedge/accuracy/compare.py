"""What int8 cost: two models and images, labelled or not, become one `Comparison`.

Both models see the very same pixels, one image after the other, and only a few numbers of each
image are kept: ImageNet's 50,000 validation images need no more memory than ten do.
"""

import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy import statistics
from tinyedge.accuracy.advice import next_steps
from tinyedge.accuracy.budgets import Budgets
from tinyedge.accuracy.calibration_images import calibration_images, said_of_calibration_images
from tinyedge.accuracy.model import (
    Inference,
    ScoringModel,
    check_finite,
    is_probability,
    probabilities,
)
from tinyedge.accuracy.result import (
    Answer,
    Comparison,
    ModelFile,
    Observation,
    SkippedImage,
    conclude,
)
from tinyedge.errors import AnswerError, DatasetError, ModelError, TinyedgeWarning
from tinyedge.images.evaluate import Unreadable, evaluate
from tinyedge.images.find import LabelledImage
from tinyedge.images.labels import class_count, class_names
from tinyedge.images.load import load_float_input
from tinyedge.progress import Progress, no_progress

__all__ = ["compare"]

_NO_LABELS = (
    "these images have no labels, so no drop of top-1 can be measured: for --max-drop give a folder"
    " with a folder for each class, or path<TAB>label lines; --min-agreement and --max-kl judge"
    " without labels"
)


def compare(
    float_model: ScoringModel,
    int8_model: ScoringModel,
    images: Sequence[LabelledImage | Path],
    *,
    budgets: Budgets = Budgets(),  # noqa: B008  # a constant
    top_k: int = 5,
    skip_unreadable: bool = True,
    progress: Progress = no_progress,
) -> Comparison:
    """Run both models over `images` and say what the second lost against the first.

    Args:
        float_model: the reference.
        int8_model: the model in question.
        images: what to compare on, all with labels or all without; none of them may have
            calibrated either model.
        budgets: what int8 may cost; where none is named there is no verdict.
        top_k: among how many classes of the highest scores the right one counts as well, 1 or more.
        skip_unreadable: leave out a file that is no image, and say so in the result, instead
            of raising.
        progress: is told of every image.

    Raises:
        ModelError: the models differ in classes, labels, input or fit, or are given in the wrong
            order; a budget for the KL where they do not end in one softmax.
        DatasetError: an image was used to calibrate a model, a label is none of the classes, there
            is no readable image, or a budget for the drop and images without labels.
        ImageError: a file is no image, or a model answers it with infinities or NaN, unless
            `skip_unreadable`.
        ValueError: a budget is out of range, or some of the images have labels and some not.
    """
    budgets.check()
    _check_models(float_model, int8_model)
    softmax = float_model.card.softmax_groups == int8_model.card.softmax_groups == 1
    if budgets.max_kl is not None and not softmax:
        raise ModelError(
            f"{float_model.path} and {int8_model.path} do not both end in one softmax over all"
            " classes, so there is no KL divergence to judge: use --min-agreement for --max-kl"
        )
    labelled = [image for image in images if isinstance(image, LabelledImage)]
    if budgets.max_drop is not None and images and not labelled:
        raise DatasetError(_NO_LABELS)
    if labelled and len(labelled) < len(images):
        raise ValueError(
            f"{len(labelled)} of the {len(images)} images have labels; all must, or none"
        )
    _check_labels(labelled, class_count(float_model.classes))
    paths = [image.path if isinstance(image, LabelledImage) else image for image in images]
    calibration = calibration_images(paths, (float_model.card, int8_model.card))
    if calibration.among:
        raise DatasetError(said_of_calibration_images(calibration.among, len(paths)))

    observations: list[Observation] = []
    compared_hashes: set[str] = set()
    skipped: list[SkippedImage] = []
    advance = progress("Comparing", len(paths), unit="images")
    # By turns: going second on warm or on crowded caches shall favour neither in time.
    turns = (
        _Turn(path, image.index if isinstance(image, LabelledImage) else None, first)
        for path, image, first in zip(paths, images, cycle((True, False)))
    )
    observe = _Observer(float_model, int8_model)
    with closing(evaluate(observe, turns)) as results:
        for (turn, result), digest in zip(results, calibration.hashes, strict=True):
            if not isinstance(result, Unreadable):
                observations.append(result)
                compared_hashes.add(digest)
            elif skip_unreadable:
                skipped.append(SkippedImage(turn.path, result.reason))
            else:
                raise result.error
            advance()
    if not observations:
        reason = f"; the first: {skipped[0].reason}" if skipped else ""
        raise DatasetError(f"none of the {len(images)} images could be read{reason}")
    if labelled:
        _note_names_swapped(float_model, observations)
    found = conclude(
        observations,
        files=(
            ModelFile(float_model.path, float_model.bytes),
            ModelFile(int8_model.path, int8_model.bytes),
        ),
        classes=class_count(float_model.classes),
        threshold=float_model.threshold if float_model.classes == 1 else None,
        labels=_names(float_model) or _names(int8_model),
        softmax=softmax,
        budgets=budgets,
        top_k=top_k,
        fed_rightly=_of_one_export(float_model, int8_model),
        skipped=tuple(skipped),
        duplicates=len(observations) - len(compared_hashes),
    )
    return replace(found, next_steps=next_steps(found, float_model.card, int8_model.card))


def _check_models(float_model: ScoringModel, int8_model: ScoringModel) -> None:
    a, b = float_model, int8_model
    if a.classes != b.classes:
        raise ModelError(
            f"{a.path} has {a.classes} classes, {b.path} has {b.classes}:"
            " they are not two forms of one model"
        )
    for model in (a, b):
        if model.card.softmax and model.classes == 1:
            raise ModelError(
                f"{model.path} ends in a softmax over one score, which is 1 whatever it sees:"
                " it tells no classes apart"
            )
    if a.classes == 1 and a.threshold != b.threshold:
        raise ModelError(
            f"{a.path} is class 1 above {a.threshold:g}, {b.path} above {b.threshold:g}: they are"
            " compared by one threshold"
        )
    groups = {model.card.softmax_groups for model in (a, b)}
    if len(groups) > 1 and max(groups) > 1:
        raise ModelError(
            f"one of {a.path} and {b.path} gives probabilities, the other what a softmax over"
            f" {max(groups)} groups makes them of: name two of one kind"
        )
    if a.spec.in_pixels != b.spec.in_pixels:
        raise ModelError(
            f"{a.path} takes photos as {a.spec}, {b.path} as {b.spec}: their difference"
            " would not be the cost of int8 alone; export both from one command"
        )
    named, others = _names(a), _names(b)
    if named and others and named != others:
        pairs = zip(named, others, strict=True)
        index, (one, other) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
        raise ModelError(
            f"class {index} is {one!r} in {a.path} and {other!r} in {b.path}:"
            " they are not two forms of one model, or need their right names: --labels NAMES"
        )
    kinds = a.card.quantization, b.card.quantization
    if kinds[0] != "float32" and kinds[1] == "float32":
        raise ModelError(
            f"{a.path} is {kinds[0]} and {b.path} is float32: name the float model first"
        )
    if kinds[0] == kinds[1]:
        warnings.warn(
            f"both models are {kinds[0]}: read 'float' as {a.path} and 'int8' as {b.path}",
            TinyedgeWarning,
            stacklevel=3,
        )
    weights = a.card.weights_sha256, b.card.weights_sha256
    if all(weights) and weights[0] != weights[1]:
        warnings.warn(
            f"{a.path} and {b.path} were made from different weights:"
            " their difference is not the cost of int8 alone",
            TinyedgeWarning,
            stacklevel=3,
        )
    elif all(weights) and a.card.batch_norm != b.card.batch_norm:
        warnings.warn(
            f"{a.path} was made with --batch-norm {a.card.batch_norm}, {b.path} with"
            f" {b.card.batch_norm}: their difference may not be the cost of int8 alone",
            TinyedgeWarning,
            stacklevel=3,
        )


def _of_one_export(a: ScoringModel, b: ScoringModel) -> bool:
    """Whether their cards say so, and with it how they are fed."""
    return bool(a.card.weights_sha256) and a.card.weights_sha256 == b.card.weights_sha256


def _names(model: ScoringModel) -> tuple[str, ...] | None:
    return class_names(model.card.labels, model.classes)


def _note_names_swapped(model: ScoringModel, observations: Sequence[Observation]) -> None:
    """Warn where a model of one output is wrong more often than chance would have it be."""
    count = len(observations)
    right = sum(item.float_answer.label_rank == 0 for item in observations)
    # Two deviations of a fair coin below the middle.
    if model.classes == 1 and count - 2 * right > 2 * count**0.5:
        zero, one = _names(model) or ("0", "1")
        warnings.warn(
            f"{model.path} is right on {right} of {count} images: are its classes the other way"
            f" round? An output of 1 is taken for {one!r}, of 0 for {zero!r}",
            TinyedgeWarning,
            stacklevel=3,
        )


def _check_labels(images: Sequence[LabelledImage], classes: int) -> None:
    for image in images:
        if not 0 <= image.index < classes:
            raise DatasetError(
                f"{image.path}: its label is class {image.index}, the models have {classes}"
                f" classes, 0 to {classes - 1}"
            )


class _Turn(NamedTuple):
    """An image, its class where that is known, and which of the models goes first."""

    path: Path
    label: int | None
    float_first: bool


class _Observer:
    """Both models at once, on one image after the other."""

    def __init__(self, float_model: ScoringModel, int8_model: ScoringModel) -> None:
        self._float_model = float_model
        self._int8_model = int8_model

    def __call__(self, turn: _Turn) -> Observation:
        """Run both on the image, read once.

        Raises:
            ImageError: it cannot be read, or a model answers it with infinities or NaN.
        """
        path, label = turn.path, turn.label
        pixels = load_float_input(path, self._float_model.spec)
        if turn.float_first:
            of_float = _finite(self._float_model, path, pixels)
            of_int8 = _finite(self._int8_model, path, pixels)
        else:
            of_int8 = _finite(self._int8_model, path, pixels)
            of_float = _finite(self._float_model, path, pixels)
        divergence = statistics.kl_divergence(
            of_float.scores / self._float_model.card.temperature,
            of_int8.scores / self._int8_model.card.temperature,
        )
        return Observation(
            path,
            label,
            _answer(of_float, label, self._float_model),
            _answer(of_int8, label, self._int8_model),
            float(divergence),
        )


def _finite(model: ScoringModel, path: Path, pixels: NDArray[np.float32]) -> Inference:
    try:
        inference = model.infer(model.spec.encode(pixels)[np.newaxis])
        check_finite(inference.scores, model.card, model.path)
    except AnswerError as error:
        raise AnswerError(f"{path}: {error}") from error
    if model.classes == 1 and not is_probability(inference.scores[0]):
        raise ModelError(
            f"{model.path} answers {path} with {inference.scores[0]:.6g}, no probability: one"
            " output is compared as the probability of a class"
        )
    return inference


def _answer(inference: Inference, label: int | None, model: ScoringModel) -> Answer:
    scores = statistics.class_scores(inference.scores, model.threshold)
    top1 = int(statistics.top1(scores))
    found = probabilities(inference.scores, model.card)
    if model.classes == 1:
        one = min(max(float(found[0]), 0.0), 1.0)
        found = np.array([1 - one, one])
    return Answer(
        top1,
        None if label is None else int(statistics.label_rank(scores, label)),
        bool(statistics.is_tied(scores)),
        float(found[top1]),
        inference.milliseconds,
    )
