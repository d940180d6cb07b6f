"""The statistics against numbers worked by hand, published ones and naive second versions."""

import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest

from tinyedge.accuracy import statistics
from tinyedge.accuracy.statistics import (
    FEWEST_VALUES,
    Interval,
    agreement_images_needed,
    class_loss_p,
    class_scores,
    drop_interval,
    images_needed,
    is_tied,
    kl_divergence,
    label_rank,
    mcnemar_p,
    mean_images_needed,
    mean_interval,
    student_t_p,
    top1,
    verdict,
    wilson_interval,
)

Z = NormalDist().inv_cdf(0.975)
CONTINUITY = 0.25  # of an image


@pytest.fixture
def uncorrected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intervals as their authors published them, without a correction for continuity."""
    monkeypatch.setattr(statistics, "_CONTINUITY", 0.0)


def test_label_rank_is_the_place_in_a_stable_sort_by_descending_score() -> None:
    # Four values for six classes: most rows have ties.
    scores = np.random.default_rng(7).integers(0, 4, (200, 6)).astype(float)
    for row in scores:
        order = sorted(range(6), key=lambda index: -row[index])
        assert [label_rank(row, label) for label in range(6)] == [
            order.index(label) for label in range(6)
        ]
        assert top1(row) == order[0]
    assert label_rank(scores, top1(scores)).tolist() == [0] * 200


def test_of_equal_scores_the_lower_index_is_right() -> None:
    assert label_rank([[1.0, 2.0, 2.0]] * 3, [0, 1, 2]).tolist() == [2, 0, 1]


def test_only_the_highest_score_ties() -> None:
    assert is_tied([[1, 1, 2], [1, 2, 2], [3, 3, 3]]).tolist() == [False, True, True]
    assert [bool(is_tied(scores)) for scores in ([1, 2, 1], [2, 1, 2])] == [False, True]


def test_one_score_is_the_probability_of_class_1() -> None:
    scores = [[0.0], [0.49], [0.5], [0.51], [1.0]]
    assert top1(scores).tolist() == [0, 0, 0, 1, 1]
    assert label_rank(scores, [0] * 5).tolist() == [0, 0, 0, 1, 1]
    assert label_rank(scores, [1] * 5).tolist() == [1, 1, 1, 0, 0]
    assert is_tied(scores).tolist() == [False, False, True, False, False]


def test_one_score_is_class_1_above_a_threshold() -> None:
    scores = class_scores([[0.0], [0.2], [0.21], [1.0]], threshold=0.2)
    assert top1(scores).tolist() == [0, 0, 1, 1]
    assert label_rank(scores, [1] * 4).tolist() == [1, 1, 0, 0]
    assert is_tied(scores).tolist() == [False, True, False, False]
    several = [[0.1, 0.3], [0.9, 0.1]]
    assert class_scores(several, threshold=0.2).tolist() == several


def test_kl_worked_by_hand() -> None:
    p, q = np.log([1 / 2, 1 / 4, 1 / 4]), np.log([1 / 4, 1 / 4, 1 / 2])
    # 1/2 ln 2 + 0 - 1/4 ln 2
    assert kl_divergence(p, q) == pytest.approx(math.log(2) / 4, rel=1e-14)
    # A constant added to all logits changes no probability.
    assert kl_divergence(p + 1000, q - 3) == pytest.approx(math.log(2) / 4, rel=1e-11)


def test_kl_stays_finite_where_probabilities_underflow() -> None:
    assert kl_divergence([0.0, -2000.0], [-2000.0, 0.0]) == pytest.approx(2000)


def test_kl_is_computed_in_double_precision() -> None:
    # A true divergence of 5e-13 is lost in float32's rounding.
    p, q = np.float32([0, 0]), np.array([1e-6, -1e-6])
    assert kl_divergence(p, q) == pytest.approx(5e-13, rel=1e-3)


def test_kl_is_never_negative() -> None:
    logits = np.random.default_rng(3).normal(size=(500, 10))
    assert (kl_divergence(logits, logits + 1e-9) >= 0).all()


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    # 2 (1 + 7) / 2^7; 2 / 2^5; two coins of equal faces reject nothing.
    [(6, 1, 0.125), (0, 5, 0.0625), (5, 0, 0.0625), (4, 4, 1.0), (0, 0, 1.0), (1, 0, 1.0)],
)
def test_mcnemar_worked_by_hand(lost: int, gained: int, p: float) -> None:
    assert mcnemar_p(lost, gained) == p


def test_mcnemar_is_the_sum_of_binomial_tails() -> None:
    for lost in range(12):
        for gained in range(12):
            flips = lost + gained
            # Both tails: every outcome at least as far from the middle as the observed one.
            outcomes = [
                math.comb(flips, count)
                for count in range(flips + 1)
                if abs(2 * count - flips) >= abs(lost - gained)
            ]
            assert mcnemar_p(lost, gained) == float(Fraction(sum(outcomes), 2**flips))


def test_mcnemar_of_many_flips() -> None:
    flips, lost = 5000, 2600
    logs = [
        math.lgamma(flips + 1)
        - math.lgamma(k + 1)
        - math.lgamma(flips - k + 1)
        - flips * math.log(2)
        for k in range(lost, flips + 1)
    ]
    assert mcnemar_p(lost, flips - lost) == pytest.approx(2 * sum(map(math.exp, logs)), rel=1e-9)
    assert mcnemar_p(40_000, 10_000) == 0.0  # about 10^-4000


@pytest.mark.usefixtures("uncorrected")
def test_interval_of_a_published_example() -> None:
    # Airway hyper-responsiveness before and after a transplant (Bentur et al. 2009), as worked
    # with Tango's interval by Fagerland, Lydersen and Laake, Statistics in Medicine 33, 2014.
    low, high = drop_interval(lost=1, gained=7, images=21)
    assert round(low / 100, 3) == -0.517
    assert round(high / 100, 3) == -0.026


def end_of_none(images: int) -> float:
    """The share at which none of `images` is rejected: (n d - c)^2 = z^2 n d (1 - d)."""
    half = CONTINUITY + Z**2 / 2
    root = math.sqrt(half**2 - CONTINUITY**2 * (1 + Z**2 / images))
    return 100 * (half + root) / (images + Z**2)


@pytest.mark.parametrize("images", [1, 10, 650, 50_000])
def test_without_a_flip_the_interval_still_has_width(images: int) -> None:
    end = end_of_none(images)
    assert drop_interval(0, 0, images) == pytest.approx((-end, end), rel=1e-12)


def test_when_every_image_flips_the_interval_ends_at_100() -> None:
    low, high = drop_interval(44, 0, 44)
    assert high == 100
    # One less than all is lost: 1 + d takes the place of twice the share.
    lost_share = (100 + low) / 200
    deviation = math.sqrt(44 * lost_share * (1 - lost_share))
    assert 44 * (1 - lost_share) - CONTINUITY / 2 == pytest.approx(Z * deviation)
    assert drop_interval(0, 44, 44) == pytest.approx((-high, -low))


def _score(lost: int, gained: int, images: int, drop: float) -> float:
    """The corrected statistic, its nuisance parameter found by searching the likelihood itself."""

    def log_likelihood(share: float) -> float:
        shares = (share + drop, share, 1 - 2 * share - drop)
        counts = (lost, gained, images - lost - gained)
        return sum(
            count * math.log(max(value, 1e-300))
            for count, value in zip(counts, shares, strict=True)
            if count
        )

    low, high = max(0.0, -drop), (1 - drop) / 2
    for _ in range(200):  # ternary search: the likelihood is concave in the share
        third = (high - low) / 3
        if log_likelihood(low + third) < log_likelihood(high - third):
            low += third
        else:
            high -= third
    variance = images * (2 * low + drop * (1 - drop))
    distance = lost - gained - images * drop
    return math.copysign(max(abs(distance) - CONTINUITY, 0) / math.sqrt(variance), distance)


@pytest.mark.parametrize(
    ("lost", "gained", "images"),
    [(1, 7, 21), (3, 0, 50), (0, 2, 30), (40, 25, 650), (5, 5, 10), (1, 0, 2), (900, 700, 50_000)],
)
def test_the_interval_holds_the_drops_that_the_score_test_accepts(
    lost: int, gained: int, images: int
) -> None:
    low, high = (end / 100 for end in drop_interval(lost, gained, images))
    for drop in np.linspace(-0.999, 0.999, 400):
        if min(abs(drop - low), abs(drop - high)) > 1e-9:
            accepted = abs(_score(lost, gained, images, drop)) <= Z
            assert accepted == (low < drop < high), drop
    assert _score(lost, gained, images, low) == pytest.approx(Z, abs=1e-4)
    assert _score(lost, gained, images, high) == pytest.approx(-Z, abs=1e-4)


def test_with_many_images_the_interval_is_walds() -> None:
    lost, gained, images = 2600, 2400, 50_000
    drop = (lost - gained) / images
    half = Z * math.sqrt(((lost + gained) / images - drop**2) / images)
    expected = (100 * (drop - half), 100 * (drop + half))
    assert drop_interval(lost, gained, images) == pytest.approx(expected, abs=0.002)


SHARES = [(flips, lost) for flips in (0.01, 0.02, 0.05, 0.1, 0.2) for lost in (0.5, 0.75, 0.9, 1)]


def _covered_and_false_passes(images: int) -> list[tuple[float, float]]:
    """Exact, over every outcome: how often the true drop is within, and how often above."""
    intervals = [
        (lost, gained, drop_interval(lost, gained, images))
        for lost in range(images + 1)
        for gained in range(images + 1 - lost)
    ]
    found = []
    for flips, side in SHARES:
        shares = flips * side, flips * (1 - side)
        drop = 100 * (shares[0] - shares[1])
        within = above = 0.0
        for lost, gained, interval in intervals:
            ways = math.comb(images, lost) * math.comb(images - lost, gained)
            likely = ways * shares[0] ** lost * shares[1] ** gained
            likely *= (1 - flips) ** (images - lost - gained)
            within += likely * (interval.low <= drop <= interval.high)
            above += likely * (drop > interval.high)
        found.append((within, above))
    return found


@pytest.mark.long
def test_the_interval_covers_the_true_drop_as_often_as_it_says() -> None:
    found = _covered_and_false_passes(100)
    assert min(within for within, _ in found) >= 0.94
    # Ten flips and more; fewer are covered more often.
    usual = [within for (flips, _), (within, _) in zip(SHARES, found, strict=True) if flips >= 0.1]
    assert 0.95 <= sum(usual) / len(usual) <= 0.965
    # A budget that is the true drop is passed as seldom as a one-sided test of 2.5 % allows.
    assert max(above for _, above in found) <= 0.025


@pytest.mark.usefixtures("uncorrected")
def test_without_the_correction_it_covers_less() -> None:
    # All flips lost, as often as one image in ten: a score test of one share.
    drop = 10.0
    covered = sum(
        math.comb(100, lost) * 0.1**lost * 0.9 ** (100 - lost)
        for lost in range(101)
        if drop_interval(lost, 0, 100).low <= drop <= drop_interval(lost, 0, 100).high
    )
    assert covered < 0.94


@pytest.mark.parametrize("counts", [(0, 0, 0), (-1, 0, 5), (0, -1, 5), (3, 3, 5)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"lost and .* gained of"):
        drop_interval(*counts)
    with pytest.raises(ValueError, match=r"lost and .* gained of"):
        images_needed(*counts, budget=1.0)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((-1.0, 0.99), "pass"),
        ((-1.0, 1.0), "pass"),
        ((-3.0, -2.0), "pass"),
        ((-1.0, 1.01), "inconclusive"),
        ((1.0, 3.0), "inconclusive"),
        ((1.01, 3.0), "fail"),
    ],
)
def test_verdict_on_a_budget_of_one_point(interval: tuple[float, float], expected: str) -> None:
    assert verdict(Interval(*interval), 1.0) == expected


def test_images_needed_where_nothing_flips() -> None:
    # d n - 1/4 = z root(n d (1 - d)) at d = 1 %: root(n) = (0.19502 + root(0.04803)) / 0.02
    assert images_needed(0, 0, 100, 1.0) == 429
    assert verdict(drop_interval(0, 0, 428), 1.0) == "inconclusive"
    assert verdict(drop_interval(0, 0, 429), 1.0) == "pass"


@pytest.mark.parametrize(
    ("lost", "gained", "images", "budget", "settled"),
    [(40, 25, 650, 3.0, "pass"), (40, 25, 650, 1.5, "fail"), (2, 0, 100, 3.0, "pass")],
)
def test_images_needed_is_where_the_same_rates_settle_the_verdict(
    lost: int, gained: int, images: int, budget: float, settled: str
) -> None:
    assert verdict(drop_interval(lost, gained, images), budget) == "inconclusive"
    needed = images_needed(lost, gained, images, budget)
    assert needed is not None
    enough = math.ceil(needed / images)

    def later(times: int) -> str:
        return verdict(drop_interval(times * lost, times * gained, times * images), budget)

    assert later(enough) == settled
    assert later(enough - 1) == "inconclusive"


def test_no_number_of_images_tells_a_drop_from_its_equal() -> None:
    assert images_needed(3, 0, 100, 3.0) is None
    assert images_needed(0, 0, 100, 0.0) is None
    # 0.07 is no binary fraction, nor is 7 %.
    assert images_needed(7, 0, 100, 7.000000000000001) is None


@pytest.mark.usefixtures("uncorrected")
@pytest.mark.parametrize(
    ("hits", "images", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17, 1998, table I, his method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_of_published_examples(hits: int, images: int, low: float, high: float) -> None:
    found = wilson_interval(hits, images)
    assert (round(found.low / 100, 4), round(found.high / 100, 4)) == (low, high)
    mirrored = wilson_interval(images - hits, images)
    assert mirrored == pytest.approx((100 - found.high, 100 - found.low))


@pytest.mark.parametrize(("hits", "images"), [(615, 650), (3, 4), (1, 50_000), (49, 50)])
def test_wilson_holds_the_shares_that_the_score_test_accepts(hits: int, images: int) -> None:
    interval = wilson_interval(hits, images)
    for end in interval:
        share = end / 100
        distance = abs(hits - images * share) - CONTINUITY
        assert distance / math.sqrt(images * share * (1 - share)) == pytest.approx(Z)


def test_wilson_of_all_or_none_has_width() -> None:
    end = end_of_none(40)
    assert wilson_interval(40, 40) == pytest.approx((100 - end, 100))
    assert wilson_interval(0, 40) == pytest.approx((0, end))


@pytest.mark.parametrize("images", [100, 200, 650])
def test_wilson_covers_the_share_as_often_as_it_says(images: int) -> None:
    intervals = [wilson_interval(hits, images) for hits in range(images + 1)]
    for percent in (80, 85, 90, 95, 98, 99, 99.5):
        likely = [
            math.comb(images, hits)
            * (percent / 100) ** hits
            * (1 - percent / 100) ** (images - hits)
            for hits in range(images + 1)
        ]
        pairs = list(zip(likely, intervals, strict=True))
        assert sum(p for p, found in pairs if found.low <= percent <= found.high) >= 0.94
        assert sum(p for p, found in pairs if found.low > percent) <= 0.025


@pytest.mark.parametrize(("hits", "images"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_hits_are_refused(hits: int, images: int) -> None:
    with pytest.raises(ValueError, match="hits of"):
        wilson_interval(hits, images)


@pytest.mark.parametrize(
    ("hits", "images", "least"), [(615, 650, 93.0), (615, 650, 96), (9, 9, 90)]
)
def test_agreement_images_needed_is_where_the_interval_ends_at_the_budget(
    hits: int, images: int, least: float
) -> None:
    needed = agreement_images_needed(hits, images, least)
    assert needed is not None

    def settled(count: int) -> bool:
        # The same share of another number, which need be no whole one.
        distance = count * abs(hits / images - least / 100) - CONTINUITY
        return distance >= Z * math.sqrt(count * least / 100 * (1 - least / 100))

    assert settled(needed)
    assert not settled(needed - 1)
    assert agreement_images_needed(19, 20, 95.0) is None


def test_the_mean_of_normal_values_has_students_interval() -> None:
    values = np.random.default_rng(5).normal(3, 2, 400)
    half = 1.966 * values.std(ddof=1) / 20
    found = mean_interval(values)
    assert found is not None
    assert found.low == pytest.approx(values.mean() - half, abs=0.03 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03 * half)


def test_the_interval_of_a_mean_is_that_of_a_second_bootstrap() -> None:
    """BCa written again value by value, with other random numbers and a jackknife in full."""
    values = np.random.default_rng(6).lognormal(-5, 1.5, 100)
    random = np.random.default_rng(99)
    means = sorted(float(random.choice(values, 100).mean()) for _ in range(20_000))
    mean = float(values.mean())
    left_out = [(values.sum() - value) / 99 for value in values]
    centre = sum(left_out) / 100
    cubes = sum((centre - each) ** 3 for each in left_out)
    squares = sum((centre - each) ** 2 for each in left_out)
    acceleration = cubes / (6 * squares**1.5)
    normal = NormalDist()
    bias = normal.inv_cdf(sum(each < mean for each in means) / 20_000)
    ends = []
    for z in (-Z, Z):
        corrected = normal.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        ends.append(means[round(corrected * 19_999)])
    found = mean_interval(values)
    assert found == pytest.approx(ends, abs=0.04 * (ends[1] - ends[0]))
    # It is not the interval of plain percentiles, which ends lower.
    assert found is not None
    assert found.high > means[round(0.975 * 19_999)] + 0.05 * (ends[1] - ends[0])


def test_of_means_that_equal_the_mean_half_count_as_below() -> None:
    # Of a hundred tossed coins the normal approximation ends at a half more or less 1.96 / 20; some
    # 8 % of the resamples have the mean itself: a bias if all of them count as below it, or none.
    low, high = mean_interval([0.0] * 50 + [1.0] * 50) or (math.nan, math.nan)
    assert (low, high) == pytest.approx((0.5 - Z / 20, 0.5 + Z / 20), abs=0.012)
    assert low + high == pytest.approx(1, abs=0.015)


def test_one_value_that_is_another_gives_the_mean_width() -> None:
    for values in ([0.0] + [1.0] * 99, [0.0] * 99 + [1.0]):
        low, high = mean_interval(values) or (math.nan, math.nan)
        assert low < np.mean(values) < high


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    """Divergences as they are: a long tail, here of 200 each."""
    random = np.random.default_rng(8)
    true_mean = math.exp(-5 + 1.2**2 / 2)
    covered = 0
    for _ in range(150):
        found = mean_interval(random.lognormal(-5, 1.2, 200))
        assert found is not None
        covered += found.low <= true_mean <= found.high
    # 95 % of 150 is 142.5; three deviations below it are 134.5.
    assert covered >= 135


def test_the_interval_of_a_mean_is_the_same_in_any_order() -> None:
    values = np.random.default_rng(7).lognormal(-5, 1.5, 300)
    assert mean_interval(values) == mean_interval(values[::-1]) == mean_interval(sorted(values))


def test_a_mean_of_few_values_has_no_interval() -> None:
    assert mean_interval([0.1] * (FEWEST_VALUES - 1)) is None
    assert mean_interval([0.1] * FEWEST_VALUES) == pytest.approx((0.1, 0.1))
    assert mean_interval([0.0] * 150) == (0, 0)


def test_the_interval_of_many_values_takes_little_memory() -> None:
    import tracemalloc

    values = np.random.default_rng(3).lognormal(-5, 1, 50_000)
    tracemalloc.start()
    found = mean_interval(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32e6
    half = Z * values.std() / math.sqrt(50_000)
    mean = float(values.mean())
    assert found == pytest.approx((mean - half, mean + half), abs=0.12 * half)


def test_images_needed_of_a_mean() -> None:
    interval = Interval(0.8, 1.4)
    # Half of 0.4 is to become 0.1: sixteen times as many; half of 0.2 to become 0.1.
    assert mean_images_needed(1.0, interval, 100, 1.1) == pytest.approx(1600, abs=1)
    assert mean_images_needed(1.0, interval, 100, 0.9) == pytest.approx(400, abs=1)
    assert mean_images_needed(1.0, interval, 100, 1.0) is None
    assert mean_images_needed(1.0, None, 10, 2.0) == FEWEST_VALUES


def test_the_loss_of_a_class_by_every_way_to_draw_it() -> None:
    from itertools import combinations

    # Of ten images four are lost; the class has the first three.
    drawn = [sum(image < 3 for image in each) for each in combinations(range(10), 4)]
    for lost in range(4):
        expected = sum(count >= lost for count in drawn) / len(drawn)
        assert class_loss_p(lost, 3, 4, 10) == pytest.approx(expected)
    assert class_loss_p(10, 10, 10, 20) == pytest.approx(1 / math.comb(20, 10))
    # One class alone loses all there is.
    assert class_loss_p(5, 10, 5, 10) == 1.0


@pytest.mark.parametrize(
    ("degrees", "t"),
    # The table of every textbook: two-sided 95 %.
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (30, 2.0423), (100, 1.9840)],
)
def test_students_t_of_the_table(degrees: int, t: float) -> None:
    assert student_t_p(t, degrees) == pytest.approx(0.025, abs=1e-5)
    assert student_t_p(-t, degrees) == pytest.approx(0.975, abs=1e-5)
    assert student_t_p(0, degrees) == 0.5
