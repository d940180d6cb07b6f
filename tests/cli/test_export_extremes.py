"""Networks at the ends of what floats and memory hold: a file, or one line that says where."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.support.commands import run_as_user, run_in_process
from tests.support.naive import random_weights
from tests.support.toy import PHOTOS, Toy, write_toy
from tinyedge.cli import main
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import write_weights
from tinyedge.modelcard import read_card

HEADER = 16  # bytes before the floats of the toy's weights


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return write_toy(tmp_path / "toy")


def calibrated(toy: Toy, out: Path) -> tuple[object, ...]:
    return (*toy.source(), "--calib", toy.photos, "--count", PHOTOS, "-o", out)


def failed(*words: object) -> str:
    """The one line of error."""
    result: Result = CliRunner().invoke(main, ["export", *map(str, words)])
    assert result.exit_code == 2, result.output
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error:"))
    return line


def change(toy: Toy, start: int, stop: int, factor: float) -> None:
    """Multiply the floats from `start` to `stop` of the weights."""
    content = toy.weights.read_bytes()
    floats = np.frombuffer(content[HEADER:], "<f4").copy()
    floats[start:stop] *= np.float32(factor)
    toy.weights.write_bytes(content[:HEADER] + floats.tobytes())


def test_a_layer_whose_channels_are_all_scaled_to_nothing(toy: Toy, tmp_path: Path) -> None:
    change(toy, 5, 10, 0)  # five biases, then five scales
    assert (
        "int8 against float: 6 of 6 photos agree"
        in run_in_process("export", *calibrated(toy, tmp_path / "out")).stdout
    )
    words = (*toy.source(), "--calib", "none", "-o", tmp_path / "none")
    assert "all scales of their batch norms are 0" in failed(*words)


def test_values_beyond_what_int8_kernels_bear_are_told_by_the_layer(
    toy: Toy, tmp_path: Path
) -> None:
    change(toy, 5, 10, 1e20)
    line = failed(*calibrated(toy, tmp_path / "out"))
    assert "layer 0 [convolutional], operator " in line
    assert "a tensor of it has a scale of " in line
    assert not (tmp_path / "out").exists()


def test_what_is_infinite_ends_no_process_but_is_told_by_the_layer(
    toy: Toy, tmp_path: Path
) -> None:
    # Behind the second convolution numbers are infinite, and of one sign.
    change(toy, 5, 10, 1e20)
    change(toy, 155, 179, 1e20)
    done = run_as_user("export", *calibrated(toy, tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: layer 1 [convolutional] makes numbers of the calibration images that no float32"
    )


def test_gradients_beyond_a_float_are_told_by_the_layer(toy: Toy, tmp_path: Path) -> None:
    toy.cfg.write_text(f"{toy.cfg.read_text()}temperature=2e-38\n")
    change(toy, 159, 179, 100)  # the kernels of the second convolution
    words = (*calibrated(toy, tmp_path / "out"), "--quantizer", "tuned")
    assert "how much layer 0 [convolutional] counts in the answers is beyond" in failed(*words)


@pytest.mark.parametrize(
    "layer", ["[avgpool]", "[maxpool]\nsize=2", "[local]\nfilters=2\nactivation=leaky"]
)
def test_a_network_without_a_convolution_has_an_int8_file(tmp_path: Path, layer: str) -> None:
    photos = write_toy(tmp_path / "toy").photos
    cfg, weights = tmp_path / "plain.cfg", tmp_path / "plain.weights"
    cfg.write_text(f"[net]\nheight=4\nwidth=4\nchannels=3\n{layer}\n[avgpool]\n")
    network = read_network(cfg)
    write_weights(weights, network, random_weights(network, seed=1))
    words = (cfg, "--weights", weights, "--calib", photos, "--count", PHOTOS)
    run_in_process("export", *words, "-o", tmp_path / "out")
    card = read_card(tmp_path / "out" / "plain_int8.tflite")
    assert card is not None
    assert card.check is not None
    assert card.check.noise_db is not None
    assert card.check.noise_db > 20


def test_a_full_disk_of_temporary_files_is_told_by_where_it_is(toy: Toy, tmp_path: Path) -> None:
    # No file may have more than 2 blocks, which is as good as a full disk.
    tinyedge = ("sh", "-c", 'ulimit -f 2; exec "$@"', "sh", sys.executable, "-m", "tinyedge")
    words = (*tinyedge, "export", *calibrated(toy, tmp_path / "out"))
    done = subprocess.run(
        list(map(str, words)),
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert re.match(rf"error: {tmp_path}/[^/]+: File too large; the network is kept there", error)
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_a_network_deeper_than_pythons_calls(tmp_path: Path) -> None:
    cfg, weights = tmp_path / "deep.cfg", tmp_path / "deep.weights"
    layers = "[activation]\nactivation=leaky\n" * 1100
    cfg.write_text(
        "[net]\nheight=2\nwidth=2\nchannels=3\n[convolutional]\nfilters=2\n"
        f"activation=linear\n{layers}[avgpool]\n"
    )
    header = np.array([0, 1, 0, 0], "<i4")
    weights.write_bytes(header.tobytes() + np.arange(8, dtype="<f4").tobytes())
    words = (cfg, "--weights", weights, "--float-only", "-o", tmp_path / "out")
    assert "equal but for float's rounding" in run_in_process("export", *words).stdout


@pytest.mark.parametrize("quantizer", ["tuned", "default"])
def test_a_mish_of_numbers_whose_exponential_is_none(
    toy: Toy, tmp_path: Path, quantizer: str
) -> None:
    """Of 100 and more e to the -x is 0 in a float32, and the logarithm in its mish infinite."""
    toy.cfg.write_text(toy.cfg.read_text().replace("activation=leaky", "activation=mish"))
    change(toy, 5, 10, 2000)  # the scales
    words = ("export", *calibrated(toy, tmp_path), "--quantizer", quantizer)
    # In a process of its own, which the converter's quantizer would end.
    done = run_as_user(*words)
    assert done.returncode == 0, done.stderr
    assert "int8 against float: 6 of 6 photos agree" in done.stdout
