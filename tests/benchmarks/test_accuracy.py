"""The page that compares engines, of scores whose statistics can be counted by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.networks import CALIBRATION_IMAGES
from benchmarks.accuracy.peers.rows import ROWS
from benchmarks.accuracy.table import markdown
from tinyedge.devices.latency.instructions import costs_are_known
from tinyedge.devices.profile import find_profile

CLASSES = 6
FLOAT = [0, 1, 2, 3, 4, 5, 0, 1]
LABELS = [0, 1, 2, 3, 4, 5, 1, 0]
TUNED = [0, 1, 2, 3, 4, 5, 0, 2]  # one image of eight otherwise named, as wrongly as before
DEFAULT = [0, 1, 2, 3, 5, 4, 1, 1]  # three otherwise: two right to wrong, one wrong to right


def _keep(folder: Path, row: str, named: list[int] | None, *, failure: str = "") -> None:
    place = folder / row
    place.mkdir()
    content = {"date": "2020-02-02", "versions": {}, "failure": failure, "bytes": 12345}
    (place / "row.json").write_text(json.dumps(content), encoding="utf-8")
    if named is not None:
        np.save(place / "scores.npy", np.log(np.where(np.eye(CLASSES)[named] == 1, 0.5, 0.1)))


@pytest.fixture
def lines(tmp_path: Path) -> dict[str, list[str]]:
    """The cells of each line of a table, by the first."""
    np.save(tmp_path / "labels.npy", LABELS)
    np.save(tmp_path / "calibration.npy", np.zeros((CALIBRATION_IMAGES, 1)))
    _keep(tmp_path, "float", FLOAT)
    _keep(tmp_path, "default", DEFAULT)
    _keep(tmp_path, "tuned", TUNED)
    _keep(tmp_path, "ncnn", None, failure="no tools")
    latency = {"rounds": 7, "load": 1.25, "rows": {"tuned": {"milliseconds": 1.25, "ratio": 0.5}}}
    (tmp_path / "latency.json").write_text(json.dumps(latency), encoding="utf-8")
    text = markdown({"fashion": tmp_path})
    assert "- ncnn: no tools" in text.splitlines()
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def test_counts_hits_drops_and_agreement_by_image(lines: dict[str, list[str]]) -> None:
    assert lines["float .tflite"][:3] == ["75.00", "100.00", "-"]
    default = lines["TFLiteConverter default"]
    # 2 of 8 lost, 1 won: 12.5 points; 5 of 8 images agree, of tuned 7.
    assert (default[0], default[2], default[4]) == ("62.50", "12.50", "62.50")
    assert default[5].startswith("25.00 (")
    tuned = lines["tinyedge tuned"]
    assert (tuned[0], tuned[2], tuned[4], tuned[5]) == ("75.00", "0.00", "87.50", "-")


def test_kl_is_of_the_float_model_to_the_row(lines: dict[str, list[str]]) -> None:
    # Where the two name another class, 0.5 and 0.1 change places: 0.4 ln 5 nats. Else 0.
    assert lines["TFLiteConverter default"][6] == f"{3 / 8 * 0.4 * np.log(5):.4f}"
    assert lines["tinyedge tuned"][6] == f"{1 / 8 * 0.4 * np.log(5):.4f}"


def test_a_failed_row_and_one_without_times_show_dashes(lines: dict[str, list[str]]) -> None:
    assert set(lines["ncnn"]) == {"-"}
    assert lines["tinyedge tuned"][-4:] == ["0", "12,345", "1.250", "0.50"]
    assert lines["TFLiteConverter default"][-2:] == ["-", "-"]


def test_each_row_takes_the_file_that_its_command_writes() -> None:
    """By what `export` makes for a device where no precision is asked for."""
    ours = [row.options for row in ROWS if row.tool == "tinyedge"]
    mixed = [options["words"] for options in ours if options["file"] == "mixed"]
    assert mixed == [("--device", name) for name in ("pi3", "pi4", "pi5", "pi")]
    assert all(costs_are_known(find_profile(name)) for _, name in mixed)
    others = [word for options in ours if options["file"] != "mixed" for word in options["words"]]
    assert "--device" not in others
    assert not costs_are_known(find_profile("host"))
