"""What models answer to photos of 12 megapixels, decoded whole and decoded reduced."""

import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyedge.accuracy import statistics
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.images.image_list import LabelledImage
from tinyedge.images.load import read_pixels

__all__ = ["NOISES", "Answers", "answers", "enlarged"]

# Of 255: none, and about what a telephone's pixel has indoors.
NOISES = (0.0, 5.0)
_PIXELS = 12e6
_QUALITY = 92


@dataclass(frozen=True)
class Answers:
    """One file's answers to photos that were decoded in one way.

    Attributes:
        model: ``float`` or ``int8``.
        decoded: ``small``, ``whole`` or ``reduced``.
        top1: share of right answers.
        kl_whole, agrees_whole: mean KL to the same file's answers to the whole photos, nats, and
            the share with the same class.
        kl_small, agrees_small: the same to the small images that were enlarged.
    """

    model: str
    decoded: str
    top1: float
    kl_whole: float
    agrees_whole: float
    kl_small: float
    agrees_small: float


def enlarged(path: Path, noise: float) -> bytes:
    """The photo as a JPEG of 12 megapixels, with noise of that deviation on each pixel."""
    with Image.open(path) as image:
        scale = (_PIXELS / (image.width * image.height)) ** 0.5
        size = round(image.width * scale), round(image.height * scale)
        large = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    if noise:
        pixels = np.asarray(large).astype(np.float32)
        # Of the photo's own name, so that the whole run can be repeated.
        rng = np.random.default_rng(list(path.name.encode()))
        pixels += noise * rng.standard_normal((*pixels.shape[:2], 1), np.float32)
        large = Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8))
    stream = io.BytesIO()
    large.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def answers(
    models: Mapping[str, Classifier], images: Sequence[LabelledImage], noise: float
) -> list[Answers]:
    """What each model answers, to each photo decoded in each way."""
    logits: dict[tuple[str, str], list[NDArray[np.float64]]] = {
        (model, decoded): [] for model in models for decoded in ("small", "whole", "reduced")
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        for image in images:
            path.write_bytes(enlarged(image.path, noise))
            whole = read_pixels(path, 3)
            for name, model in models.items():
                for decoded, inputs in (
                    ("small", model.preprocess(image.path)),
                    ("whole", model.preprocess(whole)),
                    ("reduced", model.preprocess(path)),
                ):
                    logits[name, decoded].append(model.logits(inputs))
    scores = {key: np.stack(rows) for key, rows in logits.items()}
    return [_compared(key, scores, np.array([image.index for image in images])) for key in scores]


def _compared(
    key: tuple[str, str],
    all_scores: Mapping[tuple[str, str], NDArray[np.float64]],
    labels: NDArray[np.intp],
) -> Answers:
    model, decoded = key
    scores, whole, small = (all_scores[model, name] for name in (decoded, "whole", "small"))
    top1 = statistics.top1(scores)
    return Answers(
        model=model,
        decoded=decoded,
        top1=float(np.mean(top1 == labels)),
        kl_whole=float(np.mean(statistics.kl_divergence(whole, scores))),
        agrees_whole=float(np.mean(top1 == statistics.top1(whole))),
        kl_small=float(np.mean(statistics.kl_divergence(small, scores))),
        agrees_small=float(np.mean(top1 == statistics.top1(small))),
    )
