"""What becomes of each layer and activation on the Edge TPU, as docs/coral.md says it."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.random_weights import random_weights
from tinyedge.darknet.network import read_network
from tinyedge.export.build.fold import fold
from tinyedge.export.edgetpu.lower import EdgeTpuFile, edge_tpu_file
from tinyedge.export.edgetpu.lowerings import LOWERINGS

_HEAD = "[convolutional]\nfilters=6\nsize=1\nactivation=linear\n[avgpool]\n[softmax]\n"
_CROP = "flip=0\nangle=0\nsaturation=1\nexposure=1\n"


def convolution(activation: str, **options: int) -> str:
    fields = {"filters": 8, "size": 3, "stride": 1, "pad": 1} | options
    lines = "".join(f"{name}={value}\n" for name, value in fields.items())
    return f"[convolutional]\n{lines}activation={activation}\n"


AS_IT_IS = (
    f"[crop]\ncrop_height=12\ncrop_width=12\n{_CROP}",
    *map(convolution, ("relu", "linear", "logistic", "tanh", "loggy", "hardtan", "lhtan", "plse")),
    convolution("relu", groups=8),
    convolution("relu", stride=2),
    "[maxpool]\nsize=2\nstride=1\n",
    "[batchnorm]\n[dropout]\nprobability=.5\n",
    convolution("relu"),
    "[shortcut]\nfrom=-3\nactivation=linear\n",
    "[route]\nlayers=-1,-3\n",
    "[upsample]\nstride=-2\n",
    "[l2norm]\n",
    _HEAD,
)
LOWERED = (
    *map(convolution, ("leaky", "relie", "ramp")),
    convolution("relu", groups=2),
    convolution("relu", filters=12, stride=2),
    "[shortcut]\nfrom=-2\nactivation=leaky\n",
    "[upsample]\nstride=2\n",
    "[maxpool]\nsize=3\nstride=2\n",
    "[maxpool]\nsize=2\nstride=2\n",
    "[local]\nfilters=4\nsize=3\nstride=1\npad=0\nactivation=leaky\n",
    "[connected]\noutput=10\nactivation=leaky\n[connected]\noutput=6\nactivation=linear\n[softmax]\n",
)
AMISS = {
    "EXP": (convolution("elu"), _HEAD),
    "LOG": (convolution("leaky"), "[normalization]\nsize=5\nalpha=.01\nbeta=.7\nkappa=1\n", _HEAD),
    "TRANSPOSE": (convolution("relu"), "[reorg]\nstride=2\n", _HEAD),
}


def made_of(folder: Path, sections: tuple[str, ...]) -> EdgeTpuFile:
    from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed

    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_int8

    cfg = folder / "net.cfg"
    cfg.write_text("[net]\nheight=16\nwidth=16\nchannels=3\n" + "".join(sections), "utf-8")
    network = read_network(cfg)
    images = np.random.default_rng(2).random((4, 16, 16, 3), np.float32)
    with tensorflow_hushed():
        model = build_keras_model(network, fold(network, random_weights(network, 1)))
        return edge_tpu_file(convert_int8(model, images, input_type="int8"))


def test_layers_that_map_as_they_are(tmp_path: Path) -> None:
    made = made_of(tmp_path, AS_IT_IS)
    assert made.partition.whole
    assert made.lowered == ()


def test_layers_that_map_once_they_are_lowered(tmp_path: Path) -> None:
    made = made_of(tmp_path, LOWERED)
    assert [placed.reason for placed in made.partition.operators if not placed.maps] == []
    assert made.partition.whole
    assert made.lowered == tuple(LOWERINGS)


@pytest.mark.parametrize("operator", AMISS)
def test_layers_that_do_not_map(tmp_path: Path, operator: str) -> None:
    partition = made_of(tmp_path, AMISS[operator]).partition
    assert not partition.whole
    assert operator in {placed.operator for placed in partition.operators if not placed.maps}
    # LOG comes with EXP, of which the compiler cannot parse a file, as of TRANSPOSE 6.
    assert partition.refusal is not None
