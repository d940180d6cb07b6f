"""A calibration set as a folder: copies of the photos, and a manifest of what they are."""

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tinyedge.calibration.choose import CalibrationChoice
from tinyedge.calibration.photos import Photo
from tinyedge.errors import DatasetError, ImageError
from tinyedge.files import (
    bytes_sha256,
    check_replaceable,
    check_writable,
    list_of,
    read_bytes,
    unlisted,
    write_together,
)
from tinyedge.images.encoded import MOST_BYTES
from tinyedge.images.headers import JPEG_BEGINNING
from tinyedge.images.walk import is_image_name, is_passed_over
from tinyedge.text import shortened

__all__ = ["MANIFEST", "check_output", "file_names", "manifest", "write"]

MANIFEST = "manifest.json"
_OWN_NAMES = {MANIFEST, *list_of([])}
_LONGEST_NAME = 200  # bytes of a file's name, of the 255 that systems take
_SUFFIXES = {"TIFF": ".tif"}


def check_output(output: Path, *sources: Path | None) -> None:
    """Refuse a folder that the set cannot be written to, or that it must not replace.

    Raises:
        DatasetError: it holds what tinyedge did not write, is a file, or lies in a source or
            around it.
        OSError: nothing can be written there.
    """
    if output.exists() and not output.is_dir():
        raise DatasetError(f"{output} is a file; -o names a folder")
    place = Path(os.path.realpath(output))
    for source in filter(None, sources):
        found = Path(os.path.realpath(source))
        if place == found or place in found.parents or found in place.parents:
            raise DatasetError(
                f"{output} would lie in {source}, or around it, and be read for photos the next"
                " time; name a folder beside it"
            )
    check_replaceable(output, folder=True)
    foreign = unlisted(output) if output.is_dir() else []
    if foreign:
        raise DatasetError(
            f"{output} would be replaced, and holds what tinyedge did not write, such as"
            f" {foreign[0]}; move it out of the way"
        )
    check_writable(output.parent)


def write(choice: CalibrationChoice, output: Path) -> None:
    """Write the folder, whole or not at all; it has a folder a class where there are labels.

    Raises:
        DatasetError: a label cannot be a folder's name; a photo has changed meanwhile; or one
            that was looked at lies in the folder, and would be lost.
        OSError: it cannot be written.
    """
    place = Path(os.path.realpath(output))
    looked_at = [photo.path for photo in choice.pool] + [each.path for each in choice.left_out]
    for path in looked_at:
        if place in Path(os.path.realpath(path)).parents:
            raise DatasetError(
                f"{output} would be replaced, and {path} in it is one of the photos to choose"
                " among; name another folder"
            )
    names = file_names(choice)
    text = json.dumps(manifest(choice, names), indent=1, allow_nan=False, ensure_ascii=True)
    besides = {MANIFEST: f"{text}\n".encode()}
    besides |= list_of([*names.values(), *besides])
    write_together({output: _Folder(names, besides)})


def manifest(choice: CalibrationChoice, names: Mapping[Photo, str]) -> dict[str, object]:
    """What the set is and how it was made; see docs/calib.md."""
    return {
        "schema": "tinyedge.calib-manifest/1",
        "source": str(choice.source),
        "data": None if choice.data is None else str(choice.data),
        "size": choice.size,
        "seed": choice.seed,
        "balanced": choice.labelled,
        "images": [
            {
                "path": name,
                "sha256": photo.sha256,
                "label": photo.label,
                "fingerprint": f"{photo.fingerprint:016x}",
                "source": str(photo.path),
            }
            for photo, name in sorted(names.items(), key=lambda each: each[1])
        ],
    }


def file_names(choice: CalibrationChoice) -> dict[Photo, str]:
    """Where each photo of the set stands in its folder: its own name, made another where it must.

    Raises:
        DatasetError: a label cannot be a folder's name, or has that of another.
    """
    taken: set[str] = set()
    names = {}
    labels: dict[str, str | None] = {}
    for photo in sorted(choice.chosen, key=lambda each: (each.path.name, each.sha256)):
        folder = "" if photo.label is None else f"{_folder_name(photo.label)}/"
        other = labels.setdefault(folder, photo.label)
        if other != photo.label:
            raise DatasetError(
                f"the labels {shortened(other)} and {shortened(photo.label)} would share a folder;"
                " with --unlabelled the set has none"
            )
        own = photo.path.name
        if not is_image_name(own) or len(os.fsencode(own)) > _LONGEST_NAME:
            own = f"{photo.sha256[:16]}{_suffix(photo)}"
        path = PurePosixPath(own)
        name, number = f"{folder}{own}", 1
        # Some file systems take names that differ in case for one.
        while name.casefold() in taken:
            number += 1
            name = f"{folder}{path.stem}_{number}{path.suffix}"
        taken.add(name.casefold())
        names[photo] = name
    return names


def _folder_name(label: str) -> str:
    # As the labels of a model are found again: see `tinyedge.images.labels.ClassNames`.
    name = label.replace("/", "_")
    is_no_name = "\0" in name or len(os.fsencode(name)) > _LONGEST_NAME
    if is_no_name or is_passed_over(name) or name.casefold() in _OWN_NAMES:
        raise DatasetError(
            f"the label {shortened(label)} cannot be the name of a folder; with --unlabelled the"
            " set has none"
        )
    return name


def _suffix(photo: Photo) -> str:
    from PIL import Image

    content = _content(photo)
    # One that may be decoded smaller alone is too large for Image.open.
    if content.startswith(JPEG_BEGINNING):
        return ".jpg"
    with Image.open(io.BytesIO(content)) as image:
        return _SUFFIXES.get(image.format or "", f".{image.format}".lower())


def _content(photo: Photo) -> bytes:
    content = read_bytes(photo.path, limit=MOST_BYTES, what="an image", error=ImageError)
    if bytes_sha256(content) != photo.sha256:
        raise DatasetError(f"{photo.path} has changed while the set was chosen; try again")
    return content


class _Folder(Mapping[str, bytes]):
    """The files of the set, each read when it is written."""

    def __init__(self, names: Mapping[Photo, str], besides: Mapping[str, bytes]) -> None:
        self._photos = {name: photo for photo, name in names.items()}
        self._besides = besides

    def __getitem__(self, name: str) -> bytes:
        return _content(self._photos[name]) if name in self._photos else self._besides[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._photos
        yield from self._besides

    def __len__(self) -> int:
        return len(self._photos) + len(self._besides)
