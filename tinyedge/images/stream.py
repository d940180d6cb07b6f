"""The photos a command line names, those that come on stdin among them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tinyedge.images.find import find_images

__all__ = ["STDIN", "Photo", "photo_stream"]

STDIN = "-"


class Photo(NamedTuple):
    """A photo to read.

    Attributes:
        path: where it is.
        named: whether the user named this very file, so that it must be readable.
    """

    path: Path
    named: bool


def photo_stream(sources: Sequence[str], stdin: BinaryIO | None) -> Iterator[Photo]:
    """The photos of `sources`, in their order; see `tinyedge.images.find.find_images`.

    ``-`` stands for paths that come on `stdin`, a line each, of which each is given before the
    next is waited for. All else is looked up at once, before the first photo is given.
    A `stdin` of None gives none.

    Raises:
        DatasetError: see `find_images`.
    """
    found = [None if source == STDIN else find_images([source]) for source in sources]
    named = {Path(source) for source in sources}
    return _in_turn(found, named, stdin)


def _in_turn(
    found: Sequence[list[Path] | None], named: set[Path], stdin: BinaryIO | None
) -> Iterator[Photo]:
    for paths in found:
        if paths is not None:
            yield from (Photo(path, path in named) for path in paths)
            continue
        for line in stdin or ():
            # A name on Unix is bytes, of whatever encoding.
            name = os.fsdecode(line.rstrip(b"\r\n"))
            if name:
                yield Photo(Path(name), named=False)
