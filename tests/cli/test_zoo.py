"""``tinyedge zoo``: the list, and Darknet's published table again."""

import json
from pathlib import Path

import pytest

from tests.support.commands import run_in_process
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.zoo.models import MODELS

PAGE = """\
model       top-1  top-5  operations     page    size    page
alexnet      57.0   80.3     2.27 Bn  2.27 Bn  238 MB  238 MB
darknet      61.1   83.0     0.96 Bn  0.81 Bn   28 MB   28 MB
squeezenet   57.5   80.3     1.67 Bn  2.17 Bn  4.8 MB  4.8 MB
tiny         58.7   81.7     0.98 Bn  0.98 Bn  4.0 MB  4.0 MB
"""
# What `darknet ops` counts of Debian's cfgs, and of SqueezeNet's.
OPERATIONS = {
    "alexnet": 2_270_512_192,
    "darknet": 964_640_768,
    "squeezenet": 1_665_335_872,
    "tiny": 983_048_192,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("TINYEDGE_CACHE", str(tmp_path))
    return tmp_path


def test_the_table_is_the_pages_with_ours_beside_it() -> None:
    assert run_in_process("zoo", "--table").stdout == PAGE


def test_the_table_as_json_is_not_rounded() -> None:
    rows = json.loads(run_in_process("zoo", "--table", "--json").stdout)["models"]
    assert {row["name"]: row["operations"] for row in rows} == OPERATIONS
    assert rows[1]["published_operations"] == pytest.approx(0.81e9)
    assert rows[0]["weight_bytes"] == 4 * 62_378_344


def test_the_list_says_what_is_here(folder: Path) -> None:
    lines = run_in_process("zoo").stdout.splitlines()
    assert lines[0].split() == ["name", "size", "operations", "top-1", "top-5", "files"]
    assert [line.split()[0] for line in lines[1:]] == list(MODELS)
    found = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert found["fashion"] == ["0.3", "MB", "0.01", "Bn", "-", "-", "packaged"]
    assert found["darknet53"] == ["166.6", "MB", "18.57", "Bn", "77.2", "93.8", "missing"]
    # Files of the right size; what is in them is looked at when they are used.
    for file in MODELS["darknet53"].remote_files():
        file.path.parent.mkdir(exist_ok=True)
        with file.path.open("wb") as stream:
            stream.truncate(max(file.bytes, default=1))
    entries = json.loads(run_in_process("zoo", "--json").stdout)["models"]
    here = {entry["name"] for entry in entries if entry["files"] == "here"}
    assert here == {"darknet53"}
    (folder / "darknet53" / "darknet53.weights").write_bytes(b"short")
    entries = json.loads(run_in_process("zoo", "--json").stdout)["models"]
    assert {entry["files"] for entry in entries} == {"packaged", "missing"}


class TestDifferences:
    """The numbers by which docs/zoo.md explains where the page differs."""

    def test_darknet_scored_the_classes_before_the_average_at_224(self) -> None:
        text = MODELS["darknet"].cfg.path.read_text()
        at_224 = text.replace("=256", "=224", 2)
        before = text[text.index("[avgpool]") :].replace("[avgpool]\n\n", "")
        early = at_224[: at_224.index("[avgpool]")] + before.replace(
            "[softmax]", "[avgpool]\n\n[softmax]"
        )
        assert operations(at_224) == 774_422_528
        assert operations(early) == 805_142_528

    @pytest.mark.filterwarnings("ignore:.*in a 1x1 convolution:tinyedge.errors.TinyedgeWarning")
    def test_squeezenet_with_a_border_and_later_pools(self) -> None:
        text = MODELS["squeezenet"].cfg.path.read_text()
        bordered = text.replace("filters=1000\nsize=1", "filters=1000\nsize=1\npadding=1")
        assert operations(bordered) == 1_722_679_872
        pool = "[maxpool]\nsize=3\nstride=2\npadding=0\n\n"
        parts = bordered.split("# fire")
        # parts[i] holds fire(i+1); a pool at a part's end comes after that fire module.
        moved = [part.replace(pool, "") if i in (3, 7) else part for i, part in enumerate(parts)]
        moved[4] += pool
        moved[8] = moved[8].replace("[dropout]", f"{pool}[dropout]")
        assert operations("# fire".join(moved)) == 2_168_586_816


def operations(text: str) -> int:
    return build_network(parse_cfg(text, "variant.cfg")).operations
