"""Folded weights back in Darknet's layout, for the plain definition to compute with."""

from tinyedge.darknet.layers import Connected, Convolutional
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import (
    ConnectedWeights,
    ConvolutionalWeights,
    Header,
    LayerParameters,
    Weights,
)
from tinyedge.export.build.fold import FoldedWeights


def unfolded(network: Network, folded: FoldedWeights) -> Weights:
    """Weights without batch norm of a network of convolutions and connected layers."""
    layers: dict[int, LayerParameters] = {}
    for layer in network.layers:
        match layer:
            case Convolutional():
                given = folded[layer.index]
                kernel = given.kernel.transpose(3, 2, 0, 1)
                layers[layer.index] = ConvolutionalWeights(given.bias, kernel)
            case Connected():
                given = folded[layer.index]
                pixels = given.kernel.reshape(*layer.input, -1)
                matrix = pixels.transpose(3, 2, 0, 1).reshape(len(given.bias), -1)
                layers[layer.index] = ConnectedWeights(given.bias, matrix)
    return Weights(Header(), layers)
