"""A network: frozen layers with their shapes, built from the sections of a .cfg."""

import operator
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.cfg import LARGEST_INTEGER, Section, read_cfg
from tinyedge.darknet.layers import (
    LAYER_TYPES,
    BuildContext,
    Cost,
    Dropout,
    Join,
    Layer,
    LocalAvgPool,
    Normalization,
    Sam,
    ScaleChannels,
    Shape,
    Shortcut,
    Softmax,
)
from tinyedge.darknet.options import (
    FOREIGN_SECTIONS,
    NET_OPTIONS,
    note_options,
    refuse_options,
)
from tinyedge.errors import CfgError, TinyedgeWarning
from tinyedge.memory import physical_memory
from tinyedge.text import shortened, size_text
from tinyedge.tflite.flatbuffer import MOST_BYTES

__all__ = ["Footprint", "Network", "build_network", "read_network"]

_FLOAT_BYTES = 4
_MOST_LAYERS = 2000
"""densenet201 has 305; TensorFlow takes minutes for so many."""

# Darknet's other sections: known, so that they are not taken for misspelt ones.
_REFUSED = {
    "crnn": "it reads sequences",
    "gru": "it reads sequences",
    "lstm": "it reads sequences",
    "rnn": "it reads sequences",
    "detection": "it finds boxes",
    "region": "it finds boxes",
    "yolo": "it finds boxes",
    "iseg": "it finds outlines",
    "deconvolutional": "it makes images",
    **FOREIGN_SECTIONS,
}


# Those that make_*_layer is told a count of numbers for, not rows, columns and channels.
_OF_INPUTS = ("activation", "connected", "cost", "dropout", "l2norm", "logistic", "softmax")


@dataclass(frozen=True)
class Footprint:
    """The least memory one inference can do with; runtimes take more.

    Attributes:
        weight_bytes: of all weights.
        activation_bytes: of the input and output of the layer where both together are largest.
    """

    weight_bytes: int
    activation_bytes: int

    @property
    def total(self) -> int:
        """Both, in bytes."""
        return self.weight_bytes + self.activation_bytes

    def __str__(self) -> str:
        return (
            f"{size_text(self.total)} ({size_text(self.weight_bytes)} of weights,"
            f" {size_text(self.activation_bytes)} of activations)"
        )


@dataclass(frozen=True)
class Network:
    """What a .cfg describes.

    Attributes:
        source: the .cfg as its reader named it.
        input: pixels and channels of one image.
        layers: in the order of the .cfg, which is also that of their weights; at least one.
    """

    source: str
    input: Shape
    layers: tuple[Layer, ...]

    @property
    def output(self) -> Shape:
        """What the network answers: the output of its last layer but a cost."""
        return next((at.output for at in reversed(self.layers) if at.kind != "cost"), self.input)

    @property
    def features(self) -> Shape | None:
        """The output of a network without a head, which is still an image; None of others."""
        return self.output if self.output.height * self.output.width > 1 else None

    @property
    def softmax(self) -> Softmax | None:
        """The softmax that it ends in, if it does."""
        last = [layer for layer in self.layers if not isinstance(layer, Cost | Dropout)][-1:]
        return last[0] if last and isinstance(last[0], Softmax) else None

    @property
    def operations(self) -> int:
        """Multiplications and additions for one image, as ``darknet ops`` counts them."""
        return sum(layer.operations for layer in self.layers)

    @property
    def parameters(self) -> int:
        """How many floats the .weights holds behind its header."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """The size of those floats."""
        return _FLOAT_BYTES * self.parameters

    @property
    def largest_layer(self) -> Layer:
        """The first layer whose input and output are together as large as any layer's."""
        return max(self.layers, key=lambda at: at.input.elements + at.output.elements)

    def producers(self, position: int) -> tuple[int, ...]:
        """Positions of the layers whose outputs a layer reads; -1 is the network's input."""
        layer = self.layers[position]
        if not isinstance(layer, Join):
            return (position - 1,)
        return (position - 1, *layer.sources) if layer.reads_input else layer.sources

    def footprint(self, number_bytes: int) -> Footprint:
        """With numbers of so many bytes: 4 in float32, 1 in int8."""
        largest = self.largest_layer
        numbers = largest.input.elements + largest.output.elements
        return Footprint(number_bytes * self.parameters, number_bytes * numbers)


def read_network(path: str | os.PathLike[str], *, size: tuple[int, int] | None = None) -> Network:
    """The network of the .cfg at `path`; `size` as in :func:`build_network`.

    Raises:
        CfgError: the file is no .cfg, or describes a network that cannot be built.
        OSError: the file cannot be read.
    """
    return build_network(read_cfg(Path(path)), size=size)


