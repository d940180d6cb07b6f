"""When an image in a watched folder counts as written."""

from pathlib import Path

import pytest

from tinyedge.errors import DatasetError
from tinyedge.images.watch import FolderWatch


def test_an_image_is_given_when_two_looks_see_the_same(tmp_path: Path) -> None:
    watch, image = FolderWatch(tmp_path), tmp_path / "a.jpg"
    assert watch.look() == []
    image.touch()
    # Empty for however long: nothing has been written yet.
    assert watch.look() == watch.look() == watch.look() == []
    for size in (1, 2, 3):
        image.write_bytes(b"x" * size)
        assert watch.look() == []
    assert watch.look() == [image]
    assert watch.look() == []


@pytest.mark.parametrize("folder", [".", "below", "below/..", "./below/../below"])
def test_one_that_could_not_be_read_comes_again_once_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    watch, image = FolderWatch(Path(folder)), Path(folder, "a.jpg")
    image.write_bytes(b"half")
    assert [watch.look(), watch.look()] == [[], [image]]
    watch.look_again(image)
    assert watch.look() == watch.look() == watch.look() == []
    image.write_bytes(b"whole photo")
    assert [watch.look(), watch.look(), watch.look()] == [[], [image], []]


def test_one_that_could_not_be_read_may_be_allowed_to_be(tmp_path: Path) -> None:
    watch, image = FolderWatch(tmp_path), tmp_path / "a.jpg"
    image.write_bytes(b"x")
    image.chmod(0o200)
    assert [watch.look(), watch.look()] == [[], [image]]
    watch.look_again(image)
    image.chmod(0o600)
    assert [watch.look(), watch.look()] == [[], [image]]


def test_one_that_went_before_it_could_be_read_is_forgotten(tmp_path: Path) -> None:
    watch, image = FolderWatch(tmp_path), tmp_path / "a.jpg"
    image.write_bytes(b"half")
    assert [watch.look(), watch.look()] == [[], [image]]
    image.unlink()
    assert watch.look() == []
    watch.look_again(image)
    image.write_bytes(b"half")
    assert [watch.look(), watch.look()] == [[], [image]]


def test_an_image_that_went_may_come_back(tmp_path: Path) -> None:
    watch, image = FolderWatch(tmp_path), tmp_path / "a.jpg"
    for _ in range(2):
        image.write_bytes(b"x")
        assert [watch.look(), watch.look()] == [[], [image]]
        image.unlink()
        assert watch.look() == []


def test_an_image_that_is_moved_within_the_folder_is_no_new_one(tmp_path: Path) -> None:
    watch, image, done = FolderWatch(tmp_path), tmp_path / "a.jpg", tmp_path / "done"
    image.write_bytes(b"x")
    assert [watch.look(), watch.look()] == [[], [image]]
    done.mkdir()
    image.rename(done / "a.jpg")
    assert watch.look() == watch.look() == watch.look() == []
    # The name is free for another.
    image.write_bytes(b"other")
    assert [watch.look(), watch.look()] == [[], [image]]


def test_links_that_go_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "up").symlink_to(tmp_path)
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "none")
    (tmp_path / "below" / "a.jpg").write_bytes(b"x")
    watch = FolderWatch(tmp_path, existing=True)
    assert [watch.look(), watch.look()] == [[], [tmp_path / "below" / "a.jpg"]]


def test_what_is_no_folder_cannot_be_watched(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(DatasetError, match="no such folder to watch"):
            FolderWatch(path)
