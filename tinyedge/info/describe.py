"""What a .tflite file is, read without a runtime: its tensors, layers, card and metadata."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyedge.darknet.layer_names import operator_layer
from tinyedge.errors import DatasetError
from tinyedge.files import bytes_sha256
from tinyedge.images.labels import class_count, labels_in_metadata
from tinyedge.modelcard import ModelCard, read_card
from tinyedge.text import shortened
from tinyedge.tflite.head import Head, output_head
from tinyedge.tflite.macs import multiply_accumulates
from tinyedge.tflite.metadata import Metadata, sound_metadata
from tinyedge.tflite.model import Operator, Subgraph, Tensor, parse_named, read_tflite_bytes

__all__ = ["Description", "Layer", "describe", "label_lines"]


@dataclass(frozen=True)
class Layer:
    """A layer of the file: the operators that one layer of the Darknet network became, or one.

    Attributes:
        name: Darknet's number and kind, such as ``12 convolutional``; of other files that of the
            operator's output tensor.
        operators: their names, in the order they run.
        shape: of what the last one gives, the batch included.
        type: of that, such as ``int8``.
        weights: the type of its largest constant, None where it has none.
        per_channel: whether that has quantization parameters for each channel.
        bytes: of its constants in the file; one that layers share counts for the first.
        multiply_accumulates: of one inference.
    """

    name: str
    operators: tuple[str, ...]
    shape: tuple[int, ...]
    type: str
    weights: str | None
    per_channel: bool
    bytes: int
    multiply_accumulates: int


@dataclass(frozen=True)
class Description:
    """A .tflite file.

    Attributes:
        path, bytes, sha256: the file; the digest is hexadecimal.
        card: what tinyedge wrote into it, None in others' files.
        metadata: TFLite Metadata, None where it has none, or damaged ones.
        description: of the flatbuffer, mostly the converter's name.
        inputs, outputs: the tensors of its first graph.
        head: what makes the first output (see `tinyedge.tflite.head.output_head`).
        labels: a name for each class, the card's or else the metadata's.
        operators: how many of each, the commonest first.
        layers: in the order they run, those of its first graph.
        graphs: how many it has.
    """

    path: Path
    bytes: int
    sha256: str
    card: ModelCard | None
    metadata: Metadata | None
    description: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    head: Head | None
    labels: tuple[str, ...] | None
    operators: dict[str, int]
    layers: tuple[Layer, ...]
    graphs: int

    @property
    def classes(self) -> int | None:
        """How many classes it tells apart, as its one output has it; None where it has others."""
        shape = self.outputs[0].shape if len(self.outputs) == 1 else (0, 0)
        scores = math.prod(shape)
        return class_count(scores) if scores and max(shape, default=1) == scores else None


def describe(path: Path) -> Description:
    """What the file is; a TinyedgeWarning where metadata or labels are damaged.

    Raises:
        ModelError: it is no .tflite, or its model card is damaged.
        OSError: it cannot be read.
    """
    content = read_tflite_bytes(path)
    model = parse_named(content, path)
    graph = model.subgraphs[0]
    card, metadata = read_card(path), sound_metadata(content, path)
    outputs = tuple(graph.tensors[index] for index in graph.outputs)
    labels = card.labels if card is not None else None
    if labels is None and metadata is not None and outputs:
        labels = labels_in_metadata(content, metadata, outputs[0].elements, path)
    counts = Counter(operator.name for each in model.subgraphs for operator in each.operators)
    return Description(
        path=path,
        bytes=len(content),
        sha256=bytes_sha256(content),
        card=card,
        metadata=metadata,
        description=model.description,
        inputs=tuple(graph.tensors[index] for index in graph.inputs),
        outputs=outputs,
        head=output_head(graph),
        labels=labels,
        operators=dict(counts.most_common()),
        layers=tuple(_layers(graph)),
        graphs=len(model.subgraphs),
    )


def label_lines(description: Description) -> str:
    """Its labels as the file that ``--labels`` takes: one a line.

    Raises:
        DatasetError: it has none, or one that no line can hold.
    """
    path = description.path
    if description.labels is None:
        raise DatasetError(f"{path}: it has no labels to write")
    for index, label in enumerate(description.labels):
        if not label.strip() or "\n" in label:
            raise DatasetError(
                f"{path}: the label of class {index} is {shortened(label)}, no line of a file"
            )
    return "".join(f"{label}\n" for label in description.labels)


def _layers(graph: Subgraph) -> Iterator[Layer]:
    seen: set[int] = set()
    for name, operators in _grouped(graph):
        constants = [
            graph.tensors[index]
            for operator in operators
            for index in operator.inputs
            if index >= 0 and graph.tensors[index].stored is not None
        ]
        new = {tensor.buffer: len(tensor.stored or b"") for tensor in constants}
        largest = max(constants, key=lambda tensor: len(tensor.stored or b""), default=None)
        qparams = None if largest is None else largest.qparams
        ends = [graph.tensors[index] for index in operators[-1].outputs[:1]]
        yield Layer(
            name=name,
            operators=tuple(operator.name for operator in operators),
            shape=ends[0].shape if ends else (),
            type=ends[0].type if ends else "nothing",
            weights=None if largest is None else largest.type,
            per_channel=qparams is not None and len(qparams.scales) > 1,
            bytes=sum(size for buffer, size in new.items() if buffer not in seen),
            multiply_accumulates=sum(multiply_accumulates(each, graph) for each in operators),
        )
        seen |= new.keys()


def _grouped(graph: Subgraph) -> Iterator[tuple[str, list[Operator]]]:
    """The operators, neighbours of one layer of Darknet's together."""
    name, group = "", list[Operator]()
    for operator in graph.operators:
        layer = operator_layer(graph, operator)
        if layer is not None:
            called = f"{layer[0]} {layer[1]}"
        else:
            called = graph.tensors[operator.outputs[0]].name if operator.outputs else ""
        if group and (layer is None or called != name):
            yield name, group
            group = []
        name = called
        group.append(operator)
    if group:
        yield name, group
