"""The result of a comparison, and how it follows from what was observed on each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy import statistics

__all__ = [
    "Answer",
    "ClassResult",
    "Comparison",
    "Divergence",
    "ModelFile",
    "ModelResult",
    "Observation",
    "SkippedImage",
    "conclude",
]

_WORST_CLASSES = 5


class ModelFile(NamedTuple):
    """A model's file and its size in bytes, model card included."""

    path: Path
    bytes: int


@dataclass(frozen=True)
class ModelResult:
    """One of the two models.

    Attributes:
        path, bytes: its file and that file's size, model card included.
        top1, top5: percent of the images; top5 counts the best `Comparison.top_k` classes.
        ties: images on which several classes share the highest score.
        milliseconds: median of one inference, without reading and fitting the image.
    """

    path: Path
    bytes: int
    top1: float
    top5: float
    ties: int
    milliseconds: float


@dataclass(frozen=True)
class Divergence:
    """KL(float || int8) over the images, in nats: its mean and its 95th percentile."""

    mean: float
    p95: float


@dataclass(frozen=True)
class ClassResult:
    """One class: how many images it has and how many of them each model names rightly."""

    index: int
    label: str
    images: int
    float_correct: int
    int8_correct: int


@dataclass(frozen=True)
class SkippedImage:
    """An image that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Everything a comparison found. Percent and points run from 0 to 100.

    Attributes:
        images: how many images were compared.
        duplicates: how many of them are copies, to the byte, of another; the statistics take
            images for independent of each other, which copies are not.
        skipped: the images left out.
        classes: how many classes the models tell apart.
        threshold: above which the one output of the models is class 1; None of more outputs.
        float_model, int8_model: each model by itself.
        drop: top-1 of float minus int8, points; positive is a loss.
        interval: the drop's 95 % paired interval (see
            `tinyedge.accuracy.statistics.drop_interval`).
        lost, gained: images int8 alone gets wrong, and alone gets right.
        mcnemar_p: exact two-sided p of `lost` against `gained`.
        agreement: percent of the images both models put into the same class.
        divergence: None where a model does not end in one softmax over all classes: its scores
            are no distribution then, and nats would mean nothing.
        worst_classes: those that lost the most images, the worst first; at most five, none
            that lost nothing.
        max_drop: the budget, points, or None.
        float_worse: whether the float model is significantly worse (the whole interval is below 0)
            and nothing shows that both were fed rightly: it was not, for int8 gains nothing.
        verdict: on the budget; None without one; ``inconclusive`` where `float_worse`.
        top_k: how many classes `top5` counts, of all at most.
        images_needed: how many images would settle an inconclusive verdict (see
            `tinyedge.accuracy.statistics.images_needed`); None for the others, and where no
            number would, or `float_worse`.
    """

    images: int
    duplicates: int
    skipped: tuple[SkippedImage, ...]
    classes: int
    threshold: float | None
    float_model: ModelResult
    int8_model: ModelResult
    drop: float
    interval: statistics.Interval
    lost: int
    gained: int
    mcnemar_p: float
    agreement: float
    divergence: Divergence | None
    worst_classes: tuple[ClassResult, ...]
    max_drop: float | None
    float_worse: bool
    verdict: statistics.Verdict | None
    images_needed: int | None
    top_k: int


class Answer(NamedTuple):
    """What is kept of one model's scores of one image."""

    top1: int
    label_rank: int
    tied: bool
    milliseconds: float


class Observation(NamedTuple):
    """What is kept of one image; `divergence` is KL(float || int8) of its softmax, nats."""

    label: int
    float_answer: Answer
    int8_answer: Answer
    divergence: float


def conclude(
    observations: Sequence[Observation],
    *,
    files: tuple[ModelFile, ModelFile],
    classes: int,
    threshold: float | None = None,
    labels: Sequence[str] | None,
    softmax: bool,
    max_drop: float | None,
    top_k: int = 5,
    fed_rightly: bool = False,
    skipped: tuple[SkippedImage, ...] = (),
    duplicates: int = 0,
) -> Comparison:
    """Count the observations, at least one, and judge the drop.

    `files` are the float model's and the int8 model's; `softmax` says whether both end
    in one softmax over all classes, `fed_rightly` whether their files show how they are fed; all
    else is as in `Comparison`. A class without a label goes by its index.
    """
    count, top_k = len(observations), min(top_k, classes)
    float_right = np.array([item.float_answer.label_rank == 0 for item in observations])
    int8_right = np.array([item.int8_answer.label_rank == 0 for item in observations])
    lost = int(np.count_nonzero(float_right & ~int8_right))
    gained = int(np.count_nonzero(~float_right & int8_right))
    agreeing = sum(item.float_answer.top1 == item.int8_answer.top1 for item in observations)
    interval = statistics.drop_interval(lost, gained, count)
    float_worse = interval.high < 0 and not fed_rightly
    verdict = None if max_drop is None else statistics.verdict(interval, max_drop)
    needed = None
    if float_worse:
        verdict = "inconclusive"
    elif max_drop is not None and verdict == "inconclusive":
        needed = statistics.images_needed(lost, gained, count, max_drop)
    divergences = [item.divergence for item in observations]
    class_of = np.array([item.label for item in observations])
    return Comparison(
        images=count,
        duplicates=duplicates,
        skipped=skipped,
        classes=classes,
        threshold=threshold,
        float_model=_model_result(files[0], [o.float_answer for o in observations], top_k),
        int8_model=_model_result(files[1], [o.int8_answer for o in observations], top_k),
        drop=100 * (lost - gained) / count,
        interval=interval,
        lost=lost,
        gained=gained,
        mcnemar_p=statistics.mcnemar_p(lost, gained),
        agreement=100 * agreeing / count,
        divergence=_divergence(divergences) if softmax else None,
        worst_classes=_worst_classes(class_of, float_right, int8_right, labels),
        max_drop=max_drop,
        float_worse=float_worse,
        verdict=verdict,
        images_needed=needed,
        top_k=top_k,
    )


def _model_result(file: ModelFile, answers: Sequence[Answer], top_k: int) -> ModelResult:
    ranks = np.array([answer.label_rank for answer in answers])
    return ModelResult(
        path=file.path,
        bytes=file.bytes,
        top1=100 * int(np.count_nonzero(ranks < 1)) / len(ranks),
        top5=100 * int(np.count_nonzero(ranks < top_k)) / len(ranks),
        ties=sum(answer.tied for answer in answers),
        milliseconds=float(np.median([answer.milliseconds for answer in answers])),
    )


def _divergence(values: Sequence[float]) -> Divergence:
    return Divergence(float(np.mean(values)), float(np.percentile(values, 95)))


def _worst_classes(
    class_of: NDArray[np.intp],
    float_right: NDArray[np.bool_],
    int8_right: NDArray[np.bool_],
    labels: Sequence[str] | None,
) -> tuple[ClassResult, ...]:
    images = np.bincount(class_of)
    before = np.bincount(class_of[float_right], minlength=len(images))
    after = np.bincount(class_of[int8_right], minlength=len(images))
    # By images, not by share: in a class of two images one flip is half of all, and chance.
    order = np.lexsort((images, after - before))
    return tuple(
        ClassResult(
            index=int(index),
            label=labels[index] if labels is not None else str(index),
            images=int(images[index]),
            float_correct=int(before[index]),
            int8_correct=int(after[index]),
        )
        for index in order[:_WORST_CLASSES]
        if before[index] > after[index]
    )
