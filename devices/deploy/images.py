"""Labelled images as they travel to a board: one archive, known there by its content."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import DatasetError
from tinyedge.files import bytes_sha256, reproducible_tar
from tinyedge.images.image_list import LabelledImage
from tinyedge.images.labels import ClassNames, class_names

__all__ = ["PackedImages", "pack_images"]


@dataclass(frozen=True)
class PackedImages:
    """An archive of labelled images.

    Attributes:
        identity: equal where names, classes and contents are.
        archive: a tar with one folder per class.
        count: how many images.
    """

    identity: str
    archive: bytes
    count: int


def pack_images(
    images: Sequence[LabelledImage],
    *,
    labels: Sequence[str] | None,
    ids: Sequence[str] | None,
    classes: int,
) -> PackedImages:
    """Archive `images` in their order, in folders that name their classes there as here.

    Raises:
        DatasetError: a class has no name of its own that a folder can bear.
        OSError: an image cannot be read.
    """
    names = ClassNames(labels, ids, classes)
    columns = [column for named in (ids, labels) if (column := class_names(named, classes))]
    members = (
        (
            f"{_folder(image.index, names, columns)}/{number:06}{image.path.suffix.lower()}",
            image.path.read_bytes(),
        )
        for number, image in enumerate(images)
    )
    packed = reproducible_tar(members)
    return PackedImages(bytes_sha256(packed)[:16], packed, len(images))


def _folder(index: int, names: ClassNames, columns: Sequence[Sequence[str]]) -> str:
    """A name that the board's tinyedge takes for that class and no other."""
    candidates = [str(index), *(column[index] for column in columns)]
    for candidate in candidates:
        try:
            if names.find(candidate, "") == index and _is_a_name(candidate):
                return candidate
        except DatasetError:
            continue
    raise DatasetError(f"class {index} has no name that a folder can bear: {candidates}")


def _is_a_name(text: str) -> bool:
    return Path(text).name == text and not text.startswith(".")
