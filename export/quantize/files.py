"""The quantized files of one network, from one observation of it: integer, and mixed for boards.

Ranges are first learned from some of the images, and precisions and the last layers' ranges chosen
on the others: what was calibrated on shows too little of what ranges cut off elsewhere. Then all
images have a say in ranges and weights, as the choice needs them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.network import Network
from tinyedge.devices.profile import Profile
from tinyedge.export.quantize.blocks import Block
from tinyedge.export.quantize.precision import (
    Mixed,
    Precisions,
    Roundings,
    UnitGraph,
    find_units,
    measure_roundings,
    measurements,
)
from tinyedge.export.quantize.ranges import last_layers, ranges_tried, widened_ranges
from tinyedge.export.stages import Stage
from tinyedge.memory import give_back_memory
from tinyedge.modelcard import Precision
from tinyedge.progress import Progress

__all__ = ["QuantizedFiles"]

Judge = Callable[[NDArray[np.float32]], "_Divergence"]

# What choosing precisions may take: multiplications and additions of all files that are run.
_MOST_OPERATIONS, _FEWEST_ASIDE = 4e12, 8


class _Quantizes(Protocol):
    """`tinyedge.export.quantize.quantizer.Quantizer`, or the default one."""

    @property
    def blocks(self) -> Sequence[Block]: ...

    @property
    def alone(self) -> frozenset[int]: ...

    def rounded_layers(self, int8: bytes, mixed: bytes) -> frozenset[int]: ...

    def file_for(
        self,
        int8: bytes,
        mixed: bytes | None = None,
        precision: Mapping[int, Precision] = ...,
        widened: Mapping[int, float] = ...,
    ) -> bytes: ...


class _Divergence(Protocol):
    """`tinyedge.export.pipeline.Divergence`, which runs files."""

    def __call__(self, content: bytes) -> float: ...

    def behind(self, content: bytes, layers: Collection[int]) -> Callable[[bytes], float]: ...


class QuantizedFiles:
    """What can be made of one network and its images."""

    def __init__(
        self,
        network: Network,
        quantizer: _Quantizes,
        first: bytes,
        *,
        judge: Judge,
        images: NDArray[np.float32],
        aside: NDArray[np.bool_] | None,
    ) -> None:
        """Nothing is run yet.

        Args:
            network: in Darknet's order.
            quantizer: of the network.
            first: its integer file, of the images that were not set aside.
            judge: makes of images, such as these, what tells how far a file's answers to them are
                from the float file's.
            images: all, (n, height, width, channels) in [0, 1].
            aside: which were, (n,), as of `set_aside`; None where `first` was made of all.
        """
        self._network, self._quantizer, self._first = network, quantizer, first
        self._judge, self._images = judge, images
        self._aside = aside
        self._weighed: tuple[UnitGraph, Roundings, _Divergence] | None = None

    def integer(self, progress: Progress) -> bytes:
        """The full-integer file."""
        if self._aside is None:
            return self._first
        widened = self._widened(self._last_layers(), lambda int8: int8, progress)
        give_back_memory()
        done = Stage.CALIBRATE_ON_ALL.begin(progress)
        content = self._quantizer.file_for(self._first, widened=widened)
        done()
        return content

    def precisions(self, boards: Sequence[Profile], progress: Progress) -> Precisions:
        """What precisions of layers cost, in answers and on boards; measured once."""
        if self._weighed is None:
            units = find_units(self._first)
            steps = measurements(units)
            advance = Stage.CHOOSE_PRECISIONS.begin(progress, steps)
            divergence = self._divergence(steps)
            roundings = measure_roundings(self._first, units, divergence, advance)
            self._weighed = units, roundings, divergence
        return Precisions(self._first, *self._weighed, boards)

    def fitted(self, chosen: Mixed, progress: Progress) -> tuple[bytes, Mixed]:
        """A mixed file as it is to be, and the integer file that it is made of.

        `chosen` is as `precisions` has it.
        """
        widened: Mapping[int, float] = {}
        if self._aside is not None:
            rounded = self._quantizer.rounded_layers(self._first, chosen.content)
            layers = [number for number in self._last_layers() if number in rounded]
            widened = self._widened(layers, lambda int8: chosen.of(int8).content, progress)
        done = Stage.CALIBRATE_ON_ALL.begin(progress)
        int8 = self._quantizer.file_for(self._first, chosen.content, chosen.precision, widened)
        done()
        return int8, chosen.of(int8)

    def _last_layers(self) -> list[int]:
        return last_layers(self._quantizer.blocks, self._quantizer.alone)

    def _widened(
        self, layers: Sequence[int], made: Callable[[bytes], bytes], progress: Progress
    ) -> Mapping[int, float]:
        """What ranges of the layers are to be multiplied by, for what is `made` of an int8 file."""
        advance = Stage.CHOOSE_RANGES.begin(progress, ranges_tried())
        divergence = self._divergence(ranges_tried()).behind(made(self._first), layers)
        return widened_ranges(
            self._first,
            self._quantizer.blocks,
            layers,
            lambda int8: divergence(made(int8)),
            advance,
        )

    def _divergence(self, files: int) -> _Divergence:
        """Of a file's answers, on as many images set aside as `files` files can be run on."""
        images = self._images if self._aside is None else self._images[self._aside]
        affordable = int(_MOST_OPERATIONS // (files * max(self._network.operations, 1)))
        count = min(len(images), max(_FEWEST_ASIDE, affordable))
        # Spread evenly, as calibration images are: folders are sorted by class.
        return self._judge(images[np.linspace(0, len(images) - 1, count).astype(int)])
