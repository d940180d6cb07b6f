"""A .weights file as arrays, layer by layer, and back to the same bytes.

The format is that of ``load_weights_upto`` and ``save_weights_upto`` in Darknet's ``parser.c``:
three little-endian int32 (major, minor, revision), ``seen``, then float32 without a gap, in the
order of the .cfg. Nothing in the file says which network it belongs to: the count of its floats
is the one thing that can be checked, so it must be exactly the network's.

AlexeyAB's ``[batchnorm]`` has biases, which stand before its scales; the original's has none. The
count tells the two apart as well.
"""

import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.batch_norm import (
    NOTED_DIFFERENCE,
    difference,
    formula_of_revision,
    has_deviation,
)
from tinyedge.darknet.layers import (
    BatchNormalization,
    Connected,
    Convolutional,
    Local,
    Shortcut,
)
from tinyedge.darknet.network import Network
from tinyedge.errors import TinyedgeWarning, WeightsError
from tinyedge.files import open_bytes, write_together
from tinyedge.modelcard import BatchNormFormula
from tinyedge.text import counted

__all__ = [
    "BatchNorm",
    "ConnectedWeights",
    "ConvolutionalWeights",
    "Header",
    "LayerParameters",
    "LocalWeights",
    "ShortcutWeights",
    "WeightedLayer",
    "Weights",
    "array_shapes",
    "from_arrays",
    "read_weights",
    "weighted_layers",
    "write_weights",
]

Floats = NDArray[np.float32]
WeightedLayer = Convolutional | Connected | Local | BatchNormalization | Shortcut
"""The layers that have parameters in a .weights; of shortcuts those that are weighted."""

_FLOAT = np.dtype("<f4")
# What a network takes is checked by count; beyond this no file is looked at.
_MOST_BYTES = 2**36
_SHOWN_LAYERS = 3
_MOST_SHOWN = 100.0


@dataclass(frozen=True)
class Header:
    """The file's first bytes.

    Attributes:
        major, minor, revision: of the format, not of the network.
        seen: images the network had been trained on, from 0.
        size_t: bytes of ``seen`` where the version says that it is a size_t, as from 0.2 on: 8 of
            a file saved on a 64-bit system, 4 of one saved on a 32-bit system.
    """

    major: int = 0
    minor: int = 2
    revision: int = 0
    seen: int = 0
    size_t: Literal[4, 8] = 8

    @property
    def layout(self) -> str:
        """The header's :mod:`struct` format."""
        # Beyond 1000 a version marks transposed matrices in a file of the older form.
        wide = self.major * 10 + self.minor >= 2 and self.major < 1000 and self.minor < 1000
        return "<3iQ" if wide and self.size_t == 8 else "<3iI"

    @property
    def transposed(self) -> bool:
        """Whether connected layers' matrices are [inputs][outputs], not [outputs][inputs]."""
        return self.major > 1000 or self.minor > 1000


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """Of each channel: scale, rolling mean and rolling variance, shape (channels,).

    Part of a convolution or a connected layer, or all that a [batchnorm] has.

    Attributes:
        biases: shape (channels,), of a [batchnorm] as AlexeyAB's engine stores it; else None, and
            those of the layer that it is part of are there.
    """

    scales: Floats
    mean: Floats
    variance: Floats
    biases: Floats | None = None


@dataclass(frozen=True, eq=False)
class ConvolutionalWeights:
    """A convolution's parameters.

    Attributes:
        biases: shape (filters,).
        weights: shape (filters, channels / groups, size, size).
        batch_norm: of a batch-normalized convolution, else None.
    """

    biases: Floats
    weights: Floats
    batch_norm: BatchNorm | None = None


@dataclass(frozen=True, eq=False)
class ConnectedWeights:
    """A connected layer's parameters.

    Attributes:
        biases: shape (outputs,).
        weights: shape (outputs, inputs), whichever way round the file has them; inputs in planar
            order.
        batch_norm: of a batch-normalized layer, else None.
    """

    biases: Floats
    weights: Floats
    batch_norm: BatchNorm | None = None


@dataclass(frozen=True, eq=False)
class LocalWeights:
    """A local layer's parameters.

    Attributes:
        biases: shape (filters, output rows, output columns).
        weights: shape (output rows, output columns, filters, channels, size, size).
    """

    biases: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class ShortcutWeights:
    """A weighted shortcut's parameters.

    Attributes:
        weights: before they are normalized, shape (1 + sources, 1 or channels); the input's first.
    """

    weights: Floats


