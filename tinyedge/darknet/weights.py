"""A .weights file as arrays, layer by layer, and back to the same bytes.

The format is that of ``load_weights_upto`` and ``save_weights_upto`` in Darknet's ``parser.c``:
three little-endian int32 (major, minor, revision), ``seen``, then float32 without a gap, in the
order of the .cfg. Nothing in the file says which network it belongs to: the count of its floats
is the one thing that can be checked, so none may be missing and none left.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.learned import (
    BatchNorm,
    ConnectedWeights,
    ConvolutionalWeights,
    Learned,
    LearnedLayer,
    LocalWeights,
    arrays_by_name,
    from_arrays,
    layout,
)
from tinyedge.darknet.network import Network
from tinyedge.errors import WeightsError
from tinyedge.files import write_together

__all__ = [
    "BatchNorm",
    "ConnectedWeights",
    "ConvolutionalWeights",
    "Header",
    "LocalWeights",
    "Weights",
    "read_weights",
    "write_weights",
]

Floats = NDArray[np.float32]

_FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class Header:
    """The file's first bytes.

    Attributes:
        major, minor, revision: of the format, not of the network.
        seen: images the network had been trained on, from 0; 8 bytes from version 0.2 on, 4 before.
    """

    major: int = 0
    minor: int = 2
    revision: int = 0
    seen: int = 0

    @property
    def layout(self) -> str:
        """The header's :mod:`struct` format."""
        # Beyond 1000 a version marks transposed matrices in a file of the older form.
        wide = self.major * 10 + self.minor >= 2 and self.major < 1000 and self.minor < 1000
        return "<3iQ" if wide else "<3iI"

    @property
    def transposed(self) -> bool:
        """Whether connected layers' matrices are [inputs][outputs], not [outputs][inputs]."""
        return self.major > 1000 or self.minor > 1000


@dataclass(frozen=True, eq=False)
class Weights:
    """A .weights file: its header, and what each layer that has weights learned, by its index."""

    header: Header
    layers: Mapping[int, Learned]


def read_weights(path: Path, network: Network) -> Weights:
    """The weights at `path`, which must be exactly those of `network`; read-only views.

    Raises:
        WeightsError: the file is too short, too long or damaged; a value is no finite number; a
            rolling variance is negative.
        OSError: the file cannot be read.
    """
    if path.exists() and not path.is_file():
        raise WeightsError(f"{path}: is not a file")
    header, size = _read_header(path)
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
    for layer in _learned(network):
        arrays = {}
        for name, shape in layout(layer, transposed=header.transposed):
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
    learned = list(_learned(network))
    if unknown := sorted(weights.layers.keys() - {layer.index for layer in learned}):
        raise WeightsError(f"{path}: {network.source} has no weights in layer {unknown[0]}")
    for layer in learned:
        if layer.index not in weights.layers:
            raise WeightsError(f"{path}: {_place(layer, network)} has no weights to write")
        arrays = arrays_by_name(weights.layers[layer.index], transposed=header.transposed)
        expected = layout(layer, transposed=header.transposed)
        found = {name: array.shape for name, array in arrays.items()}
        if found != dict(expected):
            raise WeightsError(
                f"{path}: {_place(layer, network)} takes {dict(expected)}, not {found}"
            )
        content += [arrays[name].astype(_FLOAT).tobytes() for name, _ in expected]
    write_together({path: b"".join(content)})


def _read_header(path: Path) -> tuple[Header, int]:
    """The header, and the size of the whole file in bytes."""
    with path.open("rb") as stream:
        begin = stream.read(20)
        size = stream.seek(0, 2)
    if len(begin) >= 16:
        version = struct.unpack_from("<3i", begin)
        layout = Header(*version).layout
        if len(begin) >= struct.calcsize(layout):
            return Header(*struct.unpack_from(layout, begin)), size
    raise WeightsError(f"{path}: {size} bytes are less than the header of a .weights")


def _check_count(path: Path, network: Network, found: int) -> None:
    if found == network.parameters:
        return
    totals = f"{network.source} takes {network.parameters:,} floats, the file holds {found:,}"
    cause = f"{path.name} was likely trained with another .cfg"
    left = found
    for layer in _learned(network):
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


def _learned(network: Network) -> Iterator[LearnedLayer]:
    return (layer for layer in network.layers if isinstance(layer, LearnedLayer))


def _place(layer: LearnedLayer, network: Network) -> str:
    return f"layer {layer.index} [{layer.kind}] ({network.source}:{layer.line})"
