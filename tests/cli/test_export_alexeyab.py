"""A classifier in AlexeyAB's dialect through the commands: summary, export, run, inspect."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.random_nets.photos import random_photos, write_photos
from tests.random_nets.weights import fitted_weights
from tests.support.commands import run_in_process
from tests.support.naive import forward
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.darknet.weights import write_weights

pytestmark = pytest.mark.long

CONV = "[convolutional]\nbatch_normalize=1\nfilters={}\nsize={}\nstride={}\npad=1\nactivation={}\n"
CFG = "".join(
    (
        "[net]\nwidth=20\nheight=20\nchannels=3\nmosaic=1\nlabel_smooth_eps=.1\n",
        CONV.format(12, 3, 1, "mish"),
        CONV.format(16, 3, 2, "swish"),
        "[avgpool]\n[dropout]\ndropblock=1\n",
        CONV.format(4, 1, 1, "swish").replace("batch_normalize=1\n", ""),
        CONV.format(16, 1, 1, "logistic").replace("batch_normalize=1\n", ""),
        "[scale_channels]\nfrom=-5\n",
        CONV.format(16, 3, 1, "relu6"),
        "[shortcut]\nfrom=-2,-7\nweights_type=per_feature\nweights_normalization=softmax\n"
        "activation=mish\n",
        "[local_avgpool]\nsize=2\nstride=2\n",
        "[convolutional]\nfilters=6\nsize=1\nactivation=linear\n[avgpool]\n[softmax]\n",
    )
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the cfg, weights, photos and both files."""
    folder = tmp_path_factory.mktemp("alexeyab")
    network = build_network(parse_cfg(CFG, "net.cfg"))
    photos = random_photos(network.input, 40, seed=1)
    weights = fitted_weights(network, list(photos[:16].astype(np.float32) / 255), seed=2)
    (folder / "net.cfg").write_text(CFG)
    write_weights(folder / "net.weights", network, weights)
    write_photos(folder / "photos", photos)
    run_in_process(
        *("export", folder / "net.cfg", "--weights", folder / "net.weights"),
        *("--calib", folder / "photos", "-o", folder),
    )
    return folder


def test_run_says_what_the_definition_says(files: Path) -> None:
    network = build_network(parse_cfg(CFG, "net.cfg"))
    photos = random_photos(network.input, 40, seed=1)
    weights = fitted_weights(network, list(photos[:16].astype(np.float32) / 255), seed=2)
    photo = files / "photos" / "03.png"
    pixels = np.asarray(Image.open(photo), np.float32) / 255
    right = forward(network, weights, pixels)
    for kind, allowed in (("float", 1e-5), ("int8", 0.05)):
        model = files / f"net_{kind}.tflite"
        said = run_in_process("run", model, photo, "--top", 6, "--json").stdout
        predictions = json.loads(said)["predictions"]
        assert len(predictions) == len(right)
        for each in predictions:
            assert abs(each["probability"] - right[each["index"]]) < allowed


def test_inspect_knows_every_layer(files: Path) -> None:
    words = ("net_float.tflite", "net_int8.tflite")
    found = json.loads(
        run_in_process(
            *("inspect", *(files / word for word in words)),
            *("--data", files / "photos", "--count", 8, "--json"),
        ).stdout
    )
    kinds = {layer["kind"] for layer in found["layers"]}
    assert {"convolutional", "scale_channels", "shortcut"} <= kinds


def test_the_summary_counts_the_shortcuts_weights(files: Path) -> None:
    found = json.loads(run_in_process("summary", files / "net.cfg", "--json").stdout)
    floats = (files / "net.weights").stat().st_size - 20
    assert found["parameters"] == floats / 4
