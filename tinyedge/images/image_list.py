"""Lists of images that are kept as bytes: of a million photos, too, they take little memory."""

import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

__all__ = ["ImagePaths", "LabelledImage", "LabelledImages"]


@dataclass(frozen=True)
class LabelledImage:
    """An image and the index of the class it shows."""

    path: Path
    index: int


class ImagePaths(Sequence[Path]):
    """Paths, each made when it is asked for: a `Path` takes ten times the memory of its bytes."""

    def __init__(self, paths: Iterable[Path | str]) -> None:
        self._bytes, self._ends = bytearray(), array("Q")
        for path in paths:
            self._bytes += os.fsencode(path)
            self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, at: int) -> Path: ...
    @overload
    def __getitem__(self, at: slice) -> "ImagePaths": ...
    def __getitem__(self, at: int | slice) -> "Path | ImagePaths":
        if isinstance(at, slice):
            return self.chosen(range(*at.indices(len(self))))
        at = range(len(self))[at]
        start = self._ends[at - 1] if at else 0
        return Path(os.fsdecode(bytes(self._bytes[start : self._ends[at]])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __repr__(self) -> str:
        return f"ImagePaths({list(map(str, self))})"

    def chosen(self, numbers: Iterable[int]) -> "ImagePaths":
        """Those of these numbers, in their order."""
        return ImagePaths(self[number] for number in numbers)


class LabelledImages(Sequence[LabelledImage]):
    """Images with their classes, each made when it is asked for; see `ImagePaths`.

    Attributes:
        paths: of the images.
        indices: the classes', 64 bits each.
    """

    def __init__(self, images: Iterable[tuple[Path | str, int]]) -> None:
        self.indices = array("q")

        def taken() -> Iterable[Path | str]:
            for path, index in images:
                self.indices.append(index)
                yield path

        self.paths = ImagePaths(taken())

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, at: int) -> LabelledImage: ...
    @overload
    def __getitem__(self, at: slice) -> "LabelledImages": ...
    def __getitem__(self, at: int | slice) -> "LabelledImage | LabelledImages":
        if isinstance(at, slice):
            return LabelledImages(zip(self.paths[at], self.indices[at], strict=True))
        return LabelledImage(self.paths[at], self.indices[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __repr__(self) -> str:
        return f"LabelledImages({list(self)})"
