"""Whether models are forms of one network, so that they can be compared, and images fit them."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy.model import ScoringModel
from tinyedge.errors import DatasetError, ModelError, TinyedgeWarning
from tinyedge.images.image_list import LabelledImage
from tinyedge.images.labels import class_names

__all__ = [
    "check_forms_of_one_network",
    "check_labels",
    "names_of",
    "note_names_swapped",
    "of_one_export",
    "one_softmax",
]


def check_forms_of_one_network(float_model: ScoringModel, int8_model: ScoringModel) -> None:
    """Check that the difference of two models is what int8 costs, as far as they tell.

    Warns (TinyedgeWarning) where something else may differ, too.

    Raises:
        ModelError: they differ in classes, labels, channels or fit, or stand in the wrong order.
    """
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
    if (a.spec.fit, a.spec.channels) != (b.spec.fit, b.spec.channels):
        raise ModelError(
            f"{a.path} takes photos as {a.spec}, {b.path} as {b.spec}: their difference"
            " would not be the cost of int8 alone; export both from one command"
        )
    if a.spec.in_pixels != b.spec.in_pixels:
        sizes = {(model.spec.width, model.spec.height) for model in (a, b)}
        warnings.warn(
            f"{a.path} takes photos as {a.spec}, {b.path} as {b.spec}: their difference is that of"
            f" the {'size' if len(sizes) > 1 else 'resize'}, too",
            TinyedgeWarning,
            stacklevel=3,
        )
    named, others = names_of(a), names_of(b)
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
            f"{_what_they_are(a, b)}: read 'float' as {a.path} and '{b.card.kind}' as {b.path}",
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


def _what_they_are(a: ScoringModel, b: ScoringModel) -> str:
    kinds = ["mixed" if each.card.is_mixed else each.card.quantization for each in (a, b)]
    if kinds[0] == kinds[1]:
        return f"both models are {kinds[0]}"
    return f"{a.path} is {kinds[0]} and {b.path} is {kinds[1]}"


def one_softmax(a: ScoringModel, b: ScoringModel) -> bool:
    """Whether both end in one softmax over all classes, whose divergence there is."""
    return a.card.softmax_groups == b.card.softmax_groups == 1


def of_one_export(a: ScoringModel, b: ScoringModel) -> bool:
    """Whether their cards say so, and with it how they are fed."""
    return bool(a.card.weights_sha256) and a.card.weights_sha256 == b.card.weights_sha256


def names_of(model: ScoringModel) -> tuple[str, ...] | None:
    """A name for each class, or None where the model bears none."""
    return class_names(model.card.labels, model.classes)


def note_names_swapped(model: ScoringModel, rightly: NDArray[np.bool_]) -> None:
    """Warn where a model of one output is wrong more often than chance would have it be."""
    count, right = len(rightly), int(np.count_nonzero(rightly))
    # Two deviations of a fair coin below the middle.
    if model.classes == 1 and count - 2 * right > 2 * count**0.5:
        zero, one = names_of(model) or ("0", "1")
        warnings.warn(
            f"{model.path} is right on {right} of {count} images: are its classes the other way"
            f" round? An output of 1 is taken for {one!r}, of 0 for {zero!r}",
            TinyedgeWarning,
            stacklevel=3,
        )


def check_labels(images: Sequence[LabelledImage], classes: int) -> None:
    """Check that every label is one of the classes.

    Raises:
        DatasetError: one is not.
    """
    for image in images:
        if not 0 <= image.index < classes:
            raise DatasetError(
                f"{image.path}: its label is class {image.index}, the models have {classes}"
                f" classes, 0 to {classes - 1}"
            )
