"""The layer table and the operations, against those the C engine prints."""

import json
from pathlib import Path

import pytest

from tests.support import c_engine
from tests.support.shipped import CFGS, DARKNETS
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network, read_network
from tinyedge.darknet.summary import as_json, as_text, layer_table

VALID = Path(__file__).parents[1] / "data" / "cfg" / "valid"
# It knows no liberties of spelling, and nothing of AlexeyAB's.
BEYOND = ("alexeyab", "alexeyab_joins", "spelling")
# Those the engine reads as we do.
OURS = sorted({path.stem for path in VALID.glob("*.cfg")} - {*BEYOND})

SMALL = """[net]
height=5
width=6
channels=4
[convolutional]
filters=8
size=3
stride=2
pad=1
groups=2
batch_normalize=1
activation=leaky
[softmax]
"""


def _agrees(network: Network, cfg: Path) -> None:
    assert layer_table(network) == c_engine.layer_table(cfg)
    assert network.operations == c_engine.operations(cfg)


@pytest.mark.c_engine
@pytest.mark.parametrize("name", OURS)
def test_our_cfgs_against_the_engine(name: str) -> None:
    cfg = VALID / f"{name}.cfg"
    _agrees(read_network(cfg), cfg)


@pytest.mark.c_engine
@pytest.mark.parametrize("name", DARKNETS)
def test_darknets_cfgs_against_the_engine(name: str) -> None:
    cfg = CFGS / f"{name}.cfg"
    _agrees(read_network(cfg), cfg)


@pytest.mark.c_engine
@pytest.mark.real_data
def test_squeezenet_against_the_engine(cache: Path) -> None:
    cfg = cache / "squeezenet" / "squeezenet.cfg"
    _agrees(read_network(cfg), cfg)


@pytest.mark.c_engine
def test_spelling_makes_no_difference(tmp_path: Path) -> None:
    # The engine knows neither byte order mark nor trailing comment: it gets the same net plainly.
    plain = tmp_path / "plain.cfg"
    plain.write_text(
        "[net]\nheight=8\nwidth=8\nchannels=1\n"
        "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
        "[maxpool]\nsize=2\nstride=2\n[avgpool]\n"
    )
    _agrees(read_network(VALID / "spelling.cfg"), plain)


def test_summary_by_hand() -> None:
    network = build_network(parse_cfg(SMALL, "small.cfg"))
    # 3 x 3 x 4/2 taps; 8 filters over 3 x 3 pixels; 2 operations a tap.
    operations = 2 * 18 * 8 * 9
    assert as_json(network) == {
        "layers": [
            {
                "index": 0,
                "type": "convolutional",
                "filters": 8,
                "size": 3,
                "stride": 2,
                "input": [5, 6, 4],
                "output": [3, 3, 8],
                "operations": operations,
            },
            {
                "index": 1,
                "type": "softmax",
                "filters": None,
                "size": None,
                "stride": None,
                "input": [3, 3, 8],
                "output": [3, 3, 8],
                "operations": 0,
            },
        ],
        "operations": operations,
        "parameters": 8 * (18 + 4),
        "weight_bytes": 4 * 8 * (18 + 4),
    }


def test_the_text_is_the_table_and_the_totals() -> None:
    network = build_network(parse_cfg(SMALL, "small.cfg"))
    *table, between, totals = as_text(network).splitlines()
    assert table == layer_table(network)
    assert between == ""
    assert totals == "2,592 operations (0.00 Bn), 176 parameters, 0.7 kB of weights"


@pytest.mark.parametrize("name", [*OURS, *BEYOND])
def test_summary_is_json(name: str) -> None:
    plain = as_json(read_network(VALID / f"{name}.cfg"))
    assert json.loads(json.dumps(plain)) == plain
