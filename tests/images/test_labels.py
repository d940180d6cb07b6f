"""Label lists: the right number of names, or a message that says what is wrong."""

import os
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


@pytest.mark.parametrize(
    ("content", "outputs", "says"),
    [
        (b"cat\ndog\ncow\n", 2, "names 3 classes, the network has 2 outputs"),
        (b"cat\ndog\n\ncow\n", 2, "names 4 classes, the network has 2 outputs"),
        (b"background\ncat\ndog\ncow\n", 2, "names 4 classes, the network has 2 outputs"),
        (b"cat\ndog\nbackground\n", 2, "names 3 classes, the network has 2 outputs"),
        (b"cat\ndog\n", 3, "names 2 classes, the network has 3 outputs"),
        (b"label\ncat\n", 3, "names 2 classes, the network has 3 outputs"),
    ],
)
def test_another_number_of_names_is_an_error(
    tmp_path: Path, content: bytes, outputs: int, says: str
) -> None:
    path = listed(tmp_path, content)
    with pytest.raises(DatasetError) as refusal:
        read_labels(path, outputs)
    assert str(refusal.value) == (
        f"{path} {says}: which lines are its classes cannot be told: use the list that belongs to"
        " it"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("background\ncat\nhot dog\ncow", "'background', is no class of this network"),
        ("???\ncat\nhot dog\ncow", "'???', is no class of this network, which has 3 outputs"),
        ("Label\ncat\nhot dog\ncow", "'Label', is a heading and names no class"),
        ("0 cat\n1 hot dog\n2 cow", "begin with the index of their class"),
        ("2,cow\n0,cat\n1,hot dog", "begin with the index of their class"),
        ("0: cat\n1: hot dog\n2: cow", "begin with the index of their class"),
        ("0 background\n1 cat\n2 hot dog\n3 cow", "'background', is no class"),
        ("index,label\n1,hot dog\n0,cat\n2,cow", "'index,label', is a heading"),
    ],
)
def test_known_forms_are_read_with_a_note(tmp_path: Path, content: str, told: str) -> None:
    path = listed(tmp_path, content.encode())
    with pytest.warns(TinyedgeWarning) as notes:
        assert read_labels(path, 3) == ("cat", "hot dog", "cow")
    assert any(told in str(note.message) for note in notes)
    assert all(str(note.message).startswith(f"{path}: ") for note in notes)


@pytest.mark.parametrize(
    "names",
    [
        ("1 euro", "2 euro", "5 cent"),
        ("1 star", "2 stars", "3 stars"),
        ("0 a", "1 a", "2 a"),
        ("label", "background", "3"),
        ("0", "1", "2"),
    ],
)
def test_names_that_look_alike_are_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_labels(listed(tmp_path, "\n".join(names).encode()), 3) == names


def test_a_class_without_a_line_has_its_index_for_a_name(tmp_path: Path) -> None:
    with pytest.warns(TinyedgeWarning, match="index of their class"):
        assert read_labels(listed(tmp_path, b"3 d\n0 a\n1 b\n"), 4) == ("a", "b", "2", "d")


def test_a_line_alone_does_not_name_millions_of_classes(tmp_path: Path) -> None:
    """They would take all memory: a file from a stranger may have as many outputs as it likes."""
    for outputs in (1 << 21, 10**10):
        with pytest.raises(DatasetError, match="names 1 class, the network has"):
            read_labels(listed(tmp_path, f"{outputs - 1} last\n".encode()), outputs)


@pytest.mark.real_data
def test_of_darknets_lists_the_first_thousand_are_imagenet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in Path(os.environ["TINYEDGE_CACHE"], "imagenet").glob("*.list"):
            lines = path.read_text().splitlines()
            assert len(lines) == 21842
            assert list(read_labels(path, 1000)) == [line.strip() for line in lines[:1000]]
            with pytest.raises(DatasetError, match="names 21842 classes, the network has 999"):
                read_labels(path, 999)


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
    with pytest.raises(DatasetError, match="names 0 classes, the network has 1 output: it needs"):
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
