"""The page of performance: its parts are written one by one."""

from itertools import permutations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.performance.ncnn_files import read_blobs, write_ncnn
from benchmarks.performance.plot import boards_plot
from benchmarks.performance.rows import FLOAT, INT8, MIXED, engine_rows
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

_SVG = "{http://www.w3.org/2000/svg}"


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


def test_least_times_are_compared() -> None:
    times: dict[str, tuple[str, int, list[float], list[float] | None]] = {
        "ours": ("int8", 7, [2.0, 1.0, 4.0], [1.0, 1.0, 0.5]),
        FLOAT: ("float", 7, [4.0, 8.0, 16.0], [2.0, 4.0, 8.0]),
        "theirs": ("int8", 8, [3.0, 2.5, 8.0], None),
    }
    measured = {
        "date": "2026-01-02",
        "cpu": "a CPU, 2 cores (fma)",
        "load": 0.1,
        "litert": "2.3.0",
        "macs": 20_000_000,
        # At most 4 MAC a nanosecond of float, 40 of int8.
        "peaks": {
            "int8": {"macs": 40_000_000, "times": [2.0, 1.0, 4.0]},
            "float": {"macs": 4_000_000, "times": [4.0, 2.0, 1.0]},
        },
        "rows": {
            title: {
                "arithmetic": arithmetic,
                "answer": {"class": first, "probability": 0.5},
                "times": one,
                "two_threads": two,
            }
            for title, (arithmetic, first, one, two) in times.items()
        },
    }
    assert clock_section(measured).splitlines()[-3:] == [
        "| ours | 2.00 | 1.20 to 3.60 | 1.00 | 1.00 | 50% | 0.50 | 1.00 | 7: 50.0 % |",
        # 5 MAC a nanosecond.
        f"| {FLOAT} | 8.00 | 4.80 to 14.40 | 4.00 | 4.00 | 125% | 2.00 | 4.00 | 7: 50.0 % |",
        "| theirs | 3.00 | 2.60 to 7.00 | 2.50 | 2.50 | 20% |  |  | 8: 50.0 % * |",
    ]


def test_a_busy_machine_is_told() -> None:
    row = {
        "arithmetic": "int8",
        "answer": {"class": 1, "probability": 1.0},
        "times": [1.0],
        "two_threads": [1.0],
    }
    measured = {
        **{"date": "", "cpu": "", "litert": "", "macs": 1, "rows": {FLOAT: row}},
        "peaks": {kind: {"macs": 1, "times": [1.0]} for kind in ("int8", "float")},
    }
    busy, idle = (clock_section({**measured, "load": load}).split() for load in (0.6, 0.4))
    assert "(other" in busy
    assert "(other" not in idle


def test_an_engine_that_answers_otherwise_on_a_board_is_marked_there() -> None:
    chances = (0.5, 0.25, 0.51)
    rows = {
        name: [
            {
                "instructions": instructions,
                "memory_lines": lines,
                "answer": {"class": first, "probability": chance},
            }
            for first, chance in zip(classes, chances, strict=True)
        ]
        for name, instructions, lines, classes in (
            ("ours", 185_310_000, 207_400, (8, 8, 8)),
            (FLOAT, 279_240_000, 1_990_000, (7, 8, 7)),
            ("theirs", 83_000_000, 1_552_000, (7, 7, 7)),
        )
    }
    text = boards_section({"litert": "2.3.0", "rows": rows}, "a.svg")
    assert "![Instructions of each engine on three cores](a.svg)" in text
    assert text.splitlines()[-3:] == [
        "| ours | 185.3 / 207 * | 185.3 / 207 | 185.3 / 207 * | 8: 25.0 to 51.0 % |",
        f"| {FLOAT} | 279.2 / 1990 | 279.2 / 1990 | 279.2 / 1990 | 7: 50.0 to 51.0 %, 8: 25.0 % |",
        "| theirs | 83.0 / 1552 | 83.0 / 1552 * | 83.0 / 1552 | 7: 25.0 to 51.0 % |",
    ]


@pytest.mark.real_data
def test_each_board_runs_files_of_its_own() -> None:
    versions = dict.fromkeys(
        ("ncnn", "nncf", "onnxruntime", "opencv-python-headless", "openvino"), "1.2"
    )

    def files(board: str | None) -> dict[str, tuple[Path, ...]]:
        rows = engine_rows(Path("models"), Path("made"), versions, Path("lib.so"), board)
        return {title: row.files for title, row in rows.items()}

    here, there = files(None), files("pi4")
    assert here[INT8] == (Path("models/tiny_int8.tflite"),)
    assert there[INT8] == (Path("models/tiny_pi4_int8.tflite"),)
    assert there.pop(MIXED) == (Path("models/tiny_pi4_mixed.tflite"),)
    changed = [title for title, of_row in here.items() if of_row != there[title]]
    assert changed == [INT8, "tinyedge int8, tflite-runtime 2.14.0"]


def test_the_plot_has_a_bar_for_each_count_and_is_the_same_again() -> None:
    rows = {
        name: [{"instructions": 1_000_000 * count} for count in counts]
        for name, counts in ((FLOAT, (279, 196, 187)), ("theirs", (1050, 1051, 49)))
    }
    drawn = boards_plot({"rows": rows})
    assert drawn == boards_plot({"rows": rows})
    texts = [each.text for each in ElementTree.fromstring(drawn).iter(f"{_SVG}text")]
    assert {"279", "196", "187", "49", "1050 →", "1051 →"} <= set(texts)
    # From below; the panels share the names.
    assert [text for text in texts if text in rows] == ["theirs", FLOAT]


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
    lines = files.param.read_text().splitlines()
    assert lines[:2] == ["7767517", "4 4"]
    assert lines[-1].startswith("Pooling layer2 1 1 layer1 layer2 ")
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
