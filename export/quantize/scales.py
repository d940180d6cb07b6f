"""Activation ranges and channel gains, chosen by the error they leave behind the activation.

A leaky layer is rounded to int8 twice, before and after the activation. Its negative half
shrinks tenfold in between, so that what the range before should cover, what the range after
should cover and how the channels should be scaled against each other depend on one another. They
are learned together, by gradient descent on the error behind the activation (behind the average,
where one follows), each channel weighed by what an error there does to the network's answer.
Step sizes are learned as in LSQ (Esser et al. 2020, arXiv:1902.08153): rounding passes gradients
straight through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.export.quantize.blocks import Chain
from tinyedge.export.quantize.observe import ChainValues
from tinyedge.export.quantize.steps import Steps, steps_for, with_exact_slopes

__all__ = ["ChainRanges", "can_learn", "learn_ranges"]

Floats = NDArray[np.float32]

# Of chains rounded once; longer, SqueezeNet's KL from its float answers grew by a tenth.
_ITERATIONS = 250
# Of chains rounded before and after their activation; Tiny Darknet's KL fell by a tenth.
_LEAKY_ITERATIONS = 1_000
_RATE = 0.03  # of Adam, for logarithms of scales and gains; falls linearly to 0
_ZERO_POINT_RATE = 20.0  # times that for zero points, which count in steps
_ROWS = 2_048  # pixels in a step of gradient descent
_MAPS = 16  # pictures in one, of an averaged chain
# An average has one value a channel and picture: 200 pictures do not show how large it may get.
# Pictures brightened and dimmed by this deviation (of the logarithm) stand in for unseen ones.
_AVERAGE_SPREAD = 0.15
_CLIPPED = 0.02  # percent at each end left out of the range to begin with
_SLOPES = {"leaky": 0.1, "relie": 0.01, "ramp": 0.1 / 1.1}


@dataclass(frozen=True, eq=False)
class ChainRanges:
    """How a chain's values are rounded.

    Attributes:
        before: what goes into the activation; of a ReLU, which TFLite fuses, what comes out.
        after: what comes out of a leaky activation, else None.
        average: the average behind it, where one follows, else None.
        gains: (channels,), what each channel is divided by.
    """

    before: Steps
    after: Steps | None
    average: Steps | None
    gains: NDArray[np.float64]


def learn_ranges(
    chains: Sequence[Chain], values: Sequence[ChainValues], *, seed: int
) -> list[ChainRanges]:
    """Ranges and gains of chains that a concatenation joins, or of one chain by itself.

    TFLite has one scale for all that a concatenation joins: what comes out of these chains'
    activations is rounded to the same steps.
    """
    learner = _Learner(chains, values)
    learner.descend(np.random.default_rng(seed))
    return learner.ranges()


def can_learn(chain: Chain) -> bool:
    """Whether the chain's activation is piecewise linear, as learning its ranges needs."""
    return chain.activation in ("linear", "relu", *_SLOPES)


class _Quantizer:
    """Steps that can be learned."""

    def __init__(self, start: Steps) -> None:
        self.log_scale = tf.Variable(np.log(start.scale), dtype=tf.float32)
        self.zero_point = tf.Variable(float(start.zero_point), dtype=tf.float32)

    def __call__(self, values: Any) -> Any:
        scale = tf.exp(self.log_scale)
        zero_point = _rounded(tf.clip_by_value(self.zero_point, -128.0, 127.0))
        integers = tf.clip_by_value(_rounded(values / scale) + zero_point, -128.0, 127.0)
        return (integers - zero_point) * scale

    def steps(self) -> Steps:
        zero_point = np.clip(np.rint(self.zero_point.numpy()), -128, 127)
        return Steps(float(np.exp(self.log_scale.numpy())), int(zero_point))


class _Member:
    """One chain's values, gains and the quantizer before its activation."""

    def __init__(self, chain: Chain, values: ChainValues) -> None:
        self.chain = chain
        self.slope = _SLOPES.get(chain.activation)
        self.values = tf.constant(values.before)
        flat = values.before.reshape(-1, values.before.shape[-1])
        gains = _first_gains(flat) if chain.scalable else np.ones(flat.shape[1])
        self.log_gains = tf.Variable(np.log(gains), dtype=tf.float32)
        scaled = flat / gains.astype(np.float32)
        low, self.high = (float(np.percentile(scaled, p)) for p in (_CLIPPED, 100 - _CLIPPED))
        self.low = 0.0 if chain.activation == "relu" else low * (self.slope or 1.0)
        self.before = None if self.slope is None else _Quantizer(steps_for(low, self.high))
        self.average = None
        if chain.averaged:
            averages = tf.reduce_mean(
                self._activated(self.values / gains.astype(np.float32)), axis=1
            ).numpy()
            self.average = _Quantizer(steps_for(float(averages.min()), float(averages.max())))
        self._weight = tf.constant(values.sensitivity, tf.float32)

    def drawn(self, rng: np.random.Generator, iterations: int) -> tuple[Any, Any]:
        """Which values to look at in each step, and what to multiply them by.

        Of an averaged chain they are whole pictures, brightened or dimmed.
        """
        averaged = self.chain.averaged
        count = min(len(self.values), _MAPS if averaged else _ROWS)
        places = rng.integers(0, len(self.values), (iterations, count), dtype=np.int32)
        spread = _AVERAGE_SPREAD if averaged else 0.0
        factors = np.exp(spread * rng.standard_normal((iterations, count)))
        return tf.constant(places), tf.constant(factors, tf.float32)

    def chosen(self, places: Any, factors: Any) -> Any:
        """The values of one step."""
        shape = [-1] + [1] * (self.values.shape.rank - 1)
        return tf.gather(self.values, places) * tf.reshape(factors, shape)

    def errors(self, values: Any, out: "_Quantizer") -> tuple[Any, Any]:
        """Weighted mean squares of the error behind the activation and of what is right there."""
        gains = tf.exp(self.log_gains)
        found = values / gains
        if self.before is not None:
            found = self.before(found)
        found, wanted = out(self._activated(found)), self._activated(values)
        if self.average is not None:
            found = self.average(tf.reduce_mean(found, axis=1))
            wanted = tf.reduce_mean(wanted, axis=1)
        error = tf.reduce_mean(tf.square(found * gains - wanted) * self._weight)
        return error, tf.reduce_mean(tf.square(wanted) * self._weight)

    def before_steps(self, after: Steps) -> Steps:
        """What was learned of a chain with a slope, moved to where XNNPACK's slopes are exact."""
        assert self.before is not None
        assert self.slope is not None
        return with_exact_slopes(self.before.steps(), after, self.slope)

    def _activated(self, values: Any) -> Any:
        if self.chain.activation == "relu":
            return tf.nn.relu(values)
        return values if self.slope is None else tf.nn.leaky_relu(values, self.slope)


