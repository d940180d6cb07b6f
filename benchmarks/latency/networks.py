"""The networks that others have timed, layer by layer, as their papers' tables describe them."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from tinyedge.darknet.network import read_network
from tinyedge.devices.latency.roofline import Work
from tinyedge.devices.latency.work import network_work

__all__ = ["NETWORKS"]

_CFGS = Path(__file__).parents[2] / "tinyedge" / "zoo" / "cfgs"


class _Layers:
    """Layers one after another, each on what the last left: a square of `side` pixels."""

    def __init__(self, side: int, channels: int = 3) -> None:
        self.side, self.channels = side, channels
        self.work: list[Work] = []

    @property
    def elements(self) -> int:
        return self.side**2 * self.channels

    def convolve(
        self, filters: int, size: int = 1, stride: int = 1, *, padded: bool = True
    ) -> None:
        """A convolution with its biases; its activation is computed within."""
        inputs, kernel = self.elements, size**2 * self.channels
        self._shrink(size, stride, padded=padded)
        self.channels = filters
        self._add(inputs, filters * (kernel + 1), kernel * self.elements)

    def depthwise(self, stride: int = 1) -> None:
        inputs = self.elements
        self._shrink(3, stride)
        self._add(inputs, self.channels * (9 + 1), 9 * self.elements, depthwise=True)

    def pool(self, size: int, stride: int, *, padded: bool = True) -> None:
        inputs = self.elements
        self._shrink(size, stride, padded=padded)
        self._add(inputs)

    def average(self) -> None:
        inputs, self.side = self.elements, 1
        self._add(inputs)

    def add_shortcut(self) -> None:
        self._add(2 * self.elements)

    def branch(self, *branches: list[tuple[int, int] | Literal["pool"]]) -> None:
        """Branches from the same input, of (filters, size); their outputs one behind the other."""
        ends = []
        for layers in branches:
            end = _Layers(self.side, self.channels)
            for layer in layers:
                if layer == "pool":
                    end.pool(3, 1)
                else:
                    end.convolve(*layer)
            self.work += end.work
            ends.append(end)
        self.channels = sum(end.channels for end in ends)
        self._add(self.elements)

    def _shrink(self, size: int, stride: int, *, padded: bool = True) -> None:
        self.side = -(-self.side // stride) if padded else (self.side - size) // stride + 1

    def _add(
        self, inputs: int, weights: int = 0, macs: int = 0, *, depthwise: bool = False
    ) -> None:
        self.work.append(Work(inputs, self.elements, weights, macs, depthwise))


def _mobilenet_v1() -> list[Work]:
    """Howard et al. 2017, "MobileNets", table 1."""
    net = _Layers(224)
    net.convolve(32, 3, 2)
    for filters, stride in (
        *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
        *[(512, 1)] * 5,
        *((1024, 2), (1024, 1)),
    ):
        net.depthwise(stride)
        net.convolve(filters)
    net.average()
    net.convolve(1000)
    return net.work


def _mobilenet_v2() -> list[Work]:
    """Sandler et al. 2018, "MobileNetV2", table 2: expansion, channels, repeats, first stride."""
    net = _Layers(224)
    net.convolve(32, 3, 2)
    for expansion, filters, repeats, first_stride in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ):
        for repeat in range(repeats):
            if expansion > 1:
                net.convolve(expansion * net.channels)
            net.depthwise(1 if repeat else first_stride)
            net.convolve(filters)
            if repeat:
                net.add_shortcut()
    net.convolve(1280)
    net.average()
    net.convolve(1000)
    return net.work


def _squeezenet() -> list[Work]:
    """Iandola et al. 2016, "SqueezeNet", table 1, as the zoo's cfg has it."""
    return network_work(read_network(_CFGS / "squeezenet.cfg"))


def _inception_v1() -> list[Work]:
    """Szegedy et al. 2014, "Going Deeper with Convolutions", table 1."""
    net = _Layers(224)
    net.convolve(64, 7, 2)
    net.pool(3, 2)
    net.convolve(64)
    net.convolve(192, 3)
    net.pool(3, 2)
    for row in (
        *((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None),
        *((192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64)),
        *((112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), None),
        *((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
    ):
        if row is None:
            net.pool(3, 2)
            continue
        ones, reduce_3, threes, reduce_5, fives, pooled = row
        net.branch(
            [(ones, 1)],
            [(reduce_3, 1), (threes, 3)],
            [(reduce_5, 1), (fives, 5)],
            ["pool", (pooled, 1)],
        )
    net.average()
    net.convolve(1000)
    return net.work


def _darknet_reference() -> list[Work]:
    """Darknet's own darknet.cfg."""
    return network_work(read_network(_CFGS / "darknet.cfg"))


NETWORKS: dict[str, Callable[[], list[Work]]] = {
    "MobileNetV1": _mobilenet_v1,
    "MobileNetV2": _mobilenet_v2,
    "SqueezeNet 1.0": _squeezenet,
    "Inception v1": _inception_v1,
    "Darknet Reference": _darknet_reference,
}
"""Each network's layers, 224 x 224 pixels but SqueezeNet's 227 and Darknet's own 256."""
