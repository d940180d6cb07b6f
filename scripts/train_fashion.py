"""Train the built-in model: calib_data/fashion/fashion.cfg on Fashion-MNIST, to fashion.weights.

    apt-get install dataset-fashion-mnist
    pip install -e '.[export]'
    python scripts/train_fashion.py

The .cfg is the one description of the network and of its schedule: layers, batch, momentum,
decay and learning rate are read from it. The last 5,000 of the 60,000 training images are held
out; their score, printed after each pass, is the one to choose by. The official test images are
not read here.

It took 15.6 minutes on two cores of an AMD EPYC that other programs used as well. The seed is
fixed; another machine or another TensorFlow still sums in another order, and its weights differ.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from fashion_mnist import Split, read_split
from numpy.typing import NDArray

from tinyedge.darknet.cfg import Section, read_cfg
from tinyedge.darknet.layers import AvgPool, Convolutional, MaxPool, Softmax
from tinyedge.darknet.network import Network, build_network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConvolutionalWeights,
    Header,
    Weights,
    write_weights,
)

MODEL = Path(__file__).resolve().parents[1] / "calib_data" / "fashion"
HELD_OUT = 5_000
SHIFT = 2  # pixels a training image is moved by at most, each way
LABEL_SMOOTHING = 0.05
EPSILON = 1e-5  # under the root, as Keras adds it
DARKNET_EPSILON = 1e-6  # added to the root


def main() -> None:
    parser = argparse.ArgumentParser(description="Train fashion.cfg and write fashion.weights.")
    parser.add_argument("--output", type=Path, default=MODEL / "fashion.weights")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    sections = read_cfg(MODEL / "fashion.cfg")
    network = build_network(sections)
    net = sections[0]
    keras.utils.set_random_seed(options.seed)
    model = trainable(network, net)
    images, classes = read_split("train")
    training = Split(images[:-HELD_OUT], classes[:-HELD_OUT])
    held_out = Split(images[-HELD_OUT:], classes[-HELD_OUT:])

    began = time.monotonic()
    seen = train(model, training, held_out, net, np.random.default_rng(options.seed))
    write_weights(options.output, network, darknet_weights(network, model, seen))
    minutes = (time.monotonic() - began) / 60
    print(f"{options.output}: {options.output.stat().st_size:,} bytes in {minutes:.1f} minutes")


def trainable(network: Network, net: Section) -> keras.Model:
    """`network` in Keras up to its logits, batch normalization still a layer of its own."""
    # Darknet adds decay * w to the gradient of a kernel; L2 of Keras adds twice its factor.
    decay = keras.regularizers.L2(net.number("decay") / 2)
    tensor = inputs = keras.Input(network.input)
    for layer in network.layers:
        match layer:
            case Convolutional():
                if layer.stride != 1 or layer.groups != 1 or layer.padding != layer.size // 2:
                    raise SystemExit(f"{network.source}:{layer.line}: not a plain convolution")
                tensor = keras.layers.Conv2D(
                    layer.filters,
                    layer.size,
                    padding="same",
                    use_bias=not layer.batch_normalize,
                    kernel_initializer="he_normal",
                    kernel_regularizer=decay,
                    name=f"conv{layer.index}",
                )(tensor)
                if layer.batch_normalize:
                    tensor = keras.layers.BatchNormalization(
                        momentum=0.95, epsilon=EPSILON, name=f"norm{layer.index}"
                    )(tensor)
                if layer.activation == "leaky":
                    tensor = keras.layers.LeakyReLU(negative_slope=0.1)(tensor)
            case MaxPool():
                tensor = keras.layers.MaxPooling2D(layer.size, layer.stride)(tensor)
            case AvgPool():
                tensor = keras.layers.GlobalAveragePooling2D()(tensor)
            case Softmax():
                pass
            case _:
                raise SystemExit(f"{network.source}:{layer.line}: cannot train a {layer.kind}")
    return keras.Model(inputs, tensor)


def train(
    model: keras.Model,
    training: Split,
    held_out: Split,
    net: Section,
    rng: np.random.Generator,
) -> int:
    """Train `model` as the [net] section says; return how many images it has seen."""
    batch, batches = net.integer("batch"), net.integer("max_batches")
    rate = keras.optimizers.schedules.PolynomialDecay(
        net.number("learning_rate"), batches, end_learning_rate=0.0, power=net.number("power")
    )
    model.compile(
        keras.optimizers.SGD(rate, momentum=net.number("momentum"), nesterov=True),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    per_pass = len(training.images) // batch
    for number in range(1, batches // per_pass + 1):
        order = rng.permutation(len(training.images))[: per_pass * batch]
        began = time.monotonic()
        history = model.fit(
            pixels(augmented(training.images[order], rng)),
            one_hot(training.classes[order]),
            batch_size=batch,
            shuffle=False,
            verbose=0,
        )
        print(
            f"pass {number:2}: training {history.history['accuracy'][0]:.2%},"
            f" held out {accuracy(model, held_out):.2%} of {len(held_out.images):,},"
            f" {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return batches // per_pass * per_pass * batch


def augmented(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each image moved by up to SHIFT pixels, and every other one mirrored."""
    count, height, width = images.shape
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    rows, columns = rng.integers(0, 2 * SHIFT + 1, (2, count))
    moved = windows[np.arange(count), rows, columns]
    mirrored = rng.random(count) < 0.5
    return np.where(mirrored[:, None, None], moved[:, :, ::-1], moved)


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, h, w) bytes as (n, h, w, 1) in [0, 1], which is what Darknet feeds a network."""
    return images[..., None].astype(np.float32) / 255


def one_hot(classes: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.eye(10, dtype=np.float32)[classes]


def accuracy(model: keras.Model, split: Split) -> float:
    logits = model.predict(pixels(split.images), batch_size=500, verbose=0)
    return float(np.mean(logits.argmax(axis=1) == split.classes))


def darknet_weights(network: Network, model: keras.Model, seen: int) -> Weights:
    """What `model` learned, as the layers of `network` store it."""
    layers = {}
    for layer in network.layers:
        if not isinstance(layer, Convolutional):
            continue
        kernel, *bias = model.get_layer(f"conv{layer.index}").get_weights()
        weights = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        if layer.batch_normalize:
            layers[layer.index] = _normalized(weights, model.get_layer(f"norm{layer.index}"))
        else:
            layers[layer.index] = ConvolutionalWeights(bias[0], weights)
    return Weights(Header(seen=seen), layers)


def _normalized(weights: NDArray[np.float32], norm: Any) -> ConvolutionalWeights:
    scales, biases, mean, variance = norm.get_weights()
    # The variance that makes Darknet's sqrt(v') + 1e-6 equal Keras's sqrt(v + epsilon).
    deviation = np.sqrt(variance.astype(np.float64) + EPSILON) - DARKNET_EPSILON
    return ConvolutionalWeights(
        biases, weights, BatchNorm(scales, mean, np.square(deviation).astype(np.float32))
    )


if __name__ == "__main__":
    main()
