"""Weight rounding against arithmetic done by hand and against brute force."""

import itertools

import numpy as np

from tinyedge.export.quantize.gptq import round_to_nearest, round_with_second_moment, weight_scales


def test_the_largest_weight_of_each_output_is_127_steps() -> None:
    kernel = np.array([[0.5, -4.0, 0.0], [-1.0, 2.0, 0.0]])
    scales = weight_scales(kernel)
    assert scales.tolist() == [1 / 127, 4 / 127, 1 / 127]
    assert round_to_nearest(kernel, scales).tolist() == [[64, -127, 0], [-127, 64, 0]]


def test_inputs_that_do_not_vary_together_are_rounded_to_the_nearest() -> None:
    kernel = np.random.default_rng(0).normal(size=(40, 7))
    scales = weight_scales(kernel)
    found = round_with_second_moment(kernel, scales, np.eye(40))
    assert (found == round_to_nearest(kernel, scales)).all()


def output_error(kernel: np.ndarray, steps: np.ndarray, moment: np.ndarray) -> float:
    left = kernel - steps
    return float(np.trace(left.T @ moment @ left))


def test_it_comes_near_the_best_of_all_roundings() -> None:
    """Eight inputs that nearly move as one, twenty kernels: all 256 ways up or down, tried out."""
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(500, 1)) + 0.2 * rng.normal(size=(500, 8))
    moment = samples.T @ samples / 500
    scales = np.array([0.25])
    best = nearest = found = 0.0
    for kernel in rng.normal(size=(20, 8, 1)):
        best += min(
            output_error(kernel, (np.floor(kernel[:, 0] / 0.25) + choice)[:, None] * 0.25, moment)
            for choice in map(np.array, itertools.product((0, 1), repeat=8))
        )
        nearest += output_error(kernel, round_to_nearest(kernel, scales) * scales, moment)
        rounded = round_with_second_moment(kernel, scales, moment)
        found += output_error(kernel, rounded * scales, moment)
    assert best <= found < (best + nearest) / 2


def test_more_inputs_than_a_block() -> None:
    rng = np.random.default_rng(2)
    samples = rng.normal(size=(2000, 20)) @ rng.normal(size=(20, 300))
    samples += 0.1 * rng.normal(size=(2000, 300))
    moment = samples.T @ samples / 2000
    kernel = rng.normal(size=(300, 8))
    scales = weight_scales(kernel)
    nearest = output_error(kernel, round_to_nearest(kernel, scales) * scales, moment)
    found = output_error(kernel, round_with_second_moment(kernel, scales, moment) * scales, moment)
    assert found < nearest / 4