def build_network(sections: Sequence[Section], *, size: tuple[int, int] | None = None) -> Network:
    """The network that `sections`, the first of them ``[net]``, describe.

    Warns (TinyedgeWarning) of an option its section does not have, and of one for training alone
    that should be a number and is none, once for each file; and where versions of AlexeyAB's engine
    differ in a network of his.

    Args:
        sections: of one .cfg, as :func:`~tinyedge.darknet.cfg.parse_cfg` gives them.
        size: (width, height) in pixels to build for in place of the ``[net]`` section's.

    Raises:
        CfgError: a section tinyedge does not have, an option that is missing, no number or out of
            range, shapes that do not fit each other, tensors that do not fit this machine's
            memory, or more than 2,000 layers.
        ValueError: `size` is no pair of integers.
    """
    net, *rest = sections
    if len(rest) > _MOST_LAYERS:
        raise rest[_MOST_LAYERS].error(f"is a layer too many: {_MOST_LAYERS:,} are the most")
    warned: set[tuple[str, str]] = set()
    refuse_options(net, NET_OPTIONS)
    shape = _input(net, size)
    note_options(net, NET_OPTIONS, warned)
    layers: list[Layer] = []
    most = physical_memory() // _FLOAT_BYTES
    for section in rest:
        layer_type = LAYER_TYPES.get(section.name)
        if layer_type is None:
            raise _refusal(section)
        if layers and layers[-1].kind == "cost":
            raise section.error("follows a [cost]; a cost can only come last")
        refuse_options(section, layer_type.options)
        layers.append(layer_type.parse(section, BuildContext(shape, layers)))
        note_options(section, layer_type.options, warned)
        if layers[-1].output.elements > most:
            # Behind it extents may grow to numbers that nobody can write.
            _check_memory(Network(net.source, shape, tuple(layers)))
    if not layers:
        raise net.error("has no layer behind it")
    if size is None:
        _check_inputs(net, shape, layers[0])
    network = Network(net.source, shape, tuple(layers))
    _check_memory(network)
    _note_sampling(network)
    return network


def _input(net: Section, size: tuple[int, int] | None) -> Shape:
    channels = net.integer("channels", minimum=1)
    if size is None:
        height = net.integer("height", minimum=1)
        return Shape(height, net.integer("width", minimum=1), channels)
    try:
        width, height = map(operator.index, size)
    except (TypeError, ValueError):
        raise ValueError(f"size is {shortened(size)}, not (width, height)") from None
    if not (1 <= width <= LARGEST_INTEGER and 1 <= height <= LARGEST_INTEGER):
        asked = f"{shortened(width)}x{shortened(height)}"
        raise CfgError(f"{net.source}: cannot build for {asked} pixels")
    return Shape(height, width, channels)


def _check_inputs(net: Section, shape: Shape, first: Layer) -> None:
    """Refuse a [net] ``inputs`` that is not the image's: to Darknet it goes before the extents."""
    if first.kind in _OF_INPUTS and net.atoi("inputs", shape.elements) != shape.elements:
        raise net.error(
            f"is not {shape.width_first}: in Darknet layer 0 [{first.kind}] takes so many numbers,"
            f" and the image has {shape.elements}",
            "inputs",
        )


def _refusal(section: Section) -> CfgError:
    if section.name in _REFUSED:
        return section.error(
            f"is not supported: {_REFUSED[section.name]}; tinyedge is for image classifiers"
        )
    known = ", ".join(f"[{name}]" for name in LAYER_TYPES)
    return section.error(f"is not a section Darknet has; tinyedge has {known}")


def _note_sampling(network: Network) -> None:
    """Warn of a shortcut between images of two sizes in a network that the original cannot run."""
    if not any(map(_is_foreign, network.layers)):
        return
    mixed = [
        layer
        for layer in network.layers
        if isinstance(layer, Shortcut) and layer.added[0][:2] != layer.output[:2]
    ]
    if mixed:
        added, output = mixed[0].added[0], mixed[0].output
        warnings.warn(
            f"{network.source}:{mixed[0].line}: [shortcut] adds {added.width}x{added.height} pixels"
            f" to {output.width}x{output.height}: rows and columns are sampled, as Darknet and"
            " AlexeyAB's early versions do; his later ones add numbers by their place in the array,"
            " and what was trained with those answers otherwise",
            TinyedgeWarning,
            stacklevel=3,
        )


def _is_foreign(layer: Layer) -> bool:
    activation = getattr(layer, "activation", "linear")
    return ACTIVATIONS[activation].foreign or isinstance(layer, LocalAvgPool | Sam | ScaleChannels)


def _check_memory(network: Network) -> None:
    """Refuse what cannot run here: weights, and the largest layer's input and output."""
    available = physical_memory()
    for layer in network.layers:
        # Of no .weights file, but the exported ones hold it, at most as large as any FlatBuffer.
        if isinstance(layer, Normalization):
            matrix = _FLOAT_BYTES * layer.input.channels**2
            if matrix > min(available, MOST_BYTES):
                raise CfgError(
                    f"{network.source}:{layer.line}: layer {layer.index} [{layer.kind}] over"
                    f" {layer.input.channels:,} channels needs a matrix of {matrix:,} bytes; a"
                    f" .tflite file holds at most {MOST_BYTES:,}, and this machine's memory"
                    f" {available:,}"
                )
    need = network.footprint(_FLOAT_BYTES)
    if need.total > available:
        layer = network.largest_layer
        raise CfgError(
            f"{network.source}:{layer.line}: the network needs {need.weight_bytes:,} bytes of"
            f" weights and, in layer {layer.index} [{layer.kind}], {need.activation_bytes:,} bytes"
            f" of input and output; this machine has {available:,} bytes of memory"
        )
