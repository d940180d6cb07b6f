"""The calibration set: the images, fitted to the input, and the hashes of their files."""

import warnings
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import Convolutional
from tinyedge.darknet.network import Network
from tinyedge.errors import DatasetError, ExportError, TinyedgeWarning
from tinyedge.export.stages import Stage
from tinyedge.files import file_sha256
from tinyedge.images.evaluate import Unreadable, evaluate
from tinyedge.images.find import evenly_spaced, read_unlabelled
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.modelcard import MOST_CALIBRATION_PHOTOS
from tinyedge.progress import Progress
from tinyedge.text import counted
from tinyedge.workers import decoding_workers

__all__ = [
    "ENOUGH_TO_SET_ASIDE",
    "FEW",
    "STRAYS",
    "CalibrationSet",
    "check_can_synthesize",
    "read_calibration_set",
    "set_aside",
]

FEW = 50
"""Fewer images than these more than double the divergence of an int8 file from the float one."""
STRAYS = {10: 6.5, 25: 3.3}
"""By how many images: how many times as large the mean KL of Tiny Darknet's int8 file is as with
200, by docs/calibration.md."""
ENOUGH_TO_SET_ASIDE = 100
"""Images: where there are so many, every third is set aside."""
_EVERY_ASIDE = 3


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """Images as the network sees them.

    Attributes:
        inputs: float32 (images, height, width, channels), pixels in [0, 1].
        sha256: of each image file's content, hexadecimal, in the order of `inputs`.
    """

    inputs: NDArray[np.float32]
    sha256: tuple[str, ...]


def read_calibration_set(
    source: Path,
    *,
    count: int,
    spec: InputSpec,
    workers: int | None = 1,
    progress: Progress,
) -> CalibrationSet:
    """Load `count` images spread evenly over `source`, a folder, pattern, image or manifest.

    Args:
        source: where the images are.
        count: how many to use, at least 1; all where there are fewer.
        spec: the network's input.
        workers: processes that decode the photos; None for as many as are of use. Each imports
            the program's main module anew.
        progress: is told of every image.

    Warns (TinyedgeWarning) of files that are no images, where there are fewer images than `count`,
    and of what few cost.

    Raises:
        DatasetError: there is no image that can be read, or more are chosen than a model card can
            name.
    """
    found = read_unlabelled(source)
    chosen = evenly_spaced(found, count)
    if len(chosen) > MOST_CALIBRATION_PHOTOS:
        raise DatasetError(
            f"{source}: {len(chosen):,} photos are more than the {MOST_CALIBRATION_PHOTOS:,} that a"
            " model card can name: give a smaller --count"
        )
    advance = Stage.READ_IMAGES.begin(progress, len(chosen))
    inputs: list[NDArray[np.float32]] = []
    used: list[Path] = []
    load = partial(load_float_input, spec=spec)
    with (
        decoding_workers(chosen, workers, moved=spec.float_bytes) as executor,
        closing(evaluate(load, chosen, executor)) as loaded,
    ):
        for path, pixels in loaded:
            if isinstance(pixels, Unreadable):
                _note(f"skipped: {pixels.reason}")
            else:
                inputs.append(pixels)
                used.append(path)
            advance()
    if not inputs:
        raise DatasetError(f"{source}: none of its {len(found)} images can be read")
    _note_count(len(inputs), all_of_them=len(found) < count)
    return CalibrationSet(np.stack(inputs), tuple(map(file_sha256, used)))


def _note_count(used: int, *, all_of_them: bool) -> None:
    images = f"{'all ' if all_of_them and used > 1 else ''}{counted(used, 'image')}"
    if used < FEW:
        _note(
            f"calibrating on {images}, which is few: of Tiny Darknet int8 strays"
            f" {STRAYS[25]:.1f} times as far from float with 25 as with 200, and"
            f" {STRAYS[10]:.1f} times with 10; give it {FEW} or more"
        )
    elif all_of_them:
        _note(f"calibrating on {images}")


def set_aside(images: int) -> NDArray[np.bool_] | None:
    """(images,): which are not learned from but chosen on; None where there are too few."""
    if images < ENOUGH_TO_SET_ASIDE:
        return None
    aside: NDArray[np.bool_] = np.arange(images) % _EVERY_ASIDE == 0
    return aside


def check_can_synthesize(network: Network) -> None:
    """Refuse to calibrate without photos a network that has no batch norm statistics.

    Raises:
        ExportError: the network has no batch-normalized convolution.
    """
    if not any(
        isinstance(layer, Convolutional) and layer.batch_normalize for layer in network.layers
    ):
        raise ExportError(
            f"{network.source}: no convolution has batch_normalize=1, so its weights tell nothing"
            " of the images it was trained on, and --calib none cannot work; name a folder of"
            " photos with --calib"
        )


def _note(message: str) -> None:
    warnings.warn(message, TinyedgeWarning, stacklevel=3)
