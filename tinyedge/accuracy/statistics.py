"""What two models' scores say about each other: pure functions, no files and no runtimes.

Scores are the logits of a classifier: one row per image, the classes along the last axis. One score
alone is the probability of class 1 against class 0; see `class_scores`. Both
models of a comparison see the same images, so the statistics of the drop are those of paired
proportions: `lost` counts the images that only the first model names rightly, `gained` those that
only the second does, and all other images tell the two models apart in nothing.
"""

import math
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinyedge.accuracy.model import EVEN

__all__ = [
    "FEWEST_VALUES",
    "Interval",
    "Verdict",
    "agreement_images_needed",
    "class_loss_p",
    "class_scores",
    "drop_interval",
    "images_needed",
    "is_tied",
    "kl_divergence",
    "label_rank",
    "log_softmax",
    "mcnemar_p",
    "mean_images_needed",
    "mean_interval",
    "student_t_p",
    "top1",
    "verdict",
    "wilson_interval",
]

Verdict = Literal["pass", "fail", "inconclusive"]

_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf(0.975)  # two-sided 95 %
# Of an image: the score tests' correction for continuity. Without it the intervals cover less than
# 94 % where nearly all flips go one way, or nearly all images agree: docs/statistics.md.
_CONTINUITY = 0.25
# Far below one image in a billion: two rates closer than this differ by rounding alone.
_EQUAL = 1e-12
FEWEST_VALUES = 100
"""Of fewer values a bootstrap knows too little of their tail; docs/compare.md has its coverage."""
_SEED = 0
# Ten thousand put an end of an interval within 1.3 % of half its width, two thousand within 3 %.
_RESAMPLES, _FEWEST_RESAMPLES = 10_000, 2_000
_DRAWS = 50_000_000
_DRAWS_AT_ONCE = 1 << 20


class Interval(NamedTuple):
    """A 95 % confidence interval, both ends included; of a drop and an agreement in points."""

    low: float
    high: float


def top1(scores: ArrayLike) -> NDArray[np.intp]:
    """The class of the highest score, the lowest index of several: (..., classes) to (...)."""
    return np.asarray(np.argmax(class_scores(scores), axis=-1))


def label_rank(scores: ArrayLike, label: ArrayLike) -> NDArray[np.intp]:
    """How many classes stand before the right one: 0 is a top-1 hit, below k a top-k hit.

    The order is that of a stable sort by descending score: of equal scores the lower index
    comes first, so a tie is decided the same way on every machine.

    Args:
        scores: (..., classes), finite.
        label: (...), the index of the right class.
    """
    values = class_scores(scores)
    right = np.asarray(label)[..., np.newaxis]
    own = np.take_along_axis(values, right, axis=-1)
    earlier = np.arange(values.shape[-1]) < right
    return np.asarray(np.count_nonzero((values > own) | ((values == own) & earlier), axis=-1))


def is_tied(scores: ArrayLike) -> NDArray[np.bool_]:
    """Whether several classes share the highest score: (..., classes) to (...)."""
    values = class_scores(scores)
    return np.asarray(np.count_nonzero(values == values.max(axis=-1, keepdims=True), axis=-1) > 1)


def class_scores(scores: ArrayLike, threshold: float = EVEN) -> NDArray[np.float64]:
    """A score for each class, the highest that of the answer: (..., classes).

    Of several scores they are these. One alone, (..., 1), is the answer where it is above the
    `threshold`, which therefore stands as the score of class 0 before it.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape[-1] != 1:
        return values
    return np.concatenate([np.full_like(values, threshold), values], axis=-1)


def kl_divergence(p_logits: ArrayLike, q_logits: ArrayLike) -> NDArray[np.float64]:
    """KL(p || q) in nats, at least 0, of the softmax of the logits: (..., classes) to (...).

    Taken from log-softmax in float64, so that a probability too small for a float costs
    neither a division by zero nor an infinity.
    """
    log_p, log_q = log_softmax(p_logits), log_softmax(q_logits)
    divergence = np.sum(np.exp(log_p) * (log_p - log_q), axis=-1)
    # The true value is never negative; its rounding error may be.
    return np.asarray(np.maximum(divergence, 0.0))


def log_softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """The natural logarithms of the softmax along the last axis, of logits' own shape."""
    values = np.asarray(logits, dtype=np.float64)
    shifted = values - values.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def mcnemar_p(lost: int, gained: int) -> float:
    """The exact two-sided McNemar test: how likely flips this uneven are where neither is better.

    Each flip is a fair coin under that hypothesis (McNemar, Psychometrika 12, 1947; the exact
    form is the binomial test). A large p is no evidence that nothing was lost.
    """
    flips = lost + gained
    term = tail = 1
    for count in range(min(lost, gained)):
        term = term * (flips - count) // (count + 1)
        tail += term
    # Whole numbers until the one division, which Python rounds correctly at any size.
    return min(1.0, 2 * tail / (1 << flips))


