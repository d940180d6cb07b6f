"""What is said of a calibration set is what was measured; workers read the same one."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import ROOT
from tinyedge.errors import TinyedgeWarning
from tinyedge.export.calibrate.images import FEW, STRAYS, read_calibration_set, set_aside
from tinyedge.images.spec import InputSpec
from tinyedge.progress import no_progress


def test_what_few_images_cost_is_what_the_page_says() -> None:
    page = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
    section = page.split("## How many photos", 1)[1].split("\n## ", 1)[0]
    kl = {int(n): float(value) for n, value in re.findall(r"^\| (\d+) \| ([\d.]+) ", section, re.M)}
    assert {count: round(kl[count] / kl[200], 1) for count in STRAYS} == STRAYS
    assert all(count < FEW for count in STRAYS)
    assert kl[FEW] / kl[200] <= 2 < kl[25] / kl[200]


def test_every_third_of_a_hundred_images_is_set_aside_and_none_of_fewer() -> None:
    aside = set_aside(100)
    assert aside is not None
    assert np.flatnonzero(aside).tolist() == list(range(0, 100, 3))
    assert set_aside(99) is None


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is not shared")
def test_workers_read_the_set_that_one_process_does(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for number in range(12):
        noise = random.integers(0, 256, (30 + number, 40, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number:02}.png")
    (tmp_path / "05.png").write_bytes(b"no photo")
    read = []
    for workers in (1, 2):
        with pytest.warns(TinyedgeWarning) as said:
            found = read_calibration_set(
                tmp_path,
                count=12,
                spec=InputSpec(24, 16, 3, "crop"),
                workers=workers,
                progress=no_progress,
            )
        read.append((found.inputs.tobytes(), found.sha256, [str(each.message) for each in said]))
    assert read[0] == read[1]
    assert len(read[0][1]) == 11
    assert any("05.png" in message for message in read[0][2])
