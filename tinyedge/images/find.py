"""Which images: folders, class folders, manifests and patterns, always in the same order.

A folder is searched with its subfolders; see `tinyedge.images.walk`. A manifest is a UTF-8 text
file of ``path<TAB>label`` lines, the paths relative to its own folder; ``#`` starts a comment line.
One without tabs is a list as Darknet's training takes it: the paths are from where the process is,
else from the list's folder, and the class of each is the one whose label is a part of its path
(``fill_truth`` of Darknet's ``data.c``). A .data file names such a list.
"""

import glob
import os
import warnings
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.files import read_text
from tinyedge.images.data_file import found_file, is_data_file, read_data_file
from tinyedge.images.image_list import ImagePaths, LabelledImages
from tinyedge.images.labels import ClassNames, class_names, listed, read_labels
from tinyedge.images.walk import (
    SUFFIXES,
    LeftOut,
    folder_identity,
    is_image_name,
    is_passed_over,
    listed_folder,
    matching,
    walk,
)
from tinyedge.text import shortened, shown_name

__all__ = [
    "NamedImage",
    "evenly_spaced",
    "find_images",
    "read_images",
    "read_labelled",
    "read_named",
    "read_unlabelled",
]

# A line of 100 bytes for each of ImageNet's 1.3 million photos.
_MOST_BYTES = 2**27


class NamedImage(NamedTuple):
    """An image and what its class is called; None where that is not said."""

    path: Path
    label: str | None


def find_images(sources: Sequence[str]) -> ImagePaths:
    """The images that `sources` name, in the order given.

    A file counts as it is named, whatever its suffix; a folder stands for the images in it,
    sorted; a pattern (``photos/*.jpg``, ``**`` for any depth) for the images and folders it
    matches, sorted. A name that exists is never taken for a pattern.

    Raises:
        DatasetError: a name that does not exist, a folder or pattern without an image.
    """
    found: list[Sequence[Path]] = []
    for source in sources:
        path = Path(source)
        # Those of os.path take a name too long for any file for one that is not there.
        if os.path.isdir(source):
            found.append(_images_in(path))
        elif os.path.exists(source):
            found.append([path])
        elif glob.has_magic(source):
            found.append(_matching(source))
        else:
            raise DatasetError(f"{shown_name(source)}: no such file or folder")
    return ImagePaths(chain.from_iterable(found))


def read_unlabelled(source: Path) -> ImagePaths:
    """The images of a folder or pattern, sorted, or those a manifest or list holds, in its order.

    Args:
        source: a folder, pattern, image, manifest, list or .data file.

    Raises:
        DatasetError: no such folder or manifest, no image in it, a listed file is missing.
    """
    if os.path.isdir(source):
        return _images_in(source)
    if (found := _pattern_or_image(source)) is not None:
        return found
    if is_data_file(source):
        entries = _read_manifest(read_data_file(source).valid(), source.parent)
    else:
        entries = _read_manifest(source)
    return ImagePaths(entry.path for entry in entries)


def read_labelled(
    source: Path, *, labels: Sequence[str] | None, ids: Sequence[str] | None, classes: int
) -> LabelledImages:
    """The images of a folder per class, or of a manifest, with their classes' indices.

    A class is named by its label, its WordNet id or its index; see `ClassNames`.

    Args:
        source: a folder whose subfolders are named after classes, a manifest with labels, or a
            list or .data file as Darknet's training takes it.
        labels: the model's, in its class order, or None where it has none.
        ids: the same for its WordNet ids.
        classes: how many outputs the model has.

    Raises:
        DatasetError: `source` is missing, holds no image, or names a class that the model does
            not have or that a label of two classes leaves open.
    """
    if os.path.isdir(source):
        return _read_class_folders(source, ClassNames(labels, ids, classes))
    lists = [ids, labels]
    if is_data_file(source):
        data = read_data_file(source)
        data.check_classes(classes)
        entries = _read_manifest(data.valid(), source.parent)
        lists = [read_labels(data.labels(), classes)]
    else:
        entries = _read_manifest(source)
    names = ClassNames(labels, ids, classes)
    if entries[0].label is None:
        return LabelledImages(_by_path(entries, [each for each in lists if each], classes))
    images = []
    for entry in entries:
        if not entry.label:
            raise DatasetError(f"{entry.where}: no label; expected path<TAB>label")
        index = names.find(entry.label, entry.where)
        if index is None:
            raise DatasetError(
                f"{entry.where}: no class {shortened(entry.label)}; {names.expected()}"
            )
        images.append((entry.path, index))
    return LabelledImages(images)


