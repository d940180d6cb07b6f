"""Random weights such as training leaves them: every layer's values vary from photo to photo.

A layer's statistics are taken from what it makes of photos: batch norms hold them, kernels without
a batch norm are scaled by them. So no layer dies, explodes, or answers all photos alike.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tests.support.naive import Planes, activate, pre_activation
from tinyedge.darknet.batch_norm import formula_of_revision
from tinyedge.darknet.layers import Connected, Convolutional, Layer, Local, Shortcut
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import (
    Header,
    LayerParameters,
    WeightedLayer,
    Weights,
    array_shapes,
    from_arrays,
    weighted_layers,
)

__all__ = ["fitted_weights", "revision_of"]

Floats = NDArray[np.float32]
# The deviation over photos that logits are given, so that a softmax is neither flat nor sure.
_LOGITS = 2.0
_LEAST = 0.2
# Of the kernels before a batch norm that has its epsilon inside the root: variances come to 1e-5.
_SMALL = 3e-3


def revision_of(seed: int) -> int:
    """That of the header: of every third net AlexeyAB's, whose batch norm is another."""
    return 5 if seed % 3 == 0 else 0


def fitted_weights(
    network: Network, photos: Sequence[Floats], seed: int, *, offset: float = 0.0
) -> Weights:
    """Weights whose every layer has a deviation of about one on `photos`, (h, w, c) in [0, 1].

    Logits are apart by a constant, normally distributed with the deviation `offset`, as where
    classes are rare.
    """
    rng = np.random.default_rng([seed, 56])
    header = Header(revision=revision_of(seed))
    inside = formula_of_revision(header.revision) == "inside"
    layers: dict[int, LayerParameters] = {}
    now: list[Planes] = [photo.transpose(2, 0, 1).astype(np.float64) for photo in photos]
    outputs: list[list[Planes]] = [[] for _ in photos]
    logits = _logits(network)
    for layer in network.layers:
        if isinstance(layer, WeightedLayer) and layer.parameters:
            wanted = _LOGITS if layer is logits else 1.0
            layers[layer.index] = _fitted(layer, now, outputs, wanted, rng, small=inside)
            if layer is logits and offset:
                layers[layer.index] = _apart(layers[layer.index], offset, rng)
        parameters = layers.get(layer.index)
        now = [
            activate(layer, pre_activation(layer, each, before, parameters, inside=inside))
            for each, before in zip(now, outputs, strict=True)
        ]
        for each, before in zip(now, outputs, strict=True):
            before.append(each)
    return Weights(header, layers)


def _logits(network: Network) -> Layer | None:
    """The last layer with weights of a network that ends in a softmax."""
    if all(layer.kind != "softmax" for layer in network.layers):
        return None
    weighted = list(weighted_layers(network))
    return weighted[-1] if weighted else None


def _apart(parameters: LayerParameters, offset: float, rng: np.random.Generator) -> LayerParameters:
    biases = getattr(parameters, "biases", None)
    if biases is None:
        return parameters
    return replace(parameters, biases=biases + rng.normal(0, offset, biases.shape).astype("f4"))


def _fitted(
    layer: WeightedLayer,
    now: Sequence[Planes],
    outputs: Sequence[Sequence[Planes]],
    wanted: float,
    rng: np.random.Generator,
    *,
    small: bool,
) -> LayerParameters:
    arrays = {
        name: _drawn(name, shape, rng) for name, shape in array_shapes(layer, transposed=False)
    }
    if isinstance(layer, Shortcut):
        shares = rng.uniform(-0.2, 1, arrays["weights"].shape)
        return from_arrays(layer, {"weights": shares.astype("f4")}, transposed=False)
    neutral = from_arrays(layer, arrays | _neutral(arrays), transposed=False)
    made = np.stack(
        [
            pre_activation(layer, each, before, neutral)
            for each, before in zip(now, outputs, strict=True)
        ]
    )
    axes = 0 if isinstance(layer, Local) else (0, 2, 3)
    mean, deviation = made.mean(axis=axes), made.std(axis=axes)
    # Where values hardly differ, as in a saturated activation, no training would tell them apart.
    deviation = np.maximum(deviation, _LEAST * np.sqrt(np.square(made).mean(axis=axes)))
    # Dead whatever the weights are, as a window of padding alone.
    deviation = np.where(deviation < 1e-3, 1.0, deviation)
    # Training turns some channels round and, where there are many, lets some die.
    dead = 0.03 if layer.output.channels > 4 else 0.0
    signs = rng.choice([1.0, -1.0, 0.0], mean.shape, p=[0.85, 0.15 - dead, dead])
    if "variance" in arrays:
        spread = rng.lognormal(0, 0.1, mean.shape)
        arrays["mean"] = (mean + 0.05 * deviation * rng.standard_normal(mean.shape)).astype("f4")
        arrays["variance"] = (deviation**2 * spread).astype("f4")
        arrays["scales"] = (arrays["scales"] * wanted * signs).astype("f4")
        if small and "weights" in arrays:
            factors = {"weights": _SMALL, "mean": _SMALL, "variance": _SMALL**2}
            arrays |= {name: arrays[name] * np.float32(f) for name, f in factors.items()}
    else:
        factor = wanted / deviation * signs
        arrays["biases"] = (arrays["biases"] - mean * factor).astype("f4")
        arrays["weights"] = (arrays["weights"] * _per_output(layer, factor)).astype("f4")
    return from_arrays(layer, arrays, transposed=False)


def _drawn(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    match name:
        case "weights":
            drawn = rng.standard_normal(shape)
        case "biases":
            drawn = rng.normal(0, 0.5, shape)
        case "scales":
            drawn = rng.uniform(0.5, 1.5, shape)
        case _:
            drawn = np.ones(shape)
    return drawn.astype(np.float32)


def _neutral(arrays: dict[str, Floats]) -> dict[str, Floats]:
    """All but the kernels such that they change nothing."""
    values = {"biases": 0.0, "scales": 1.0, "mean": 0.0, "variance": 1.0}
    return {
        name: np.full_like(arrays[name], value) for name, value in values.items() if name in arrays
    }


def _per_output(layer: WeightedLayer, factor: Planes) -> Planes:
    """A factor an output in the shape that multiplies the layer's kernels."""
    match layer:
        case Convolutional():
            return factor[:, np.newaxis, np.newaxis, np.newaxis]
        case Connected():
            return factor.reshape(-1, 1)
        case Local():
            # (filters, rows, columns) to (rows, columns, filters, channels, size, size).
            return np.moveaxis(factor, 0, -1)[..., np.newaxis, np.newaxis, np.newaxis]
    raise TypeError(f"a [{layer.kind}] has no kernels")
