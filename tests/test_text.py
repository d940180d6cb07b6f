"""Counts and paths as people read them."""

import sys
import unicodedata

import pytest

from tinyedge.text import counted, printable, printable_lines, shortened


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (11, "11 images")]
)
def test_only_one_is_singular(number: int, text: str) -> None:
    assert counted(number, "image") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # As os.fsdecode gives the name of a file that is b"caf\xe9.jpg" on the disk.
        ("caf\udce9.jpg", r"caf\xe9.jpg"),
        (
            "cafe\u0301 犬 \U0001f415\u200d\U0001f9ba.jpg",
            "cafe\u0301 犬 \U0001f415\u200d\U0001f9ba.jpg",
        ),
        ("\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        ("a\tb\nerror: c\rd\x7f\x9b2J", r"a\tb\nerror: c\rd\x7f\x9b2J"),
        (
            "\u202egpj.exe\u2066\u2028\u2029\u200f\ud800",
            r"\u202egpj.exe\u2066\u2028\u2029\u200f\ud800",
        ),
        (r"C:\new\text", r"C:\new\text"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable_lines(f"{text}\n{text}") == f"{printable_lines(text)}\n{printable_lines(text)}"


def test_every_character_of_the_kinds_is_escaped() -> None:
    """Of the whole of Unicode, by its own categories: control, separators of lines, surrogates."""
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        harmful = unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs")
        turning = unicodedata.bidirectional(letter) in (
            *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
        )
        marks = letter in "\u061c\u200e\u200f"
        assert (printable(letter) != letter) == (harmful or turning or marks), hex(code)


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
