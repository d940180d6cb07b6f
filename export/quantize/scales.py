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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy.statistics import kl_divergence
from tinyedge.darknet.layers import Softmax
from tinyedge.export.quantize.blocks import Block
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.quantize.fake_quantize import (
    CURVES,
    FakeQuantizer,
    RoundingGradient,
    activate,
    channel_sums,
)
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

_ROWS_TO_BEGIN = 10_000
"""Of a block's values, the most that its first ranges are taken of."""


def is_learnable(block: Block) -> bool:
    """Whether its scales can be learned: its activation is piecewise linear, or a known curve.

    There is nothing to learn of what only answers are rounded in, whose scale
    `choose_logit_qparams` chooses.
    """
    if block.answers and block.function.fused:
        return False
    return block.function.piecewise_linear or block.activation in CURVES


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
    if start is None or all(block.function.fused for block in blocks):
        start = [
            _about(block, seen, config) for block, seen in zip(blocks, statistics, strict=True)
        ]
    learners = [
        _BlockLearner(block, seen, each, config, begun)
        for block, seen, each, begun in zip(
            blocks, statistics, rounded or [Rounded()] * len(blocks), start, strict=True
        )
    ]
    learner = _Learner(learners, config)
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


class _Drawn(NamedTuple):
    """The values of a block's iterations.

    Attributes:
        places: (iterations, rows), of its statistics.
        factors: likewise, what each image of an averaged block is multiplied by; None of others.
    """

    places: NDArray[np.int32]
    factors: Floats | None


class _Gradients(NamedTuple):
    """Of a block's weighted squared error behind the activation.

    Attributes:
        power: the weighted mean square of what is wanted there.
        by_output_scale: (channels,), by the logarithm of the equalization scale.
        by_quantizer: by the variables of each quantizer that rounded something.
    """

    power: float
    by_output_scale: NDArray[np.float64]
    by_quantizer: list[tuple[FakeQuantizer, NDArray[np.float64]]]


class _BlockLearner:
    """One block's values, its equalization scale and the quantizers that it has to itself."""

    def __init__(
        self,
        block: Block,
        statistics: BlockStatistics,
        rounded: Rounded,
        config: QuantizerConfig,
        start: BlockQuantParams,
    ) -> None:
        self.block = block
        self._rounded = rounded
        self._config = config
        self._function = block.function
        self._statistics = statistics
        self._weight = statistics.sensitivity.astype(np.float32)
        self.output = start.output
        self.log_output_scale: NDArray[np.float64] = np.log(start.output_scale)
        self.pre_activation = _quantizer(start.pre_activation)
        self.average = _quantizer(start.average)

    @property
    def is_rounded_twice(self) -> bool:
        """Whether it is before its activation as well as behind it."""
        before = self.pre_activation is not None and self._rounded.before
        return before and self._rounded.behind

    def draw(self, rng: np.random.Generator, iterations: int) -> _Drawn:
        """Which values to look at in each iteration, and what to multiply them by.

        Of an averaged block they are whole images, brightened or dimmed.
        """
        averaged = self.block.averaged
        size = self._config.batch_images if averaged else self._config.batch_pixels
        count = min(len(self._statistics), size)
        places = rng.integers(0, len(self._statistics), (iterations, count), dtype=np.int32)
        # Drawn for every block, so that the next one's places are the same behind any.
        brighter = rng.standard_normal((iterations, count))
        if not averaged:
            return _Drawn(places, None)
        factors = np.exp(self._config.brightness_spread * brighter)
        return _Drawn(places, factors.astype(np.float32))

    def gradients(self, drawn: _Drawn, iteration: int, output: FakeQuantizer) -> _Gradients:
        """Of the values of one iteration, rounded behind the activation by `output`."""
        values = self._statistics.values(drawn.places[iteration])
        if drawn.factors is not None:
            values *= drawn.factors[iteration].reshape(-1, 1, 1)
        output_scale = np.exp(self.log_output_scale).astype(np.float32)
        wanted, _ = activate(self.block.activation, values, rounded=False)
        divided = values * np.reciprocal(output_scale)
        pixels = values.shape[1]
        if self.average is not None:
            # Of an averaged block a batch's values are 12 MB and more.
            wanted = wanted.mean(axis=1)
        del values
        before = behind = average = None
        found = divided
        if self.pre_activation is not None and self._rounded.before:
            before = self.pre_activation(found)
            found = before.rounded
        found, multiply_by_slope = activate(self.block.activation, found, rounded=True)
        if self._rounded.behind:
            behind = output(found)
            found = behind.rounded
        if self.average is not None:
            found = found.mean(axis=1)
            if self._rounded.average:
                average = self.average(found)
                found = average.rounded
        power = float(self._weight @ channel_sums(wanted, wanted) / wanted.size)
        # From here on backwards.
        upstream = found * output_scale
        upstream -= wanted
        upstream *= self._weight * output_scale * (2 / wanted.size)
        roundings: list[RoundingGradient] = []
        last = behind if self.average is None else average
        by_found = channel_sums(upstream, found) if last is None else None
        if average is not None:
            roundings.append(average.gradient(upstream))
        if self.average is not None:
            upstream = np.repeat(upstream[:, np.newaxis] * (1 / pixels), pixels, axis=1)
        if behind is not None:
            roundings.append(behind.gradient(upstream))
        multiply_by_slope(upstream)
        if before is not None:
            roundings.append(before.gradient(upstream))
        # The roundings at either end have these sums already.
        if by_found is None:
            by_found = roundings[0].by_rounded
        by_divided = channel_sums(upstream, divided) if before is None else roundings[-1].by_values
        by_quantizer = [(each.quantizer, each.by_variables) for each in roundings]
        return _Gradients(power, by_found - by_divided, by_quantizer)

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
            output_scale=np.exp(self.log_output_scale),
        )


