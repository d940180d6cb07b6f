"""Lists of class names: one a line, in the order of the network's outputs."""

import warnings
from pathlib import Path

from tinyedge.errors import DatasetError, TinyedgeWarning

__all__ = ["read_labels"]


def read_labels(path: Path, classes: int) -> tuple[str, ...]:
    """The first `classes` lines of `path`, stripped; surplus lines are cut with a warning.

    Darknet's own ImageNet list names 21,842 classes, of which the first 1,000 are ImageNet-1k.

    Raises:
        DatasetError: the file is no text, has an empty line among those needed, or is too short.
        OSError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not a text file of labels ({error.reason})") from error
    names = tuple(line.strip() for line in lines)
    while names and not names[-1]:
        names = names[:-1]
    if len(names) < classes:
        raise DatasetError(
            f"{path} names {len(names)} classes, the network has {classes} outputs:"
            " use the list that belongs to this network"
        )
    if len(names) > classes:
        warnings.warn(
            f"{path} names {len(names)} classes; the first {classes} are used",
            TinyedgeWarning,
            stacklevel=2,
        )
    names = names[:classes]
    if "" in names:
        raise DatasetError(f"{path}:{names.index('') + 1}: this line names no class")
    return names