LayerParameters = (
    ConvolutionalWeights | ConnectedWeights | LocalWeights | BatchNorm | ShortcutWeights
)
"""What one layer's floats of a .weights are."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A .weights file, and how it is to be computed.

    Attributes:
        header: the file's.
        layers: each weighted layer's parameters by the layer's index.
        asked_batch_norm: the formula to compute, whatever the header hints at; None for its hint.
    """

    header: Header
    layers: Mapping[int, LayerParameters]
    asked_batch_norm: BatchNormFormula | None = None

    @property
    def batch_norm(self) -> BatchNormFormula:
        """The formula of its batch norms; see `tinyedge.darknet.batch_norm`."""
        return self.asked_batch_norm or formula_of_revision(self.header.revision)


def read_weights(
    path: Path, network: Network, *, batch_norm: BatchNormFormula | None = None
) -> Weights:
    """The weights at `path`, which must be exactly those of `network`; read-only views.

    Warns (TinyedgeWarning) where it matters which of the two batch norms is computed, and where one
    is asked for and there is none.

    Args:
        path: the file.
        network: the .cfg's.
        batch_norm: which batch norm to compute; by default what the header hints at.

    Raises:
        WeightsError: the file is too short, too long or damaged; a value is no finite number; a
            rolling variance is so negative that the batch norm is no number.
        OSError: the file cannot be read.
    """
    with open_bytes(path, limit=_MOST_BYTES, what="a .weights", error=WeightsError) as stream:
        header, size = _read_header(stream, path, network)
        start = struct.calcsize(header.layout)
        if (size - start) % _FLOAT.itemsize:
            raise WeightsError(
                f"{path}: {size:,} bytes are not a header of {start} and whole 4-byte floats;"
                " the file is damaged or no .weights"
            )
        found = (size - start) // _FLOAT.itemsize
        biased = found == _biased_parameters(network) != network.parameters
        if not biased:
            _check_count(path, network, found, may_be_narrow=_may_be_narrow(header, network, size))
        stream.seek(start)
        content = stream.read(size - start)
    if len(content) < size - start:
        raise WeightsError(f"{path}: it became shorter while it was read")
    floats: Floats = np.frombuffer(content, _FLOAT)
    formula = batch_norm or formula_of_revision(header.revision)
    layers = {}
    position = 0
    for layer in weighted_layers(network):
        arrays = {}
        for name, shape in array_shapes(layer, transposed=header.transposed, biased=biased):
            end = position + int(np.prod(shape))
            arrays[name] = floats[position:end].reshape(shape)
            position = end
            _check_values(arrays[name], name, f"{path}: {_place(layer, network)}", formula)
        layers[layer.index] = from_arrays(layer, arrays, transposed=header.transposed)
    weights = Weights(header, layers, batch_norm)
    _note_batch_norm(path, network, weights)
    return weights


def write_weights(path: Path, network: Network, weights: Weights) -> None:
    """Write `weights` for `network` to `path`, whole; what was read comes back to the byte.

    Raises:
        WeightsError: an array is missing, too many or not of the shape the network has; the
            header's numbers do not fit their bytes.
        OSError: the file cannot be written.
    """
    try:
        header = weights.header
        content = [
            struct.pack(header.layout, header.major, header.minor, header.revision, header.seen)
        ]
    except struct.error as error:
        raise WeightsError(f"{path}: the header {weights.header} does not fit: {error}") from None
    weighted = list(weighted_layers(network))
    if unknown := sorted(weights.layers.keys() - {layer.index for layer in weighted}):
        raise WeightsError(f"{path}: {network.source} has no weights in layer {unknown[0]}")
    for layer in weighted:
        if layer.index not in weights.layers:
            raise WeightsError(f"{path}: {_place(layer, network)} has no weights to write")
        arrays = _arrays_by_name(weights.layers[layer.index], transposed=header.transposed)
        expected = array_shapes(
            layer, transposed=header.transposed, biased=_is_biased(weights.layers[layer.index])
        )
        found = {name: array.shape for name, array in arrays.items()}
        if found != dict(expected):
            raise WeightsError(
                f"{path}: {_place(layer, network)} takes {dict(expected)}, not {found}"
            )
        content += [arrays[name].astype(_FLOAT).tobytes() for name, _ in expected]
    write_together({path: b"".join(content)})


def weighted_layers(network: Network) -> Iterator[WeightedLayer]:
    """The network's layers that have parameters in a .weights, in its order."""
    return (
        layer for layer in network.layers if isinstance(layer, WeightedLayer) and layer.parameters
    )


