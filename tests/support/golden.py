"""The networks whose answers are kept, and what they are fed: the same numbers everywhere.

The weights and pixels are drawn from numpy's `RandomState`, whose streams numpy keeps as they
are for good (NEP 19), so that a case is a cfg and a seed.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Header, Weights, array_shapes, from_arrays, weighted_layers

__all__ = ["CASES", "FOLDER", "last_layer", "pixels", "weights"]

FOLDER = Path(__file__).parents[1] / "data" / "golden"
CASES = ("pools", "joins", "connected")


def weights(network: Network) -> Weights:
    """What each layer learned, such that values stay in the order of one."""
    random = np.random.RandomState(1)
    layers = {}
    for layer in weighted_layers(network):
        arrays = {
            name: _array(name, shape, random)
            for name, shape in array_shapes(layer, transposed=False)
        }
        layers[layer.index] = from_arrays(layer, arrays, transposed=False)
    return Weights(Header(), layers)


def pixels(network: Network) -> NDArray[np.float32]:
    """Values in [0, 1], in steps of 1/255: (height, width, channels)."""
    random = np.random.RandomState(2)
    return (random.randint(0, 256, network.input) / 255).astype(np.float32)


def last_layer(network: Network) -> int:
    """The index of the layer before the softmax, or of the last where there is none."""
    return max(layer.index for layer in network.layers if layer.kind != "softmax")


def _array(name: str, shape: tuple[int, ...], random: np.random.RandomState) -> NDArray[np.float32]:
    match name:
        case "variance" | "scales":
            values = random.uniform(0.5, 1.5, shape)
        case "weights":
            # A kernel's last axes, or a matrix's last, are what one output is the sum of.
            inputs = np.prod(shape[-3:] if len(shape) > 2 else shape[-1:])
            values = random.normal(0, (2 / inputs) ** 0.5, shape)
        case _:
            values = random.normal(0, 0.3, shape)
    return values.astype(np.float32)
