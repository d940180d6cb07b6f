"""Networks that end without a head: exported with their features, refused where classes count."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.support.commands import run_in_process
from tests.support.golden import FOLDER, pixels, weights
from tinyedge.cli import main
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import write_weights
from tinyedge.devices.runtime.runtimes import find_runtime
from tinyedge.modelcard import read_card

CFG = FOLDER / "joins.cfg"  # 12x16 pixels in, 12x16 of 4 channels out
REASON = (
    "it classifies nothing: its network ends without a head, and its output is an image of"
    " features, 12 high, 16 wide, with 4 channels; run and compare need a classifier"
)


@dataclass(frozen=True)
class Export:
    folder: Path
    weights: Path
    image: Path
    printed: str


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("headless")
    file, image = folder / "joins.weights", folder / "photos" / "one.png"
    network = read_network(CFG)
    write_weights(file, network, weights(network))
    image.parent.mkdir()
    Image.fromarray(np.rint(pixels(network) * 255).astype(np.uint8)).save(image)
    words = ("export", CFG, "--weights", file, "--calib", image.parent, "--count", 1)
    printed = run_in_process(*words, "--quantizer", "default", "-o", folder).stdout
    return Export(folder, file, image, printed)


def refused(*words: object) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert (result.exit_code, result.stdout) == (2, "")
    return result


def test_the_export_says_what_comes_out(exported: Export) -> None:
    assert exported.printed.splitlines()[2] == (
        "input 16x12 RGB, crop; no head: features 12x16x4 (height, width, channels) come out;"
        " calibrated on 1 images"
    )
    card = read_card(exported.folder / "joins_int8.tflite")
    assert card is not None
    assert (card.classes, card.features, card.labels) == (0, (12, 16, 4), None)


def test_the_features_are_the_engines_channels_last(exported: Export) -> None:
    network = read_network(CFG)
    golden = json.loads(CFG.with_suffix(".json").read_text())["output"]
    expected = np.moveaxis(np.reshape(golden, (4, 12, 16)), 0, -1)
    model = find_runtime().load((exported.folder / "joins_float.tflite").read_bytes(), threads=1)
    model.set_tensor(model.get_input_details()[0]["index"], pixels(network)[np.newaxis])
    model.invoke()
    found = model.get_tensor(model.get_output_details()[0]["index"])
    assert found.shape == (1, 12, 16, 4)
    assert np.abs(found[0] - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_run_says_that_it_classifies_nothing(exported: Export, kind: str) -> None:
    model = exported.folder / f"joins_{kind}.tflite"
    assert refused("run", model, exported.image).stderr == f"error: {model}: {REASON}\n"


def test_so_does_compare(exported: Export) -> None:
    models = [exported.folder / f"joins_{kind}.tflite" for kind in ("float", "int8")]
    stderr = refused("compare", *models, "--data", exported.image.parent.parent).stderr
    # The int8 file is opened first: how a float file is fed may be learned from it.
    assert stderr == f"error: {models[1]}: {REASON}\n"


@pytest.mark.parametrize("option", ["--labels", "--ids"])
def test_it_has_no_classes_to_name(exported: Export, tmp_path: Path, option: str) -> None:
    names = tmp_path / "names"
    names.write_text("a\n")
    words = ("export", CFG, "--weights", exported.weights, "--float-only", option, names)
    assert refused(*words, "-o", tmp_path / "out").stderr == (
        f"error: {CFG}: it ends without a head and classifies nothing; export it without labels"
        " and ids\n"
    )
    assert not (tmp_path / "out").exists()
