"""Thumbnails: whole, upright, small, whatever the image."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tinyedge.errors import ImageError
from tinyedge.images.thumbnail import LONGEST, MOST_BYTES, Thumbnail, thumbnail


def pixels(found: Thumbnail) -> NDArray[np.int_]:
    with Image.open(io.BytesIO(found.jpeg)) as image:
        assert image.size == (found.width, found.height)
        return np.asarray(image).astype(int)


def halves(width: int, height: int) -> Image.Image:
    """Red to the left, blue to the right."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image


def test_it_is_the_whole_image(tmp_path: Path) -> None:
    halves(800, 400).save(tmp_path / "a.png")
    found = pixels(thumbnail(tmp_path / "a.png"))
    assert found.shape == (LONGEST // 2, LONGEST, 3)
    assert np.abs(found[:, :70] - (255, 0, 0)).max() < 16
    assert np.abs(found[:, 90:] - (0, 0, 255)).max() < 16


def test_it_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the right side of what is stored is its bottom
    halves(300, 200).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = pixels(thumbnail(tmp_path / "a.jpg"))
    assert found.shape[0] > found.shape[1]
    assert np.abs(found[:60] - (255, 0, 0)).max() < 16
    assert np.abs(found[-60:] - (0, 0, 255)).max() < 16


def test_a_small_image_keeps_its_size(tmp_path: Path) -> None:
    halves(28, 20).save(tmp_path / "a.png")
    assert pixels(thumbnail(tmp_path / "a.png")).shape == (20, 28, 3)


@pytest.mark.parametrize("size", [(1, 1), (5000, 3), (3, 5000), (160, 160), (161, 159)])
def test_any_shape_is_small(tmp_path: Path, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    found = thumbnail(tmp_path / "a.png")
    assert max(found.width, found.height) <= LONGEST
    assert len(found.jpeg) <= MOST_BYTES
    pixels(found)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError):
        thumbnail(tmp_path / "a.jpg")
