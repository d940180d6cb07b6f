"""What 8 bits leave of a network: the definition with every layer's values rounded to them.

An int8 file can hardly be nearer to its float file than this, and one that computes the same
function is not much farther: so a net that does not bear 8 bits is told from a wrong file.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.support.naive import Planes, activate, pre_activation
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.layers import L2Norm, Layer, Logistic
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Weights

__all__ = ["rounded_answers"]

# Scales that TFLite's specification of int8 quantization fixes, whatever values there are.
_FIXED = {"logistic": 1 / 256, "tanh": 1 / 128, "loggy": 1 / 128, "l2norm": 1 / 128}

Images = Sequence[NDArray[np.float32]]


def rounded_answers(
    network: Network, weights: Weights, calibration: Images, images: Images
) -> Planes:
    """The flat answers (n, outputs) to `images`, each layer's range being that of `calibration`."""
    now = [pixels.transpose(2, 0, 1).astype(np.float64) for pixels in (*calibration, *images)]
    seen, inside = len(calibration), weights.batch_norm == "inside"
    outputs: list[list[Planes]] = [[] for _ in now]
    for layer in network.layers:
        parameters = weights.layers.get(layer.index)
        with np.errstate(invalid="ignore"):
            now = [
                pre_activation(layer, each, before, parameters, inside=inside)
                for each, before in zip(now, outputs, strict=True)
            ]
        if not _is_fused(layer):
            now = _rounded(now, seen)
        # An l2norm of what rounding made nothing is no number; TFLite's is 0.
        now = [np.nan_to_num(activate(layer, each)) for each in now]
        fixed = _FIXED.get(_activation(layer))
        now = (
            _rounded(now, seen)
            if fixed is None
            else [np.rint(each / fixed) * fixed for each in now]
        )
        for each, before in zip(now, outputs, strict=True):
            before.append(each)
    return np.stack([each.ravel() for each in now[seen:]])


def _activation(layer: Layer) -> str:
    if isinstance(layer, Logistic | L2Norm):
        return layer.kind
    return getattr(layer, "activation", "linear")


def _is_fused(layer: Layer) -> bool:
    """Whether TFLite rounds the layer's values once, behind its activation."""
    return ACTIVATIONS[getattr(layer, "activation", "linear")].fused


def _rounded(values: list[Planes], seen: int) -> list[Planes]:
    """The values of all images, in the range that the first `seen` have."""
    lowest = min(0.0, *(float(each.min()) for each in values[:seen]))
    highest = max(0.0, *(float(each.max()) for each in values[:seen]))
    if lowest == highest:
        return values
    scale = (highest - lowest) / 255
    return [np.clip(np.rint(each / scale) * scale, lowest, highest) for each in values]
