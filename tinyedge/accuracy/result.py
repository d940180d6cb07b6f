"""The result of a comparison, and how it follows from what was observed on each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy import statistics
from tinyedge.accuracy.budgets import Budgets
from tinyedge.accuracy.distributions import Histogram, Reliability, kl_histogram, reliability
from tinyedge.accuracy.gates import (
    Gate,
    agreement_gate,
    drop_gate,
    kl_gate,
    undecided,
    worst_verdict,
)
from tinyedge.accuracy.observations import Observations
from tinyedge.modelcard import CardKind

__all__ = [
    "ClassName",
    "ClassResult",
    "Comparison",
    "Divergence",
    "Flip",
    "FlipAnswer",
    "ModelFile",
    "ModelResult",
    "NextStep",
    "SkippedImage",
    "conclude",
]

_WORST_CLASSES = 5


class ModelFile(NamedTuple):
    """A model's file, its size in bytes, model card included, and the time of an inference.

    Attributes:
        path, bytes: its file, and that file's size.
        milliseconds: the median; None where none was timed.
        kind: what the file is called beside a float one.
    """

    path: Path
    bytes: int
    milliseconds: float | None
    kind: CardKind = "int8"


@dataclass(frozen=True)
class ModelResult:
    """One of the two models.

    Attributes:
        path, bytes: its file and that file's size, model card included.
        top1, top5: percent of the images, None without labels; top5 counts the best
            `Comparison.top_k` classes.
        ties: images on which several classes share the highest score.
        milliseconds: median of one inference, without reading and fitting the image; None where
            none was timed, because the comparison was interrupted.
        reliability: whether its probabilities are true; None without labels, or where it gives
            no probabilities.
        kind: of the model that is not float, what it is called.
    """

    path: Path
    bytes: int
    top1: float | None
    top5: float | None
    ties: int
    milliseconds: float | None
    reliability: Reliability | None = None
    kind: CardKind = "int8"


@dataclass(frozen=True)
class Divergence:
    """KL(float || int8) over the images, in nats.

    Attributes:
        mean: of all images.
        p95: the 95th percentile.
        interval: 95 %, of the mean; None of too few images (see
            `tinyedge.accuracy.statistics.mean_interval`).
        histogram: of the images.
    """

    mean: float
    p95: float
    interval: statistics.Interval | None
    histogram: Histogram


@dataclass(frozen=True)
class ClassResult:
    """One class: how many images it has and how many of them each model names rightly.

    Attributes:
        index, label: the class; its index in digits where it has no label.
        images: how many show it.
        float_correct, int8_correct: how many of them each model names rightly.
        p: how likely chance alone, which draws what is lost from all that float names rightly, has
            any of the classes lose so much: `tinyedge.accuracy.statistics.class_loss_p` times the
            number of classes that could have, at most 1 (Bonferroni).
    """

    index: int
    label: str
    images: int
    float_correct: int
    int8_correct: int
    p: float


@dataclass(frozen=True)
class ClassName:
    """A class; its index in digits where it has no label."""

    index: int
    label: str


@dataclass(frozen=True)
class FlipAnswer:
    """What one model answers to an image: the class, and its probability.

    Of a network that ends in no softmax the probability is the score itself.
    """

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class Flip:
    """An image that the two models put into different classes.

    Attributes:
        path: the image.
        truth: the class it shows; None without labels.
        float_answer, int8_answer: what each model says.
        divergence: KL(float || int8), nats; None as `Comparison.divergence`.
    """

    path: Path
    truth: ClassName | None
    float_answer: FlipAnswer
    int8_answer: FlipAnswer
    divergence: float | None


@dataclass(frozen=True)
class SkippedImage:
    """An image that was left out, and why."""

    path: Path
    reason: str


class NextStep(NamedTuple):
    """What to do where int8 cost too much; see `tinyedge.accuracy.advice`.

    Attributes:
        name: which step it is, for programs.
        text: what to do and why, a sentence or two.
    """

    name: Literal[
        "float file",
        "quantizer",
        "calibration photos",
        "more calibration photos",
        "other calibration photos",
        "batch norm",
        "lowered file",
        "inspect",
        "page",
    ]
    text: str


@dataclass(frozen=True)
class Comparison:
    """Everything a comparison found. Percent and points run from 0 to 100.

    Attributes:
        images: how many images were compared.
        labelled: whether their classes are known; what needs them is None, or empty, if not.
        duplicates: how many of them are copies, to the byte, of another; the statistics take
            images for independent of each other, which copies are not.
        skipped: the images left out.
        left: images that were asked for and not come to, because the comparison was interrupted;
            then there is no verdict: see docs/statistics.md.
        classes: how many classes the models tell apart.
        threshold: above which the one output of the models is class 1; None of more outputs.
        float_model, int8_model: each model by itself.
        drop: top-1 of float minus int8, points; positive is a loss.
        interval: the drop's 95 % paired interval (see
            `tinyedge.accuracy.statistics.drop_interval`).
        lost, gained: images int8 alone gets wrong, and alone gets right.
        mcnemar_p: exact two-sided p of `lost` against `gained`.
        agreement: percent of the images both models put into the same class.
        agreement_interval: its 95 % interval (see
            `tinyedge.accuracy.statistics.wilson_interval`).
        divergence: None where a model does not end in one softmax over all classes: its scores
            are no distribution then, and nats would mean nothing.
        flips: the images both put into different classes, those of the greatest divergence first;
            without one those first of which float was surest.
        worst_classes: those that lost the most beyond chance, the worst first; at most five, none
            that lost nothing.
        changed_classes: all of which one model names more images rightly than the other does: in
            the same order, then those that gained.
        float_worse: whether the float model is significantly worse (the whole interval is below 0)
            and nothing shows that both were fed rightly: it was not, for int8 gains nothing.
        gates: what the images say of each budget that they can be asked of, named or not.
        verdict: on all budgets, the worst; None without one; ``inconclusive`` where `float_worse`.
        top_k: how many classes `top5` counts, of all at most.
        next_steps: what to do where int8 cost too much, the most promising first.
    """

    images: int
    labelled: bool
    duplicates: int
    skipped: tuple[SkippedImage, ...]
    classes: int
    threshold: float | None
    float_model: ModelResult
    int8_model: ModelResult
    drop: float | None
    interval: statistics.Interval | None
    lost: int | None
    gained: int | None
    mcnemar_p: float | None
    agreement: float
    agreement_interval: statistics.Interval
    divergence: Divergence | None
    flips: tuple[Flip, ...]
    worst_classes: tuple[ClassResult, ...]
    float_worse: bool
    gates: tuple[Gate, ...]
    verdict: statistics.Verdict | None
    top_k: int
    changed_classes: tuple[ClassResult, ...] = ()
    left: int = 0
    next_steps: tuple[NextStep, ...] = ()

    @property
    def max_drop(self) -> float | None:
        """The budget for the drop, points, or None."""
        return next((gate.budget for gate in self.gates if gate.name == "max_drop"), None)

    @property
    def images_needed(self) -> int | None:
        """About how many images would settle an inconclusive verdict.

        None for the others, and where no number would, or `float_worse`.
        """
        if self.verdict != "inconclusive":
            return None
        needed = [gate.images_needed for gate in self.gates if gate.verdict == "inconclusive"]
        return None if None in needed else max((each for each in needed if each), default=None)


def conclude(
    observed: Observations,
    *,
    files: tuple[ModelFile, ModelFile],
    classes: int,
    threshold: float | None = None,
    labels: Sequence[str] | None,
    softmax: bool,
    budgets: Budgets,
    top_k: int,
    fed_rightly: bool,
    skipped: tuple[SkippedImage, ...],
    duplicates: int,
    left: int = 0,
) -> Comparison:
    """The `Comparison` that follows from at least one observation.

    Args:
        observed: of the float model and the int8 model.
        files: the float model's, then the int8 model's.
        classes: how many classes the models tell apart.
        threshold: that of models of one output.
        labels: a name for each, or None where the models bear none.
        softmax: whether both models end in one softmax over all classes.
        budgets: what int8 may cost; they are judged once, when no image is left.
        top_k: among how many classes the right one counts as well.
        fed_rightly: whether the models' cards show it, so that a float model that is worse is
            chance.
        skipped: the images left out.
        duplicates: how many observations are of copies of other images.
        left: how many images that were asked for have not been come to.
    """
    count = len(observed)
    top_k = min(top_k, classes)
    budgets = Budgets() if left else budgets
    lost = gained = None
    gates: list[Gate] = []
    changed_classes: tuple[ClassResult, ...] = ()
    if observed.right is not None and observed.labels is not None:
        float_right, int8_right = observed.right
        lost = int(np.count_nonzero(float_right & ~int8_right))
        gained = int(np.count_nonzero(~float_right & int8_right))
        gates.append(drop_gate(lost, gained, count, budgets.max_drop))
        changed_classes = _changed_classes(observed.labels, float_right, int8_right, labels)
    labelled = lost is not None
    interval = gates[0].interval if labelled else None
    agreeing = int(np.count_nonzero(observed.top1[0] == observed.top1[1]))
    agreement = agreement_gate(agreeing, count, budgets.min_agreement)
    assert agreement.interval is not None
    gates.append(agreement)
    divergence = None
    if softmax:
        divergences = observed.divergence[0]
        kl = kl_gate(divergences, budgets.max_kl)
        gates.append(kl)
        p95 = float(np.percentile(divergences, 95))
        divergence = Divergence(kl.measured, p95, kl.interval, kl_histogram(divergences))
    float_worse = interval is not None and interval.high < 0 and not fed_rightly
    if float_worse or left:
        gates = [undecided(gate) for gate in gates]
    decided: statistics.Verdict | None = worst_verdict(gate.verdict for gate in gates)
    if float_worse and not left:
        decided = "inconclusive"
    lost_most = tuple(each for each in changed_classes if each.float_correct > each.int8_correct)
    sure = softmax or threshold is not None
    return Comparison(
        images=count,
        labelled=labelled,
        duplicates=duplicates,
        skipped=skipped,
        classes=classes,
        threshold=threshold,
        float_model=_model_result(files[0], observed, 0, top_k, sure=sure),
        int8_model=_model_result(files[1], observed, 1, top_k, sure=sure),
        drop=gates[0].measured if labelled else None,
        interval=interval,
        lost=lost,
        gained=gained,
        mcnemar_p=(None if lost is None or gained is None else statistics.mcnemar_p(lost, gained)),
        agreement=agreement.measured,
        agreement_interval=agreement.interval,
        divergence=divergence,
        flips=_flips(observed, labels, with_divergence=softmax),
        worst_classes=lost_most[:_WORST_CLASSES],
        changed_classes=changed_classes,
        float_worse=float_worse,
        gates=tuple(gates),
        verdict=decided,
        top_k=top_k,
        left=left,
    )


def _flips(
    observed: Observations, labels: Sequence[str] | None, *, with_divergence: bool
) -> tuple[Flip, ...]:
    def answer(model: int, number: int) -> FlipAnswer:
        top1 = int(observed.top1[model, number])
        return FlipAnswer(top1, _called(top1, labels), float(observed.probability[model, number]))

    def truth(number: int) -> ClassName | None:
        if observed.labels is None:
            return None
        index = int(observed.labels[number])
        return ClassName(index, _called(index, labels))

    found = [
        Flip(
            observed.paths[number],
            truth(number),
            answer(0, number),
            answer(1, number),
            float(observed.divergence[0, number]) if with_divergence else None,
        )
        for number in np.flatnonzero(observed.top1[0] != observed.top1[1]).tolist()
    ]
    found.sort(
        key=lambda flip: (
            flip.divergence if flip.divergence is not None else flip.float_answer.probability
        ),
        reverse=True,
    )
    return tuple(found)


def _called(index: int, labels: Sequence[str] | None) -> str:
    return str(index) if labels is None else labels[index]


def _model_result(
    file: ModelFile, observed: Observations, model: int, top_k: int, *, sure: bool
) -> ModelResult:
    """Of one model; `sure` where its answers have probabilities."""

    def among_best(count: int) -> float | None:
        if observed.label_rank is None:
            return None
        ranks = observed.label_rank[model]
        return 100 * int(np.count_nonzero(ranks < count)) / len(ranks)

    return ModelResult(
        path=file.path,
        bytes=file.bytes,
        top1=among_best(1),
        top5=among_best(top_k),
        ties=int(np.count_nonzero(observed.tied[model])),
        milliseconds=file.milliseconds,
        reliability=(
            reliability(observed.probability[model], observed.right[model])
            if sure and observed.right is not None
            else None
        ),
        kind=file.kind,
    )


def _changed_classes(
    class_of: NDArray[np.int32],
    float_right: NDArray[np.bool_],
    int8_right: NDArray[np.bool_],
    labels: Sequence[str] | None,
) -> tuple[ClassResult, ...]:
    images = np.bincount(class_of)
    before = np.bincount(class_of[float_right], minlength=len(images))
    after = np.bincount(class_of[int8_right], minlength=len(images))
    lost = np.bincount(class_of[float_right & ~int8_right], minlength=len(images))
    all_lost, all_right = int(lost.sum()), int(before.sum())
    could_lose = int(np.count_nonzero(before))

    def chance(index: int) -> float:
        own = statistics.class_loss_p(int(lost[index]), int(before[index]), all_lost, all_right)
        return min(1.0, could_lose * own)

    found = [
        ClassResult(
            index=index,
            label=_called(index, labels),
            images=int(images[index]),
            float_correct=int(before[index]),
            int8_correct=int(after[index]),
            p=chance(index),
        )
        for index in map(int, np.flatnonzero(before != after))
    ]
    # By images after that, not by share: in a class of two images one flip is half of all.
    found.sort(key=lambda each: (each.p, each.int8_correct - each.float_correct, each.images))
    found.sort(key=lambda each: each.float_correct < each.int8_correct)
    return tuple(found)
