"""Which files a folder, a pattern, a manifest or a tree of class folders stands for."""

import glob
import hashlib
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.files import file_sha256
from tinyedge.images.find import (
    evenly_spaced,
    find_images,
    read_images,
    read_labelled,
    read_named,
    read_unlabelled,
)
from tinyedge.images.image_list import LabelledImage
from tinyedge.images.load import read_pixels

LABELS = ["tench", "kit fox", "crane", "T-shirt/top", "crane", "7", "Kit_Fox"]
IDS = ["n01440764", "n02119789", "n02012849", "n04370456", "n03126707", "n7", "n8"]
EXPECTED = (
    "expected a label ('tench', 'kit fox', 'crane', 'T-shirt/top', 'crane', ...)"
    " or an id ('n01440764', 'n02119789', 'n02012849', 'n04370456', 'n03126707', ...)"
    " or an index from 0 to 6"
)


def touch(root: Path, *names: str) -> Path:
    """Make empty files under `root`: finding images opens none."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def below(root: Path, paths: Iterable[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def classes(root: Path, images: Iterable[LabelledImage]) -> dict[str, int]:
    return {image.path.relative_to(root).as_posix(): image.index for image in images}


def labelled(source: Path) -> list[LabelledImage]:
    return read_labelled(source, labels=LABELS, ids=IDS, classes=7)


# Folders.


def test_a_folder_is_searched_by_suffix_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPEG", "a/z.png", "a/deep/y.webp", "a-b/x.jpg", "c.Tiff", "d.pgm")
    touch(tmp_path, "notes.txt", "jpg", "photo.jpg.part")
    found = ["a-b/x.jpg", "a/deep/y.webp", "a/z.png", "b.JPEG", "c.Tiff", "d.pgm"]
    assert below(tmp_path, read_unlabelled(tmp_path)) == found
    assert below(tmp_path, find_images([str(tmp_path)])) == found


def test_hidden_files_and_folders_are_no_images(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "._a.jpg", ".trash/b.jpg", "__MACOSX/._a.jpg")
    assert below(tmp_path, read_unlabelled(tmp_path)) == ["a.jpg"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    photos = touch(tmp_path / "photos", "a.jpg", "sub/b.jpg")
    elsewhere = touch(tmp_path / "elsewhere", "c.jpg")
    (photos / "linked").symlink_to(elsewhere)
    (photos / "sub" / "up").symlink_to(photos)
    (photos / "sub" / "again").symlink_to(elsewhere)
    (elsewhere / "self").symlink_to(".")
    assert below(photos, read_unlabelled(photos)) == ["a.jpg", "linked/c.jpg", "sub/b.jpg"]


def test_a_dangling_link_is_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    assert below(tmp_path, read_unlabelled(tmp_path)) == ["gone.jpg"]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    message = (
        f"{tmp_path}: no image in this folder or below it"
        " (of .bmp .gif .jfif .jpe .jpeg .jpg .pgm .png .ppm .tif .tiff .webp)"
    )
    with pytest.raises(DatasetError) as caught:
        read_unlabelled(tmp_path)
    assert str(caught.value) == message
    with pytest.raises(DatasetError) as caught:
        find_images([str(tmp_path)])
    assert str(caught.value) == message


# Names and patterns.


def test_named_files_keep_their_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "odd.name", "more/c.png")
    named = [str(tmp_path / name) for name in ("odd.name", "b.jpg", "more", "a.jpg")]
    found = below(tmp_path, find_images(named))
    assert found == ["odd.name", "b.jpg", "more/c.png", "a.jpg"]


def test_patterns(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "notes.txt", "deep/er/c.jpg", "deep/d.png")
    assert below(tmp_path, find_images([f"{tmp_path}/*.jpg"])) == ["a.jpg", "b.jpg"]
    everything = ["a.jpg", "b.jpg", "deep/d.png", "deep/er/c.jpg"]
    assert below(tmp_path, find_images([f"{tmp_path}/*"])) == everything
    assert sorted(below(tmp_path, find_images([f"{tmp_path}/**"]))) == everything


def test_a_bracket_in_a_real_name_is_no_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "photo[1].jpg", "photo1.jpg", "set[a]/x.jpg", "seta/y.jpg")
    assert below(tmp_path, find_images([f"{tmp_path}/photo[1].jpg"])) == ["photo[1].jpg"]
    assert below(tmp_path, find_images([f"{tmp_path}/set[a]"])) == ["set[a]/x.jpg"]


def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    with pytest.raises(DatasetError) as caught:
        find_images([str(missing)])
    assert str(caught.value) == f"{missing}: no such file or folder"


def test_a_pattern_without_a_match(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(DatasetError) as caught:
        find_images([f"{tmp_path}/*"])
    assert str(caught.value) == f"{tmp_path}/*: no image matches this pattern"


def test_a_pattern_or_an_image_is_what_is_asked_for_everywhere(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "notes.txt")
    for given, found in ((tmp_path / "*.jpg", ["a.jpg", "b.jpg"]), (tmp_path / "b.jpg", ["b.jpg"])):
        assert below(tmp_path, read_unlabelled(given)) == found
        assert below(tmp_path, [image.path for image in read_named(given)]) == found
        images = read_images(given, labels=["a"], ids=None, classes=1)
        assert not any(isinstance(image, LabelledImage) for image in images)
        assert below(tmp_path, images) == found


# Manifests.


def manifest(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    return path


def test_a_manifest_is_read_relative_to_its_folder(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "sub/a b.jpg", "ü.png")
    outside = touch(tmp_path / "outside", "c.jpg") / "c.jpg"
    lines = f"# made by hand\r\n\r\nsub/a b.jpg\ttench\r\n  # more\nü.png\n\nb.jpg\t1\n{outside}"
    source = manifest(tmp_path, b"\xef\xbb\xbf" + lines.encode())
    found = below(tmp_path, read_unlabelled(source))
    assert found == ["sub/a b.jpg", "ü.png", "b.jpg", "outside/c.jpg"]


def test_a_labelled_manifest(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    source = manifest(tmp_path, b"b.jpg\tkit fox\na.jpg\tn02012849\nc.jpg\t4\nd.jpg\tT-shirt/top\n")
    assert classes(tmp_path, labelled(source)) == {"b.jpg": 1, "a.jpg": 2, "c.jpg": 4, "d.jpg": 3}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "a.jpg",
            "no label; expected path<TAB>label or, as in Darknet, a path that holds one of"
            " 'n01440764', 'n02119789', 'n02012849', 'n04370456', 'n03126707', ...",
        ),
        ("a.jpg  tench", "{folder}/a.jpg  tench: no such file"),
        ("a.jpg\t", "no label; expected path<TAB>label"),
        ("gone.jpg\ttench", "{folder}/gone.jpg: no such file"),
        ("a.jpg\tgoldfish", f"no class 'goldfish'; {EXPECTED}"),
        (
            "a.jpg\tcrane",
            "'crane' names 2 classes (2 = n02012849, 4 = n03126707); use ids or indices",
        ),
    ],
)
def test_a_manifests_error_names_its_line(tmp_path: Path, line: str, reason: str) -> None:
    touch(tmp_path, "a.jpg")
    source = manifest(tmp_path, f"# one\n\n{line}\n".encode())
    with pytest.raises(DatasetError) as caught:
        labelled(source)
    assert str(caught.value) == f"{source}:3: {reason.format(folder=tmp_path)}"


def test_an_empty_manifest(tmp_path: Path) -> None:
    source = manifest(tmp_path, b"# nothing yet\n\n")
    with pytest.raises(DatasetError) as caught:
        read_unlabelled(source)
    assert str(caught.value) == f"{source}: this manifest lists no image"


def test_neither_folder_nor_manifest(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(DatasetError) as caught:
        read_unlabelled(missing)
    assert str(caught.value) == f"{missing}: no such folder or manifest"
    photo = manifest(tmp_path, b"\xff\xd8\xff\xe0 a jpeg")
    with pytest.raises(DatasetError) as caught:
        labelled(photo)
    assert str(caught.value).startswith(
        f"{photo} is no UTF-8 text, as a manifest of path<TAB>label lines is: byte 0xff at 0"
    )


# Class folders.


def test_class_folders_named_by_label_id_or_index(tmp_path: Path) -> None:
    touch(tmp_path, "tench/a.jpg", "tench/deep/b.png", "n02012849/c.jpg", "004/d.jpg")
    touch(tmp_path, "T-Shirt_Top/e.jpg", "tench/notes.txt", ".cache/f.jpg", "crane/notes.txt")
    (tmp_path / "goldfish").mkdir()
    assert classes(tmp_path, labelled(tmp_path)) == {
        "004/d.jpg": 4,
        "T-Shirt_Top/e.jpg": 3,
        "n02012849/c.jpg": 2,
        "tench/a.jpg": 0,
        "tench/deep/b.png": 0,
    }


def test_labels_come_before_ids_and_ids_before_indices(tmp_path: Path) -> None:
    touch(tmp_path, "7/a.jpg", "3/b.jpg", "0/c.jpg", "N01440764/d.jpg", "kit fox/e.jpg")
    touch(tmp_path, "Kit_Fox/f.jpg")
    images = read_labelled(tmp_path, labels=LABELS, ids=[*IDS[:1], "x", "3", *IDS[3:]], classes=7)
    assert classes(tmp_path, images) == {
        "0/c.jpg": 0,
        "3/b.jpg": 2,
        "7/a.jpg": 5,
        "Kit_Fox/f.jpg": 6,
        "N01440764/d.jpg": 0,
        "kit fox/e.jpg": 1,
    }


def test_indices_serve_a_model_without_labels(tmp_path: Path) -> None:
    touch(tmp_path, "0/a.jpg", "1/b.jpg", "2/c.jpg")
    with pytest.raises(DatasetError) as caught:
        read_labelled(tmp_path, labels=None, ids=None, classes=2)
    assert str(caught.value) == (
        f"{tmp_path}: 1 of 3 folders name no class: '2'; expected an index from 0 to 1"
    )
    images = read_labelled(tmp_path, labels=None, ids=None, classes=3)
    assert [image.index for image in images] == [0, 1, 2]


def test_a_list_longer_than_the_model_is_cut(tmp_path: Path) -> None:
    touch(tmp_path, "crane/a.jpg")
    images = read_labelled(tmp_path, labels=LABELS, ids=IDS, classes=4)
    assert classes(tmp_path, images) == {"crane/a.jpg": 2}


def test_an_unknown_folder_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "goldfish/a.jpg", "shark/b.jpg", "tench/c.jpg", "7a/d.jpg", "٣/e.jpg")
    with pytest.raises(DatasetError) as caught:
        labelled(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: 4 of 5 folders name no class: '7a', 'goldfish', 'shark', '٣'; {EXPECTED}"
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [("crane", "2 = n02012849, 4 = n03126707"), ("KIT FOX", "1 = n02119789, 6 = n8")],
)
def test_a_label_of_two_classes_is_an_error(tmp_path: Path, name: str, found: str) -> None:
    touch(tmp_path, f"{name}/a.jpg")
    with pytest.raises(DatasetError) as caught:
        labelled(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / name}: {name!r} names 2 classes ({found}); use ids or indices"
    )


def test_no_image_in_any_class(tmp_path: Path) -> None:
    touch(tmp_path, "tench/notes.txt", "a.jpg", "b.jpg")
    with pytest.raises(DatasetError) as caught:
        labelled(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no image in a folder named after its class"
        f" (folders: 1, images beside them: 2); {EXPECTED}"
    )


def test_images_beside_the_class_folders_are_left_out_with_a_warning(tmp_path: Path) -> None:
    touch(tmp_path, "tench/a.jpg", "loose.jpg", "._loose.jpg", "notes.txt")
    with pytest.warns(TinyedgeWarning) as warned:
        images = labelled(tmp_path)
    assert classes(tmp_path, images) == {"tench/a.jpg": 0}
    assert [str(warning.message) for warning in warned] == [
        f"{tmp_path}: 1 of the images lie outside the class folders and are left out: 'loose.jpg'"
    ]


def test_a_link_to_the_root_does_not_file_all_under_one_class(tmp_path: Path) -> None:
    touch(tmp_path, "tench/a.jpg", "crane2/notes.txt", "kit fox/b.jpg")
    (tmp_path / "tench" / "up").symlink_to(tmp_path)
    assert classes(tmp_path, labelled(tmp_path)) == {"kit fox/b.jpg": 1, "tench/a.jpg": 0}


@pytest.mark.real_data
def test_the_validation_folders_are_read_by_id(imagenet: Path, cache: Path) -> None:
    lists = {
        name: (cache / "imagenet" / f"imagenet.{name}.list").read_text().splitlines()[:1000]
        for name in ("labels", "shortnames")
    }
    root = imagenet / "val"
    images = read_labelled(root, labels=lists["shortnames"], ids=lists["labels"], classes=1000)
    assert len(images) == sum(len(files) for _, _, files in os.walk(root))
    assert all(lists["labels"][image.index] == image.path.parent.name for image in images)


# Choosing, hashing.


@pytest.mark.parametrize(
    ("count", "chosen"),
    [
        (1, [0]),
        (2, [0, 9]),
        (3, [0, 4, 9]),
        (4, [0, 3, 6, 9]),
        (9, [0, 1, 2, 3, 4, 5, 6, 7, 9]),
        (10, list(range(10))),
        (99, list(range(10))),
    ],
)
def test_evenly_spaced(count: int, chosen: list[int]) -> None:
    paths = [Path(f"{i}.jpg") for i in range(10)]
    assert evenly_spaced(paths, count) == [paths[i] for i in chosen]


@pytest.mark.parametrize("count", [0, -3])
def test_no_image_cannot_be_chosen(count: int) -> None:
    with pytest.raises(DatasetError) as caught:
        evenly_spaced([Path("a.jpg")], count)
    assert str(caught.value) == f"{count} images cannot be chosen; at least 1 is needed"


def test_file_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"pixels" * 100_000)
    assert file_sha256(path) == hashlib.sha256(b"pixels" * 100_000).hexdigest()


# What strangers leave in folders.


def test_only_regular_files_are_images(tmp_path: Path) -> None:
    folder = touch(tmp_path / "photos", "a.jpg", "sub/b.jpg")
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(tmp_path / "outside")
    (folder / "linked.jpg").symlink_to(tmp_path / "outside")
    (folder / "null.png").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket.gif"))
        for source in (folder, f"{folder}/*", f"{folder}/**/*.*"):
            with pytest.warns(TinyedgeWarning, match=r"left out: \d called like photos"):
                found = find_images([str(source)])
            assert below(folder, found) == ["a.jpg", "sub/b.jpg"]


def test_a_class_folder_has_no_pipes(tmp_path: Path) -> None:
    root = touch(tmp_path, "tench/a.jpg", "@eaDir/a.jpg", "loose.heic")
    os.mkfifo(root / "tench" / "pipe.jpg")
    with pytest.warns(TinyedgeWarning, match="left out: 1 called like photos"):
        assert classes(root, labelled(root)) == {"tench/a.jpg": 0}


def test_thumbnails_and_what_was_deleted_are_no_images(tmp_path: Path) -> None:
    names = ("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", ".thumbnails/a.jpg", ".@__thumb/a.jpg")
    touch(tmp_path, "a.jpg", "sub/b.jpg", *names, "#recycle/c.jpg", "sub/@eaDir/b.jpg/x.jpg")
    expected = ["a.jpg", "sub/b.jpg"]
    assert below(tmp_path, find_images([str(tmp_path)])) == expected
    assert below(tmp_path, find_images([f"{tmp_path}/**/*.jpg"])) == expected
    # Unless they are asked for.
    named = find_images([str(tmp_path / "#recycle")])
    assert below(tmp_path, named) == ["#recycle/c.jpg"]


def test_photos_of_other_formats_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.HEIC", "sub/c.heic", "d.avif", "e.jfif", "f.NEF", "notes.txt")
    said = r"left out: 4 files of formats not read: \.heic 2, \.avif 1, \.nef 1$"
    for source in (str(tmp_path), f"{tmp_path}/**"):
        with pytest.warns(TinyedgeWarning, match=said):
            assert below(tmp_path, find_images([source])) == ["a.jpg", "e.jfif"]
    with pytest.raises(DatasetError, match=r"no image .*; left out: 1 file of .*: \.heic 1$"):
        find_images([str(tmp_path / "sub")])


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder with a photo 1,300 levels down: Python recurses less far, and 4,096 bytes, all
    that a path may have, end sooner.
    """
    folder = tmp_path / "top"
    folder.mkdir()
    at = os.open(folder, os.O_RDONLY)
    for _ in range(1300):
        os.mkdir("deep", dir_fd=at)
        inside = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inside
    Image.new("RGB", (3, 2)).save(tmp_path / "photo.png")
    photo = os.open("photo.png", os.O_WRONLY | os.O_CREAT, dir_fd=at)
    os.write(photo, (tmp_path / "photo.png").read_bytes())
    os.close(photo)
    os.close(at)
    yield folder
    # Python's own, by which pytest would do it, recurses.
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.parametrize("pattern", ["{}", pytest.param("{}/**/*.png", marks=pytest.mark.long)])
def test_folders_of_any_depth(deep: Path, pattern: str) -> None:
    (found,) = find_images([pattern.format(deep)])
    assert len(str(found)) > 6500
    assert read_pixels(found, 3).shape == (2, 3, 3)
    content = (deep.parent / "photo.png").read_bytes()
    assert file_sha256(found) == hashlib.sha256(content).hexdigest()


