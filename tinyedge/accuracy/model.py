"""What a comparison needs of a model, whichever runtime runs it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import AnswerError
from tinyedge.images.spec import InputSpec
from tinyedge.modelcard import ModelCard

__all__ = [
    "EVEN",
    "Inference",
    "ScoringModel",
    "check_finite",
    "is_probability",
    "probabilities",
]

EVEN = 0.5
"""The threshold above which the probability of one class of two is the higher."""
# A step of an int8 output, by which one may lie outside [0, 1].
_ROUNDING = 1 / 128


class Inference(NamedTuple):
    """One run of a model.

    Attributes:
        scores: float64 (classes,), dequantized; before the softmax where the card has one. Of a
            model of one output, the probability of class 1 against class 0.
        milliseconds: what it took, from the input tensor to the scores.
    """

    scores: NDArray[np.float64]
    milliseconds: float


class ScoringModel(Protocol):
    """A classifier that is ready to run, such as `tinyedge.devices.runtime.classifier.Classifier`.

    Attributes:
        path: its file.
        bytes: that file's size, model card included.
        card: what it says of itself.
        spec: its input.
        classes: how many scores it gives.
        threshold: above which the one score of a model that gives one is class 1.
    """

    path: Path
    bytes: int
    card: ModelCard
    spec: InputSpec
    classes: int
    threshold: float

    def infer(self, inputs: NDArray[np.generic], /) -> Inference:
        """The scores of one input tensor, (1, height, width, channels) of the input's type."""

    def opener(
        self, threads: int, /, find: Callable[[], Path] | None = None
    ) -> "Callable[[], ScoringModel]":
        """What another process calls to have the same model, with so many threads; picklable.

        `find` says where its file is there; where not given it is where it is here.
        """


def is_probability(score: float) -> bool:
    """Whether the one score of a model may be one, give or take its rounding."""
    return bool(-_ROUNDING <= score <= 1 + _ROUNDING)


def probabilities(scores: NDArray[np.float64], card: ModelCard) -> NDArray[np.float64]:
    """The softmax of (classes,) scores where the network ended in one, else `scores` unchanged."""
    if not card.softmax:
        return scores
    scaled = scores.reshape(card.softmax_groups, -1) / card.temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True)).reshape(-1)


def check_finite(scores: NDArray[np.float64], path: Path) -> None:
    """Refuse scores of the model at `path` from which no probabilities can be made.

    Raises:
        AnswerError: some are infinite or NaN.
    """
    if not np.isfinite(scores).all():
        raise AnswerError(f"{path} answers with infinite scores or NaN")
