"""``tinyedge summary``: results on stdout, notes on stderr, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support import c_engine
from tests.support.commands import ROOT
from tinyedge.cli import main
from tinyedge.darknet.network import read_network

CFGS = Path(__file__).parents[1] / "data" / "cfg"
POOLS = CFGS / "valid" / "pools.cfg"


def _run(*words: object) -> Result:
    return CliRunner().invoke(main, ["summary", *map(str, words)])


@pytest.mark.c_engine
@pytest.mark.real_data
def test_the_table_and_totals_of_tiny_darknet(cache: Path) -> None:
    result = _run("tiny")
    assert result.exit_code == 0
    *table, blank, totals = result.stdout.splitlines()
    assert table == c_engine.layer_table(cache / "tiny" / "tiny.cfg")
    assert blank == ""
    assert totals == ("983,048,192 operations (0.98 Bn), 1,046,488 parameters, 4.2 MB of weights")
    assert result.stderr == ""


def test_json_holds_whole_numbers() -> None:
    result = _run(POOLS, "--json")
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert list(summary) == ["schema", "layers", "operations", "parameters", "weight_bytes"]
    first = summary["layers"][0]
    assert first == {
        "index": 0,
        "type": "maxpool",
        "filters": None,
        "size": 2,
        "stride": 2,
        "input": [25, 33, 2],
        "output": [13, 17, 2],
        "operations": 0,
    }
    # 6 filters of 3x3 over 2 channels on 13x17 pixels; 4 filters of 1x1 over 6 on 3x4.
    assert summary["operations"] == 2 * (9 * 2 * 6 * 13 * 17 + 6 * 4 * 3 * 4)
    assert summary["parameters"] == (9 * 2 + 1) * 6 + (6 + 1) * 4
    assert summary["weight_bytes"] == 4 * summary["parameters"]


def test_another_size() -> None:
    result = _run(POOLS, "--size", "50x40", "--json")
    assert json.loads(result.stdout)["layers"][0]["input"] == [40, 50, 2]


def test_a_model_of_the_zoo() -> None:
    from tinyedge.zoo.fetch import find_model

    model = find_model("fashion")
    assert model is not None
    result = _run("fashion", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["parameters"] == read_network(model.cfg.path).parameters


def test_a_delegate_is_named_as_code(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('description = "a board"\nthreads = 1\ndelegate = "./evil.so"\n')
    said = "  delegate ./evil.so: a shared library, whose code runs wherever this is used\n"
    assert _run(POOLS, "--device", profile).stdout.endswith(said)
    assert json.loads(_run(POOLS, "--device", profile, "--json").stdout)["delegate"] == "./evil.so"


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        *((name, "mixed") for name in ("pi", "pi-zero2w", "pi3", "pi4", "pi5")),
        *((name, "integer") for name in ("host", "coral-usb", "tflm", "uint8", "32-bit")),
    ],
)
def test_which_file_export_makes_is_said(device: str, precision: str, tmp_path: Path) -> None:
    pi4 = (ROOT / "devices" / "pi4.toml").read_text()
    others = {
        "uint8": pi4.replace('input_type = "int8"', 'input_type = "uint8"'),
        "32-bit": pi4.replace('"aarch64"', '"armv7l"'),
    }
    if device in others:
        assert others[device] != pi4
        path = tmp_path / f"{device}.toml"
        path.write_text(others[device])
        device = str(path)
    lines = _run(POOLS, "--device", device).stdout.splitlines()
    said = [line.strip() for line in lines if line.startswith("  export makes")]
    if precision == "mixed":
        assert said == ["export makes a mixed file by default, in about int8's time"]
    else:
        assert said == ["export makes an integer file by default"]
    assert json.loads(_run(POOLS, "--device", device, "--json").stdout)["precision"] == precision


def test_a_mistake_is_one_line_on_stderr() -> None:
    result = _run(CFGS / "invalid" / "size_abc.cfg")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"error: {CFGS / 'invalid' / 'size_abc.cfg'}:8: [convolutional] size=abc is not an"
        " integer\n"
    )


def test_a_warning_is_a_note_on_stderr(tmp_path: Path) -> None:
    cfg = tmp_path / "note.cfg"
    cfg.write_text("[net]\nheight=8\nwidth=8\nchannels=3\nletters=1\n[avgpool]\n")
    result = _run(cfg, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["layers"][0]["type"] == "avgpool"
    assert result.stderr == f"note: {cfg}:5: [net] letters=1 is ignored: unknown option\n"


def test_neither_a_file_nor_a_model(tmp_path: Path) -> None:
    result = _run(tmp_path / "none.cfg")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "none.cfg" in result.stderr


@pytest.mark.parametrize("size", ["224", "0x224", "axb", "224x"])
def test_a_size_that_is_none(size: str) -> None:
    result = _run(POOLS, "--size", size)
    assert result.exit_code == 2
    assert "--size" in result.stderr


@pytest.mark.parametrize("device", [False, True])
def test_a_cfg_and_a_profile_may_come_through_a_pipe(device: bool) -> None:
    """As a shell's ``<(...)`` and ``|`` hand them over."""
    given = ROOT / "devices" / "pi4.toml" if device else POOLS
    words = [POOLS, "--device", "/dev/stdin"] if device else ["/dev/stdin"]
    done = subprocess.run(
        [sys.executable, "-m", "tinyedge", "summary", *words],
        input=given.read_text(),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    expected = _run(POOLS, *(["--device", "pi4"] if device else [])).stdout
    assert done.stdout.replace("stdin", "pi4") == expected


@pytest.mark.parametrize("device", [False, True])
def test_what_is_no_file_is_said_to_be_none(device: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a named pipe"), (tmp_path, "a folder")):
        result = _run(POOLS, "--device", path) if device else _run(path)
        assert result.exit_code == 2
        assert result.stderr == f"error: {path} is {kind}, not a file\n"
