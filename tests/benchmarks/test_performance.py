"""The page of performance: its parts are written one by one."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from benchmarks.performance.ncnn_files import read_blobs, write_ncnn
from benchmarks.performance.sections import (
    SECTIONS,
    keep,
    load,
    replace_section,
    write_section,
)
from benchmarks.performance.table import boards_section, clock_section
from tinyedge.darknet.network import read_network
from tinyedge.export.build.fold import FoldedLayer


def test_sections_stand_in_one_order_however_they_are_written() -> None:
    pages = set()
    for names in permutations(SECTIONS):
        page = ""
        for name in names:
            page = replace_section(page, name, f"## {name}\n\nold\n")
        pages.add(page)
    (page,) = pages
    assert page.startswith("# Performance\n\n<!-- begin")
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [*SECTIONS]


def test_a_section_is_written_again_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Title\n\nBy hand.\n")
    for name in SECTIONS:
        write_section(path, name, f"## {name}\n\\1 first\n")
    before = path.read_text()
    write_section(path, "clock", "## clock\n\\1 second\n")
    assert path.read_text() == before.replace("## clock\n\\1 first\n", "## clock\n\\1 second\n")
    assert before.startswith("# Title\n\nBy hand.\n")


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        replace_section("", "nothing", "")


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    assert load(tmp_path / "new", "clock") is None
    keep(tmp_path / "new", "clock", {"rounds": [1, 2.5]})
    assert load(tmp_path / "new", "clock") == {"rounds": [1, 2.5]}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["clock.json"]


def test_times_are_compared_round_by_round() -> None:
    measured = {
        "date": "2026-01-02",
        "machine": "a machine",
        "rows": {
            "ours": {"answer": 7, "times": [1.0, 2.0, 4.0]},
            "theirs": {"answer": 8, "times": [3.0, 2.0, 8.0]},
        },
    }
    lines = clock_section(measured).splitlines()
    assert "| ours | 2.00 | 1.20 to 3.60 | 1.00 |" in lines
    # 3, 1 and 2 times as long; the medians alone would say 1.5.
    assert "| theirs * | 3.00 | 2.20 to 7.00 | 2.00 |" in lines


def test_an_engine_that_answers_otherwise_on_a_board_is_marked_there() -> None:
    ours = [{"instructions": 185_310_000, "memory_lines": 207_400, "answer": 7}] * 3
    theirs = [
        {"instructions": 83_000_000, "memory_lines": 1_552_000, "answer": n} for n in (7, 8, 7)
    ]
    last = boards_section({"ours": ours, "theirs": theirs}).splitlines()[-2:]
    assert last[0] == "| ours | 185.3 / 207 | 185.3 / 207 | 185.3 / 207 |"
    assert last[1] == "| theirs | 83.0 / 1552 | 83.0 / 1552 * | 83.0 / 1552 |"


@pytest.mark.parametrize("int8", [False, True])
def test_ncnn_gets_filters_a_plane_at_a_time(tmp_path: Path, int8: bool) -> None:
    cfg = tmp_path / "a.cfg"
    cfg.write_text(
        "[net]\nheight=4\nwidth=4\nchannels=3\n[convolutional]\nfilters=2\nsize=3\npad=1\n"
        "stride=1\nactivation=leaky\n[maxpool]\nsize=2\nstride=2\n[avgpool]\n[softmax]\n"
    )
    network = read_network(cfg)
    kernel = np.arange(1, 55, dtype=np.float32).reshape(3, 3, 3, 2)
    bias = np.array([0.5, -0.5], np.float32)
    assert read_blobs(network) == {0: "data"}
    files = write_ncnn(
        network, {0: FoldedLayer(kernel, bias)}, tmp_path, "a", {0: 2.0} if int8 else None
    )
    assert files.output == "layer2"
    lines = files.param.read_text().splitlines()
    assert lines[:2] == ["7767517", "4 4"]
    assert lines[3].startswith("Convolution layer0 1 1 data layer0 0=2 1=3 3=1 4=1 5=1 9=2 ")
    assert ("8=1" in lines[3].split()) == int8
    data = files.binary.read_bytes()
    # Of the first filter and channel: every sixth number, row by row.
    plane = np.arange(1, 55, 6, dtype=np.float32)
    if not int8:
        assert data[:4] == bytes(4)
        assert np.array_equal(np.frombuffer(data, np.float32, 9, 4), plane)
        assert len(data) == 4 + 4 * 54 + 8
        return
    assert data[:4] == (0x000D4B38).to_bytes(4, "little")
    # 53 is the largest number of the first filter.
    assert np.array_equal(np.frombuffer(data, np.int8, 9, 4), np.rint(plane * 127 / 53))
    # 54 weights and two bytes that align; biases; a scale of each filter, and of what is read.
    rest = np.frombuffer(data, np.float32, 5, 4 + 56)
    assert rest == pytest.approx([0.5, -0.5, 127 / 53, 127 / 54, 127 / 2])
    assert len(data) == 4 + 56 + 20
