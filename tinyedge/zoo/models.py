"""The models tinyedge knows by name: what they are, where their files are, what is said of them.

The figures published of a model are those of the pages pjreddie.com/darknet/tiny-darknet (the
four of `PAGE`) and pjreddie.com/darknet/imagenet (the others).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tinyedge.images.labels import IMAGENET_IDS_SHA256, IMAGENET_NAMES_SHA256
from tinyedge.zoo.cache import RemoteFile
from tinyedge.zoo.packaged import PackagedFile, PackagedImages

__all__ = ["MODELS", "PAGE", "Cost", "Model", "Published", "SourceFiles"]


@dataclass(frozen=True)
class SourceFiles:
    """Where a network's files are on this machine; None for a file that it lacks.

    Attributes:
        cfg, weights: Darknet's files.
        labels, ids: text files with one class name, or one WordNet id, per line.
        calibration: a folder or manifest of images to calibrate with.
        test: a folder of labelled images, one folder a class.
    """

    cfg: Path
    weights: Path | None = None
    labels: Path | None = None
    ids: Path | None = None
    calibration: Path | None = None
    test: Path | None = None


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        operations: multiplications and additions for one image, as ``darknet ops`` counts them.
        parameters: floats in the .weights.
    """

    operations: int
    parameters: int

    @property
    def weight_bytes(self) -> int:
        """The size of the .weights without its header."""
        return 4 * self.parameters


@dataclass(frozen=True)
class Published:
    """What Darknet's page says of a model.

    Attributes:
        top1, top5: accuracy on ImageNet's 50,000 validation images, per cent.
        operations: as printed, in units of 1e9.
        size: of the .weights as printed, in MB of 1024 * 1024 bytes.
    """

    top1: float
    top5: float
    operations: float
    size: float


@dataclass(frozen=True)
class Model:
    """A known model.

    Attributes:
        name: what the commands call it.
        title: what a person calls it.
        cfg, weights: Darknet's files.
        labels, ids: one class name, or WordNet id, per line, in the order of the network's outputs;
            lists longer than the network's outputs are Darknet's own, and their reader cuts them.
        calibration: a folder of images to calibrate with, or None where the user brings one.
        test: a folder of labelled images, one folder a class, or None.
        published: what its page says, or None.
        cost: what the network costs, where the cfg has to be fetched to compute it; else None.
    """

    name: str
    title: str
    cfg: RemoteFile | PackagedFile
    weights: RemoteFile | PackagedFile
    labels: RemoteFile | PackagedFile | None = None
    ids: RemoteFile | PackagedFile | None = None
    calibration: PackagedImages | None = None
    test: PackagedImages | None = None
    published: Published | None = None
    cost: Cost | None = None

    @property
    def packaged(self) -> bool:
        """Whether all of it ships with tinyedge, so that nothing has to be fetched."""
        return not list(self.remote_files())

    def remote_files(self) -> Iterator[RemoteFile]:
        """The files that live in the cache."""
        for file in (self.cfg, self.weights, self.labels, self.ids):
            if isinstance(file, RemoteFile):
                yield file


_DARKNET = "https://raw.githubusercontent.com/pjreddie/darknet/master"
_WEIGHTS = "https://pjreddie.com/media/files"
_IMAGENET_NAMES = RemoteFile(
    name="imagenet/imagenet.shortnames.list",
    url=f"{_DARKNET}/data/imagenet.shortnames.list",
    sha256=IMAGENET_NAMES_SHA256,
    bytes=(246_356,),
)
_IMAGENET_IDS = RemoteFile(
    name="imagenet/imagenet.labels.list",
    url=f"{_DARKNET}/data/imagenet.labels.list",
    sha256=IMAGENET_IDS_SHA256,
    bytes=(218_420,),
)


def _fashion() -> Model:
    folder = "calib_data/fashion"
    return Model(
        name="fashion",
        title="Fashion-MNIST classifier, 28x28 grey, 10 classes; ships with tinyedge",
        cfg=PackagedFile(f"{folder}/fashion.cfg"),
        weights=PackagedFile(f"{folder}/fashion.weights"),
        labels=PackagedFile(f"{folder}/fashion.labels"),
        calibration=PackagedImages(folder, "calibration"),
        test=PackagedImages(folder, "test"),
    )


