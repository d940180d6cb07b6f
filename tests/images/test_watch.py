"""When an image in a watched folder counts as written."""

import contextlib
import os
import shutil
import warnings
from pathlib import Path

import pytest

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.images.stream import SourceImage
from tinyedge.images.watch import FolderWatch, WatchedImages, watch_with_journal
from tinyedge.system import stop_request


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
    assert given(watch) == ["a.jpg"]
    done.mkdir()
    image.rename(done / "a.jpg")
    assert watch.look() == watch.look() == watch.look() == []
    # The name is free for another.
    image.write_bytes(b"other")
    assert [watch.look(), watch.look()] == [[], [image]]


def given(watch: FolderWatch) -> list[str]:
    """The names of what several looks give; each is answered."""
    names = []
    for _ in range(3):
        for path in watch.look():
            assert watch.answered(path) is not None
            names.append(path.name)
    return names


def test_names_that_move_on_make_no_new_images(tmp_path: Path) -> None:
    """As of a camera that keeps the last few, the newest always as 1."""
    watch = FolderWatch(tmp_path)
    for number in range(5):
        for name in range(4, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                (tmp_path / f"{name}.jpg").rename(tmp_path / f"{name + 1}.jpg")
        (tmp_path / ".new").write_bytes(b"x" * (number + 1))
        (tmp_path / ".new").rename(tmp_path / "1.jpg")
        assert given(watch) == ["1.jpg"]


def test_two_that_exchange_their_names_are_no_new_ones(tmp_path: Path) -> None:
    watch, one, two = FolderWatch(tmp_path), tmp_path / "1.jpg", tmp_path / "2.jpg"
    one.write_bytes(b"x")
    two.write_bytes(b"xx")
    assert sorted(given(watch)) == ["1.jpg", "2.jpg"]
    one.rename(tmp_path / ".kept")
    two.rename(one)
    (tmp_path / ".kept").rename(two)
    assert given(watch) == []


def test_a_folder_that_was_away_brings_only_what_is_new(tmp_path: Path) -> None:
    below, elsewhere = tmp_path / "in" / "below", tmp_path / "elsewhere"
    below.mkdir(parents=True)
    watch = FolderWatch(tmp_path / "in")
    (below / "a.jpg").write_bytes(b"x")
    assert given(watch) == ["a.jpg"]
    below.rename(elsewhere)
    assert given(watch) == []
    (elsewhere / "b.jpg").write_bytes(b"x")
    elsewhere.rename(below)
    assert given(watch) == ["b.jpg"]


def test_of_those_that_went_the_last_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyedge.images.watch._MOST_AWAY", 2)
    folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    watch = FolderWatch(folder)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).write_bytes(b"x")
        assert given(watch) == [name]
        (folder / name).rename(elsewhere / name)
        assert given(watch) == []
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (elsewhere / name).rename(folder / name)
    assert given(watch) == ["a.jpg"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root looks into every folder")
def test_a_folder_that_may_not_be_looked_into_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir(mode=0)
    watch = FolderWatch(tmp_path)
    with pytest.warns(TinyedgeWarning, match=f"cannot look into {tmp_path}/below: Permission"):
        watch.look()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.look()


def test_a_folder_too_deep_is_told_once(tmp_path: Path) -> None:
    parent = os.open(tmp_path, os.O_RDONLY)
    for _ in range(45):
        os.mkdir("d" * 100, dir_fd=parent)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=parent)
        os.close(parent)
        parent = below
    os.close(parent)
    (tmp_path / "a.jpg").write_bytes(b"x")
    watch = FolderWatch(tmp_path, existing=True)
    with pytest.warns(TinyedgeWarning, match=r"cannot look into '.*: File name too long") as notes:
        assert watch.look() == []
    assert len(notes) == 1
    assert watch.look() == [tmp_path / "a.jpg"]


def test_links_that_go_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "up").symlink_to(tmp_path)
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "none")
    (tmp_path / "below" / "a.jpg").write_bytes(b"x")
    watch = FolderWatch(tmp_path, existing=True)
    assert [watch.look(), watch.look()] == [[], [tmp_path / "below" / "a.jpg"]]


def test_one_made_anew_between_two_looks_is_new_although_it_has_the_same_inode(
    tmp_path: Path,
) -> None:
    watch, image = FolderWatch(tmp_path), tmp_path / "snapshot.bmp"
    inodes = []
    for _ in range(5):
        image.unlink(missing_ok=True)
        # Of equal sizes, as uncompressed images are.
        image.write_bytes(b"x" * 10)
        inodes.append(image.stat().st_ino)
        assert [watch.look(), watch.look()] == [[], [image]]
    assert len(set(inodes)) <= len(inodes)


