"""Images that calibrated a model: on them it may look better than it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tinyedge.files import file_sha256
from tinyedge.modelcard import ModelCard

__all__ = ["CalibrationImages", "calibration_images", "said_of_calibration_images"]

_NAMED_FILES = 3


class CalibrationImages(NamedTuple):
    """What the hashes of some images tell.

    Attributes:
        hashes: sha256 of each image, empty of one that cannot be read.
        among: those of the images that calibrated a model, whatever their names.
    """

    hashes: tuple[str, ...]
    among: tuple[Path, ...]


def calibration_images(images: Sequence[Path], cards: Sequence[ModelCard]) -> CalibrationImages:
    """Hash the images and look them up in the models' cards."""
    hashes = tuple(map(_digest, images))
    known = {digest for card in cards for digest in card.calibration_sha256}
    among = (image for image, digest in zip(images, hashes, strict=True) if digest in known)
    return CalibrationImages(hashes, tuple(among))


def said_of_calibration_images(among: Sequence[Path], images: int) -> str:
    """A message about those `among` so many images, a few of them named."""
    names = ", ".join(str(path) for path in among[:_NAMED_FILES])
    more = ", ..." if len(among) > _NAMED_FILES else ""
    return (
        f"{len(among)} of the {images} images calibrated the model ({names}{more})."
        " On these it may look better than it is: take them out, or export again with other"
        " images after --calib"
    )


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:  # a dangling link, no permission: loading the image says so
        return ""
