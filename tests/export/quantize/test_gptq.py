"""GPTQ against arithmetic done by hand and against brute force."""

import itertools

import numpy as np
import pytest

from tinyedge.export.quantize.gptq import gptq_round, gptq_round_few
from tinyedge.tflite.quantization import QuantParams

DAMPING = 0.01


def of_largest(kernel: np.ndarray) -> QuantParams:
    return QuantParams.symmetric(np.abs(kernel).max(axis=0), axis=-1)


def test_the_largest_weight_of_each_output_is_127() -> None:
    kernel = np.array([[0.5, -4.0, 0.0], [-1.0, 2.0, 0.0]])
    params = of_largest(kernel)
    assert params.scales.tolist() == [1 / 127, 4 / 127, 1 / 127]
    assert params.quantize(kernel).tolist() == [[64, -127, 0], [-127, 64, 0]]


def test_inputs_that_do_not_vary_together_are_quantized_to_the_nearest() -> None:
    kernel = np.random.default_rng(0).normal(size=(40, 7))
    params = of_largest(kernel)
    found = gptq_round(kernel, params, np.eye(40), damping=DAMPING)
    assert (found == params.quantize(kernel)).all()


def output_error(kernel: np.ndarray, quantized: np.ndarray, hessian: np.ndarray) -> float:
    left = kernel - quantized
    return float(np.trace(left.T @ hessian @ left))


def test_it_comes_near_the_best_of_all_roundings() -> None:
    """Eight inputs that nearly move as one, twenty kernels: all 256 ways up or down, tried out."""
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(500, 1)) + 0.2 * rng.normal(size=(500, 8))
    hessian = samples.T @ samples / 500
    params = QuantParams.symmetric(np.array([0.25 * 127]), axis=-1)
    best = nearest = found = 0.0
    for kernel in rng.normal(size=(20, 8, 1)):
        best += min(
            output_error(kernel, (np.floor(kernel[:, 0] / 0.25) + choice)[:, None] * 0.25, hessian)
            for choice in map(np.array, itertools.product((0, 1), repeat=8))
        )
        nearest += output_error(kernel, params.dequantize(params.quantize(kernel)), hessian)
        quantized = gptq_round(kernel, params, hessian, damping=DAMPING)
        found += output_error(kernel, params.dequantize(quantized), hessian)
    assert best <= found < (best + nearest) / 2


def test_more_inputs_than_a_block() -> None:
    rng = np.random.default_rng(2)
    samples = rng.normal(size=(2000, 20)) @ rng.normal(size=(20, 300))
    samples += 0.1 * rng.normal(size=(2000, 300))
    hessian = samples.T @ samples / 2000
    kernel = rng.normal(size=(300, 8))
    params = of_largest(kernel)
    nearest = output_error(kernel, params.dequantize(params.quantize(kernel)), hessian)
    quantized = gptq_round(kernel, params, hessian, damping=DAMPING)
    found = output_error(kernel, params.dequantize(quantized), hessian)
    assert found < nearest / 4


@pytest.mark.parametrize("variance", [0.0, 0.05])
@pytest.mark.parametrize("vectors", [1, 8, 40])
def test_a_few_vectors_give_what_their_hessian_gives(vectors: int, variance: float) -> None:
    rng = np.random.default_rng(vectors)
    kernel = rng.normal(size=(300, 5)).astype(np.float32)
    params = of_largest(kernel)
    # Seldom active inputs, and a part that all vectors have: as behind a ReLU.
    read = np.maximum(rng.normal(size=300) + 0.3 * rng.normal(size=(vectors, 300)), 0)
    hessian = read.T @ read / vectors + variance * np.eye(300)
    whole = gptq_round(kernel.astype(np.float64), params, hessian, damping=DAMPING)
    few = gptq_round_few(kernel, params, read, variance=variance, damping=DAMPING)
    assert (few == whole).mean() > 0.999
    nearest = output_error(kernel, params.dequantize(params.quantize(kernel)), hessian)
    assert output_error(kernel, params.dequantize(few), hessian) < 0.3 * nearest
