"""What the page of scale is made of: photos that are links, memory of a tree, rates by hand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.scale.alone import Alone
from benchmarks.scale.compared import Compared, tree_memory
from benchmarks.scale.photos import make_photos
from benchmarks.scale.table import Measured, Rate, markdown


@pytest.mark.long
def test_photos_are_as_many_as_wanted_and_few_of_them_different(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 52)
    found = sorted(folder.iterdir())
    assert len(found) == 52
    assert len({path.stat().st_ino for path in found}) == 50
    assert found[0].samefile(found[50])
    with Image.open(found[1]) as photo:
        assert photo.size == (500, 375)
    assert 30_000 < found[1].stat().st_size < 200_000


def test_the_memory_of_a_tree_is_that_of_its_children_too() -> None:
    hold = "import sys; kept = bytearray(b'x' * 60_000_000); print('held', flush=True); input()"
    start = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]]);"
        " child.wait()"
    )
    before = tree_memory(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", start, hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert tree_memory(process.pid) > 60_000_000
        assert tree_memory(os.getpid()) > before + 60_000_000
        process.communicate(b"\n")
    assert tree_memory(process.pid) == 0


def test_a_rate_is_of_the_photos_that_the_many_have_more() -> None:
    few = [Compared(12.0, 10.0, 10**8), Compared(13.0, 11.0, 10**8)]
    many = [Compared(30.0, 40.0, 10**8), Compared(28.0, 42.0, 10**8)]
    alone = Alone(0.004, 0.012)
    rate = Rate(2, (400, 2000), few, many, alone)
    assert rate.images_a_second == pytest.approx(100)
    assert rate.cpu == pytest.approx(30 / 1600)
    assert rate.possible == pytest.approx(125)
    with pytest.raises(ValueError, match=r"2000 photos took 12.0 s, 400 28.0 s"):
        _ = Rate(2, (400, 2000), many, few, alone).images_a_second
    memory = [(1000, Compared(10, 9, 200_000_000)), (50_000, Compared(500, 9, 210_000_000))]
    lines = markdown(Measured([rate], memory)).splitlines()
    assert "| 2 | 4.00 | 12.00 | 18.75 | 125.0 | 100.0 | 80 % |" in lines
    assert "| 50,000 | 500 | 210 | 1.05 |" in lines
