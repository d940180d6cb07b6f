"""What Darknet's layers are called in a Keras model, and so in a .tflite: built here, read here.

A layer's tensors begin with its number and kind, ``12_convolutional``. TensorFlow may put a scope
before the name and a suffix behind it (``network_1/12_convolutional_1/BiasAdd``), and joins the
names of what it fuses by semicolons. What a form of a convolution adds to a file
(`tinyedge.export.tflite.forms`) is called by the convolution's output and the form.
"""

import re
from functools import lru_cache
from typing import Literal, get_args

from tinyedge.darknet.layers import Layer
from tinyedge.tflite.model import Operator, Subgraph

__all__ = [
    "FormKind",
    "activation_name",
    "bias_layer",
    "form_name",
    "layer_name",
    "named_layer",
    "operator_form",
    "operator_layer",
]

FormKind = Literal["im2col", "space_to_depth"]

_NAMED = re.compile(
    r"(?:^|[/;])([0-9]{1,9})_(depthwise_convolutional|local_avgpool|scale_channels|[a-z0-9]+)"
)
# Of a bias: kernels of grouped layers lose their layer's name. One output's is added by an Add.
_BIAS = re.compile(
    r"(?:^|[/;])([0-9]{1,9})_(?:(?:depthwise_)?convolutional|connected)(?:_\d+)?"
    r"/(?:Bias)?Add(?![a-zA-Z])"
)


def layer_name(layer: Layer) -> str:
    """Darknet's number and the section's name: ``12_convolutional``."""
    return f"{layer.index}_{layer.kind}"


def activation_name(layer: Layer, activation: str) -> str:
    """That of the layer's activation: ``12_convolutional_leaky``."""
    return f"{layer_name(layer)}_{activation}"


# The operators of a strange file may all name one tensor whose name is megabytes long.
@lru_cache(1024)
def named_layer(tensor: str) -> tuple[int, str] | None:
    """Number and kind of the layer that a tensor's name begins with, or None."""
    found = _NAMED.search(tensor)
    return (int(found[1]), found[2]) if found else None


def operator_layer(graph: Subgraph, operator: Operator) -> tuple[int, str] | None:
    """Those of the layer an operator was made of, by the names of its tensors, or None."""
    # The last operator's output may bear the signature's name; its constants have their own,
    # but may be shared by layers with equal ones.
    for index in (*operator.outputs, *operator.inputs[1:]):
        found = named_layer(graph.tensors[index].name) if index >= 0 else None
        if found:
            return found
    return None


def bias_layer(tensor: str) -> int | None:
    """Number of the layer whose bias bears this name, or None."""
    found = _BIAS.search(tensor)
    return int(found[1]) if found else None


def form_name(convolution: str, kind: FormKind) -> str:
    """What the names begin with that a form adds to a file, by that of the convolution's output."""
    # Of the names that the converter joined the first tells them apart.
    return f"{convolution.partition(';')[0]}/{kind}"


def _named_form(tensor: str) -> tuple[str, FormKind] | None:
    """The convolution and the form that a tensor's name begins with, or None."""
    for kind in get_args(FormKind):
        convolution, found, _ = tensor.partition(f"/{kind}/")
        if found:
            return convolution, kind
    return None


def operator_form(graph: Subgraph, operator: Operator) -> tuple[str, FormKind] | None:
    """The convolution, by its output, and the form of it that an operator is a part of, or None."""
    for index in (*operator.outputs, *operator.inputs):
        found = _named_form(graph.tensors[index].name) if index >= 0 else None
        if found is not None:
            return found
    return None