def drop_interval(lost: int, gained: int, images: int) -> Interval:
    """The 95 % interval of the accuracy drop, first model minus second, in points.

    Tango's score interval for a difference of paired proportions (T. Tango, "Equivalence test
    and confidence interval for the difference in proportions for the paired-sample design",
    Statistics in Medicine 17, 1998, 891-908): all drops that the score test does not reject. The
    test is corrected for continuity (P. Chang et al., "Continuity corrected score confidence
    interval for the difference in proportions in paired data", Journal of Applied Statistics 51,
    2024, 139-152), here by a quarter of an image. Wald's textbook interval has no width where
    nothing flips, as if that had proved the models equal; this one then ends near +-4.3 / images.

    Raises:
        ValueError: there are no images, or more flips than images.
    """
    _check_counts(lost, gained, images)
    return Interval(
        100 * _limit(lost, gained, images, -1.0), 100 * _limit(lost, gained, images, 1.0)
    )


def wilson_interval(hits: int, images: int) -> Interval:
    """The 95 % interval of the share of `hits` among `images`, in percent.

    Wilson's score interval (E. B. Wilson, Journal of the American Statistical Association 22, 1927,
    209-212): all shares that the score test does not reject, corrected for continuity as that of
    `drop_interval`. It has width where all or none hit.

    Raises:
        ValueError: there are no images, or more hits than images.
    """
    if not 0 <= hits <= images or images < 1:
        raise ValueError(f"{hits} hits of {images} images")

    def end(hits: float, side: float) -> float:
        centre = hits + _Z**2 / 2
        half = _Z * math.sqrt(hits * (images - hits) / images + _Z**2 / 4)
        return (centre + side * half) / (images + _Z**2)

    low = 0.0 if hits == 0 else end(hits - _CONTINUITY, -1)
    high = 1.0 if hits == images else end(hits + _CONTINUITY, 1)
    return Interval(100 * low, 100 * high)


def agreement_images_needed(hits: int, images: int, least: float) -> int | None:
    """How many images would tell whether the share of hits is at least `least` percent.

    As `images_needed`: at the observed share the score test rejects `least` from there on.
    """
    distance = hits / images - least / 100
    if abs(distance) < _EQUAL:
        return None
    return _images_to_reject(distance, (least / 100) * (1 - least / 100))


