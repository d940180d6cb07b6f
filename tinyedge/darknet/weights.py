"""A .weights file as arrays, layer by layer, and back to the same bytes.

The format is that of ``load_weights_upto`` and ``save_weights_upto`` in Darknet's ``parser.c``:
three little-endian int32 (major, minor, revision), ``seen``, then float32 without a gap, in the
order of the .cfg. Nothing in the file says which network it belongs to: the count of its floats
is the one thing that can be checked, so it must be exactly the network's.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import BatchNormalization, Connected, Convolutional, Local
from tinyedge.darknet.network import Network
from tinyedge.errors import WeightsError
from tinyedge.files import write_together

__all__ = [
    "BatchNorm",
    "ConnectedWeights",
    "ConvolutionalWeights",
    "Header",
    "LayerParameters",
    "LocalWeights",
    "WeightedLayer",
    "Weights",
    "array_shapes",
    "from_arrays",
    "read_weights",
    "write_weights",
]

Floats = NDArray[np.float32]
WeightedLayer = Convolutional | Connected | Local | BatchNormalization
"""The layers that have parameters in a .weights."""

_FLOAT = np.dtype("<f4")


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
    """

    scales: Floats
    mean: Floats
    variance: Floats


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


LayerParameters = ConvolutionalWeights | ConnectedWeights | LocalWeights | BatchNorm
"""What one layer's floats of a .weights are."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A .weights file: its header, and each weighted layer's parameters by the layer's index."""

    header: Header
    layers: Mapping[int, LayerParameters]


def read_weights(path: Path, network: Network) -> Weights:
    """The weights at `path`, which must be exactly those of `network`; read-only views.

    Raises:
        WeightsError: the file is too short, too long or damaged; a value is no finite number; a
            rolling variance is negative.
        OSError: the file cannot be read.
    """
    if path.exists() and not path.is_file():
        raise WeightsError(f"{path}: is not a file")
    header, size = _read_header(path, network)
    start = struct.calcsize(header.layout)
    if (size - start) % _FLOAT.itemsize:
        raise WeightsError(
            f"{path}: {size:,} bytes are not a header of {start} and whole 4-byte floats;"
            " the file is damaged or no .weights"
        )
    _check_count(path, network, (size - start) // _FLOAT.itemsize)
    floats: Floats = np.fromfile(path, _FLOAT, offset=start)
    floats.flags.writeable = False
    layers = {}
    position = 0
    for layer in _weighted_layers(network):
        arrays = {}
        for name, shape in array_shapes(layer, transposed=header.transposed):
            end = position + int(np.prod(shape))
            arrays[name] = floats[position:end].reshape(shape)
            position = end
            _check_values(arrays[name], name, f"{path}: {_place(layer, network)}")
        layers[layer.index] = from_arrays(layer, arrays, transposed=header.transposed)
    return Weights(header, layers)


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
    weighted = list(_weighted_layers(network))
    if unknown := sorted(weights.layers.keys() - {layer.index for layer in weighted}):
        raise WeightsError(f"{path}: {network.source} has no weights in layer {unknown[0]}")
    for layer in weighted:
        if layer.index not in weights.layers:
            raise WeightsError(f"{path}: {_place(layer, network)} has no weights to write")
        arrays = _arrays_by_name(weights.layers[layer.index], transposed=header.transposed)
        expected = array_shapes(layer, transposed=header.transposed)
        found = {name: array.shape for name, array in arrays.items()}
        if found != dict(expected):
            raise WeightsError(
                f"{path}: {_place(layer, network)} takes {dict(expected)}, not {found}"
            )
        content += [arrays[name].astype(_FLOAT).tobytes() for name, _ in expected]
    write_together({path: b"".join(content)})


def array_shapes(layer: WeightedLayer, *, transposed: bool) -> list[tuple[str, tuple[int, ...]]]:
    """The layer's arrays by name with their shapes, in the file's order (load_*_weights).

    A convolution's batch norm stands before its kernels, a connected layer's behind its matrix,
    and in a `transposed` file that matrix is [inputs][outputs].
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
            return _norm(layer.input.channels)


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
            return BatchNorm(arrays["scales"], arrays["mean"], arrays["variance"])


def _arrays_by_name(parameters: LayerParameters, *, transposed: bool) -> dict[str, Floats]:
    """The arrays of :func:`array_shapes`, from a layer's parameters."""
    match parameters:
        case BatchNorm():
            return {
                "scales": parameters.scales,
                "mean": parameters.mean,
                "variance": parameters.variance,
            }
        case LocalWeights():
            return {"biases": parameters.biases, "weights": parameters.weights}
    weights = parameters.weights
    if isinstance(parameters, ConnectedWeights) and transposed:
        weights = weights.T
    arrays = {"biases": parameters.biases, "weights": weights}
    if parameters.batch_norm is not None:
        arrays |= _arrays_by_name(parameters.batch_norm, transposed=transposed)
    return arrays


def _norm(channels: int) -> list[tuple[str, tuple[int, ...]]]:
    return [("scales", (channels,)), ("mean", (channels,)), ("variance", (channels,))]


def _read_header(path: Path, network: Network) -> tuple[Header, int]:
    """The header, and the size of the whole file in bytes.

    Nothing in it tells the two sizes of a size_t apart; the count of the network's floats does,
    but for a file of the larger one that lost its last float: there the first float would be the
    upper half of ``seen``, which is 0.
    """
    with path.open("rb") as stream:
        begin = stream.read(20)
        size = stream.seek(0, 2)
    if len(begin) >= 16:
        header = Header(*struct.unpack_from("<3i", begin))
        narrow = replace(header, size_t=4)
        if (
            narrow.layout != header.layout
            and size == struct.calcsize(narrow.layout) + network.weight_bytes
            and any(begin[16:])
        ):
            header = narrow
        if len(begin) >= struct.calcsize(header.layout):
            *_, seen = struct.unpack_from(header.layout, begin)
            return replace(header, seen=seen), size
    raise WeightsError(f"{path}: {size} bytes are less than the header of a .weights")


def _check_count(path: Path, network: Network, found: int) -> None:
    if found == network.parameters:
        return
    totals = f"{network.source} takes {network.parameters:,} floats, the file holds {found:,}"
    cause = f"{path.name} was likely trained with another .cfg"
    left = found
    for layer in _weighted_layers(network):
        if layer.parameters > left:
            raise WeightsError(
                f"{path}: {_place(layer, network)} takes {layer.parameters:,} floats, but only"
                f" {left:,} are left for it: {totals}; {cause}, or is cut short"
            )
        left -= layer.parameters
    raise WeightsError(
        f"{path}: {left:,} floats are left over behind the last layer: {totals}; {cause}"
    )


def _check_values(array: Floats, name: str, where: str) -> None:
    # A negative variance has no square root: the engine would compute nan from it.
    wrong = ~np.isfinite(array) | ((array < 0) & (name == "variance"))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise WeightsError(
            f"{where}: value {first} of its {array.size:,} {_WORDS[name]} is"
            f" {array.flat[first]}; the file is damaged, or was trained with another .cfg"
        )


_WORDS = {
    "biases": "biases",
    "scales": "scales",
    "mean": "rolling means",
    "variance": "rolling variances",
    "weights": "weights",
}


def _weighted_layers(network: Network) -> Iterator[WeightedLayer]:
    return (layer for layer in network.layers if isinstance(layer, WeightedLayer))


def _place(layer: WeightedLayer, network: Network) -> str:
    return f"layer {layer.index} [{layer.kind}] ({network.source}:{layer.line})"
