"""Models over one image after the other: the work of this process, or of many workers."""

import functools
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import tinyedge
from tinyedge.accuracy import statistics
from tinyedge.accuracy.model import (
    Inference,
    ScoringModel,
    check_finite,
    is_probability,
    probabilities,
)
from tinyedge.accuracy.observations import Answer, ImageAnswers
from tinyedge.errors import AnswerError, ModelError, WorkerError
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.evaluate import Unreadable, made_once, outcome
from tinyedge.images.load import load_float_inputs

__all__ = ["OpenedModels", "Outcome", "Scoring", "Task"]


class Task(NamedTuple):
    """An image to be scored.

    Attributes:
        number: of the image among all that were asked for.
        image: its file, or that file's content where a worker has no such file; as text, for a
            Path that Python 3.13 pickled is none to an older one.
        label: its class, or None.
    """

    number: int
    image: str | EncodedImage
    label: int | None


Outcome = ImageAnswers | Unreadable


class Scoring:
    """Models, the reference first, that answer to images."""

    def __init__(self, models: Sequence[ScoringModel]) -> None:
        self._models = tuple(models)
        self._specs = tuple(model.spec for model in models)

    def __call__(self, tasks: Sequence[Task]) -> list[Outcome]:
        """What all models say of each image, which is decoded once; or why it cannot be read.

        Raises:
            ModelError: a model gives one score that is no probability.
        """
        return [outcome(functools.partial(self._answers, task)) for task in tasks]

    def _answers(self, task: Task) -> ImageAnswers:
        """Of one image.

        Raises:
            ImageError: it cannot be read, or a model answers it with infinities or NaN.
        """
        inputs = load_float_inputs(task.image, self._specs)
        found = [
            _finite(model, str(task.image), pixels)
            for model, pixels in zip(self._models, inputs, strict=True)
        ]
        scaled = [
            inference.scores / model.card.temperature
            for inference, model in zip(found, self._models, strict=True)
        ]
        return ImageAnswers(
            tuple(
                _answer(inference, task.label, model)
                for inference, model in zip(found, self._models, strict=True)
            ),
            tuple(float(statistics.kl_divergence(scaled[0], other)) for other in scaled[1:]),
        )


@dataclass(frozen=True)
class OpenedModels:
    """A `Scoring` that a worker makes for itself, once: what executors of processes are given.

    Attributes:
        key: equal where the models and their options are.
        openers: each opens a model; picklable.
        version: of the tinyedge that hands out the work.
    """

    key: str
    openers: tuple[Callable[[], ScoringModel], ...]
    version: str = tinyedge.__version__

    def __call__(self, tasks: Sequence[Task]) -> list[Outcome]:
        """As of `Scoring`.

        Raises:
            WorkerError: this process has another tinyedge: its numbers may be others.
        """
        if self.version != tinyedge.__version__:
            raise WorkerError(
                f"the worker {platform.node()}, process {os.getpid()}, has tinyedge"
                f" {tinyedge.__version__}, not {self.version}: install the same on every worker"
            )
        return made_once(self.key, functools.partial(_scoring, self.openers))(tasks)


def _scoring(openers: Sequence[Callable[[], ScoringModel]]) -> Scoring:
    return Scoring([open_model() for open_model in openers])


def _finite(model: ScoringModel, image: str, pixels: NDArray[np.float32]) -> Inference:
    try:
        inference = model.infer(model.spec.encode(pixels)[np.newaxis])
        check_finite(inference.scores, model.path)
    except AnswerError as error:
        raise AnswerError(f"{image}: {error}") from error
    if model.classes == 1 and not is_probability(inference.scores[0]):
        raise ModelError(
            f"{model.path} answers {image} with {inference.scores[0]:.6g}, no probability: one"
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
    )
