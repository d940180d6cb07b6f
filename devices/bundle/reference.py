"""A model's answer on this computer, for the board to be compared with."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyedge.devices.profile import Profile, RuntimeName
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import ModelError
from tinyedge.images.spec import InputSpec
from tinyedge.modelcard import read_card

__all__ = ["Reference", "reference"]

# So many images are drawn, and the one is kept whose class has the largest margin: rounding in
# another runtime must not change that class.
_DRAWN = 8


@dataclass(frozen=True)
class Reference:
    """One image and what a model says of it.

    Attributes:
        image: a PNG file's content.
        scores: one per class, dequantized.
        runtime: the TFLite runtime that gave them, and its `version`.
        quantized: whether the model takes integers.
    """

    image: bytes
    scores: tuple[float, ...]
    runtime: RuntimeName
    version: str
    quantized: bool


def reference(model: Path, profile: Profile) -> Reference:
    """Run `model` on a drawn image; equal models on equal runtimes give equal references.

    Raises:
        ModelError: it is no image classifier, or bears no card, so that the board would not know
            how to fit photos to it.
        MissingPackageError: no TFLite runtime is installed here.
        OSError: the file cannot be read.
    """
    if read_card(model) is None:
        raise ModelError(
            f"{model} bears no model card: bundle takes .tflite files that tinyedge exported"
        )
    classifier = Classifier(model, device=profile, threads=1, delegate="exact")
    answers = []
    for seed in range(_DRAWN):
        image = _drawn(seed, classifier.spec)
        scores = classifier.logits(classifier.preprocess(image))
        answers.append((_margin(scores), -seed, image, scores))
    _, _, image, scores = max(answers, key=lambda answer: answer[:2])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return Reference(
        image=stream.getvalue(),
        scores=tuple(scores.tolist()),
        runtime=classifier.runtime.name,
        version=classifier.runtime.version,
        quantized=classifier.card.quantization != "float32",
    )


def _margin(scores: NDArray[np.float64]) -> float:
    """How far the likeliest class is ahead of the next."""
    if scores.size < 2:
        return 0.0
    second, first = np.partition(scores, -2)[-2:]
    return float(first - second)


def _drawn(seed: int, spec: InputSpec) -> Image.Image:
    """An image of soft colours, of another shape than the network's input, so that it is fitted."""
    colours = np.random.default_rng(seed).integers(0, 256, (5, 7, spec.channels), np.uint8)
    small = Image.fromarray(colours if spec.channels == 3 else colours[:, :, 0])
    size = spec.width * 3 // 2 + 1, spec.height * 5 // 4 + 1
    return small.resize(size, Image.Resampling.BICUBIC)
