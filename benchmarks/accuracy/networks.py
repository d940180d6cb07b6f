"""The networks and images of the accuracy table, prepared as arrays every engine reads."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.places import imagenet
from scripts import fashion_mnist
from tinyedge.darknet.network import read_network
from tinyedge.export.calibrate.images import read_calibration_set
from tinyedge.images.find import read_labelled
from tinyedge.images.fit import fit_pixels
from tinyedge.images.labels import read_labels
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import Fit, InputSpec
from tinyedge.progress import no_progress
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS, SourceFiles

__all__ = [
    "CALIBRATION_IMAGES",
    "NETWORKS",
    "calibration_source",
    "is_prepared",
    "prepare",
    "write_sources",
]

CALIBRATION_IMAGES = 200
_FIT: Fit = "crop"


@dataclass(frozen=True)
class BenchmarkNetwork:
    """A model of the zoo and where the images for it are from.

    Attributes:
        title: heads its table.
        images: names the evaluation images in words.
        calibration: names the calibration images in words.
    """

    title: str
    images: str
    calibration: str


_IMAGENET = ("ImageNet validation images", "other ImageNet photos")
NETWORKS = {
    "fashion": BenchmarkNetwork(
        "Fashion, the built-in model", "Fashion-MNIST test images", "shipped training images"
    ),
    "tiny": BenchmarkNetwork("Tiny Darknet", *_IMAGENET),
    "squeezenet": BenchmarkNetwork("SqueezeNet 1.0", *_IMAGENET),
}


def calibration_source(name: str) -> Path:
    """The folder `tinyedge export` calibrates on."""
    packaged = locate(MODELS[name]).calibration
    return packaged or imagenet() / "calib"


def is_prepared(folder: Path) -> bool:
    """Whether `prepare` finished there; the file it writes last is there."""
    return (folder / "network.json").is_file()


def prepare(name: str, folder: Path) -> None:
    """Write what every engine reads to `folder`.

    ``calibration.npy`` and ``evaluation.npy`` are float32 (n, height, width, channels) in
    [0, 1], as tinyedge fits photos; ``labels.npy`` is each evaluation image's class;
    ``network.json`` says where the .cfg and the .weights are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = locate(MODELS[name])
    network = read_network(files.cfg)
    spec = InputSpec(*network.input, _FIT)
    if name == "fashion":
        images, labels = _fashion(spec)
    else:
        images, labels = _photos(files, spec, network.output.elements)
    np.save(folder / "evaluation.npy", images)
    np.save(folder / "labels.npy", labels)
    write_sources(name, folder, calibration_source(name))


def write_sources(name: str, folder: Path, calib: Path) -> None:
    """Write to `folder` what models are made of: ``calibration.npy`` and ``network.json``.

    `calib` is a folder of photos.
    """
    files = locate(MODELS[name])
    spec = InputSpec(*read_network(files.cfg).input, _FIT)
    calibration = read_calibration_set(
        calib, count=CALIBRATION_IMAGES, spec=spec, progress=no_progress
    )
    np.save(folder / "calibration.npy", calibration.inputs)
    assert files.weights is not None
    content = {"cfg": str(files.cfg.absolute()), "weights": str(files.weights.absolute())}
    (folder / "network.json").write_text(json.dumps(content), encoding="utf-8")


def _fashion(spec: InputSpec) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """All 10,000 test images, fitted as the loader fits a file's pixels."""
    split = fashion_mnist.read_split("test")
    images = [fit_pixels(pixels[..., np.newaxis], spec) for pixels in split.images]
    return np.asarray(images, np.float32), split.classes.astype(np.intp)


def _photos(
    files: SourceFiles, spec: InputSpec, classes: int
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    labels = None if files.labels is None else read_labels(files.labels, classes)
    ids = None if files.ids is None else read_labels(files.ids, classes)
    found = read_labelled(imagenet() / "val", labels=labels, ids=ids, classes=classes)
    images = [load_float_input(image.path, spec) for image in found]
    return np.stack(images), np.array([image.index for image in found])
