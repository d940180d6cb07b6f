"""Counts and paths as people read them."""

import pytest

from tinyedge.text import counted, displayed, shortened


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (11, "11 images")]
)
def test_only_one_is_singular(number: int, text: str) -> None:
    assert counted(number, "image") == text


def test_bytes_that_are_no_text_are_replaced() -> None:
    # As os.fsdecode gives the name of a file that is b"caf\xe9.jpg" on the disk.
    assert displayed("caf\udce9.jpg") == "caf\N{REPLACEMENT CHARACTER}.jpg"
    assert displayed("cafe\u0301.jpg") == "cafe\u0301.jpg"


def nested() -> object:
    value: object = []
    for _ in range(10_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        *("x" * 10**6, b"x" * 10**6, 10**50_000, -(10**50_000), [0.1] * 10**6, nested()),
        *({"x" * 10**6: "y" * 10**6}, {number: number for number in range(10**5)}),
        *([["x" * 10**4] * 10] * 10, "\x1b[2J\n\u202e"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_of_a_file_is_shown_in_one_line(value: object) -> None:
    text = shortened(value)
    assert 0 < len(text) <= 100
    assert text.isprintable()


def test_a_short_value_is_shown_as_python_writes_it() -> None:
    for value in ("crop", 7, -1.5, True, None, [1, 2], {"a": 1}, b"x", float("inf")):
        assert shortened(value) == repr(value)
