"""What one has who trained in Darknet: a .data file, a list of paths, names beside the network."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import run_as_user, run_in_process
from tests.support.naive import forward
from tests.support.random_weights import random_weights
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import write_weights

pytestmark = pytest.mark.long

CFG = (
    "[net]\nheight=8\nwidth=8\nchannels=3\n[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\n"
    "activation=leaky\n[convolutional]\nfilters=3\nsize=1\nactivation=linear\n[avgpool]\n[softmax]\n"
)
NAMES = ("cat", "dog", "cow")


@dataclass(frozen=True)
class Darknet:
    """Darknet's folder, and the scores that the plain definition gives to the photos."""

    folder: Path
    labels: np.ndarray[tuple[int], np.dtype[np.intp]]
    scores: np.ndarray[tuple[int, int], np.dtype[np.float64]]


@pytest.fixture(scope="module")
def darknet(tmp_path_factory: pytest.TempPathFactory) -> Darknet:
    folder = tmp_path_factory.mktemp("darknet")
    (folder / "cfg").mkdir()
    (folder / "data").mkdir()
    cfg = folder / "cfg" / "pets.cfg"
    cfg.write_text(CFG)
    network = read_network(cfg)
    weights = random_weights(network, seed=2)
    write_weights(folder / "pets.weights", network, weights)
    rng = np.random.default_rng(4)
    paths, scores, labels = [], [], []
    for number in range(30):
        pixels = (rng.integers(0, 200, 3) + rng.integers(0, 56, (8, 8, 3))).astype(np.uint8)
        labels.append(number % 3)
        paths.append(f"data/{number:02}_{NAMES[number % 3]}.png")
        Image.fromarray(pixels).save(folder / paths[-1])
        scores.append(forward(network, weights, pixels.astype(np.float32) / 255))
    (folder / "data" / "test.list").write_text("\n".join(paths))
    (folder / "cfg" / "pets.names").write_text("\n".join(NAMES))
    (folder / "cfg" / "pets.data").write_text(
        "classes=3\nvalid=data/test.list\nlabels=cfg/pets.names\ntop=2\n"
    )
    return Darknet(folder, np.array(labels), np.array(scores))


def test_export_and_compare_with_it(darknet: Darknet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(darknet.folder)
    source = ("cfg/pets.cfg", "--weights", "pets.weights", "--fit", "stretch", "--float-only")
    exported = run_in_process("export", *source, "--labels", "cfg/pets.data", "-o", "out")
    assert exported.exit_code == 0, exported.stderr
    assert "pets.names" not in exported.stderr
    order = np.argsort(-darknet.scores, axis=1)
    right = 100 * np.mean(order[:, 0] == darknet.labels)
    among_two = 100 * np.mean((order[:, :2] == darknet.labels[:, None]).any(axis=1))
    assert 0 < right < among_two < 100
    model = "out/pets_float.tflite"
    for data, top_k, second in (
        ("cfg/pets.data", 2, among_two),
        ("data/test.list", 3, 100.0),
    ):
        found = json.loads(run_in_process("compare", model, model, "--data", data, "--json").stdout)
        assert (found["images"], found["top_k"]) == (30, top_k)
        assert found["float"] == {"top1": pytest.approx(right), "top5": pytest.approx(second)}


def test_names_beside_the_network_are_told_of_and_not_used(
    darknet: Darknet, tmp_path: Path
) -> None:
    cfg = darknet.folder / "cfg" / "pets.cfg"
    result = run_in_process(
        *("export", cfg, "--weights", darknet.folder / "pets.weights"),
        "--float-only",
        "-o",
        tmp_path,
    )
    names = cfg.with_name("pets.data")
    assert f"note: {names} lies beside the network and is not used" in result.stderr
    assert "cat" not in (tmp_path / "pets_float.tflite").read_bytes().decode("latin-1")


def test_a_list_of_another_length_is_refused(darknet: Darknet, tmp_path: Path) -> None:
    names = tmp_path / "four.names"
    names.write_text("cat\ndog\ncow\nhen\n")
    result = run_as_user(
        *("export", darknet.folder / "cfg" / "pets.cfg", "--labels", names),
        *("--weights", darknet.folder / "pets.weights", "--float-only", "-o", tmp_path / "out"),
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == (
        f"error: {names} names 4 classes, the network has 3 outputs: which lines are its classes"
        " cannot be told: use the list that belongs to it"
    )
