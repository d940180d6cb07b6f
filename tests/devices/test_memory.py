"""Whether a network fits a board, by arithmetic done by hand."""

import json
import warnings
from pathlib import Path

import pytest

from tests.support.commands import run_in_process
from tests.support.shipped import CFGS
from tests.support.toy import write_toy
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.devices.memory import check_memory
from tinyedge.devices.profile import find_profile
from tinyedge.errors import TinyedgeWarning

# 280 parameters and 10,400 numbers in and out of the convolution: 42,720 bytes in float.
NETWORK = build_network(
    parse_cfg(
        "[net]\nheight=40\nwidth=20\nchannels=3\n[convolutional]\nfilters=10\nsize=3\npad=1\n"
        "activation=linear\n[avgpool]\n",
        "small.cfg",
    )
)
BOARD = find_profile("host")._replace(description="board", memory=None)


@pytest.mark.parametrize("memory", [None, 42_720])
def test_what_fits_or_may_fit_is_passed_in_silence(memory: int | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_memory(NETWORK, BOARD._replace(memory=memory))


@pytest.mark.parametrize(
    ("memory", "has", "verdict"),
    [
        (42_719, "42.7 kB", "the int8 file may fit with"),
        (10_679, "10.7 kB", "nor does the int8 file fit with"),
    ],
)
def test_what_does_not_is_told_with_the_numbers(memory: int, has: str, verdict: str) -> None:
    with pytest.warns(TinyedgeWarning) as told:
        check_memory(NETWORK, BOARD._replace(memory=memory))
    assert str(told[0].message) == (
        "small.cfg: the float file needs at least 42.7 kB (1.1 kB of weights, 41.6 kB of"
        f" activations), more than a board has, {has}; {verdict} 10.7 kB (0.3 kB of weights,"
        " 10.4 kB of activations)"
    )


@pytest.mark.c_engine
def test_vgg_does_not_fit_a_pi_zero() -> None:
    cfg = CFGS / "vgg-16.cfg"
    result = run_in_process("summary", cfg, "--device", "pi-zero2w")
    # 138,357,544 parameters; 224x224x64 into the second convolution and out of it again.
    assert result.stdout.splitlines()[-6:-3] == [
        "pi-zero2w: memory 536.9 MB",
        "  float32 needs at least 579.1 MB (553.4 MB of weights, 25.7 MB of activations)",
        "  int8    needs at least 144.8 MB (138.4 MB of weights, 6.4 MB of activations)",
    ]
    assert result.stderr.startswith(f"note: {cfg}: the float file needs at least 579.1 MB")
    assert "more than a Raspberry Pi Zero 2 W has, 536.9 MB; the int8 file may" in result.stderr
    printed = json.loads(run_in_process("summary", cfg, "--device", "pi-zero2w", "--json").stdout)
    assert printed["device_memory"] == 512 * 2**20
    assert printed["needs"]["float32"] == 4 * (138_357_544 + 2 * 224 * 224 * 64)


def test_summary_says_nothing_of_memory_unasked() -> None:
    assert "memory" not in run_in_process("summary", "fashion").stdout
    assert "needs" not in json.loads(run_in_process("summary", "fashion", "--json").stdout)
    host = run_in_process("summary", "fashion", "--device", "host")
    assert "host: memory unknown\n" in host.stdout
    assert host.stderr == ""


def test_export_warns_before_the_work(tmp_path: Path) -> None:
    crumb = tmp_path / "crumb.toml"
    crumb.write_text('description = "crumb"\nthreads = 1\nmemory = 65_536\n')
    toy = write_toy(tmp_path / "toy")
    # Its largest layer takes and gives 160x120 pixels of 3 + 5 numbers.
    words = ("export", *toy.source(), "--size", "160x120", "--float-only", "--device", crumb)
    result = run_in_process(*words, "-o", tmp_path / "out")
    assert (
        "more than a crumb has, 65.5 kB; nor does the int8 file fit with 173.0 kB" in result.stderr
    )
    assert (tmp_path / "out" / "toy_float.tflite").is_file()