def array_shapes(
    layer: WeightedLayer, *, transposed: bool, biased: bool = False
) -> list[tuple[str, tuple[int, ...]]]:
    """The layer's arrays by name with their shapes, in the file's order (load_*_weights).

    A convolution's batch norm stands before its kernels, a connected layer's behind its matrix,
    and in a `transposed` file that matrix is [inputs][outputs]. In a `biased` file a [batchnorm]
    begins with biases.
    """
    match layer:
        case Convolutional():
            channels = layer.input.channels // layer.groups
            kernel = (layer.filters, channels, layer.size, layer.size)
            norm = _norm(layer.filters) if layer.batch_normalize else []
            return [("biases", (layer.filters,)), *norm, ("weights", kernel)]
        case Connected():
            outputs, inputs = layer.output.elements, layer.input.elements
            matrix = (inputs, outputs) if transposed else (outputs, inputs)
            norm = _norm(outputs) if layer.batch_normalize else []
            return [("biases", (outputs,)), ("weights", matrix), *norm]
        case Local():
            rows, columns, filters = layer.output
            kernels = (rows, columns, filters, layer.input.channels, layer.size, layer.size)
            return [("biases", (filters, rows, columns)), ("weights", kernels)]
        case BatchNormalization():
            channels = layer.input.channels
            biases = [("biases", (channels,))] if biased else []
            return [*biases, *_norm(channels)]
        case Shortcut():
            return [("weights", layer.weights_shape)]


def from_arrays(
    layer: WeightedLayer, arrays: Mapping[str, Floats], *, transposed: bool
) -> LayerParameters:
    """The layer's parameters, from the arrays of :func:`array_shapes`."""
    norm = None
    if "scales" in arrays:
        norm = BatchNorm(arrays["scales"], arrays["mean"], arrays["variance"])
    match layer:
        case Convolutional():
            return ConvolutionalWeights(arrays["biases"], arrays["weights"], norm)
        case Connected():
            matrix = arrays["weights"].T if transposed else arrays["weights"]
            return ConnectedWeights(arrays["biases"], matrix, norm)
        case Local():
            return LocalWeights(arrays["biases"], arrays["weights"])
        case BatchNormalization():
            return BatchNorm(
                arrays["scales"], arrays["mean"], arrays["variance"], arrays.get("biases")
            )
        case Shortcut():
            return ShortcutWeights(arrays["weights"])


def _arrays_by_name(parameters: LayerParameters, *, transposed: bool) -> dict[str, Floats]:
    """The arrays of :func:`array_shapes`, from a layer's parameters."""
    match parameters:
        case BatchNorm():
            biases = {} if parameters.biases is None else {"biases": parameters.biases}
            return {
                **biases,
                "scales": parameters.scales,
                "mean": parameters.mean,
                "variance": parameters.variance,
            }
        case LocalWeights():
            return {"biases": parameters.biases, "weights": parameters.weights}
        case ShortcutWeights():
            return {"weights": parameters.weights}
    weights = parameters.weights
    if isinstance(parameters, ConnectedWeights) and transposed:
        weights = weights.T
    arrays = {"biases": parameters.biases, "weights": weights}
    if parameters.batch_norm is not None:
        arrays |= _arrays_by_name(parameters.batch_norm, transposed=transposed)
    return arrays


def _norm(channels: int) -> list[tuple[str, tuple[int, ...]]]:
    return [("scales", (channels,)), ("mean", (channels,)), ("variance", (channels,))]


def _read_header(stream: IO[bytes], path: Path, network: Network) -> tuple[Header, int]:
    """The header, and the size of the whole file in bytes.

    Nothing in it tells the two sizes of a size_t apart; the count of the network's floats does,
    but for a file of the larger one that lost its last float: there the first float would be the
    upper half of ``seen``, which is 0.
    """
    begin = stream.read(20)
    size = stream.seek(0, os.SEEK_END)
    if len(begin) >= 16:
        header = Header(*struct.unpack_from("<3i", begin))
        if _may_be_narrow(header, network, size) and any(begin[16:]):
            header = replace(header, size_t=4)
        if len(begin) >= struct.calcsize(header.layout):
            *_, seen = struct.unpack_from(header.layout, begin)
            return replace(header, seen=seen), size
    raise WeightsError(f"{path}: {size} bytes are less than the header of a .weights")


def _may_be_narrow(header: Header, network: Network, size: int) -> bool:
    """Whether a file of `size` bytes has as many floats as it should behind a size_t of 4."""
    narrow = replace(header, size_t=4).layout
    counts = (network.parameters, _biased_parameters(network))
    return header.layout != narrow and (size - struct.calcsize(narrow)) / _FLOAT.itemsize in counts


