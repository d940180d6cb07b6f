"""Scales and zero points of activations, chosen by the error they leave behind the activation.

A leaky layer is quantized to int8 twice, before and after the activation. Its negative half
shrinks tenfold in between, so that what the range before should cover, what the range after
should cover and how the channels should be scaled against each other depend on one another. They
are learned together, by gradient descent on the error behind the activation (behind the average,
where one follows), each channel weighed by what an error there does to the network's answer.
Scales are learned as in LSQ (Esser et al. 2020, arXiv:1902.08153): rounding passes gradients
straight through.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.accuracy.statistics import kl_divergence
from tinyedge.darknet.activations import GELU_CUBIC, GELU_LINEAR
from tinyedge.darknet.layers import Softmax
from tinyedge.export.quantize.blocks import Block
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.quantize.observe import BlockStatistics
from tinyedge.tflite.quantization import XNNPACK_SLOPE_ONE, QuantParams

__all__ = [
    "BlockQuantParams",
    "Rounded",
    "align_scale_to_xnnpack",
    "choose_logit_qparams",
    "is_learnable",
    "learn_scales",
]

Floats = NDArray[np.float32]
# What rounds a gate to int8: its values, and the scale that TFLite fixes for them.
Rounding = Callable[[tf.Tensor, float], tf.Tensor]

_LOGISTIC_SCALE, _TANH_SCALE = 1 / 256, 1 / 128


def _mish(y: tf.Tensor, rounded: Rounding) -> tf.Tensor:
    opened = tf.maximum(rounded(tf.sigmoid(y), _LOGISTIC_SCALE), _LOGISTIC_SCALE / 2)
    return y * rounded(tf.tanh(tf.math.log(opened)), _TANH_SCALE)


# Of what goes into the activation's operators, in `tinyedge.darknet.activations`.
_CURVES: dict[str, Callable[[tf.Tensor, Rounding], tf.Tensor]] = {
    "relu6": lambda x, _: tf.nn.relu6(x),
    "swish": lambda x, rounded: x * rounded(tf.sigmoid(x), _LOGISTIC_SCALE),
    "mish": _mish,
    "hard_mish": lambda y, _: y * (tf.nn.relu6(y) / 18 - 1 / 3),
    "gelu": lambda x, rounded: (
        x * rounded(tf.sigmoid(x * (2 * GELU_CUBIC * x * x + 2 * GELU_LINEAR)), _LOGISTIC_SCALE)
    ),
}


def is_learnable(block: Block) -> bool:
    """Whether its scales can be learned: its activation is piecewise linear, or a known curve."""
    return block.function.piecewise_linear or block.activation in _CURVES


@dataclass(frozen=True, eq=False)
class BlockQuantParams:
    """How a block's values are quantized.

    Attributes:
        pre_activation: what goes into an activation that TFLite does not fuse, else None.
        output: what comes out of the activation.
        average: the average behind it, where one follows, else None.
        output_scale: (channels,), the equalization scale that each channel is divided by; 1 where
            the block is not equalizable.
    """

    pre_activation: QuantParams | None
    output: QuantParams
    average: QuantParams | None
    output_scale: NDArray[np.float64]


@dataclass(frozen=True)
class Rounded:
    """Where a block's values are rounded to int8: in a full-integer file, everywhere.

    Of what a block has not, True.

    Attributes:
        before: what goes into an activation that TFLite does not fuse.
        behind: what comes out of it.
        average: the average behind it, where one follows.
    """

    before: bool = True
    behind: bool = True
    average: bool = True


def learn_scales(
    blocks: Sequence[Block],
    statistics: Sequence[BlockStatistics],
    rounded: Sequence[Rounded] | None = None,
    *,
    start: Sequence[BlockQuantParams] | None = None,
    brief: bool = False,
    seed: int,
    config: QuantizerConfig,
) -> list[BlockQuantParams]:
    """Scales of blocks whose outputs are concatenated, or of one block by itself.

    TFLite has one scale for all that is concatenated: these blocks' outputs get the same.

    Args:
        blocks: each learnable.
        statistics: of each of them.
        rounded: likewise, where a mixed file rounds them, some of each; everywhere if not given.
            Parameters of what is not rounded are about right.
        start: what was learned of them before, of fewer images or for other roundings: where
            learning begins, unless all have an activation that TFLite fuses. With more steps than
            one scale needs, it fits these images.
        brief: learn in fewer iterations: from `start`, or what is to be another's.
        seed: of the values drawn for each iteration.
        config: the hyperparameters.
    """
    learner = _Learner(blocks, statistics, rounded or [Rounded()] * len(blocks), config)
    if start is not None and not all(block.function.fused for block in blocks):
        learner.begin_at(start)
    learner.descend(np.random.default_rng(seed), brief=brief)
    return learner.qparams()


def align_scale_to_xnnpack(
    before: QuantParams, after: QuantParams, slope: float, *, tolerance: float
) -> QuantParams:
    """`before` with its scale moved to where XNNPACK's leaky ReLU is most exact.

    XNNPACK multiplies int8 by two integers over 256 (`XNNPACK_SLOPE_ONE`): the scales' ratio, and
    `slope` times that. What rounding them leaves is an error in proportion to the value, the same
    way at every pixel. For a slope of 0.1 there is none where the ratio is a multiple of 10 / 256.

    Args:
        before: of what goes into the leaky ReLU.
        after: of what comes out of it.
        slope: below zero.
        tolerance: how far the scale may be moved, as a part of it.
    """
    wanted = XNNPACK_SLOPE_ONE * before.scale / after.scale
    nearest = max(1, round(wanted))
    first, last = math.ceil(wanted * (1 - tolerance)), math.floor(wanted * (1 + tolerance))

    def cost(multiplier: int) -> tuple[float, float]:
        below = slope * multiplier
        return round(abs(below - round(below)), 6), abs(multiplier - wanted)

    multiplier = min((nearest, *range(max(1, first), last + 1)), key=cost)
    return QuantParams.per_tensor(after.scale * multiplier / XNNPACK_SLOPE_ONE, before.zero_point)


def choose_logit_qparams(logits: Floats, softmax: Softmax | None, *, margin: float) -> QuantParams:
    """Parameters of the logits that leave the least KL divergence from the float answers.

    Small logits may be clipped, for their probability is nil; large ones may not. Where no softmax
    follows none may: each is an answer by itself.

    Args:
        logits: (images, classes).
        softmax: what the network ends in.
        margin: the largest logit that can be represented, over the largest of `logits`.
    """
    low, high = float(logits.min()), margin * float(logits.max())
    if softmax is None:
        return QuantParams.from_range(margin * low, high)
    candidates = [QuantParams.from_range(cut * low, high) for cut in np.linspace(1, 0.2, 9)]

    def runs(values: Floats) -> Floats:
        return values.reshape(len(logits), softmax.groups, -1) / np.float32(softmax.temperature)

    return min(
        candidates,
        key=lambda qparams: kl_divergence(runs(logits), runs(qparams.fake_quantize(logits))).mean(),
    )


class _FakeQuantizer:
    """A scale and a zero point that can be learned."""

    def __init__(self, start: QuantParams) -> None:
        self._low, self._high = map(float, start.limits)
        self.log_scale = tf.Variable(np.log(start.scale), dtype=tf.float32)
        self.zero_point = tf.Variable(float(start.zero_point), dtype=tf.float32)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        scale = tf.exp(self.log_scale)
        zero_point = _round(tf.clip_by_value(self.zero_point, self._low, self._high))
        integers = tf.clip_by_value(_round(values / scale) + zero_point, self._low, self._high)
        return (integers - zero_point) * scale

    def begin_at(self, start: QuantParams) -> None:
        self.log_scale.assign(np.log(start.scale))
        self.zero_point.assign(float(start.zero_point))

    def qparams(self) -> QuantParams:
        zero_point = np.clip(np.rint(self.zero_point.numpy()), self._low, self._high)
        return QuantParams.per_tensor(float(np.exp(self.log_scale.numpy())), int(zero_point))


class _BlockLearner:
    """One block's values, its equalization scale and the quantizers that it has to itself."""

    def __init__(
        self,
        block: Block,
        statistics: BlockStatistics,
        rounded: Rounded,
        config: QuantizerConfig,
    ) -> None:
        self.block = block
        self._rounded = rounded
        self._config = config
        self._function = block.function
        self._values = tf.constant(statistics.pre_activation)
        flat = statistics.pre_activation.reshape(-1, statistics.pre_activation.shape[-1])
        output_scale = _initial_scale(flat) if block.equalizable else np.ones(flat.shape[1])
        self.log_output_scale = tf.Variable(np.log(output_scale), dtype=tf.float32)
        scaled = flat / output_scale.astype(np.float32)
        clipped = config.clipped_percent
        low, high = (float(np.percentile(scaled, p)) for p in (clipped, 100 - clipped))
        if self._function.slope is None:
            given = self._activated(scaled).numpy()
            self.low, self.high = (float(np.percentile(given, p)) for p in (clipped, 100 - clipped))
        else:
            self.low, self.high = low * self._function.slope, high
        self.pre_activation = None
        if not self._function.fused:
            self.pre_activation = _FakeQuantizer(QuantParams.from_range(low, high))
        self.average = None
        if block.averaged:
            averages = tf.reduce_mean(
                self._activated(self._values / output_scale.astype(np.float32)), axis=1
            ).numpy()
            self.average = _FakeQuantizer(
                QuantParams.from_range(float(averages.min()), float(averages.max()))
            )
        self._weight = tf.constant(statistics.sensitivity, tf.float32)

    @property
    def is_rounded_twice(self) -> bool:
        """Whether it is before its activation as well as behind it."""
        before = self.pre_activation is not None and self._rounded.before
        return before and self._rounded.behind

    def begin_at(self, start: BlockQuantParams) -> None:
        """Take what was learned before."""
        self.log_output_scale.assign(np.log(start.output_scale))
        for own, learned in (
            (self.pre_activation, start.pre_activation),
            (self.average, start.average),
        ):
            if own is not None and learned is not None:
                own.begin_at(learned)

    def draw(self, rng: np.random.Generator, iterations: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Which values to look at in each iteration, and what to multiply them by.

        Of an averaged block they are whole images, brightened or dimmed.
        """
        averaged = self.block.averaged
        size = self._config.batch_images if averaged else self._config.batch_pixels
        count = min(len(self._values), size)
        places = rng.integers(0, len(self._values), (iterations, count), dtype=np.int32)
        spread = self._config.brightness_spread if averaged else 0.0
        factors = np.exp(spread * rng.standard_normal((iterations, count)))
        return tf.constant(places), tf.constant(factors, tf.float32)

    def batch(self, places: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        """The values of one iteration."""
        shape = [-1] + [1] * (self._values.shape.rank - 1)
        return tf.gather(self._values, places) * tf.reshape(factors, shape)

    def errors(self, values: tf.Tensor, output: _FakeQuantizer) -> tuple[tf.Tensor, tf.Tensor]:
        """Weighted mean squares of the error behind the activation and of its float values."""
        output_scale = tf.exp(self.log_output_scale)
        found = values / output_scale
        if self.pre_activation is not None and self._rounded.before:
            found = self.pre_activation(found)
        found, wanted = self._activated(found, _rounded), self._activated(values)
        if self._rounded.behind:
            found = output(found)
        if self.average is not None:
            found, wanted = tf.reduce_mean(found, axis=1), tf.reduce_mean(wanted, axis=1)
            if self._rounded.average:
                found = self.average(found)
        error = tf.reduce_mean(tf.square(found * output_scale - wanted) * self._weight)
        return error, tf.reduce_mean(tf.square(wanted) * self._weight)

    def qparams(self, output: QuantParams) -> BlockQuantParams:
        """What was learned."""
        pre_activation = None
        if self.pre_activation is not None:
            pre_activation = self.pre_activation.qparams()
        if pre_activation is not None and self._function.leaky and self.is_rounded_twice:
            assert self._function.slope is not None
            pre_activation = align_scale_to_xnnpack(
                pre_activation,
                output,
                self._function.slope,
                tolerance=self._config.slope_tolerance,
            )
        return BlockQuantParams(
            pre_activation=pre_activation,
            output=output,
            average=None if self.average is None else self.average.qparams(),
            output_scale=np.exp(self.log_output_scale.numpy().astype(np.float64)),
        )

    def _activated(self, values: tf.Tensor, rounded: Rounding = lambda gate, _: gate) -> tf.Tensor:
        if self._function.slope is None:
            return _CURVES[self.block.activation](values, rounded)
        if self._function.leaky:
            return tf.nn.leaky_relu(values, self._function.slope)
        return values if self._function.slope else tf.nn.relu(values)


class _Learner:
    """Gradient descent on the error of blocks whose outputs share a scale and zero point."""

    def __init__(
        self,
        blocks: Sequence[Block],
        statistics: Sequence[BlockStatistics],
        rounded: Sequence[Rounded],
        config: QuantizerConfig,
    ) -> None:
        self._config = config
        self._blocks = [
            _BlockLearner(block, seen, each, config)
            for block, seen, each in zip(blocks, statistics, rounded, strict=True)
        ]
        low = min(block.low for block in self._blocks)
        high = max(block.high for block in self._blocks)
        self._output = _FakeQuantizer(QuantParams.from_range(low, high))
        quantizers = [self._output]
        for block in self._blocks:
            quantizers += [q for q in (block.pre_activation, block.average) if q is not None]
        scales = [block.log_output_scale for block in self._blocks if block.block.equalizable]
        self._variables = [v for q in quantizers for v in (q.log_scale, q.zero_point)] + scales
        rates = [1.0, config.zero_point_rate] * len(quantizers) + [1.0] * len(scales)
        self._adam = _Adam(self._variables, rates)

    def begin_at(self, start: Sequence[BlockQuantParams]) -> None:
        """Take what was learned before."""
        for block, each in zip(self._blocks, start, strict=True):
            block.begin_at(each)
        self._output.begin_at(start[0].output)

    def descend(self, rng: np.random.Generator, *, brief: bool) -> None:
        """Go down the error's slope on values drawn at random."""
        iterations = self._config.iterations
        if any(block.is_rounded_twice for block in self._blocks):
            config = self._config
            iterations = config.brief_iterations if brief else config.leaky_iterations
        draws = [block.draw(rng, iterations) for block in self._blocks]

        def step(iteration: tf.Tensor) -> tf.Tensor:
            batches = [
                block.batch(places[iteration], factors[iteration])
                for block, (places, factors) in zip(self._blocks, draws, strict=True)
            ]
            left = 1 - tf.cast(iteration, tf.float32) / iterations
            self._adam.step(self._gradients(batches), self._config.learning_rate * left)
            return iteration + 1

        # A graph's own loop, which AutoGraph would take as long to write as to trace.
        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def descend() -> None:
            tf.while_loop(lambda iteration: iteration < iterations, step, [tf.constant(0)])

        descend()

    def qparams(self) -> list[BlockQuantParams]:
        """What was learned, block by block."""
        output = self._output.qparams()
        return [block.qparams(output) for block in self._blocks]

    def _gradients(self, batches: list[tf.Tensor]) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            errors = [
                block.errors(values, self._output)
                for block, values in zip(self._blocks, batches, strict=True)
            ]
            total = tf.add_n([error for error, _ in errors])
            loss = total / (tf.add_n([power for _, power in errors]) + 1e-30)
        # Of what is not rounded there is none.
        zero = tf.UnconnectedGradients.ZERO
        return list(tape.gradient(loss, self._variables, unconnected_gradients=zero))


def _initial_scale(values: Floats) -> NDArray[np.float64]:
    """Equalization scales to begin with: halfway, by logarithm, to channels of equal range."""
    high = np.abs(np.percentile(values, 99.9, axis=0))
    low = np.abs(np.percentile(values, 0.1, axis=0))
    reach = np.maximum(np.maximum(high, 0.3 * low), 1e-6)
    scales = np.sqrt(reach)
    return np.asarray(scales / np.exp(np.log(scales).mean()), np.float64)


class _Adam:
    """Adam (Kingma and Ba 2015) with a rate of its own for each variable."""

    def __init__(self, variables: list[tf.Variable], rates: list[float]) -> None:
        self._variables, self._rates = variables, rates
        self._means = [tf.Variable(tf.zeros_like(variable)) for variable in variables]
        self._squares = [tf.Variable(tf.zeros_like(variable)) for variable in variables]
        self._count = tf.Variable(0.0)

    def step(self, gradients: list[tf.Tensor], rate: tf.Tensor) -> None:
        self._count.assign_add(1.0)
        for i, gradient in enumerate(gradients):
            mean = self._means[i].assign(0.9 * self._means[i] + 0.1 * gradient)
            square = self._squares[i].assign(0.99 * self._squares[i] + 0.01 * gradient**2)
            slope = mean / (1 - 0.9**self._count)
            size = tf.sqrt(square / (1 - 0.99**self._count))
            self._variables[i].assign_sub(rate * self._rates[i] * slope / (size + 1e-12))


def _rounded(gate: tf.Tensor, scale: float) -> tf.Tensor:
    return _round(gate / scale) * scale


def _round(values: tf.Tensor) -> tf.Tensor:
    """The nearest integers, by which gradients pass unchanged (straight-through estimator)."""
    return values + tf.stop_gradient(tf.round(values) - values)
