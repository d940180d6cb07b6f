"""Whether calibration images look like those the network was trained on."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.batch_norm import NOTED_DIFFERENCE
from tinyedge.darknet.layer_names import layer_name
from tinyedge.errors import TinyedgeWarning
from tinyedge.export.calibrate.batch_norm import BatchNormStatistics, gaussian_divergence
from tinyedge.export.tensorflow import tensorflow_hushed

__all__ = [
    "CalibrationCheck",
    "DistributionShift",
    "check_calibration",
    "judge_calibration",
    "measure_shift",
]

Floats = NDArray[np.float32]

_LAYERS = 3  # the first few see colours, brightness and edges, and cost next to nothing
_BATCH_VALUES = 4_000_000
# Measured on Tiny Darknet, see docs/accuracy.md: 200 photos are 0.002 to 0.008 away, the same
# in BGR 0.029 to 0.039; of fewer photos chance alone makes up to 1.2 / photos.
_USUAL = 0.018
_CHANCE = 1.2
_ONE_COLOUR = 1 / 255  # pixels no farther apart than this


@dataclass(frozen=True)
class DistributionShift:
    """How calibration images differ from training's, behind the first convolutions.

    Attributes:
        distance: mean KL divergence, nats, of the channels' normal distributions from training's.
        shift: the farthest any channel's mean lies from training's, in training's deviations.
        spread: deviation over training's, the median of all channels.
    """

    distance: float
    shift: float
    spread: float


@dataclass(frozen=True)
class CalibrationCheck:
    """Whether calibration images look like training's.

    Attributes:
        images: how many there are.
        one_colour: whether all pixels of all of them are the same.
        seen: how they differ from training's; None where no batch norm tells, or of one colour.
        doubtful: whether a batch norm of the network is one of those that the two formulas for it
            take for different things.
    """

    images: int
    one_colour: bool
    seen: DistributionShift | None
    doubtful: bool

    @property
    def usual(self) -> float:
        """The largest distance that so many right images show, nats."""
        return _USUAL + _CHANCE / self.images

    @property
    def ratio(self) -> float | None:
        """The distance over the usual one, to two digits: beyond them a processor's rounding shows.

        None where no batch norm tells.
        """
        if self.seen is None:
            return None
        ratio = self.seen.distance / self.usual
        return float(f"{ratio:.2g}") if math.isfinite(ratio) else None

    @property
    def verdict(self) -> Literal["pass", "fail"] | None:
        """None where no batch norm tells."""
        if self.one_colour:
            return "fail"
        if self.seen is None:
            return None
        return "pass" if self.seen.distance <= self.usual else "fail"

    @property
    def fault(self) -> str | None:
        """What is wrong with the images, and what to do; None where nothing is."""
        if self.one_colour:
            return (
                "the calibration images are all of one colour: the int8 ranges will hold no other"
                " image; calibrate with photos such as the network will see"
            )
        if self.seen is None or self.verdict == "pass":
            return None
        norm = ", or the network was trained with the other batch norm, see that note"
        return (
            "the calibration images do not look like those the network was trained on: behind its"
            f" first convolutions, channels lie up to {self.seen.shift:.1f} deviations from where"
            f" they were in training and vary {self.seen.spread:.2f} times as much (distance"
            f" {self.seen.distance:.2g}; {self.usual:.2g} is the most that so many right images"
            " show). Mostly they are of another kind or brightness than training's, have red and"
            f" blue swapped, or have pixels of another range{norm if self.doubtful else ''}."
            " Calibrate with photos such as the network will see, prepared as they will be"
        )


def check_calibration(
    model: keras.Model, statistics: Sequence[BatchNormStatistics], images: Floats
) -> float | None:
    """Measure how far calibration images lie from training's, and warn where that is too far.

    Arguments as of `judge_calibration`.

    Returns:
        The distance as a multiple of the most that so many right images show; see
        `CalibrationCheck.ratio`.
    """
    found = judge_calibration(model, statistics, images)
    if found.fault is not None:
        warnings.warn(found.fault, TinyedgeWarning, stacklevel=2)
    return found.ratio


def judge_calibration(
    model: keras.Model, statistics: Sequence[BatchNormStatistics], images: Floats
) -> CalibrationCheck:
    """Measure how far calibration images lie from training's.

    A network without batch norm holds no statistics of its training: for it, only images that
    are all of one colour are told.

    Args:
        model: the network's, in Darknet's order.
        statistics: those in its weights.
        images: (n, height, width, channels), as the network is fed.
    """
    one_colour = float(images.max()) - float(images.min()) <= _ONE_COLOUR
    seen = None
    if not one_colour:
        with tensorflow_hushed():
            seen = measure_shift(model, statistics, images)
    doubtful = any(each.difference > NOTED_DIFFERENCE for each in statistics)
    return CalibrationCheck(len(images), one_colour, seen, doubtful)


def measure_shift(
    model: keras.Model, statistics: Sequence[BatchNormStatistics], images: Floats
) -> DistributionShift | None:
    """How the images differ from training's; None where no batch norm tells.

    Behind a layer all of whose channels are scaled to nothing there are no images to be seen.

    Args:
        model: the network's, in Darknet's order.
        statistics: those in its weights.
        images: (n, height, width, channels), as the network is fed.
    """
    layers = list(takewhile(lambda each: each.channels.size, statistics[:_LAYERS]))
    if not layers:
        return None
    moments = _moments(model, layers)
    values = sum(each.layer.output.elements for each in layers)
    batch = max(1, _BATCH_VALUES // values)
    sums = [np.zeros((2, each.layer.output.channels)) for each in layers]
    for start in range(0, len(images), batch):
        pixels = images[start : start + batch]
        for number, found in enumerate(moments(tf.constant(pixels))):
            mean, variance = (moment.numpy().astype(np.float64) for moment in found)
            sums[number] += np.array([mean, variance + mean**2]) * len(pixels)
    means, variances = [], []
    for total, each in zip(sums, layers, strict=True):
        mean, square = total[:, each.channels] / len(images)
        # In deviations from training's mean.
        deviation = each.deviation.astype(np.float64)
        means.append((mean - each.mean) / deviation)
        variances.append(np.maximum(square - mean**2, 0) / deviation**2)
    distances = [float(gaussian_divergence(*both)) for both in zip(means, variances, strict=True)]
    return DistributionShift(
        distance=float(np.mean(distances)),
        shift=float(np.abs(np.concatenate(means)).max()),
        spread=float(np.median(np.sqrt(np.concatenate(variances)))),
    )


def _moments(
    model: keras.Model, layers: Sequence[BatchNormStatistics]
) -> Callable[[tf.Tensor], list[tuple[tf.Tensor, tf.Tensor]]]:
    """What makes of images (n, h, w, c) the mean and the variance of each layer's channels."""
    # By name: a Keras model of a list of one output returns the output, not a list.
    first = keras.Model(
        model.inputs, {layer_name(each.layer): each.output_of(model) for each in layers}
    )

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def moments(pixels: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        outputs = first(pixels, training=False)
        return [tf.nn.moments(outputs[layer_name(each.layer)], (0, 1, 2)) for each in layers]

    return moments  # type: ignore[no-any-return]
