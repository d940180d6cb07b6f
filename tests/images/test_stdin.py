"""What comes on stdin is told by its first bytes, however few come at a time."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tinyedge.errors import DatasetError
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.stdin import read_stdin


class Slow(io.BytesIO):
    """A stream that gives a byte at a time."""

    def read1(self, size: int | None = -1, /) -> bytes:
        del size
        return super().read(1)


STREAMS = (io.BytesIO, Slow)


@pytest.mark.parametrize("stream", STREAMS)
# 10 is a line feed in a header, 2570 two of them.
@pytest.mark.parametrize("size", [(1, 1), (40, 50), (10, 10), (266, 2570)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("PPM", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"big_tiff": True}),
    ],
)
def test_an_image_is_one_of_any_format(
    kind: str, options: dict[str, Any], size: tuple[int, int], stream: type[io.BytesIO]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    for mode in ("RGB", "L", "1"):
        file = io.BytesIO()
        Image.fromarray(noise).convert(mode).save(file, kind, **options)
        found = read_stdin(stream(file.getvalue()))
        assert isinstance(found, EncodedImage), (mode, file.getvalue()[:40])
        assert found.content == file.getvalue()


@pytest.mark.parametrize(
    "header", [b"P2\n# by hand\n2 1\n# more\n9\n", b"P1 2 1\n", b"P6\t2\n1\n255\n"]
)
@pytest.mark.parametrize("stream", STREAMS)
def test_a_header_of_text_may_have_comments(header: bytes, stream: type[io.BytesIO]) -> None:
    assert isinstance(read_stdin(stream(header + b"0 1")), EncodedImage)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"a.jpg\nb c.jpg", ["a.jpg", "b c.jpg"]),
        (b"BMW.jpg\r\nx\n", ["BMW.jpg", "x"]),
        (b"BM\nRIFF\nII\n", ["BM", "RIFF", "II"]),
        (b"GIF89a.gif\nb\n", ["GIF89a.gif", "b"]),
        (b"P6\nP5\n", ["P6", "P5"]),
        (b"P5 12 cats.jpg\n", ["P5 12 cats.jpg"]),
        (b"a\0b\n\0\0c", ["a", "b\n", "c"]),
        (b"BM\0GIF89a\0", ["BM", "GIF89a"]),
        (b"\n\nx\xff.png\n", ["x\udcff.png"]),
        (b"", []),
    ],
)
def test_names_that_begin_as_images_do_are_names(
    text: bytes, names: list[str], stream: type[io.BytesIO]
) -> None:
    found = read_stdin(stream(text))
    assert not isinstance(found, EncodedImage)
    assert [str(path) for path in found] == names


def test_with_null_all_are_paths() -> None:
    found = read_stdin(io.BytesIO(b"\xff\xd8\xff\ny\0b"), null=True)
    assert not isinstance(found, EncodedImage)
    assert [os.fsencode(path) for path in found] == [b"\xff\xd8\xff\ny", b"b"]


@pytest.mark.parametrize("end", [b"\n", b"\0"])
@pytest.mark.parametrize("name", ["a.jpg", "BMW.jpg", "P6.ppm", "MM-1.tif"])
def test_a_path_is_given_before_the_next_one_comes(name: str, end: bytes) -> None:
    read, write = os.pipe()
    given: list[str] = []
    come = threading.Event()

    def take() -> None:
        with open(read, "rb") as stream:
            found = read_stdin(stream)
            assert not isinstance(found, EncodedImage)
            for path in found:
                given.append(str(path))
                come.set()

    thread = threading.Thread(target=take)
    thread.start()
    with open(write, "wb", buffering=0) as pipe:
        pipe.write(name.encode() + end)
        # Of those that might begin an image and end in NUL the second one tells.
        if end == b"\0" and name.startswith(("BM", "MM")):
            pipe.write(b"a-name-that-is-long-enough.jpg" + end)
        came = come.wait(60)
    thread.join()
    assert came
    assert given[0] == name


def test_what_has_no_line_is_refused_before_it_fills_memory() -> None:
    endless = read_stdin(io.BytesIO(b"x" * (3 << 20)))
    assert not isinstance(endless, EncodedImage)
    with pytest.raises(DatasetError, match="bytes without the end of a line: neither an image"):
        list(endless)


def test_an_image_has_a_most(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tinyedge.images.stdin.MOST_BYTES", 1000)
    Image.effect_noise((64, 64), 90).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as stream, pytest.raises(DatasetError, match="1,000 byte"):
        read_stdin(stream)
