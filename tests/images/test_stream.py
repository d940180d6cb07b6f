"""Images that a command line names, one at a time."""

import io
from pathlib import Path

import pytest

from tinyedge.errors import DatasetError
from tinyedge.images.stream import NamedImages


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "in/b.png", "in/c.jpg"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_what_was_named_must_be_readable_and_the_rest_may_be_skipped() -> None:
    source = NamedImages(["in", "a.png", "-", "in/c.jpg"], io.BytesIO(b"a.png\n\nx\xff.png\r\n"))
    assert source.announcement is None
    found = [(image.name, image.content, image.when_unreadable, image.time) for image in source]
    # A file that was named must be readable wherever it comes from but on stdin.
    assert found == [
        ("in/b.png", Path("in/b.png"), "skip", None),
        ("in/c.jpg", Path("in/c.jpg"), "raise", None),
        ("a.png", Path("a.png"), "raise", None),
        ("a.png", Path("a.png"), "skip", None),
        ("x\udcff.png", Path("x\udcff.png"), "skip", None),
        ("in/c.jpg", Path("in/c.jpg"), "raise", None),
    ]


@pytest.mark.usefixtures("folder")
def test_names_are_looked_up_before_anything_is_read() -> None:
    with pytest.raises(DatasetError, match=r"none\.png: no such file or folder"):
        NamedImages(["-", "none.png"], io.BytesIO(b"a.png\n"))


@pytest.mark.parametrize("stdin", [None, io.BytesIO(b"\n\n")])
def test_no_name_at_all_is_an_error_at_the_end(stdin: io.BytesIO | None) -> None:
    with pytest.raises(DatasetError, match="stdin: no image, and no path of one"):
        list(NamedImages(["-"], stdin))
