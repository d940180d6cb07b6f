"""What is printed fits the terminal: no line is cut by it, and none wider than it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import run_as_user
from tests.support.pixel_model import write_pixel_model
from tests.support.terminal import run_on_a_terminal
from tinyedge.export.inspection import report
from tinyedge.export.inspection.result import (
    Divergence,
    InspectedLayer,
    Inspection,
    Requantization,
    Sensitivity,
)

CFG = """[net]
height=1120
width=1120
channels=3
[convolutional]
filters=1024
size=11
stride=4
pad=1
activation=leaky
[maxpool]
size=3
stride=2
[avgpool]
[softmax]
"""

Words = Callable[[Path], tuple[object, ...]]


def _cfg(folder: Path) -> Path:
    (folder / "wide.cfg").write_text(CFG)
    return folder / "wide.cfg"


COMMANDS: dict[str, Words] = {
    "devices": lambda _: ("devices",),
    "zoo": lambda _: ("zoo",),
    "zoo --table": lambda _: ("zoo", "--table"),
    "summary": lambda folder: ("summary", _cfg(folder), "--device", "coral-usb"),
    "check": lambda folder: ("check", write_pixel_model(folder / "m.tflite")),
    "info": lambda folder: ("info", write_pixel_model(folder / "m.tflite")),
}


def _widest(lines: list[str]) -> int:
    """The longest line but for one that is a single word, such as a path."""
    return max(len(line) for line in lines if len(line.split()) > 1)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_is_wider_than_the_terminal(name: str, width: int, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tinyedge", *COMMANDS[name](tmp_path)]
    shown = run_on_a_terminal(words, columns=width, with_stdout=True)
    assert shown.code in (0, 1), shown.lines
    assert len(shown.lines) > 3
    assert _widest(shown.lines) <= width


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_has_100_columns_or_what_is_asked_for(name: str, tmp_path: Path) -> None:
    for said, width in (("", 100), ("80", 80)):
        done = run_as_user(*COMMANDS[name](tmp_path), environment={"COLUMNS": said})
        assert _widest(done.stdout.splitlines()) <= width


@pytest.mark.parametrize("width", [80, 100, 120])
def test_inspects_table_keeps_the_blame(width: int) -> None:
    sums = Requantization("conv_2d", "t", (-123.4, 127.8), (-119.2, 131.6), 12.345)
    leaky = Requantization("leaky_relu", "u", (-12.34, 127.8), (-11.92, 131.6), 0.1)
    layers = [
        InspectedLayer(
            index=index,
            kind="convolutional",
            snr=21.7 + index,
            cosine=0.9876,
            weight_snr=38.2,
            equalization_range=(0.5, 2.0),
            requantizations=(sums, leaky),
            sensitivity=Sensitivity(-1.2e-05, 1e-05, 4.5e-05, 2e-06),
            worst=index == 12,
        )
        for index in range(14)
    ]
    found = Inspection(
        float_sha256="a" * 64,
        int8_sha256="b" * 64,
        images=32,
        agreement=96.9,
        divergence=Divergence(1e-3, 1e-3, 1e-4),
        layers=layers,
    )
    lines = report.as_text(found, width=width).splitlines()
    assert max(map(len, lines)) <= width
    heading = lines[2].split()
    assert {"layer", "SNR", "alone", "saturated"} <= set(heading)
    assert any(line.startswith("* 12 convolutional") for line in lines)
    left_out = next((line for line in lines if line.startswith("(left out")), "")
    assert ("observed" in heading) != ("observed" in left_out)
