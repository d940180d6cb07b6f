"""The built-in model's images as an installed wheel has them: in an archive, unpacked once."""

import io
import zipfile
from pathlib import Path

import pytest

from tinyedge.errors import FetchError, TinyedgeWarning
from tinyedge.zoo import packaged
from tinyedge.zoo.packaged import ARCHIVE, PackagedImages, pack_images

CONTENTS = {
    "calibration/Bag/00000.png": b"one",
    "test/Bag/00018.png": b"two",
    "test/Shirt/00004.png": b"three",
}
TEST = PackagedImages("model", "test")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that holds a model's images as an archive."""
    sources = tmp_path / "sources"
    for name, content in CONTENTS.items():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_bytes(content)
    (sources / "model.cfg").write_text("[net]")
    folder = tmp_path / "package"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / ARCHIVE).write_bytes(pack_images(sources))
    monkeypatch.setattr(packaged, "_PACKAGE", folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TINYEDGE_CACHE", str(folder))
    return folder


def held(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_archive_holds_the_images_alone_in_equal_bytes(package: Path, tmp_path: Path) -> None:
    content = (package / "model" / ARCHIVE).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
    for path in sorted((tmp_path / "sources").rglob("*.png"), reverse=True):
        path.write_bytes(path.read_bytes())
    assert pack_images(tmp_path / "sources") == content


@pytest.mark.usefixtures("package")
def test_they_are_unpacked_once_into_the_cache(cache: Path) -> None:
    assert TEST.find() is None
    assert not cache.exists()
    place = TEST.unpack(keep=True)
    assert place.name == "test"
    assert place.parents[1] == cache / "model"
    assert held(place.parent) == CONTENTS
    assert [path.name for path in (cache / "model").iterdir()] == [place.parent.name]
    before = place.parent.stat().st_ino
    assert TEST.find() == TEST.unpack(keep=True) == place
    assert PackagedImages("model", "calibration").find() == place.parent / "calibration"
    assert place.parent.stat().st_ino == before


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("spoil", ["changed", "missing", "all"])
def test_they_are_checked_each_time(cache: Path, spoil: str) -> None:
    place = TEST.unpack(keep=True)
    image = place / "Bag" / "00018.png"
    if spoil == "changed":
        image.write_bytes(b"tw0")
    elif spoil == "missing":
        image.unlink()
    else:
        place.parent.rename(cache / "elsewhere")
        place.parent.write_bytes(b"")
    assert TEST.find() is None
    assert TEST.unpack(keep=True) == place
    assert held(place.parent) == CONTENTS


@pytest.mark.usefixtures("package")
def test_somebody_elses_file_among_them_is_neither_used_nor_lost(cache: Path) -> None:
    place = TEST.unpack(keep=True)
    (place / "Bag" / "mine.png").write_bytes(b"years of work")
    with pytest.raises(FetchError, match=r"Bag/mine\.png is none of tinyedge's images: move it"):
        TEST.unpack(keep=True)
    assert (place / "Bag" / "mine.png").read_bytes() == b"years of work"
    assert cache.is_dir()


@pytest.mark.usefixtures("package")
def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(FetchError, match=r"cannot be written .*: name another cache in TINYEDGE"):
        TEST.unpack(keep=True)
    with pytest.warns(TinyedgeWarning, match=r"cannot be written .* temporary folder"):
        place = TEST.unpack(keep=False)
    assert held(place.parent) == CONTENTS
    assert cache.read_text() == "a file"


def test_all_are_written_or_none(package: Path, cache: Path) -> None:
    with zipfile.ZipFile(package / "model" / ARCHIVE, "a") as archive:
        archive.writestr("test/Bag/00018.png/below.png", b"a file cannot be a folder")
    with pytest.raises(FetchError, match="cannot be written"):
        TEST.unpack(keep=True)
    assert list((cache / "model").iterdir()) == []


def test_a_damaged_archive_and_none(package: Path, cache: Path) -> None:
    path = package / "model" / ARCHIVE
    content = path.read_bytes()
    for damaged in (b"", content[:-30], content.replace(b"three", b"there")):
        path.write_bytes(damaged)
        with pytest.raises(FetchError, match=r"is damaged .*: install tinyedge-darknet again"):
            TEST.unpack(keep=False)
    path.unlink()
    with pytest.raises(FetchError, match="is left out on a board"):
        TEST.find()
    assert not cache.exists()


def test_a_checkout_has_them_as_files(package: Path, cache: Path) -> None:
    (package / "model" / "test").mkdir()
    assert TEST.find() == TEST.unpack(keep=True) == package / "model" / "test"
    assert not cache.exists()