def read_images(
    source: Path,
    *,
    labels: Sequence[str] | None,
    ids: Sequence[str] | None,
    classes: int,
    unlabelled: bool = False,
) -> LabelledImages | ImagePaths:
    """The images of `source` with their classes, or without where it names none.

    It is the form that tells. Without labels are: a folder whose folders hold no image; a pattern;
    an image; a list of paths without tabs no path of which holds a label. All else is taken to have
    labels, and read as `read_labelled` reads it: a folder that names no class, a line
    without its label stay errors, for they are mistakes more often than not.

    Args:
        source: a folder, pattern, image, manifest, list or .data file.
        labels: see `read_labelled`.
        ids: likewise.
        classes: likewise.
        unlabelled: take all images of `source` without labels, whatever they are called.

    Raises:
        DatasetError: as `read_labelled`, or `read_unlabelled`.
    """
    if os.path.isdir(source):
        if unlabelled or _is_flat(source):
            return _images_in(source)
    elif (found := _pattern_or_image(source)) is not None:
        return found
    elif os.path.exists(source) and (
        unlabelled or not (is_data_file(source) or _names_classes(source, labels, ids))
    ):
        return read_unlabelled(source)
    try:
        return read_labelled(source, labels=labels, ids=ids, classes=classes)
    except DatasetError as error:
        if not os.path.exists(source):
            raise
        named = "" if labels else "to name the classes: --labels FILE; "
        raise DatasetError(f"{error}; {named}to compare without labels: --unlabelled") from error


def read_named(source: Path, *, unlabelled: bool = False) -> list[NamedImage]:
    """The images of `source`, each with the name of its class where they have one: for no model.

    Classes are named by the folders of a folder, the labels of a manifest, and the labels of a
    .data file that are a part of its paths. All else, as `read_images` has it, is without.

    Args:
        source: a folder, pattern, image, manifest, list or .data file.
        unlabelled: take all images of `source` without labels, whatever they are called.

    Raises:
        DatasetError: as `read_unlabelled`; or some images have a label and others none.
    """
    if os.path.isdir(source) and not (unlabelled or _is_flat(source)):
        left_out = LeftOut()
        found, loose = _class_folders(source, left_out)
        images = [NamedImage(path, name) for name, paths in found.items() for path in paths]
        if images:
            _note_loose(source, loose)
            left_out.tell(source)
            return sorted(images, key=lambda image: image.path.as_posix())
    if unlabelled or os.path.isdir(source):
        return [NamedImage(path, None) for path in read_unlabelled(source)]
    if (alone := _pattern_or_image(source)) is not None:
        return [NamedImage(path, None) for path in alone]
    if is_data_file(source):
        data = read_data_file(source)
        entries, classes = _read_manifest(data.valid(), source.parent), data.classes()
        if classes is not None and entries[0].label is None:
            names = read_labels(data.labels(), classes)
            by_path, called = _by_path(entries, [names], classes), class_names(names, classes)
            assert called is not None
            return [NamedImage(path, called[index]) for path, index in by_path]
    else:
        entries = _read_manifest(source)
    for entry in entries:
        if entry.label == "":
            raise DatasetError(f"{entry.where}: no label; expected path<TAB>label")
    return [NamedImage(entry.path, entry.label) for entry in entries]


