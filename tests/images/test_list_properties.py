"""Of any names: a manifest and a list of labels are read as they were written."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyedge.errors import DatasetError
from tinyedge.images.find import read_labelled, read_unlabelled
from tinyedge.images.labels import ClassNames, read_labels

# No half of a surrogate pair, which UTF-8 has not; no line end, no tab, no blanks at the ends.
_TEXT = (
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\n\t/"), min_size=1)
    .filter(lambda text: text == text.strip())
    .filter(lambda text: "\r" not in text)
)
_FILES = _TEXT.filter(
    lambda name: name not in (".", "..") and not name.startswith("#") and len(name.encode()) < 200
)
# One label alone is that of a model of one output, which has two classes.
_LABELS = st.lists(_TEXT, min_size=2, max_size=8, unique=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists")


@given(
    st.lists(_FILES, min_size=1, max_size=5, unique=True),
    st.data(),
    st.booleans(),
    st.sampled_from(("\n", "\r\n")),
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_manifest_lists_what_was_written(
    folder: Path, names: list[str], data: st.DataObject, mark: bool, end: str
) -> None:
    labels = ("ash", "birch", "cedar")
    for name in names:
        (folder / name).touch()
    indices = [data.draw(st.integers(0, 2)) for _ in names]
    lines = ["# photos", ""]
    lines += [f"{name}\t{labels[index]}" for name, index in zip(names, indices, strict=True)]
    manifest = folder / "manifest of these.tsv"
    manifest.write_bytes((b"\xef\xbb\xbf" if mark else b"") + end.join(lines).encode())
    paths = [folder / name for name in names]
    assert read_unlabelled(manifest) == paths
    found = read_labelled(manifest, labels=labels, ids=None, classes=3)
    assert [(image.path, image.index) for image in found] == list(zip(paths, indices, strict=True))


@given(st.integers(0, 10**30))
def test_a_number_beyond_the_classes_is_no_class(index: int) -> None:
    found = ClassNames(None, None, 1000).find(str(index), "here")
    assert found == (index if index < 1000 else None)


@given(_LABELS)
def test_labels_are_read_as_written_and_each_finds_itself(folder: Path, labels: list[str]) -> None:
    path = folder / "labels of these.txt"
    path.write_bytes("\n".join(labels).encode())
    assert read_labels(path, len(labels)) == tuple(labels)
    names = ClassNames(labels, None, len(labels))
    # One name is that of class 1, which one output is the probability of.
    expected = [1] if len(labels) == 1 else list(range(len(labels)))
    assert [names.find(label, "here") for label in labels] == expected


@given(_LABELS, st.integers(1, 5))
def test_too_few_labels_are_refused(folder: Path, labels: list[str], more: int) -> None:
    path = folder / "labels of these.txt"
    path.write_bytes("\n".join(labels).encode())
    with pytest.raises(DatasetError, match=rf"names {len(labels)} classes"):
        read_labels(path, len(labels) + more)
