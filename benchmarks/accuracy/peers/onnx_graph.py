"""The float network as an ONNX graph of what its layers compute, batch norms folded."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinyedge.darknet.layers import (
    AvgPool,
    Convolutional,
    Cost,
    Dropout,
    Layer,
    MaxPool,
    Route,
    Softmax,
)
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Weights
from tinyedge.export.build.fold import FoldedWeights, fold

__all__ = ["INPUT", "build_graph", "planar"]

INPUT = "image"
_OUTPUT = "logits"
_OPSET = 17
_IR_VERSION = 8


def planar(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(height, width, channels) as the graph's input, (1, channels, height, width)."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[np.newaxis])


def build_graph(network: Network, weights: Weights) -> onnx.ModelProto:
    """The network up to its logits, (1, classes), in Darknet's order of layers.

    Raises:
        ValueError: a layer of a kind that no network of the benchmark has.
    """
    height, width, channels = network.input
    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, channels, height, width])
    logits = helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, [1, network.output.elements])
    builder = _Builder(fold(network, weights))
    for layer in network.layers:
        builder.add(layer)
    builder.node("Flatten", [builder.outputs[-1]], _OUTPUT)
    graph = helper.make_graph(builder.nodes, "network", [image], [logits], builder.constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Builder:
    def __init__(self, weights: FoldedWeights) -> None:
        self._weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.outputs: list[str] = []
        """The name of what each layer gives."""

    def add(self, layer: Layer) -> None:
        """Append the layer's nodes."""
        source = self.outputs[-1] if self.outputs else INPUT
        name = f"{layer.kind}_{layer.index}"
        match layer:
            case Convolutional():
                result = self._convolution(layer, source, name)
                result = self._activated(layer.activation, result, name)
            case MaxPool():
                result = self._max_pool(layer, source, name)
            case AvgPool():
                result = self.node("GlobalAveragePool", [source], name)
            case Route(groups=1, sources=(only,)):
                result = self.outputs[only]
            case Route(groups=1):
                sources = [self.outputs[index] for index in layer.sources]
                result = self.node("Concat", sources, name, axis=1)
            case Dropout() | Softmax() | Cost():
                result = source
            case _:
                raise ValueError(f"layer {layer.index}: no network of this table has {layer.kind}")
        self.outputs.append(result)

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append one node; the name of what it gives."""
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def _convolution(self, layer: Convolutional, source: str, name: str) -> str:
        folded = self._weights[layer.index]
        kernel = np.ascontiguousarray(folded.kernel.transpose(3, 2, 0, 1))
        self.constants += [
            numpy_helper.from_array(kernel, name + "_kernel"),
            numpy_helper.from_array(folded.bias, name + "_bias"),
        ]
        return self.node(
            "Conv",
            [source, name + "_kernel", name + "_bias"],
            name,
            kernel_shape=[layer.size] * 2,
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
            dilations=[layer.dilation] * 2,
            group=layer.groups,
        )

    def _activated(self, activation: str, source: str, name: str) -> str:
        match activation:
            case "linear":
                return source
            case "relu":
                return self.node("Relu", [source], name + "_relu")
            case "leaky":
                return self.node("LeakyRelu", [source], name + "_leaky", alpha=0.1)
            case _:
                raise ValueError(f"{name}: no network of this table has activation {activation}")

    def _max_pool(self, layer: MaxPool, source: str, name: str) -> str:
        before = layer.padding // 2
        # As far as the last window reaches; where that is less than the image, none.
        behind = [
            max(0, (after - 1) * layer.stride + layer.size - extent - before)
            for extent, after in zip(layer.input[:2], layer.output[:2], strict=True)
        ]
        return self.node(
            "MaxPool",
            [source],
            name,
            kernel_shape=[layer.size] * 2,
            strides=[layer.stride] * 2,
            pads=[before, before, *behind],
        )