def _check_count(path: Path, network: Network, found: int, *, may_be_narrow: bool) -> None:
    if found == network.parameters:
        return
    totals = f"{network.source} takes {_floats(network.parameters)}, the file holds {found:,}"
    cause = f"{path.name} was likely trained with another .cfg"
    cut = "or is cut short"
    if may_be_narrow:
        cut = (
            "is cut short by its last float, or was saved on a 32-bit system and its first float is"
            " 0: then put 4 bytes of 0 behind its first 16"
        )
    left = found
    for layer in weighted_layers(network):
        if layer.parameters > left:
            raise WeightsError(
                f"{path}: {_place(layer, network)} takes {_floats(layer.parameters)}, but only"
                f" {left:,} are left for it: {totals}; {cause}, {cut}"
            )
        left -= layer.parameters
    raise WeightsError(
        f"{path}: {_floats(left)} {'is' if left == 1 else 'are'} left over behind the last layer:"
        f" {totals}; {cause}"
    )


def _floats(count: int) -> str:
    return f"{count:,} float{'' if count == 1 else 's'}"


def _biased_parameters(network: Network) -> int:
    """The floats of the network's file where each [batchnorm] has biases."""
    return network.parameters + sum(
        layer.input.channels for layer in network.layers if isinstance(layer, BatchNormalization)
    )


def _is_biased(parameters: LayerParameters) -> bool:
    return isinstance(parameters, BatchNorm) and parameters.biases is not None


def _check_values(array: Floats, name: str, where: str, batch_norm: BatchNormFormula) -> None:
    wrong = ~np.isfinite(array)
    if name == "variance" and not wrong.any():
        # The engine would divide by nan or by 0.
        wrong = ~has_deviation(array, batch_norm)
    if wrong.any():
        first = int(np.argmax(wrong))
        cause = "the file is damaged, or was trained with another .cfg"
        if (
            name == "variance"
            and batch_norm == "outside"
            and np.isfinite(array.flat[first])
            and has_deviation(array, "inside").flat[first]
        ):
            cause += ", or by an engine whose batch norm takes it: --batch-norm inside"
        raise WeightsError(
            f"{where}: value {first} of its {array.size:,} {_WORDS[name]} is"
            f" {array.flat[first]}; {cause}"
        )


def _note_batch_norm(path: Path, network: Network, weights: Weights) -> None:
    """Warn where the other batch norm would make of the weights another function, or none does."""
    found = [
        (difference(norm.scales, norm.mean, norm.variance), layer)
        for layer in weighted_layers(network)
        if (norm := _batch_norm(weights.layers[layer.index])) is not None
    ]
    if not found and weights.asked_batch_norm is not None:
        warnings.warn(
            f"--batch-norm {weights.asked_batch_norm} changes nothing: {network.source} has no"
            " batch norm",
            TinyedgeWarning,
            stacklevel=3,
        )
    found = [(share, layer) for share, layer in found if share > NOTED_DIFFERENCE]
    if not found:
        return
    found.sort(key=lambda pair: -pair[0])
    shown = ", ".join(
        f"{_percent(share)} in layer {layer.index} ({network.source}:{layer.line})"
        for share, layer in found[:_SHOWN_LAYERS]
    )
    more = " and more" if len(found) > _SHOWN_LAYERS else ""
    computed = weights.batch_norm
    other = "outside" if computed == "inside" else "inside"
    reason = "as asked for"
    if weights.asked_batch_norm is None:
        reason = f"as revision {weights.header.revision} in its header suggests"
    warnings.warn(
        f"{path}: variances so small that Darknet's engines differ in their batch norms: the output"
        f" of {counted(len(found), 'layer')} changes with it, {shown}{more}. This is '{computed}',"
        f" {reason}; if its answers are wrong, use --batch-norm {other}",
        TinyedgeWarning,
        stacklevel=3,
    )


def _percent(share: float) -> str:
    if share >= _MOST_SHOWN:
        return f"over {100 * _MOST_SHOWN:,.0f} %"
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:,.0f} %"


def _batch_norm(parameters: LayerParameters) -> BatchNorm | None:
    match parameters:
        case BatchNorm():
            return parameters
        case LocalWeights() | ShortcutWeights():
            return None
    return parameters.batch_norm


_WORDS = {
    "biases": "biases",
    "scales": "scales",
    "mean": "rolling means",
    "variance": "rolling variances",
    "weights": "weights",
}


def _place(layer: WeightedLayer, network: Network) -> str:
    return f"layer {layer.index} [{layer.kind}] ({network.source}:{layer.line})"