def _imagenet(
    name: str,
    title: str,
    side: int,
    published: Published,
    weights: RemoteFile,
    *,
    cost: Cost | None = None,
) -> Model:
    """A classifier of ImageNet's 1,000 classes; with `cost` its .cfg is fetched, else it ships."""
    cfg: RemoteFile | PackagedFile = PackagedFile(f"zoo/cfgs/{name}.cfg")
    if cost is not None:
        cfg = RemoteFile(f"{name}/{name}.cfg", f"{_DARKNET}/cfg/{name}.cfg")
    return Model(
        name=name,
        title=f"{title}, {side}x{side} RGB, 1000 ImageNet classes",
        cfg=cfg,
        weights=weights,
        labels=_IMAGENET_NAMES,
        ids=_IMAGENET_IDS,
        published=published,
        cost=cost,
    )


def _unseen(name: str, parameters: int) -> RemoteFile:
    """A .weights of which only the length is known: that of its floats behind either header."""
    lengths = (16 + 4 * parameters, 20 + 4 * parameters)
    return RemoteFile(f"{name}/{name}.weights", f"{_WEIGHTS}/{name}.weights", None, lengths)


def _fetched(name: str, title: str, side: int, published: Published, cost: Cost) -> Model:
    return _imagenet(name, title, side, published, _unseen(name, cost.parameters), cost=cost)


_ALL = (
    _fashion(),
    _imagenet(
        *("tiny", "Tiny Darknet", 224, Published(58.7, 81.7, 0.98, 4.0)),
        RemoteFile(
            name="tiny/tiny.weights",
            url=f"{_WEIGHTS}/tiny.weights",
            sha256="f1c3fe6b9bab9af69ae2a090682df3e5b9d83accba69551315f030ce1b37ea81",
            bytes=(4_185_968,),
        ),
    ),
    _imagenet(
        *("darknet", "Darknet reference", 256, Published(61.1, 83.0, 0.81, 28)),
        _unseen("darknet", 7_323_480),
    ),
    _imagenet(
        *("alexnet", "AlexNet", 227, Published(57.0, 80.3, 2.27, 238)),
        _unseen("alexnet", 62_378_344),
    ),
    # The authors' Deep Compression SqueezeNet v1.0 rewritten for Darknet; nobody publishes that
    # file, so that it can be located but not fetched.
    _imagenet(
        *("squeezenet", "SqueezeNet v1.0", 227, Published(57.5, 80.3, 2.17, 4.8)),
        RemoteFile(
            name="squeezenet/squeezenet.weights",
            url=None,
            sha256="aace64f8339179fa80a54e89755b6d2c35b9ca6d88ab07aef24d9d1593bd93c0",
            bytes=(4_993_712,),
        ),
    ),
    _fetched(
        *("darknet19", "Darknet19", 256, Published(72.9, 91.2, 7.29, 80)),
        Cost(7_290_748_928, 20_856_776),
    ),
    _fetched(
        *("extraction", "Extraction", 224, Published(72.5, 90.8, 8.52, 90)),
        Cost(8_518_680_576, 23_455_400),
    ),
    _fetched(
        *("resnet50", "ResNet-50", 256, Published(75.8, 92.9, 9.74, 87)),
        Cost(9_741_172_736, 22_825_896),
    ),
    _fetched(
        *("vgg-16", "VGG-16", 256, Published(70.5, 90.0, 30.94, 528)),
        Cost(30_940_528_640, 138_357_544),
    ),
    _fetched(
        *("densenet201", "DenseNet-201", 256, Published(77.0, 93.7, 10.85, 66)),
        Cost(10_848_043_008, 17_206_440),
    ),
    _fetched(
        *("darknet53", "Darknet53", 256, Published(77.2, 93.8, 18.57, 159)),
        Cost(18_570_231_808, 41_645_640),
    ),
)

MODELS: Mapping[str, Model] = MappingProxyType({model.name: model for model in _ALL})

PAGE = ("alexnet", "darknet", "squeezenet", "tiny")
"""The models of the table on Tiny Darknet's page, in its order."""