def evenly_spaced(paths: Sequence[Path], count: int) -> list[Path]:
    """`count` of the paths, evenly spaced from the first to the last; all where there are fewer.

    Raises:
        DatasetError: `count` is less than 1.
    """
    if count < 1:
        raise DatasetError(f"{count} images cannot be chosen; at least 1 is needed")
    if count >= len(paths):
        return list(paths)
    if count == 1:
        return [paths[0]]
    return [paths[i * (len(paths) - 1) // (count - 1)] for i in range(count)]


def _is_flat(folder: Path) -> bool:
    """Whether it holds images, but none in folders of it."""
    visible = [entry for entry in listed_folder(folder) if not is_passed_over(entry.name)]
    if not any(kind == "file" and is_image_name(name) for name, kind in visible):
        return False
    inside = (
        path
        for name, kind in visible
        if kind == "folder"
        for path in walk(folder / name, {folder_identity(folder)}, LeftOut())
    )
    return next(inside, None) is None


def _names_classes(manifest: Path, labels: Sequence[str] | None, ids: Sequence[str] | None) -> bool:
    """Whether some line of it bears a label, or a path that holds one."""
    entries = _read_manifest(manifest)
    return any(
        entry.label is not None or any(name in entry.written for name in names)
        for names in (labels or (), ids or ())
        for entry in entries
    )


# Folders.


def _images_in(folder: Path) -> ImagePaths:
    left_out = LeftOut()
    images = ImagePaths(sorted(walk(folder, set(), left_out)))
    if not images:
        besides = f"; left out: {left_out}" if str(left_out) else ""
        raise DatasetError(
            f"{folder}: no image in this folder or below it (of {' '.join(sorted(SUFFIXES))})"
            f"{besides}"
        )
    left_out.tell(folder)
    return images


def _pattern_or_image(source: Path) -> ImagePaths | None:
    """What a pattern matches, or the image that `source` is; None of anything else."""
    if not os.path.exists(source):
        return _matching(os.fspath(source)) if glob.has_magic(os.fspath(source)) else None
    return ImagePaths([source]) if is_image_name(source.name) else None


def _matching(pattern: str) -> ImagePaths:
    left_out = LeftOut()
    # Under ** a folder and the files in it match alike.
    found = ImagePaths(sorted(set(matching(pattern, left_out))))
    if not found:
        besides = f"; left out: {left_out}" if str(left_out) else ""
        raise DatasetError(f"{shown_name(pattern)}: no image matches this pattern{besides}")
    left_out.tell(shown_name(pattern))
    return found


def _read_class_folders(root: Path, names: ClassNames) -> LabelledImages:
    left_out = LeftOut()
    folders, loose = _class_folders(root, left_out)
    images: list[tuple[str, int]] = []
    unknown: list[str] = []
    for name, inside in folders.items():
        # A folder without images decides nothing, whatever its name.
        index = names.find(name, str(root / name)) if inside else None
        if index is not None:
            images += [(str(path), index) for path in inside]
        elif inside:
            unknown.append(name)
    if unknown:
        raise DatasetError(
            f"{root}: {len(unknown)} of {len(folders)} folders name no class: {listed(unknown)};"
            f" {names.expected()}"
        )
    if not images:
        raise DatasetError(
            f"{root}: no image in a folder named after its class"
            f" (folders: {len(folders)}, images beside them: {len(loose)}); {names.expected()}"
        )
    _note_loose(root, loose)
    left_out.tell(root)
    return LabelledImages(sorted(images))


def _class_folders(root: Path, left_out: LeftOut) -> tuple[dict[str, ImagePaths], list[str]]:
    """The images in and below each folder of `root`, and the names of those beside the folders."""
    visible = [entry for entry in listed_folder(root) if not is_passed_over(entry.name)]
    # A link back to the root would file every class under this one.
    found = {
        name: ImagePaths(walk(root / name, {folder_identity(root)}, left_out))
        for name, kind in visible
        if kind == "folder"
    }
    return found, [name for name, kind in visible if kind == "file" and is_image_name(name)]


def _note_loose(root: Path, loose: Sequence[str]) -> None:
    if loose:
        warnings.warn(
            f"{root}: {len(loose)} of the images lie outside the class folders and are left out:"
            f" {listed(loose)}",
            TinyedgeWarning,
            stacklevel=4,
        )


# Manifests.


class _Entry(NamedTuple):
    path: Path
    written: str
    label: str | None
    where: str


def _by_path(
    entries: Sequence[_Entry], lists: Sequence[Sequence[str]], outputs: int
) -> list[tuple[Path, int]]:
    """Each image and the class whose label is a part of its path, as it is written in the list.

    The labels are those of the first list of which one is a part of any path. Darknet goes on
    where there are several, with the first of them or with all; here that is an error.
    """
    paths = "\n".join(entry.written for entry in entries)
    names = next((names for names in lists if any(name in paths for name in names)), None)
    if names is None:
        known = [name for names in lists for name in names]
        of_path = f" or, as in Darknet, a path that holds one of {listed(known)}" if known else ""
        raise DatasetError(f"{entries[0].where}: no label; expected path<TAB>label{of_path}")
    if outputs == len(names) == 1:
        return [(entry.path, int(names[0] in entry.written)) for entry in entries]
    images = []
    for entry in entries:
        found = [index for index, name in enumerate(names) if name in entry.written]
        if len(found) != 1:
            several = f"the labels {listed([names[index] for index in found])} are all parts"
            raise DatasetError(
                f"{entry.where}: {several if found else 'no label is a part'} of this path, which"
                " Darknet tells the class by; write path<TAB>label lines instead"
            )
        images.append((entry.path, found[0]))
    return images


def _read_manifest(manifest: Path, *folders: Path) -> list[_Entry]:
    """The lines; paths of a list without tabs may also be from one of `folders`."""
    if not os.path.exists(manifest):
        raise DatasetError(f"{manifest}: no such folder or manifest")
    text = read_text(
        manifest,
        limit=_MOST_BYTES,
        what="a manifest of path<TAB>label lines",
        error=DatasetError,
    )
    entries = []
    is_list = "\t" not in text
    # Not splitlines(), which also breaks at characters that a file's name may hold.
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        name, _, label = content.partition("\t")
        where = f"{manifest}:{number}"
        written = name.strip()
        path = manifest.parent / written
        if is_list:
            path = found_file(written, manifest.parent, *folders) or path
        if not os.path.isfile(path):
            odd = not name.isprintable() or shown_name(name) != name
            raise DatasetError(f"{where}: {shortened(written) if odd else path}: no such file")
        entries.append(_Entry(path, written, None if is_list else label.strip(), where))
    if not entries:
        raise DatasetError(f"{manifest}: this manifest lists no image")
    return entries