class _Learner:
    """Gradient descent on the error of blocks whose outputs share a scale and zero point."""

    def __init__(self, blocks: Sequence[_BlockLearner], config: QuantizerConfig) -> None:
        self._config, self._blocks = config, blocks
        first, *others = (block.output for block in blocks)
        if any(each != first for each in others):
            lows, highs = zip(first.range, *(each.range for each in others), strict=True)
            first = QuantParams.from_range(min(lows), max(highs))
        self._output = FakeQuantizer(first)
        self._quantizers = [self._output]
        for block in blocks:
            self._quantizers += [q for q in (block.pre_activation, block.average) if q is not None]
        self._scaled = [block for block in blocks if block.block.equalizable]
        variables = [quantizer.variables for quantizer in self._quantizers]
        variables += [block.log_output_scale for block in self._scaled]
        of_quantizer = np.array([1.0, config.zero_point_rate])
        rates = [of_quantizer] * len(self._quantizers) + [np.ones(1)] * len(self._scaled)
        self._adam = _Adam(variables, rates)

    def descend(self, rng: np.random.Generator, *, brief: bool) -> None:
        """Go down the error's slope on values drawn at random, as far as it is a number."""
        iterations = self._config.iterations
        if any(block.is_rounded_twice for block in self._blocks):
            config = self._config
            iterations = config.brief_iterations if brief else config.leaky_iterations
        draws = [block.draw(rng, iterations) for block in self._blocks]
        for iteration in range(iterations):
            found = [
                block.gradients(drawn, iteration, self._output)
                for block, drawn in zip(self._blocks, draws, strict=True)
            ]
            gradients = self._gradients(found)
            # Of numbers of 1e19 and more, as damaged weights make, a float32 has no square.
            if not all(np.isfinite(each).all() for each in gradients):
                return
            left = 1 - iteration / iterations
            self._adam.step(gradients, self._config.learning_rate * left)

    def qparams(self) -> list[BlockQuantParams]:
        """What was learned, block by block."""
        output = self._output.qparams()
        return [block.qparams(output) for block in self._blocks]

    def _gradients(self, found: Sequence[_Gradients]) -> list[NDArray[np.float64]]:
        """Of the blocks' error together, as a part of what is wanted of them, by each variable."""
        power = sum(each.power for each in found) + 1e-30
        by_quantizer = {id(quantizer): np.zeros(2) for quantizer in self._quantizers}
        for each in found:
            for quantizer, gradient in each.by_quantizer:
                by_quantizer[id(quantizer)] += gradient
        gradients = list(by_quantizer.values())
        gradients += [
            each.by_output_scale
            for each, block in zip(found, self._blocks, strict=True)
            if block.block.equalizable
        ]
        return [gradient / power for gradient in gradients]


