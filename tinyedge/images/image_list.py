"""Lists of images that are kept as bytes: of a million photos, too, they take little memory."""

import os
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Self, TypeVar, overload

__all__ = ["ImagePaths", "LabelledImage", "LabelledImages"]

Image = TypeVar("Image")


class LabelledImage(NamedTuple):
    """An image and the index of the class it shows."""

    path: Path
    index: int  # type: ignore[assignment]  # a tuple's own index() gives way


class _ImageList(Sequence[Image], Generic[Image]):
    """A list whose items are made when they are asked for."""

    @abstractmethod
    def chosen(self, numbers: Iterable[int]) -> Self:
        """Those of these numbers, in their order."""

    @abstractmethod
    def _made(self, number: int) -> Image:
        """The item of that number, from 0 on."""

    @overload
    def __getitem__(self, at: int) -> Image: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> Image | Self:
        if isinstance(at, slice):
            return self.chosen(range(*at.indices(len(self))))
        return self._made(range(len(self))[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)})"


class ImagePaths(_ImageList[Path]):
    """Paths: a `Path` takes ten times the memory of its bytes."""

    def __init__(self, paths: Iterable[Path | str]) -> None:
        self._bytes, self._ends = bytearray(), array("Q")
        for path in paths:
            self._bytes += os.fsencode(path)
            self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends)

    def chosen(self, numbers: Iterable[int]) -> "ImagePaths":
        return ImagePaths(self[number] for number in numbers)

    def _made(self, number: int) -> Path:
        start = self._ends[number - 1] if number else 0
        return Path(os.fsdecode(bytes(self._bytes[start : self._ends[number]])))


class LabelledImages(_ImageList[LabelledImage]):
    """Images with their classes.

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

    def chosen(self, numbers: Iterable[int]) -> "LabelledImages":
        return LabelledImages((self.paths[number], self.indices[number]) for number in numbers)

    def _made(self, number: int) -> LabelledImage:
        return LabelledImage(self.paths[number], self.indices[number])
