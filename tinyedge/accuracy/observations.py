"""What is kept of each image: a few numbers in columns, 4 MB of 50,000 images and two models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.images.image_list import ImagePaths

__all__ = ["Answer", "ImageAnswers", "ObservationTable", "Observations"]


class Answer(NamedTuple):
    """What is kept of one model's scores of one image.

    Attributes:
        top1: the class of the highest score.
        label_rank: how many classes score higher than the image's own; None without a label.
        tied: whether several classes share the highest score.
        probability: of `top1`; of a network that ends in no softmax the score itself.
    """

    top1: int
    label_rank: int | None
    tied: bool
    probability: float


class ImageAnswers(NamedTuple):
    """What all models answer to one image.

    Attributes:
        answers: the reference's, then the other models'.
        divergences: KL(reference || other) of their softmax for each other model, nats.
    """

    answers: tuple[Answer, ...]
    divergences: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Observations:
    """What was observed of n images, in their order; the reference is the first of the models.

    Attributes:
        paths: the images.
        labels: int32 (n,), the class each shows; None where that is not known.
        top1: int32 (models, n), the class each model says.
        label_rank: int32 (models, n), how many classes it scores higher than the right one; None
            without labels.
        tied: bool (models, n), whether several classes share the highest score.
        probability: float64 (models, n), of the class it says; of a network that ends in no
            softmax the score itself.
        divergence: float64 (models - 1, n), KL(reference || model), nats.
    """

    paths: Sequence[Path]
    labels: NDArray[np.int32] | None
    top1: NDArray[np.int32]
    label_rank: NDArray[np.int32] | None
    tied: NDArray[np.bool_]
    probability: NDArray[np.float64]
    divergence: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def models(self) -> int:
        """How many there are, the reference included."""
        return len(self.top1)

    @property
    def right(self) -> NDArray[np.bool_] | None:
        """(models, n): whether the model says the right class; None without labels."""
        return None if self.label_rank is None else self.label_rank == 0

    def pair(self, model: int) -> "Observations":
        """The same of the reference and one other model, 1 for the first of those."""
        # Views of the two, not copies.
        both = slice(0, model + 1, model)
        return Observations(
            self.paths,
            self.labels,
            self.top1[both],
            None if self.label_rank is None else self.label_rank[both],
            self.tied[both],
            self.probability[both],
            self.divergence[model - 1 : model],
        )


class ObservationTable:
    """The observations of `images` images as they come, in whatever order."""

    def __init__(self, images: int, models: int, *, labelled: bool) -> None:
        self._seen = np.zeros(images, np.bool_)
        self._top1 = np.zeros((models, images), np.int32)
        self._rank = np.zeros((models, images), np.int32) if labelled else None
        self._tied = np.zeros((models, images), np.bool_)
        self._probability = np.zeros((models, images))
        self._divergence = np.zeros((models - 1, images))

    def __contains__(self, image: int) -> bool:
        """Whether the image of that number has been recorded."""
        return bool(self._seen[image])

    def __len__(self) -> int:
        return int(np.count_nonzero(self._seen))

    def numbers(self) -> NDArray[np.intp]:
        """Those of the images that have been recorded, in their order."""
        return np.flatnonzero(self._seen)

    def recorded(self, paths: ImagePaths) -> ImagePaths:
        """Those of the paths of all images whose image has been recorded."""
        return paths if self._seen.all() else paths.chosen(map(int, self.numbers()))

    def record(self, image: int, found: ImageAnswers) -> None:
        """Keep what the models answer to the image of that number."""
        self._seen[image] = True
        for model, answer in enumerate(found.answers):
            self._top1[model, image] = answer.top1
            self._tied[model, image] = answer.tied
            self._probability[model, image] = answer.probability
            if self._rank is not None:
                assert answer.label_rank is not None
                self._rank[model, image] = answer.label_rank
        self._divergence[:, image] = found.divergences

    def observations(self, paths: ImagePaths, labels: Sequence[int] | None) -> Observations:
        """All that was recorded, in the images' order.

        Args:
            paths: of all images, those not recorded too.
            labels: likewise; None without labels.
        """
        numbers = slice(None) if self._seen.all() else self.numbers()
        return Observations(
            self.recorded(paths),
            None if labels is None else np.asarray(labels, np.int32)[numbers],
            self._top1[:, numbers],
            None if self._rank is None else self._rank[:, numbers],
            self._tied[:, numbers],
            self._probability[:, numbers],
            self._divergence[:, numbers],
        )