def _about(block: Block, statistics: BlockStatistics, config: QuantizerConfig) -> BlockQuantParams:
    """Where learning begins of which nothing is known: at ranges with little cut off."""
    # Percentiles of all of them would take a third of what the learning does.
    flat = statistics.sampled_rows(_ROWS_TO_BEGIN)
    output_scale = _initial_scale(flat) if block.equalizable else np.ones(flat.shape[1], np.float64)
    scaled = flat * (1 / output_scale).astype(np.float32)
    low, high = _clipped_range(scaled, config)
    if block.function.slope is None:
        behind = _clipped_range(activate(block.activation, scaled, rounded=False)[0], config)
    else:
        behind = low * block.function.slope, high
    average = None
    if block.averaged:
        low_average, high_average = math.inf, -math.inf
        for start in range(0, len(statistics), config.batch_images):
            places = np.arange(start, min(start + config.batch_images, len(statistics)))
            divided = statistics.values(places) * (1 / output_scale).astype(np.float32)
            given, _ = activate(block.activation, divided, rounded=False)
            averages = given.mean(axis=1)
            low_average = min(low_average, float(averages.min()))
            high_average = max(high_average, float(averages.max()))
        average = QuantParams.from_range(low_average, high_average)
    return BlockQuantParams(
        pre_activation=None if block.function.fused else QuantParams.from_range(low, high),
        output=QuantParams.from_range(*behind),
        average=average,
        output_scale=output_scale,
    )


def _quantizer(start: QuantParams | None) -> FakeQuantizer | None:
    return None if start is None else FakeQuantizer(start)


def _clipped_range(values: Floats, config: QuantizerConfig) -> tuple[float, float]:
    ends = (config.clipped_percent, 100 - config.clipped_percent)
    low, high = np.percentile(values, ends)
    return float(low), float(high)


def _initial_scale(values: Floats) -> NDArray[np.float64]:
    """Equalization scales to begin with: halfway, by logarithm, to channels of equal range."""
    low, high = np.abs(np.percentile(values, (0.1, 99.9), axis=0))
    reach = np.maximum(np.maximum(high, 0.3 * low), 1e-6)
    scales = np.sqrt(reach)
    return np.asarray(scales / np.exp(np.log(scales).mean()), np.float64)


class _Adam:
    """Adam (Kingma and Ba 2015) with rates of their own for the variables, which it changes."""

    def __init__(
        self, variables: list[NDArray[np.float64]], rates: list[NDArray[np.float64]]
    ) -> None:
        self._variables, self._rates = variables, rates
        self._means = [np.zeros_like(variable) for variable in variables]
        self._squares = [np.zeros_like(variable) for variable in variables]
        self._count = 0

    def step(self, gradients: Sequence[NDArray[np.float64]], rate: float) -> None:
        self._count += 1
        for n, gradient in enumerate(gradients):
            self._means[n] = 0.9 * self._means[n] + 0.1 * gradient
            self._squares[n] = 0.99 * self._squares[n] + 0.01 * gradient**2
            slope = self._means[n] / (1 - 0.9**self._count)
            size = np.sqrt(self._squares[n] / (1 - 0.99**self._count))
            self._variables[n] -= rate * self._rates[n] * slope / (size + 1e-12)
