"""The calibration set: the images, fitted to the input, and the hashes of their files."""

import warnings
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
from tinyedge.progress import Progress

__all__ = ["CalibrationSet", "check_can_synthesize", "read_calibration_set"]


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
    progress: Progress,
) -> CalibrationSet:
    """Load `count` images spread evenly over `source`, a folder or manifest.

    Args:
        source: where the images are.
        count: how many to use, at least 1; all where there are fewer.
        spec: the network's input.
        progress: is told of every image.

    Raises:
        DatasetError: there is no image that can be read.
    """
    found = read_unlabelled(source)
    chosen = evenly_spaced(found, count)
    if len(found) < count:
        _note(f"{source} holds {len(found)} images, {count} were asked for: all are used")
    advance = Stage.READ_IMAGES.begin(progress, len(chosen))
    inputs: list[NDArray[np.float32]] = []
    used: list[Path] = []
    for path, pixels in evaluate(partial(load_float_input, spec=spec), chosen):
        if isinstance(pixels, Unreadable):
            _note(f"skipped: {pixels.reason}")
        else:
            inputs.append(pixels)
            used.append(path)
        advance()
    if not inputs:
        raise DatasetError(f"{source}: none of its {len(found)} images can be read")
    return CalibrationSet(np.stack(inputs), tuple(map(file_sha256, used)))


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
