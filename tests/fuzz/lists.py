"""Targets: what lists classes or images."""

import functools
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.fuzz.target import Target, scratch, written
from tinyedge.errors import TinyedgeError
from tinyedge.images.find import find_images, read_labelled, read_unlabelled
from tinyedge.images.labels import ClassNames, read_labels
from tinyedge.images.stream import NamedImages

_CLASSES = 3
_LABELS = ("ash", "date palm", "crane")
_IDS = ("n01", "n02", "n03")


def _read_labels(content: bytes) -> None:
    path = written("labels.txt", content)
    names = read_labels(path, _CLASSES)
    if len(names) != _CLASSES or not all(names):
        raise AssertionError(f"{names} are no {_CLASSES} names")
    classes = ClassNames(names, _IDS, _CLASSES)
    classes.expected()
    for name in names:
        try:
            found = classes.find(name, str(path))
        except TinyedgeError:
            continue  # two classes of that name
        if found is None or names[found] != name:
            raise AssertionError(f"{name!r} does not find itself")


@functools.cache
def photo_folder() -> Path:
    """A folder of three small images."""
    folder = scratch() / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png", "däd.png"):
        Image.new("L", (2, 2)).save(folder / name)
    return folder


def _read_manifest(content: bytes) -> None:
    path = photo_folder() / "manifest.tsv"
    with open(path, "wb", buffering=0) as stream:
        stream.write(content)
    listed = read_unlabelled(path)
    labelled = read_labelled(path, labels=_LABELS, ids=_IDS, classes=_CLASSES)
    if [image.path for image in labelled] != listed:
        raise AssertionError("the labels change which images are listed")


def _read_names(content: bytes) -> None:
    """Paths that come on stdin; a line is also a name, as the command line may hold one."""
    for image in NamedImages(["-"], io.BytesIO(content)):
        str(image.name)
    name = content.partition(b"\n")[0].decode("utf-8", "surrogateescape")
    # Nothing outside the folder of photos: what is there is the machine's affair.
    if "\0" not in name and ".." not in name:
        find_images([f"{photo_folder()}/{name}"])


def _label_seeds() -> Iterator[bytes]:
    yield b"ash\nbirch\ncedar\n"
    yield "\ufeffash\r\ndate palm\r\nn\x85a\u2028me\r\nmore\r\n".encode()
    yield b"crane\ncrane\n0\n"
    yield b"ash\n\ncedar"
    yield b"\xff\xfe a\x00"
    yield b"1\n0\n" + b"7" * 5000


def _manifest_seeds() -> Iterator[bytes]:
    yield b"a.png\tash\nb.png\tdate_palm\n"
    yield "# photos\n\ndäd.png\tn03\na.png\t1\n".encode()
    yield b"a.png\n"
    yield b"\xef\xbb\xbfa.png\tcrane\r\n"
    yield b"a.png\t" + b"9" * 5000
    yield b"missing.png\tash\n"


def _name_seeds() -> Iterator[bytes]:
    yield b"a.png\nb.png\n"
    yield b"*.png\r\n**/*\n"
    yield "dä[d]?.png\n\n".encode()
    yield b"\xff\xfe\n"


TARGETS = (
    Target(name="labels", read=_read_labels, seeds=_label_seeds, words=("\n", "\r\n", "_", "/")),
    Target(
        name="manifest",
        read=_read_manifest,
        seeds=_manifest_seeds,
        words=("a.png", "\t", "ash", "n02", "\n", "#", "./", "../photos/", "date_palm"),
    ),
    Target(name="names", read=_read_names, seeds=_name_seeds, words=("**", "*", "[!a]", ".png")),
)
