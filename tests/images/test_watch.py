"""When an image in a watched folder counts as written, and when it is one that is known."""

import os
import random
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.images.stream import SourceImage
from tinyedge.images.watch import FolderWatch, WatchedImages, watch_with_journal
from tinyedge.system import stop_request


def tick(folder: Path) -> None:
    """Let the clock go on by which the system says when a file was made: every few milliseconds."""
    times = set()
    while len(times) < 2:
        (folder / ".tick").touch()
        times.add((folder / ".tick").stat().st_mtime_ns)


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom permissions stop; only relative paths lead into a test's folder then."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


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
        tick(tmp_path)


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


class Life:
    """What users and their programs do to a folder, and what a watch then gives of it.

    Each photo is told by its size, which no other has.
    """

    def __init__(self, root: Path, seed: int, *, journal: bool) -> None:
        self.folder, self.elsewhere = root / "in", root / "elsewhere"
        for each in (self.folder, self.folder / "s", self.folder / "t", self.elsewhere):
            each.mkdir(parents=True)
        self.journal = root / "journal" if journal else None
        self.random = random.Random(seed)
        self.made = 0
        self.given: Counter[int] = Counter()

    def photos(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*.jpg") if path.is_file())

    def new(self) -> None:
        self.made += 1
        (self.folder / ".part").write_bytes(b"x" * self.made)
        self.at_a_name_of_its_own(self.folder / ".part")

    def at_a_name_of_its_own(self, photo: Path) -> None:
        """Have it take one of a few names; what is there goes on to the next, and so on."""
        photo.rename(self.folder / ".moved")
        place = self.random.choice([self.folder, self.folder / "s", self.folder / "t"])
        if not place.is_dir():
            place = self.folder
        numbers = [number for number in range(9) if (place / f"{number}.jpg").exists()]
        for number in reversed(numbers):
            (place / f"{number}.jpg").rename(place / f"{number + 1}.jpg")
        (self.folder / ".moved").rename(place / "0.jpg")
        (place / "9.jpg").unlink(missing_ok=True)

    def move(self) -> None:
        if photos := self.photos():
            self.at_a_name_of_its_own(self.random.choice(photos))

    def swap(self) -> None:
        if len(photos := self.photos()) > 1:
            one, other = self.random.sample(photos, 2)
            one.rename(self.folder / ".swap")
            other.rename(one)
            (self.folder / ".swap").rename(other)

    def away(self) -> None:
        if photos := self.photos():
            photo = self.random.choice(photos)
            photo.rename(self.elsewhere / f"{photo.stat().st_size}.jpg")

    def back(self) -> None:
        if there := sorted(self.elsewhere.glob("*.jpg")):
            self.at_a_name_of_its_own(self.random.choice(there))

    def all_back(self) -> None:
        if not (self.folder / "s").exists():
            self.folder_away_or_back()
        while list(self.elsewhere.glob("*.jpg")):
            self.back()

    def never_given(self) -> set[int]:
        """Of those that are there."""
        return {path.stat().st_size for path in self.photos()} - self.given.keys()

    def folder_away_or_back(self) -> None:
        inside, outside = self.folder / "s", self.elsewhere / "s"
        if inside.exists():
            inside.rename(outside)
        else:
            outside.rename(inside)

    def touch(self) -> None:
        if photos := self.photos():
            os.utime(self.random.choice(photos))

    @contextmanager
    def watch(self) -> Iterator[FolderWatch]:
        if self.journal is None:
            yield FolderWatch(self.folder, existing=True)
            return
        with watch_with_journal(
            self.folder, self.journal, existing=True, rewritten=False
        ) as opened:
            yield opened[0]
            for entry in self.entries:
                opened[1].append(entry)

    def lived(self, watch: FolderWatch, kinds: list[str], days: int) -> None:
        """Do one to three things, look twice or so, and answer; and so on."""
        self.entries = []
        for _ in range(days):
            for _ in range(self.random.randrange(1, 4)):
                getattr(self, self.random.choice(kinds))()
            for _ in range(self.random.randrange(1, 4)):
                self.look(watch)
        for _ in range(2):
            self.look(watch)

    def look(self, watch: FolderWatch) -> None:
        for path in watch.look():
            assert watch.is_as_given(path)
            self.given[path.stat().st_size] += 1
            entry = watch.answered(path)
            assert entry is not None
            self.entries.append(entry)


_KINDS = ["new", "new", "move", "swap", "away", "back", "folder_away_or_back"]


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_no_photo_is_answered_twice_wherever_it_goes(
    tmp_path: Path, seed: int, journal: bool
) -> None:
    life, runs = Life(tmp_path, seed, journal=journal), 4 if journal else 1
    for run in range(runs):
        with life.watch() as watch:
            life.lived(watch, [*_KINDS, "touch"], 15)
            if run == runs - 1:
                life.all_back()
                life.lived(watch, ["swap"], 3)
        # Between two runs, too.
        for kind in _KINDS if run < runs - 1 else ():
            getattr(life, kind)()
    assert not {size: times for size, times in life.given.items() if times > 1}
    assert not life.never_given()


@pytest.mark.parametrize("journal", [False, True])
def test_a_rotation_and_a_swap_make_none_new(tmp_path: Path, journal: bool) -> None:
    life = Life(tmp_path, 0, journal=journal)
    names = [life.folder / f"{number}.jpg" for number in range(1, 5)]
    with life.watch() as watch:
        life.entries = []
        for number in range(4):
            for before, after in zip(names[-2::-1], names[:0:-1], strict=True):
                if before.exists():
                    before.rename(after)
            (life.folder / ".new").write_bytes(b"x" * (number + 1))
            (life.folder / ".new").rename(names[0])
            for _ in range(3):
                life.look(watch)
        names[0].rename(tmp_path / "one")
        names[1].rename(names[0])
        (tmp_path / "one").rename(names[1])
        for _ in range(3):
            life.look(watch)
    assert life.given == {1: 1, 2: 1, 3: 1, 4: 1}
    if journal:
        with life.watch() as watch:
            assert watch.look() == watch.look() == []


@pytest.mark.parametrize("gone", ["s", "."])
def test_a_folder_that_is_away_for_a_while_comes_back_known(tmp_path: Path, gone: str) -> None:
    folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    (folder / "s").mkdir(parents=True)
    watch = FolderWatch(folder)
    for number in range(3):
        (folder / "s" / f"{number}.jpg").write_bytes(b"x")
    assert watch.look() == []
    assert [watch.answered(image) is not None for image in watch.look()] == [True] * 3
    place = (folder / gone).resolve()
    for _ in range(2):
        place.rename(elsewhere)
        # A mount that is taken away leaves its folder empty.
        place.mkdir()
        assert watch.look() == watch.look() == []
        place.rmdir()
        elsewhere.rename(place)
        assert watch.look() == watch.look() == []


def test_a_folder_that_cannot_be_listed_keeps_its_photos_known_and_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyedge.images.watch._LEAST_ABSENT", 0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    folder, inside = Path("in"), Path("in/s/deep")
    inside.mkdir(parents=True)
    (inside / "a.jpg").write_bytes(b"x")
    (inside / "b.jpg").write_bytes(b"xx")
    with unprivileged():
        watch = FolderWatch(folder)
        assert watch.look() == watch.look() == []
    for mode, what in ((0o000, "in/s"), (0o444, "in/s/deep"), (0o111, "in/s")):
        Path("in/s").chmod(mode)
        with (
            unprivileged(),
            pytest.warns(
                TinyedgeWarning, match=rf"^{what} cannot be looked into \(Permission denied\); what"
            ) as told,
        ):
            assert watch.look() == watch.look() == watch.look() == []
        assert len(told) == 1
        # One leaves it by a rename meanwhile, and is known where it is now.
        if mode == 0o111:
            (inside / "b.jpg").rename(folder / "moved.jpg")
            with unprivileged(), warnings.catch_warnings():
                assert watch.look() == watch.look() == []
        Path("in/s").chmod(0o755)
        with unprivileged():
            assert watch.look() == watch.look() == []


def test_those_that_went_are_forgotten_but_for_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyedge.images.watch._LEAST_ABSENT", 3)
    folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    for each in (folder, elsewhere):
        each.mkdir()
    watch = FolderWatch(folder)
    for number in range(8):
        image = folder / f"{number}.jpg"
        image.write_bytes(b"x" * (number + 1))
        assert [watch.look(), watch.look()] == [[], [image]]
        assert watch.answered(image) is not None
        image.rename(elsewhere / image.name)
    assert watch.look() == []
    assert [entry["image"] for entry in watch.entries()] == ["5.jpg", "6.jpg", "7.jpg"]
    for image in elsewhere.iterdir():
        image.rename(folder / image.name)
    watch.look()
    assert sorted(path.name for path in watch.look()) == [f"{number}.jpg" for number in range(5)]


@pytest.mark.parametrize("levels", [45, 200])
def test_a_photo_at_any_depth_is_given_and_known(tmp_path: Path, levels: int) -> None:
    """Longer than a path may be that the system is given at once (PATH_MAX, 4,096 bytes)."""
    folder = tmp_path / "in"
    folder.mkdir()
    watch = FolderWatch(folder)
    name = "d" * 100
    deepest = os.open(folder, os.O_RDONLY)
    for level in range(levels):
        os.mkdir(name, dir_fd=deepest)
        inside = os.open(name, os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = inside
        if level % 30 == 0:
            os.mkdir("beside", dir_fd=deepest)
            os.close(os.open("beside/b.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=deepest))
    with open(os.open("a.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=deepest), "wb") as stream:
        stream.write(b"x")
    image = folder.joinpath(*[name] * levels, "a.jpg")
    assert [watch.look(), watch.look()] == [[], [image]]
    assert watch.is_as_given(image)
    entry = watch.answered(image)
    assert entry is not None
    assert entry["born"] is not None
    os.rename("a.jpg", "b.jpg", src_dir_fd=deepest, dst_dir_fd=deepest)
    os.close(deepest)
    assert watch.look() == watch.look() == []


def given(watch: FolderWatch) -> list[str]:
    """The names of what several looks give; each is answered."""
    names = []
    for _ in range(3):
        for path in watch.look():
            assert watch.answered(path) is not None
            names.append(path.name)
    return names


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
        tick(tmp_path)
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
        monkeypatch.setattr("tinyedge.images.watch.birth", lambda *_: None)

    def test_another_inode_makes_no_new_image_of_one(self, tmp_path: Path) -> None:
        watch, image = FolderWatch(tmp_path), tmp_path / "a.jpg"
        image.write_bytes(b"x")
        assert [watch.look(), watch.look()] == [[], [image]]
        shutil.copy2(image, tmp_path / ".copy")
        (tmp_path / ".copy").rename(image)
        assert watch.look() == watch.look() == []

    def test_none_is_answered_twice_wherever_it_goes(self, tmp_path: Path) -> None:
        for seed in range(6):
            life = Life(tmp_path / str(seed), seed, journal=True)
            for _ in range(3):
                with life.watch() as watch:
                    life.lived(watch, _KINDS, 12)
                for kind in _KINDS:
                    getattr(life, kind)()
            assert not {size: times for size, times in life.given.items() if times > 1}

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
        monkeypatch.setattr("tinyedge.images.watch._LEAST_ABSENT", 0)
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
                assert kept.lines == len(journal.read_text().splitlines()) - 1 <= 11
        assert self.looks(folder, journal) == []


def test_what_is_no_folder_cannot_be_watched(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(DatasetError, match="no such folder to watch"):
            FolderWatch(path)