class _Learner:
    """Gradient descent on the error of chains that share the steps behind their activations."""

    def __init__(self, chains: Sequence[Chain], values: Sequence[ChainValues]) -> None:
        self._members = [_Member(chain, seen) for chain, seen in zip(chains, values, strict=True)]
        lowest = min(member.low for member in self._members)
        self._out = _Quantizer(steps_for(lowest, max(member.high for member in self._members)))
        quantizers = [self._out]
        for member in self._members:
            quantizers += [q for q in (member.before, member.average) if q is not None]
        gains = [member.log_gains for member in self._members if member.chain.scalable]
        self._variables = [v for q in quantizers for v in (q.log_scale, q.zero_point)] + gains
        rates = [1.0, _ZERO_POINT_RATE] * len(quantizers) + [1.0] * len(gains)
        self._adam = _Adam(self._variables, rates)

    def descend(self, rng: np.random.Generator) -> None:
        """Go down the error's slope on values drawn at random."""
        twice = any(member.before is not None for member in self._members)
        iterations = _LEAKY_ITERATIONS if twice else _ITERATIONS
        draws = [member.drawn(rng, iterations) for member in self._members]

        @tf.function  # type: ignore[untyped-decorator]
        def descend() -> None:
            for iteration in tf.range(iterations):
                samples = [
                    member.chosen(places[iteration], factors[iteration])
                    for member, (places, factors) in zip(self._members, draws, strict=True)
                ]
                left = 1 - tf.cast(iteration, tf.float32) / iterations
                self._adam.step(self._error_gradients(samples), _RATE * left)

        descend()

    def ranges(self) -> list[ChainRanges]:
        """What was learned, chain by chain."""
        out = self._out.steps()
        return [
            ChainRanges(
                before=out if member.before is None else member.before_steps(out),
                after=None if member.before is None else out,
                average=None if member.average is None else member.average.steps(),
                gains=np.exp(member.log_gains.numpy().astype(np.float64)),
            )
            for member in self._members
        ]

    def _error_gradients(self, samples: list[Any]) -> Any:
        with tf.GradientTape() as tape:
            errors = [
                member.errors(values, self._out)
                for member, values in zip(self._members, samples, strict=True)
            ]
            total = tf.add_n([error for error, _ in errors])
            loss = total / (tf.add_n([right for _, right in errors]) + 1e-30)
        return tape.gradient(loss, self._variables)


def _first_gains(values: Floats) -> NDArray[np.float64]:
    """Gains to begin with: halfway, by logarithm, to channels of equal range."""
    high = np.abs(np.percentile(values, 99.9, axis=0))
    low = np.abs(np.percentile(values, 0.1, axis=0))
    reach = np.maximum(np.maximum(high, 0.3 * low), 1e-6)
    gains = np.sqrt(reach)
    return np.asarray(gains / np.exp(np.log(gains).mean()), np.float64)


class _Adam:
    """Adam (Kingma and Ba 2015) with a rate of its own for each variable."""

    def __init__(self, variables: list[Any], rates: list[float]) -> None:
        self._variables, self._rates = variables, rates
        self._means = [tf.Variable(tf.zeros_like(variable)) for variable in variables]
        self._squares = [tf.Variable(tf.zeros_like(variable)) for variable in variables]
        self._count = tf.Variable(0.0)

    def step(self, gradients: list[Any], rate: Any) -> None:
        self._count.assign_add(1.0)
        for i, gradient in enumerate(gradients):
            mean = self._means[i].assign(0.9 * self._means[i] + 0.1 * gradient)
            square = self._squares[i].assign(0.99 * self._squares[i] + 0.01 * gradient**2)
            slope = mean / (1 - 0.9**self._count)
            size = tf.sqrt(square / (1 - 0.99**self._count))
            self._variables[i].assign_sub(rate * self._rates[i] * slope / (size + 1e-12))


def _rounded(values: Any) -> Any:
    return values + tf.stop_gradient(tf.round(values) - values)