def mean_interval(values: ArrayLike) -> Interval | None:
    """The 95 % interval of the mean, by the bootstrap: BCa, with a fixed seed.

    The percentiles of the means of resamples, corrected for bias and acceleration (B. Efron,
    "Better bootstrap confidence intervals", Journal of the American Statistical Association 82,
    1987, 171-185): plain percentiles end too low where values have a long tail, as divergences
    have. It does not depend on the order of the values. 16 MB of memory, or 12 bytes a value.

    Args:
        values: (n,), finite.

    Returns:
        None of fewer than `FEWEST_VALUES`.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    if count < FEWEST_VALUES:
        return None
    mean = float(ordered.mean())
    centred = ordered - mean
    squares = float(np.square(centred).sum())
    if ordered[0] == ordered[-1] or squares == 0:
        return Interval(mean, mean)
    means = _resampled_means(ordered)
    below = np.count_nonzero(means < mean) + np.count_nonzero(means == mean) / 2
    share = min(max(below, 0.5), len(means) - 0.5) / len(means)
    bias = _NORMAL.inv_cdf(share)
    acceleration = float((centred**3).sum()) / (6 * squares**1.5)

    def corrected(z: float) -> float:
        # The acceleration is at most 1/6, and the rest below 6.
        return _NORMAL.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))

    low, high = np.quantile(means, [corrected(-_Z), corrected(_Z)])
    return Interval(float(low), float(high))


def _resampled_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    count = len(values)
    resamples = min(max(_DRAWS // count, _FEWEST_RESAMPLES), _RESAMPLES)
    random = np.random.default_rng(_SEED)
    rows = max(1, _DRAWS_AT_ONCE // count)
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        part = means[start : start + rows]
        drawn = random.integers(0, count, (len(part), count), dtype=np.int32)
        part[:] = values[drawn].mean(axis=1)
    return means


def mean_images_needed(
    mean: float, interval: Interval | None, images: int, budget: float
) -> int | None:
    """How many images would tell whether the mean is at most `budget`.

    It supposes that the interval's half towards the budget shrinks as the root of the images grows.

    Args:
        mean: over the images.
        interval: of `mean_interval`.
        images: how many there are.
        budget: in the unit of the mean.

    Returns:
        None where the mean equals the budget; where there is no interval, as many as it needs.
    """
    if interval is None:
        return FEWEST_VALUES
    distance = budget - mean
    if abs(distance) <= _EQUAL * abs(budget):
        return None
    half = interval.high - mean if distance > 0 else mean - interval.low
    return math.ceil(images * (half / distance) ** 2)


def class_loss_p(lost: int, images: int, all_lost: int, all_images: int) -> float:
    """How likely chance alone has a class lose so many: the upper tail of the hypergeometric.

    Chance draws the images that are lost from all that could be, whatever their class (Fisher's
    exact test, one-sided).

    Args:
        lost: images of the class that are lost.
        images: those of it that could be.
        all_lost: images of all classes that are lost.
        all_images: those that could be.
    """
    most = min(images, all_lost)
    whole = _log_choose(all_images, all_lost)
    logs = [
        _log_choose(images, each) + _log_choose(all_images - images, all_lost - each) - whole
        for each in range(max(lost, all_lost - (all_images - images)), most + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def student_t_p(t: float, degrees: int) -> float:
    """The upper tail of Student's t: how likely a value of at least `t` is by chance.

    By the finite series for whole degrees of freedom, 26.7.3 and 26.7.4 of Abramowitz and Stegun,
    Handbook of Mathematical Functions.
    """
    angle = math.atan2(t, math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = term if degrees > 1 or not odd else 0.0
    for step in range(2 + odd, degrees - 1, 2):
        term *= cosine**2 * (step - 1) / step
        total += term
    within = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 - within) / 2


def verdict(interval: Interval, budget: float) -> Verdict:
    """What the interval allows to be said of a budget, both in one unit.

    `pass` where the whole interval lies within the budget, `fail` where the whole of it lies
    over, and otherwise `inconclusive`: the images at hand cannot tell.
    """
    if interval.high <= budget:
        return "pass"
    return "fail" if interval.low > budget else "inconclusive"


def images_needed(lost: int, gained: int, images: int, budget: float) -> int | None:
    """How many images would make the verdict on `budget` (points) a pass or a fail.

    It supposes that flips go on at the observed rates, which more images may well correct.
    At fixed rates the score statistic grows with the square root of the images but for its
    correction, so the number follows from the interval in closed form; `images` at least that
    large are decided already.

    Returns:
        None where the observed drop equals the budget: no number of images tells them apart.

    Raises:
        ValueError: as `drop_interval`.
    """
    _check_counts(lost, gained, images)
    distance = (lost - gained) / images - budget / 100
    if abs(distance) < _EQUAL:
        return None
    return _images_to_reject(distance, _variance(lost, gained, images, budget / 100))


def _images_to_reject(distance: float, variance: float) -> int:
    """Of how many images the score test rejects a value at this distance, both per image."""
    distance, deviations = abs(distance), _Z * math.sqrt(variance)
    # From the root of n on for which distance n - correction = deviations root(n).
    root = (deviations + math.sqrt(deviations**2 + 4 * distance * _CONTINUITY)) / (2 * distance)
    return math.ceil(root**2)


def _check_counts(lost: int, gained: int, images: int) -> None:
    if images < 1 or lost < 0 or gained < 0 or lost + gained > images:
        raise ValueError(f"{lost} lost and {gained} gained of {images} images")


def _variance(lost: int, gained: int, images: int, drop: float) -> float:
    """Per image, of the difference where the true drop is `drop`: 2 q + drop (1 - drop).

    q is the likeliest share of `gained` given that drop: the larger root of Tango's
    2 n q^2 + b q + c = 0, in the form that subtracts no near-equal numbers.
    """
    b = (2 * images - lost + gained) * drop - lost - gained
    c = -gained * drop * (1 - drop)
    root = math.sqrt(max(b * b - 8 * images * c, 0.0))
    share = (root - b) / (4 * images) if b <= 0 else -2 * c / (b + root)
    return 2 * share + drop * (1 - drop)


def _limit(lost: int, gained: int, images: int, bound: float) -> float:
    """The drop between the observed one and `bound` at which the score test starts to reject."""

    def accepted(drop: float) -> bool:
        # Squared and multiplied out: at a bound the variance may be zero.
        distance = max(abs(lost - gained - images * drop) - _CONTINUITY, 0.0)
        return distance**2 <= _Z**2 * images * _variance(lost, gained, images, drop)

    inner, outer = (lost - gained) / images, bound
    if accepted(outer):
        return outer
    while True:
        middle = (inner + outer) / 2
        if middle in (inner, outer):  # neighbouring floats: nothing left to halve
            return inner
        if accepted(middle):
            inner = middle
        else:
            outer = middle
