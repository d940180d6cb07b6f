"""An int8 file of three 1x1 convolutions with activations between them, and its numbers."""

from dataclasses import replace

import numpy as np

from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.tflite.quantization import QuantParams

__all__ = [
    "ACTIVATED",
    "BEHIND",
    "BIASES",
    "FIRST",
    "KERNELS",
    "LOGITS",
    "OFFSETS",
    "PIXELS",
    "SECOND",
    "SLOPE",
    "STORED",
    "convolution",
    "integer_file",
    "leaky",
    "tensor",
]

_RNG = np.random.default_rng(5)
SLOPE = 0.125
PIXELS = QuantParams.pixels()
# What layer 0 gives before and after its activation, and layer 1 and 2 likewise.
FIRST, ACTIVATED = QuantParams.per_tensor(0.02, 10), QuantParams.per_tensor(0.018, -100)
SECOND, BEHIND = QuantParams.per_tensor(0.05, 0), QuantParams.per_tensor(0.045, -90)
LOGITS = QuantParams.per_tensor(0.1, 5)
SHAPES = ((6, 3), (8, 6), (5, 8))
STORED = [_RNG.integers(-127, 128, shape).astype(np.int8) for shape in SHAPES]
SCALES = [_RNG.uniform(0.002, 0.01, len(kernel)) for kernel in STORED]
KERNELS = [
    kernel * scale[:, np.newaxis].astype(np.float32)
    for kernel, scale in zip(STORED, SCALES, strict=True)
]
INPUTS = (PIXELS, ACTIVATED, BEHIND)
BIASES = [
    np.rint(_RNG.normal(0, 0.1, len(kernel)) / (scale * qparams.scale)).astype(np.int32)
    for kernel, scale, qparams in zip(STORED, SCALES, INPUTS, strict=True)
]
OFFSETS = [
    bias * scale * qparams.scale
    for bias, scale, qparams in zip(BIASES, SCALES, INPUTS, strict=True)
]


def tensor(channels: int, qparams: QuantParams) -> T:
    return T((1, 4, 4, channels), scale=qparams.scale, zero_point=qparams.zero_point)


def convolution(layer: int, source: T | int, output: QuantParams) -> Op:
    kernel = constant(STORED[layer][:, np.newaxis, np.newaxis])
    bias = replace(
        constant(BIASES[layer], "int32"),
        scale=tuple(SCALES[layer] * INPUTS[layer].scale),
        name=f"{layer}_convolutional/BiasAdd",
    )
    inputs = [source, replace(kernel, scale=tuple(SCALES[layer])), bias]
    options = {"strideW": 1, "strideH": 1}
    outputs = [tensor(len(STORED[layer]), output)]
    return Op("CONV_2D", inputs, outputs, "Conv2DOptions", options, version=3)


def leaky(source: int, channels: int, output: QuantParams) -> Op:
    options = {"alpha": SLOPE}
    return Op("LEAKY_RELU", [source], [tensor(channels, output)], "LeakyReluOptions", options)


def integer_file() -> bytes:
    """Three layers of 1x1; the last one is no head, since it sees every pixel."""
    return write_model(
        convolution(0, tensor(3, PIXELS), FIRST),
        leaky(0, 6, ACTIVATED),
        convolution(1, 1, SECOND),
        leaky(2, 8, BEHIND),
        convolution(2, 3, LOGITS),
    )
