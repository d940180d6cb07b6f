"""Counts and paths as people read them."""

import pytest

from tinyedge.text import counted, displayed


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (11, "11 images")]
)
def test_only_one_is_singular(number: int, text: str) -> None:
    assert counted(number, "image") == text


def test_bytes_that_are_no_text_are_replaced() -> None:
    # As os.fsdecode gives the name of a file that is b"caf\xe9.jpg" on the disk.
    assert displayed("caf\udce9.jpg") == "caf\N{REPLACEMENT CHARACTER}.jpg"
    assert displayed("cafe\u0301.jpg") == "cafe\u0301.jpg"
