"""Blame: what does more than the others by no chance, and how often chance alone is blamed."""

import numpy as np
import pytest

from tinyedge.export.inspection.blame import blamed_layers, standard_errors


def damage(images: int, layers: int, seed: int) -> np.ndarray:
    """Layers that do alike: divergences with a long tail, and images that all layers suffer by."""
    random = np.random.default_rng(seed)
    shared = random.lognormal(0, 1, (images, 1))
    return 1e-3 * shared * random.lognormal(0, 1, (images, layers))


def test_layers_that_do_alike_are_not_blamed_oftener_than_said() -> None:
    blamed = sum(bool(blamed_layers(damage(32, 15, seed))) for seed in range(400))
    # 5 % of 400 are 20, at most; three deviations more are 33.
    assert blamed <= 33


def test_the_layer_that_does_much_more_is_blamed() -> None:
    found = 0
    for seed in range(50):
        alone = damage(32, 15, seed)
        alone[:, 6] *= 10
        found += blamed_layers(alone) == {6}
    assert found >= 45


def test_one_image_that_suffers_blames_no_layer() -> None:
    alone = np.full((32, 5), 1e-3)
    alone[:, 1] *= 1.001
    alone[7, 2] = 1.0
    # By the mean layer 2 does 30 times what the others do, and all of that on one image.
    assert alone.mean(axis=0).argmax() == 2
    assert 2 not in blamed_layers(alone)


def test_a_layer_that_suffers_on_one_image_does_not_hide_another() -> None:
    alone = damage(32, 5, 1)
    alone[:, 1] *= 50
    alone[7, 2] = 100.0
    assert alone.mean(axis=0).argmax() == 2
    assert blamed_layers(alone) == {1}


def test_worked_by_hand() -> None:
    # Times as much as the other: e, e^2, e^3; mean 2, standard error 1 / sqrt 3, t 3.46 of two
    # degrees, which chance makes in 3.7 %, in one of two layers in 7.4 %.
    logs = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    assert standard_errors(logs) == pytest.approx([1 / np.sqrt(3), 0])
    assert blamed_layers(np.exp(logs)) == set()
    # e^2, e^3, e^4: t 5.20, 1.75 %, for two layers 3.5 %.
    assert blamed_layers(np.exp(logs + np.array([1, 0]))) == {0}


def test_one_image_or_one_layer_blames_none() -> None:
    assert blamed_layers(np.array([[1.0, 0.0, 0.0]])) == set()
    assert blamed_layers(np.ones((5, 1))) == set()
    assert standard_errors(np.ones((1, 3))).tolist() == [0, 0, 0]


def test_at_most_three_and_those_that_are_comparable() -> None:
    alone = np.random.default_rng(1).normal(1e-4, 1e-6, (32, 12))
    alone[:, :5] += [5e-3, 4e-3, 4.5e-3, 4.2e-3, 1e-3]
    assert blamed_layers(alone) == {0, 2, 3}


def test_equal_damage_is_no_layers_fault() -> None:
    assert blamed_layers(np.full((10, 4), 0.25)) == set()
    assert blamed_layers(np.zeros((10, 4))) == set()
