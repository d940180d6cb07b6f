"""What is said of a calibration set is what was measured."""

import re

from tests.support.commands import ROOT
from tinyedge.export.calibrate.images import FEW, STRAYS


def test_what_few_images_cost_is_what_the_page_says() -> None:
    page = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
    section = page.split("## How many photos", 1)[1].split("\n## ", 1)[0]
    kl = {int(n): float(value) for n, value in re.findall(r"^\| (\d+) \| ([\d.]+) ", section, re.M)}
    assert {count: round(kl[count] / kl[200], 1) for count in STRAYS} == STRAYS
    assert all(count < FEW for count in STRAYS)
    assert kl[FEW] / kl[200] <= 1.5