@pytest.mark.parametrize("linked", ["os.symlink", "os.link"])
def test_a_link_to_the_newest_is_that_one(tmp_path: Path, linked: str) -> None:
    link = {"os.symlink": os.symlink, "os.link": os.link}[linked]
    watch, latest, below = FolderWatch(tmp_path), tmp_path / "latest.jpg", tmp_path / "below"
    below.mkdir()
    for number in range(3):
        image = below / f"img_{number}.jpg"
        image.write_bytes(b"x" * (number + 1))
        link(image, tmp_path / ".new")
        (tmp_path / ".new").rename(latest)
        looks = [watch.look() for _ in range(4)]
        names = [path for look in looks for path in look]
        assert len(names) == 1
        assert names[0].resolve() in (image, latest)


def test_a_link_to_an_image_elsewhere_is_new_whenever_it_points_to_another(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "watched", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    watch = FolderWatch(folder)
    for number in range(3):
        (elsewhere / f"{number}.jpg").write_bytes(b"x")
        for name in ("latest.jpg", "again.jpg"):
            (folder / ".new").symlink_to(elsewhere / f"{number}.jpg")
            (folder / ".new").rename(folder / name)
        # Two links to it are one image.
        assert [watch.look(), watch.look(), watch.look()] == [[], [folder / "again.jpg"], []]


def test_a_link_to_a_hidden_image_is_its_name(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    (tmp_path / ".current.jpg").write_bytes(b"x")
    (tmp_path / "current.jpg").symlink_to(".current.jpg")
    assert [watch.look(), watch.look()] == [[], [tmp_path / "current.jpg"]]


@pytest.mark.parametrize("rewritten", [False, True])
def test_one_rewritten_where_it_stands_is_new_if_asked(tmp_path: Path, rewritten: bool) -> None:
    watch, image = FolderWatch(tmp_path, rewritten=rewritten), tmp_path / "a.jpg"
    image.write_bytes(b"one")
    assert [watch.look(), watch.look()] == [[], [image]]
    for content in (b"two", b"three"):
        image.write_bytes(content)
        assert [watch.look(), watch.look(), watch.look()] == [[], [image] * rewritten, []]
    # Who may read it is not what it shows.
    image.chmod(0o600)
    assert watch.look() == watch.look() == []


def test_one_that_changed_before_its_turn_comes_again_when_it_is_whole(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    first, second = tmp_path / "a.jpg", tmp_path / "b.jpg"
    for image in (first, second):
        image.write_bytes(b"x")
    assert [watch.look(), watch.look()] == [[], [first, second]]
    assert watch.is_as_given(first)
    second.write_bytes(b"half")
    assert not watch.is_as_given(second)
    assert [watch.look(), watch.look(), watch.look()] == [[], [second], []]


class TestWithoutTimesOfBirth:
    """As on FUSE, which cannot be had here: only the system's answer is another."""

    @pytest.fixture(autouse=True)
    def _nobody_knows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tinyedge.images.watch._born", lambda _: None)

    def test_another_inode_makes_no_new_image_of_one(self, tmp_path: Path) -> None:
        watch, image = FolderWatch(tmp_path), tmp_path / "a.jpg"
        image.write_bytes(b"x")
        assert [watch.look(), watch.look()] == [[], [image]]
        shutil.copy2(image, tmp_path / ".copy")
        (tmp_path / ".copy").rename(image)
        assert watch.look() == watch.look() == []

    def test_a_touch_makes_none_and_another_size_does(self, tmp_path: Path) -> None:
        watch, image = FolderWatch(tmp_path), tmp_path / "a.jpg"
        image.write_bytes(b"x")
        assert [watch.look(), watch.look()] == [[], [image]]
        os.utime(image, (1, 1))
        assert watch.look() == watch.look() == []
        image.write_bytes(b"other")
        assert [watch.look(), watch.look()] == [[], [image]]


class TestJournal:
    """A watch that ends, and one that goes on."""

    @staticmethod
    def looks(
        folder: Path, journal: Path, *, existing: bool = False, answer: int = 99
    ) -> list[str]:
        """What a watch gives that looks twice and ends after so many answers."""
        with watch_with_journal(folder, journal, existing=existing, rewritten=False) as opened:
            watch, kept = opened
            assert watch.look() == []
            given = watch.look()[:answer]
            for path in given:
                entry = watch.answered(path)
                assert entry is not None
                kept.append(entry)
        return [str(path.relative_to(folder)) for path in given]

    def test_what_came_meanwhile_is_given_and_what_was_answered_is_not(
        self, tmp_path: Path
    ) -> None:
        folder, journal = tmp_path / "in", tmp_path / "journal"
        (folder / "below").mkdir(parents=True)
        (folder / "old.jpg").write_bytes(b"x")
        assert self.looks(folder, journal) == []
        for name in ("a.jpg", "b.jpg", "below/c.jpg"):
            (folder / name).write_bytes(b"x")
        # It ends before it has answered the third.
        assert self.looks(folder, journal, answer=2) == ["a.jpg", "b.jpg"]
        assert self.looks(folder, journal, existing=True) == ["below/c.jpg"]
        assert self.looks(folder, journal) == []
        # Meanwhile: touched, rewritten, moved; replaced, made anew; new.
        os.utime(folder / "old.jpg")
        (folder / "a.jpg").write_bytes(b"rewritten")
        (folder / "below" / "c.jpg").rename(folder / "moved.jpg")
        (folder / "b.jpg").unlink()
        (folder / "b.jpg").write_bytes(b"x")
        (folder / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
        assert self.looks(folder, journal) == ["b.jpg", os.fsdecode(b"\xff.jpg")]
        assert self.looks(folder, journal) == []

    def test_names_that_are_used_again_bring_nothing_twice(self, tmp_path: Path) -> None:
        """Each is moved away after its answer, as an archive does; then the watch ends."""
        folder, journal = tmp_path / "in", tmp_path / "journal"
        (folder / "done").mkdir(parents=True)
        assert self.looks(folder, journal) == []
        for number in range(3):
            (folder / "snap.jpg").write_bytes(b"x" * (number + 1))
            assert self.looks(folder, journal) == ["snap.jpg"]
            (folder / "snap.jpg").rename(folder / "done" / f"{number}.jpg")
        assert self.looks(folder, journal) == []

    def test_a_folder_that_is_empty_at_its_start_forgets_nothing(self, tmp_path: Path) -> None:
        """As one is whose file system is not mounted yet."""
        folder, journal = tmp_path / "in", tmp_path / "journal"
        folder.mkdir()
        assert self.looks(folder, journal) == []
        (folder / "a.jpg").write_bytes(b"x")
        assert self.looks(folder, journal) == ["a.jpg"]
        (folder / "a.jpg").rename(tmp_path / "a.jpg")
        with watch_with_journal(folder, journal, existing=False, rewritten=False) as opened:
            watch, kept = opened
            assert given(watch) == []
            kept.rewrite(watch.entries())
        (tmp_path / "a.jpg").rename(folder / "a.jpg")
        (folder / "b.jpg").write_bytes(b"x")
        assert self.looks(folder, journal) == ["b.jpg"]

    def test_those_there_at_its_beginning_are_given_if_asked(self, tmp_path: Path) -> None:
        folder, journal = tmp_path / "in", tmp_path / "journal"
        folder.mkdir()
        (folder / "old.jpg").write_bytes(b"x")
        assert self.looks(folder, journal, existing=True) == ["old.jpg"]
        assert self.looks(folder, journal, existing=True) == []

    def test_it_is_of_its_folder_alone_by_whatever_name(self, tmp_path: Path) -> None:
        folder, journal = tmp_path / "in", tmp_path / "journal"
        folder.mkdir()
        (tmp_path / "link").symlink_to(folder)
        assert self.looks(folder, journal) == self.looks(tmp_path / "link", journal) == []
        with pytest.raises(DatasetError, match=f"is the journal of {folder}, not of {tmp_path}:"):
            self.looks(tmp_path, journal)

    def test_it_does_not_grow_without_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tinyedge.images.watch._SPARE_LINES", 3)
        monkeypatch.setattr("tinyedge.images.watch._MOST_AWAY", 0)
        folder, journal = tmp_path / "in", tmp_path / "journal"
        folder.mkdir()
        images = [folder / f"{number}.jpg" for number in range(20)]
        with (
            stop_request() as stop,
            watch_with_journal(folder, journal, existing=False, rewritten=False) as (watch, kept),
        ):
            source = WatchedImages(watch, stop, 0.1, kept)
            for number, image in enumerate(images):
                if number > 1:
                    images[number - 2].unlink()
                image.write_bytes(b"x")
                assert [watch.look(), watch.look()] == [[], [image]]
                source.answered(SourceImage(str(image), image))
                assert kept.lines == len(journal.read_text().splitlines()) - 1 <= 7
        assert self.looks(folder, journal) == []


def test_what_is_no_folder_cannot_be_watched(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(DatasetError, match="no such folder to watch"):
            FolderWatch(path)
