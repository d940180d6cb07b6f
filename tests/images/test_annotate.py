"""Copies of images with their answers on them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyedge.images.annotate import AnnotatedCopies, annotated, shown_in_ascii
from tinyedge.images.stream import SourceImage


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("Ankle-boot", "Ankle-boot"),
        ("café Łódź", "cafe \\u0141odz"),
        ("袋", "\\u888b"),
        ("Ж\x1b[2J\u202e", "\\u0416\\x1b[2J\\u202e"),
        ("ﬁre", "fire"),
    ],
)
def test_a_label_is_readable_or_escaped(label: str, shown: str) -> None:
    assert shown_in_ascii(label) == shown


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((28, 28), (252, 252)),
        ((640, 480), (640, 480)),
        ((4000, 3000), (1920, 1440)),
        ((3000, 2), (1920, 1)),
        ((2, 500), (6, 1500)),
    ],
)
def test_a_copy_can_be_read_and_is_not_larger_than_a_screen(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    pixels = np.full((size[1], size[0], 3), 200, np.uint8)
    assert annotated(pixels, ["0.9  a label"] * 5).size == expected


def test_lines_are_drawn_at_the_top_left_and_nothing_elsewhere() -> None:
    pixels = np.full((480, 640, 3), 200, np.uint8)
    shown = np.asarray(annotated(pixels, ["0.9  a", "0.1  b"]))
    changed = (shown != 200).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert (rows[0], columns[0]) == (0, 0)
    assert rows[-1] < 100
    assert columns[-1] < 200
    assert shown[changed].max() > 240, "light letters"
    assert shown[changed].min() < 100, "on a dark ground"


def test_a_long_line_ends_within_the_image() -> None:
    pixels = np.full((480, 640, 3), 200, np.uint8)
    shown = np.asarray(Image.fromarray(np.asarray(annotated(pixels, ["x" * 5000]))))
    # No letter is in the margin, where the ground or the image is.
    assert shown[:20, -5:].max() <= 200


def test_what_killed_runs_left_is_looked_for_once(tmp_path: Path) -> None:
    """Not for each copy: that is to read the folder, which has fifty thousand names perhaps."""
    stale = tmp_path / ".tinyedge-1-killed"
    stale.mkdir()
    copies = AnnotatedCopies(tmp_path)
    assert not stale.exists()
    stale.mkdir()
    saved = copies.save(SourceImage("a", np.zeros((4, 4, 3), np.uint8)), ["a"])
    assert sorted(tmp_path.iterdir()) == [stale, saved]
