"""A Darknet net of a few hundred weights, written by hand, that exports in a second."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec

WIDTH, HEIGHT, CLASSES, PHOTOS = 8, 6, 4, 6
_FILTERS = 5

_CFG = """\
[net]
width={width}
height={height}
channels={channels}

[convolutional]
batch_normalize=1
filters={filters}
size=3
stride=1
pad=1
activation=leaky

[convolutional]
filters={classes}
size=1
stride=1
activation=linear

[avgpool]

[softmax]
"""


@dataclass(frozen=True)
class Toy:
    """Where the net's files are; `photos` is a folder a class, two photos in each."""

    cfg: Path
    weights: Path
    labels: Path
    photos: Path

    def source(self) -> tuple[object, ...]:
        """The words that name the net to ``tinyedge export``, and its quicker quantizer."""
        return (self.cfg, "--weights", self.weights, "--quantizer", "default")


def write_toy(folder: Path, *, channels: int = 3) -> Toy:
    """Write the net with random weights, its labels and random photos."""
    random = np.random.default_rng(channels)
    folder.mkdir(parents=True, exist_ok=True)
    toy = Toy(*(folder / name for name in ("toy.cfg", "toy.weights", "toy.labels", "photos")))
    toy.cfg.write_text(
        _CFG.format(
            width=WIDTH, height=HEIGHT, channels=channels, filters=_FILTERS, classes=CLASSES
        )
    )
    # biases, scales, means, variances and kernels of the first; biases and kernels of the second.
    parameters = 4 * _FILTERS + 9 * _FILTERS * channels + CLASSES + _FILTERS * CLASSES
    floats = random.uniform(0.1, 1, parameters).astype("<f4")
    toy.labels.write_text("ash\nbirch\ncedar\ndate palm\n")
    for i in range(PHOTOS):
        photo = toy.photos / f"{i // 2}" / f"{i}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (10, 12, 3), np.uint8)).save(photo)
    # Means and variances as training on the photos would have left them.
    outputs = _outputs(floats[4 * _FILTERS :][: 9 * _FILTERS * channels], toy.photos, channels)
    floats[2 * _FILTERS : 3 * _FILTERS] = outputs.mean(axis=0)
    floats[3 * _FILTERS : 4 * _FILTERS] = outputs.var(axis=0)
    header = np.array([0, 1, 0, 0], "<i4")
    toy.weights.write_bytes(header.tobytes() + floats.tobytes())
    return toy


def _outputs(kernels: NDArray[np.float32], photos: Path, channels: int) -> NDArray[np.float64]:
    """What the first convolution makes of the photos' pixels, (pixels, filters)."""
    spec = InputSpec(HEIGHT, WIDTH, channels, "crop")
    images = [load_float_input(photo, spec) for photo in sorted(photos.rglob("*.png"))]
    padded = np.pad(np.stack(images), ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    kernel = kernels.reshape(_FILTERS, -1)
    return windows.reshape(-1, kernel.shape[1]) @ kernel.T
