"""Comparisons whose every number is made up, on photos that are there: for what shows them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tinyedge.accuracy.budgets import Budgets
from tinyedge.accuracy.compare import Agreement, Comparisons
from tinyedge.accuracy.observations import Observations
from tinyedge.accuracy.page.layers import LayerNoise, Layers
from tinyedge.accuracy.page.made import HowMade, MadeFrom
from tinyedge.accuracy.result import ModelFile, conclude
from tinyedge.accuracy.statistics import drop_interval

__all__ = ["how_made", "layers", "made_up", "write_noise"]


def write_noise(path: Path, *, width: int = 200, height: int = 150, seed: int = 0) -> Path:
    """A PNG of noise, which compresses worst."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def made_up(
    photos: Sequence[Path],
    labels: Sequence[str] | None,
    *,
    classes: int = 10,
    flips: float = 0.3,
    models: Sequence[str] = ("int8.tflite",),
    labelled: bool = True,
    softmax: bool = True,
    budgets: Budgets = Budgets(max_drop=2),  # noqa: B008  # a constant
) -> Comparisons:
    """`flips` of the photos, drawn at random for each of the models, get another answer."""
    random = np.random.default_rng(7)
    count, all_models = len(photos), len(models) + 1
    top1 = np.tile(random.integers(0, classes, count, dtype=np.int32), (all_models, 1))
    for row in top1[1:]:
        moved = random.random(count) < flips
        row[moved] = (row[moved] + 1 + random.integers(0, classes - 1, moved.sum())) % classes
    truth = np.where(random.random(count) < 0.7, top1[0], (top1[0] + 1) % classes)
    observed = Observations(
        tuple(photos),
        truth.astype(np.int32) if labelled else None,
        top1,
        np.where(top1 == truth, 0, 1).astype(np.int32) if labelled else None,
        np.zeros((all_models, count), np.bool_),
        random.uniform(0.1, 1, (all_models, count)),
        10 ** random.uniform(-6, 0, (len(models), count)),
    )
    files = [ModelFile(Path(name), 10**6, 1.5) for name in ("float.tflite", *models)]
    each = tuple(
        conclude(
            observed.pair(number),
            files=(files[0], files[number]),
            classes=classes,
            labels=labels,
            softmax=softmax,
            budgets=budgets,
            top_k=5,
            fed_rightly=True,
            skipped=(),
            duplicates=0,
        )
        for number in range(1, all_models)
    )
    return Comparisons(
        each,
        observed,
        tuple(
            Agreement((1, number), 90.0, 3, 2, drop_interval(3, 2, count))
            for number in range(2, all_models)
        ),
        None if labels is None else tuple(labels),
        tuple(str(number) * 64 for number in range(all_models)),
    )


def how_made(*names: str, command: str = "tinyedge compare") -> HowMade:
    """Of files of those names; their sha256 are 000..., 111..., and so on."""
    return HowMade(
        command=command,
        time="2026-01-02T03:04:05+00:00",
        versions={"tinyedge": "0.1.0", "Python": "3.11.2"},
        threads=2,
        cpu="a CPU",
        dot_product=False,
        models=tuple(
            MadeFrom(Path(name), 10**6, str(number) * 64, "int8, quantizer tuned")
            for number, name in enumerate(names)
        ),
    )


def layers(count: int = 5) -> Layers:
    """Of the first two files of `how_made`; the last layer is to blame."""
    return Layers(
        Path("layers.json"),
        32,
        "0" * 64,
        "1" * 64,
        tuple(
            LayerNoise(
                f"{number} convolutional",
                30.0 - number,
                None if number == 1 else 35.0,
                0.001 * (number + 1),
                0.0005,
                0.0008 * (number - 1),
                0.0003,
                0.1 * number,
                worst=number == count - 1,
            )
            for number in range(count)
        ),
    )
