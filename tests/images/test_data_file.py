"""Darknet's own data: .data files, and lists whose paths tell the class."""

from pathlib import Path

import pytest

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.images.find import read_labelled, read_unlabelled
from tinyedge.images.image_list import LabelledImage
from tinyedge.images.labels import read_labels

PATHS = [f"data/{number}_{name}.png" for number in range(2) for name in ("cat", "dog")]


@pytest.fixture
def darknet(tmp_path: Path) -> Path:
    """A folder as Darknet is started in, with what one trains from."""
    (tmp_path / "data").mkdir()
    for path in PATHS:
        (tmp_path / path).touch()
    (tmp_path / "cfg").mkdir()
    (tmp_path / "test.list").write_text("".join(f"{path}\n" for path in PATHS))
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "pets.data").write_text(
        "classes=2\n# trained\ntrain  = train.list\nvalid  = test.list\r\n"
        "labels = labels.txt\nbackup = backup\ntop=1\n"
    )
    return tmp_path


def classes_of(images: list[LabelledImage]) -> list[int]:
    return [image.index for image in images]


def test_the_class_is_a_part_of_the_path(darknet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From Darknet's folder, from any other, and by the .data file."""
    for folder, name in (
        (darknet, "test.list"),
        (darknet / "cfg", darknet / "test.list"),
        (darknet, "pets.data"),
        (darknet / "cfg", darknet / "pets.data"),
    ):
        monkeypatch.chdir(folder)
        images = read_labelled(Path(name), labels=["cat", "dog"], ids=None, classes=2)
        assert [image.path.resolve() for image in images] == [darknet / path for path in PATHS]
        assert classes_of(images) == [0, 1, 0, 1]
        assert [path.resolve() for path in read_unlabelled(Path(name))] == [
            darknet / path for path in PATHS
        ]


def test_a_list_in_a_folder_of_its_own_names_paths_from_darknets(
    darknet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (darknet / "test.list").rename(darknet / "cfg" / "test.list")
    (darknet / "pets.data").write_text("valid=cfg/test.list\nnames=labels.txt\n")
    monkeypatch.chdir("/")
    images = read_labelled(darknet / "pets.data", labels=None, ids=None, classes=2)
    assert classes_of(images) == [0, 1, 0, 1]


def test_ids_are_tried_before_labels(darknet: Path) -> None:
    """As ImageNet's paths hold the WordNet id."""
    images = read_labelled(
        darknet / "test.list", labels=["0_", "1_"], ids=["dog", "cat"], classes=2
    )
    assert classes_of(images) == [1, 0, 1, 0]


def test_the_files_own_labels_are_those_of_training(darknet: Path) -> None:
    """Not what predictions are named by, nor what the model has."""
    with (darknet / "pets.data").open("a") as stream:
        stream.write("names=shown.txt\n")
    (darknet / "shown.txt").write_text("Katze\nHund\n")
    images = read_labelled(darknet / "pets.data", labels=["dog", "cat"], ids=None, classes=2)
    assert classes_of(images) == [0, 1, 0, 1]
    assert read_labels(darknet / "pets.data", 2) == ("Katze", "Hund")


def test_of_one_output_a_path_without_the_name_is_the_other_class(darknet: Path) -> None:
    images = read_labelled(darknet / "test.list", labels=["dog"], ids=None, classes=1)
    assert classes_of(images) == [0, 1, 0, 1]
    images = read_labelled(darknet / "test.list", labels=["cat", "dog"], ids=None, classes=1)
    assert classes_of(images) == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["cat", "bird"], ":2: no label is a part of this path, which Darknet tells the class by"),
        (["cat", "at"], ":1: the labels 'cat', 'at' are all parts of this path"),
        (["cow", "bird"], ":1: no label; expected path<TAB>label or, as in Darknet, a path that"),
    ],
)
def test_a_path_of_no_class_or_of_several_is_an_error(
    darknet: Path, labels: list[str], says: str
) -> None:
    with pytest.raises(DatasetError) as refusal:
        read_labelled(darknet / "test.list", labels=labels, ids=None, classes=2)
    assert str(refusal.value).startswith(f"{darknet / 'test.list'}{says}")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("valid=gone.list\nlabels=labels.txt", ":1: valid='gone.list': there is no such file"),
        ("labels=labels.txt", " has no line valid="),
        ("valid=test.list", " has no line labels= or names="),
        ("valid=test.list\n\nlabels=gone", ":3: labels='gone': there is no such file, neither"),
        ("", ": no line names anything, as valid=test.list does"),
        ("a line\n=x\nvalid=", ": no line names anything, as valid=test.list does"),
        ("valid=test.list\nlabels=labels.txt\nclasses=0", ":3: classes='0' is no number of 1"),
    ],
)
def test_a_faulty_file_is_told_by_its_line(darknet: Path, content: str, says: str) -> None:
    path = darknet / "x.data"
    path.write_text(content)
    with pytest.raises(DatasetError) as refusal:
        read_labelled(path, labels=None, ids=None, classes=2)
    assert str(refusal.value).startswith(f"{path}{says}")


def test_another_networks_file_is_noted(darknet: Path) -> None:
    path = darknet / "x.data"
    path.write_text("names=labels.txt\nclasses=1000\n")
    with pytest.warns(TinyedgeWarning) as notes:
        read_labels(path, 2)
    assert [str(note.message) for note in notes] == [
        f"{path}:2: classes=1000, the network has 2 outputs: is this its .data file?"
    ]
