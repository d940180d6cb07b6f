"""The classifiers, and parts of them, whose cfgs Debian's package darknet ships."""

from pathlib import Path

CFGS = Path("/usr/share/darknet/cfg")
DARKNETS = (
    *("alexnet", "cifar", "cifar.test", "darknet", "darknet19", "darknet19_448", "darknet53"),
    *("darknet53_448", "densenet201", "extraction", "extraction.conv", "extraction22k", "go"),
    *("jnet-conv", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50"),
    *("resnext101-32x4d", "resnext152-32x4d", "strided", "tiny", "vgg-16", "vgg-conv", "writing"),
)
