"""How many of each class, and which: counted by hand, and held against random draws."""

import numpy as np
import pytest

from tinyedge.calibration.spread import quotas, spread, standardized


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("counts", "size", "taken"),
    [
        ([5, 5, 5], 6, [2, 2, 2]),
        ([1, 9, 9], 7, [1, 3, 3]),
        ([0, 2, 100], 50, [0, 2, 48]),
        ([3, 1, 4], 8, [3, 1, 4]),
        ([7], 3, [3]),
        ([2, 2], 0, [0, 0]),
    ],
)
def test_classes_give_alike_as_far_as_they_have(
    counts: list[int], size: int, taken: list[int]
) -> None:
    assert quotas(counts, size, random()) == taken


def test_what_does_not_divide_is_drawn() -> None:
    found = {tuple(quotas([9, 9, 9], 4, random(seed))) for seed in range(30)}
    assert found == {(2, 1, 1), (1, 2, 1), (1, 1, 2)}


@pytest.mark.parametrize("seed", range(20))
def test_no_class_has_two_more_than_one_that_could_give(seed: int) -> None:
    draw = random(seed)
    counts = [int(each) for each in draw.integers(0, 12, 9)]
    size = int(draw.integers(0, sum(counts) + 1))
    taken = quotas(counts, size, draw)
    assert sum(taken) == size
    for took, count in zip(taken, counts, strict=True):
        assert 0 <= took <= count
        assert took == count or took >= max(taken) - 1


@pytest.mark.parametrize(("photos", "size"), [(1, 1), (10, 10), (100, 7), (64, 63), (5, 0)])
def test_each_photo_is_taken_once(photos: int, size: int) -> None:
    for seed in range(20):
        found = spread(random(seed).normal(size=(photos, 6)), size, random(seed))
        assert found == sorted(set(found))
        assert len(found) == size
        assert not found or 0 <= found[0] <= found[-1] < photos


def test_photos_that_all_look_the_same_can_be_chosen_among() -> None:
    assert len(spread(standardized(np.ones((9, 6))), 4, random())) == 4


def test_two_kinds_of_photos_are_met_by_their_shares() -> None:
    looks = np.concatenate((np.zeros((60, 6)), np.ones((20, 6)))) + random().normal(
        0, 0.01, (80, 6)
    )
    for seed in range(10):
        found = np.array(spread(standardized(looks), 20, random(seed)))
        assert (found < 60).sum() == 15


def test_the_means_are_nearer_than_those_of_random_draws() -> None:
    looks = standardized(random(3).normal(size=(800, 6)))
    middle = looks.mean(axis=0)

    def strays(draws: list[list[int]]) -> float:
        return float(
            np.mean([np.square(looks[each].mean(axis=0) - middle).sum() for each in draws])
        )

    spread_out = strays([spread(looks, 50, random(seed)) for seed in range(40)])
    drawn = strays([list(random(seed).choice(800, 50, replace=False)) for seed in range(40)])
    assert spread_out < 0.5 * drawn


def test_no_photo_counts_as_farther_out_than_two_and_a_half_deviations() -> None:
    looks = random().normal(size=(500, 6))
    looks[0] = 1000
    assert np.abs(standardized(looks)).max() == 2.5
