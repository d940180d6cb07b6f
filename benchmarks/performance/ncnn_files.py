"""A Darknet classifier as ncnn's files, a .param and a .bin, in float or int8.

ncnn's wheel brings no tool that makes an int8 model, and none that reads Darknet. The format is
ncnn's (its documentation, "param and model file structure"); int8 is as its ncnn2int8 leaves it,
from the largest absolute values that a layer read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import AvgPool, Convolutional, Layer, MaxPool, Softmax
from tinyedge.darknet.network import Network
from tinyedge.export.build.fold import FoldedWeights

__all__ = ["NcnnFiles", "ncnn_files", "read_blobs", "write_ncnn"]

_MAGIC = "7767517"
_LEAKY, _ALPHA = 2, 0.1
_FLOAT_WEIGHTS, _INT8_WEIGHTS = 0, 0x000D4B38
_MOST = 127


class NcnnFiles(NamedTuple):
    """The two files of a model."""

    param: Path
    binary: Path


def ncnn_files(folder: Path, name: str) -> NcnnFiles:
    """Those of a model in `folder`, by their name before its endings."""
    return NcnnFiles(folder / f"{name}.param", folder / f"{name}.bin")


def read_blobs(network: Network) -> Mapping[int, str]:
    """By number of a convolution, the blob that it reads in `write_ncnn`'s files."""
    blobs, read = "data", {}
    for layer in network.layers:
        if isinstance(layer, Convolutional):
            read[layer.index] = blobs
        blobs = _blob(layer)
    return read


def write_ncnn(
    network: Network,
    weights: FoldedWeights,
    folder: Path,
    name: str,
    largest: Mapping[int, float] | None = None,
) -> NcnnFiles:
    """Write the network up to its scores.

    Args:
        network: convolutions of one group, linear or leaky, max pools that need no padding, an
            average, and a softmax, which is left out.
        weights: of its layers.
        folder: is there.
        name: of both files, before their endings.
        largest: by number of a convolution, the largest absolute value that it reads: for an int8
            file.

    Raises:
        ValueError: another kind of layer.
    """
    rows, data, blob = [_row("Input", "data", [], "data", {0: 224, 1: 224, 2: 3})], b"", "data"
    for layer in network.layers:
        if isinstance(layer, Softmax):
            continue
        kind, options = _options(layer)
        if isinstance(layer, Convolutional):
            kernel, bias = weights[layer.index].kernel, weights[layer.index].bias
            options |= {6: kernel.size} | ({} if largest is None else {8: 1})
            data += _weights(kernel, bias, None if largest is None else largest[layer.index])
        rows.append(_row(kind, _blob(layer), [blob], _blob(layer), options))
        blob = _blob(layer)
    files = ncnn_files(folder, name)
    text = [_MAGIC, f"{len(rows)} {len(rows)}", *rows]
    files.param.write_text("\n".join(text) + "\n", encoding="utf-8")
    files.binary.write_bytes(data)
    return files


def _options(layer: Layer) -> tuple[str, dict[int, int | str]]:
    match layer:
        case Convolutional(groups=1, activation="linear" | "leaky"):
            found: dict[int, int | str] = {0: layer.output.channels, 1: layer.size}
            found |= {3: layer.stride, 4: layer.padding, 5: 1}
            if layer.activation == "leaky":
                found |= {9: _LEAKY, -23310: f"1,{_ALPHA:e}"}
            return "Convolution", found
        case MaxPool():
            return "Pooling", {0: 0, 1: layer.size, 2: layer.stride, 5: 1}
        case AvgPool():
            return "Pooling", {0: 1, 4: 1}
    raise ValueError(f"layer {layer.index} is of a kind that is not written here")


def _weights(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], largest: float | None
) -> bytes:
    planar = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    if largest is None:
        return np.uint32(_FLOAT_WEIGHTS).tobytes() + planar.tobytes() + bias.tobytes()
    scales = _MOST / np.abs(planar).max((1, 2, 3))
    rounded = np.rint(planar * scales[:, None, None, None]).astype(np.int8).tobytes()
    padding = bytes(-len(rounded) % 4)
    read = np.float32(_MOST / largest)
    parts: Sequence[bytes] = (
        *(np.uint32(_INT8_WEIGHTS).tobytes(), rounded, padding, bias.tobytes()),
        *(scales.astype(np.float32).tobytes(), read.tobytes()),
    )
    return b"".join(parts)


def _row(
    kind: str, name: str, inputs: Sequence[str], output: str, options: Mapping[int, int | str]
) -> str:
    words = [kind, name, str(len(inputs)), "1", *inputs, output]
    return " ".join([*words, *(f"{key}={value}" for key, value in options.items())])


def _blob(layer: Layer) -> str:
    return f"layer{layer.index}"
