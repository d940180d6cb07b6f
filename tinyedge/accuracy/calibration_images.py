"""Images that calibrated a model: on them it may look better than it is."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import TinyedgeError
from tinyedge.files import file_sha256
from tinyedge.images.evaluate import Unreadable, evaluate
from tinyedge.modelcard import ModelCard

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["CalibrationImages", "calibration_images", "said_of_calibration_images"]

_NAMED_FILES = 3
_BATCH = 64
_BYTES = 32


class CalibrationImages(NamedTuple):
    """What the hashes of some images tell.

    Attributes:
        hashes: uint8 (n, 32), the sha256 of each image; zeros of one that cannot be read.
        among: those of the images that calibrated a model, whatever their names.
    """

    hashes: NDArray[np.uint8]
    among: tuple[Path, ...]


def calibration_images(
    images: Sequence[Path], cards: Sequence[ModelCard], executor: "Executor | None" = None
) -> CalibrationImages:
    """Hash the images, by the executor if there is one, and look them up in the models' cards."""
    batches = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
    known = {digest for card in cards for digest in card.calibration_sha256}
    hashes = np.zeros((len(images), _BYTES), np.uint8)
    among: list[Path] = []
    place = 0
    with closing(evaluate(_digests, batches, executor)) as found:
        for batch, digests in found:
            assert not isinstance(digests, Unreadable)
            for image, digest in zip(batch, digests, strict=True):
                hashes[place] = np.frombuffer(digest, np.uint8)
                among += [image] if digest.hex() in known else []
                place += 1
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


def _digests(paths: Sequence[Path]) -> list[bytes]:
    return [_digest(path) for path in paths]


def _digest(path: Path) -> bytes:
    try:
        return bytes.fromhex(file_sha256(path))
    except (OSError, TinyedgeError):  # a dangling link, no permission, a folder: loading it says so
        return bytes(_BYTES)
