"""Label lists: the right number of names, or a message that says what is wrong."""

import warnings
from pathlib import Path

import pytest

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.images.labels import ClassNames, read_labels


def listed(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "names.list"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"cat\nhot dog\nk\xc3\xa4fer\n",
        b"cat\nhot dog\nk\xc3\xa4fer",
        b"cat\r\n  hot dog\t\r\nk\xc3\xa4fer\r\n",
        b"\xef\xbb\xbfcat\nhot dog\nk\xc3\xa4fer\n\n \n",
    ],
    ids=["plain", "no last newline", "Windows", "byte order mark, blank lines behind"],
)
def test_a_name_a_line(tmp_path: Path, content: bytes) -> None:
    assert read_labels(listed(tmp_path, content), 3) == ("cat", "hot dog", "käfer")


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_a_label_may_hold_what_python_takes_for_a_lines_end(tmp_path: Path, character: str) -> None:
    content = f"cat\nhot{character}dog\nbird\n".encode()
    assert read_labels(listed(tmp_path, content), 3) == ("cat", f"hot{character}dog", "bird")


def test_a_longer_list_is_cut_with_a_note(tmp_path: Path) -> None:
    path = listed(tmp_path, b"cat\ndog\n\ncow\n")
    with pytest.warns(TinyedgeWarning) as notes:
        assert read_labels(path, 2) == ("cat", "dog")
    assert [str(note.message) for note in notes] == [
        f"{path} names 4 classes; the first 2 are used"
    ]


def test_one_output_has_one_name_or_two(tmp_path: Path) -> None:
    assert read_labels(listed(tmp_path, b"dog\n"), 1) == ("dog",)
    path = listed(tmp_path, b"cat\ndog\n")
    with pytest.warns(TinyedgeWarning) as notes:
        assert read_labels(path, 1) == ("cat", "dog")
    assert [str(note.message) for note in notes] == [
        f"{path} names 2 classes for 1 output: 1 is taken to mean 'dog', 0 'cat'; if it is the"
        " other way round, swap the lines"
    ]
    path = listed(tmp_path, b"cat\ndog\ncow\n")
    with pytest.raises(DatasetError) as refusal:
        read_labels(path, 1)
    assert str(refusal.value) == (
        f"{path} names 3 classes, the network has 1 output: it needs the name of the class whose"
        " probability that is, or two, first what 0 stands for, then 1"
    )
    with pytest.raises(DatasetError, match="names 0 classes, the network has 1 output: use the"):
        read_labels(listed(tmp_path, b"\n"), 1)
    with pytest.raises(DatasetError, match=":1: this line names no class"):
        read_labels(listed(tmp_path, b"\ndog\n"), 1)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (None, {"0": 0, "1": 1, "dog": None, "2": None}),
        (("dog",), {"dog": 1, "not dog": 0, "not_dog": 0, "0": 0, "1": 1, "cat": None}),
        (("cat", "dog"), {"cat": 0, "Dog": 1, "0": 0, "1": 1, "not dog": None}),
    ],
)
def test_one_output_tells_two_classes_apart(
    labels: tuple[str, ...] | None, found: dict[str, int | None]
) -> None:
    names = ClassNames(labels, None, 1)
    assert {name: names.find(name, "here") for name in found} == found
    assert names.expected().endswith("an index from 0 to 1")


def test_a_list_of_the_right_length_is_no_news(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_labels(listed(tmp_path, b"cat\ndog\n"), 2)


def test_a_shorter_list_is_an_error(tmp_path: Path) -> None:
    path = listed(tmp_path, b"cat\ndog\n")
    with pytest.raises(DatasetError) as refusal:
        read_labels(path, 3)
    assert str(refusal.value) == (
        f"{path} names 2 classes, the network has 3 outputs:"
        " use the list that belongs to this network"
    )


def test_a_line_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    path = listed(tmp_path, b"cat\n \ndog\n")
    with pytest.raises(DatasetError) as refusal:
        read_labels(path, 3)
    assert str(refusal.value) == f"{path}:2: this line names no class"


def test_what_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = listed(tmp_path, b"\x89PNG\r\n\x1a\n\xff\xff")
    with pytest.raises(DatasetError, match="is no UTF-8 text, as a list of labels is: byte 0x89"):
        read_labels(path, 1)


def test_a_missing_list_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_labels(tmp_path / "none", 1)


def test_an_index_of_thousands_of_digits_is_no_class() -> None:
    """Python converts no more than 4,300 of them."""
    names = ClassNames(None, None, 10)
    assert names.find("9" * 5000, "here") is None
    assert names.find("0" * 5000 + "7", "here") == 7
    assert names.find("000", "here") == 0