def test_a_pattern_over_loops_of_links_ends(tmp_path: Path) -> None:
    """Two links a folder: glob would follow 2 ** 40 ways."""
    touch(tmp_path, "a.jpg", "x/b.jpg", "y/c.jpg")
    for folder in (tmp_path, tmp_path / "x", tmp_path / "y"):
        (folder / "one").symlink_to(tmp_path)
        (folder / "two").symlink_to(tmp_path / "x")
    for pattern in ("**/*.jpg", "**", "**/**/*.jpg", "*/**/*.jpg"):
        found = find_images([f"{tmp_path}/{pattern}"])
        assert len(found) == len({path.resolve() for path in found}) or pattern == "*/**/*.jpg"
        assert {path.name for path in found} == {"a.jpg", "b.jpg", "c.jpg"}


PATTERNS = """
*.jpg * s*/* **/*.jpg ** sub/** **/* ?.jpg [ab].* **/d*/*.png sub/*.png none/*.jpg */*/*.png
./*.jpg ../{here}/*.jpg sub//*.png .h*/*
"""


@pytest.mark.parametrize("pattern", PATTERNS.split())
def test_a_pattern_matches_what_globs_does(
    tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against Python's glob where no link leads anywhere twice."""
    touch(tmp_path, "a.jpg", "b.jpg", ".c.jpg", "sub/d.png", "sub/deep/e.png", ".hidden/f.png")
    monkeypatch.chdir(tmp_path)
    pattern = pattern.format(here=tmp_path.name)
    matches = map(Path, glob.glob(pattern, recursive=True))
    expected: set[Path] = set()
    for match in matches:
        if match.is_dir():
            expected |= {
                path
                for path in match.rglob("*.*g")
                if not any(part[0] == "." for part in path.relative_to(match).parts)
            }
        elif not match.name.startswith("."):
            expected.add(match)
    try:
        assert set(find_images([pattern])) == expected
    except DatasetError:
        assert not expected
