"""The rows of the calibration page: which images each export is calibrated on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.places import imagenet
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Weights
from tinyedge.export.build.fold import fold
from tinyedge.export.calibrate.batch_norm import batch_norm_statistics
from tinyedge.images.find import evenly_spaced, read_unlabelled
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import Fit, InputSpec
from tinyedge.progress import no_progress

__all__ = ["ROWS", "Row", "calibration_images"]


@dataclass(frozen=True)
class Row:
    """One export.

    Attributes:
        name: of the row's file.
        part: the table it stands in.
        title: what a reader sees.
        folder: of ImageNet photos.
        count: how many are used.
        draw: the seed they are drawn with at random; None for evenly spaced ones.
        fit: how they are fitted to the input; the evaluation images are cropped.
        reversed_channels: BGR in place of RGB.
        synthesized: no photos, but images made of the weights' batch norm statistics.
        factor, shift: what each pixel in [0, 1] becomes: factor * pixel + shift.
    """

    name: str
    part: str
    title: str
    folder: str = "calib"
    count: int = 200
    draw: int | None = None
    fit: Fit = "crop"
    reversed_channels: bool = False
    synthesized: bool = False
    factor: float = 1.0
    shift: float = 0.0


# By importance: a run that ends early has measured the first.
ROWS = (
    *(
        Row(f"draw-{seed}", "draws", f"draw {seed}", folder="calib_more", draw=seed)
        for seed in range(1, 6)
    ),
    Row("none", "mistakes", "no photos, `--calib none`", synthesized=True),
    *(Row(f"count-{count}", "count", f"{count}", count=count) for count in (200, 10, 50, 100)),
    Row("letterbox", "mistakes", "letterboxed, not cropped", fit="letterbox"),
    Row("bgr", "mistakes", "BGR, not RGB", reversed_channels=True),
    Row("bytes", "mistakes", "pixels from 0 to 255, not to 1", factor=255.0),
    Row("stretch", "mistakes", "stretched, not cropped", fit="stretch"),
    Row("symmetric", "mistakes", "pixels from -1 to 1, not from 0", factor=2.0, shift=-1.0),
    Row(
        "draw-1-letterbox",
        "mistakes",
        "draw 1, letterboxed, not cropped",
        folder="calib_more",
        draw=1,
        fit="letterbox",
    ),
    Row("count-25", "count", "25", count=25),
)


def calibration_images(row: Row, network: Network, weights: Weights) -> NDArray[np.float32]:
    """What the row's export is calibrated on, float32 (images, height, width, channels)."""
    if row.synthesized:
        from tinyedge.export.build.model import build_keras_model
        from tinyedge.export.calibrate.synthesize import synthesize_images

        model = build_keras_model(network, fold(network, weights))
        statistics = batch_norm_statistics(network, weights)
        return synthesize_images(network, model, statistics, seed=0, progress=no_progress)
    found = read_unlabelled(imagenet() / row.folder)
    if row.draw is None:
        chosen = evenly_spaced(found, row.count)
    else:
        rng = np.random.default_rng(row.draw)
        chosen = [found[i] for i in rng.choice(len(found), row.count, replace=False)]
    spec = InputSpec(*network.input, row.fit)
    images = np.stack([load_float_input(path, spec) for path in chosen])
    if row.reversed_channels:
        images = np.ascontiguousarray(images[..., ::-1])
    return images * np.float32(row.factor) + np.float32(row.shift)
