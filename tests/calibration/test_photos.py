"""What is measured of a photo: against numbers worked by hand, and photos changed by Pillow."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from tinyedge.calibration.duplicates import ALIKE
from tinyedge.calibration.photos import FEATURES, fingerprint, look_at
from tinyedge.errors import ImageError
from tinyedge.files import file_sha256
from tinyedge.images.find import read_unlabelled


def features(folder: Path, pixels: NDArray[np.uint8], **saved: object) -> dict[str, float]:
    path = folder / "photo.png"
    Image.fromarray(pixels).save(path, **saved)  # type: ignore[arg-type]
    return dict(zip(FEATURES, look_at(path, None).features, strict=True))


def test_a_photo_of_one_colour(tmp_path: Path) -> None:
    found = features(tmp_path, np.full((40, 30, 3), (255, 51, 0), np.uint8))
    assert found["brightness"] == pytest.approx(0.299 + 0.587 * 0.2)
    assert found["contrast"] == pytest.approx(0, abs=1e-9)
    assert found["red-green"] == pytest.approx(0.8)
    assert found["yellow-blue"] == pytest.approx(0.6)
    # Nothing varies: 0.3 times the length of (0.8, 0.6).
    assert found["colourfulness"] == pytest.approx(0.3)


def test_halves_of_black_and_white(tmp_path: Path) -> None:
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[:, 128:] = 255
    found = features(tmp_path, pixels)
    assert found["brightness"] == pytest.approx(0.5)
    assert found["contrast"] == pytest.approx(0.5)
    assert found["colourfulness"] == pytest.approx(0, abs=1e-9)
    # Of 126 columns inside the thumbnail's border two have a Laplacian: 1 and -1.
    edges = np.sqrt(2 / 126)
    assert found["sharpness"] == pytest.approx(np.log((edges + 1 / 255) / (0.5 + 1 / 255)))


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3, 128), (129, 127), (1300, 1100)])
def test_the_thumbnail_is_a_mean_of_the_whole(tmp_path: Path, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    found = features(tmp_path, pixels)
    assert found["brightness"] == pytest.approx(
        float((pixels / 255 @ (0.299, 0.587, 0.114)).mean()), abs=0.02
    )


def test_a_photo_is_looked_at_upright(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    image = Image.fromarray(np.asarray(Image.fromarray(pixels).resize((600, 400))))
    image.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    upright, turned = (look_at(tmp_path / f"{name}.png", None) for name in ("upright", "turned"))
    assert turned.fingerprint == upright.fingerprint
    assert turned.features == pytest.approx(upright.features)
    assert turned.sha256 == file_sha256(tmp_path / "turned.png") != upright.sha256


def test_the_fingerprint_is_that_of_the_definition() -> None:
    luma = np.random.default_rng(1).random((32, 32))
    coefficients = [
        sum(
            luma[y, x]
            * np.cos(np.pi * (y + 0.5) * row / 32)
            * np.cos(np.pi * (x + 0.5) * column / 32)
            for y in range(32)
            for x in range(32)
        )
        for row in range(8)
        for column in range(8)
    ]
    middle = sorted(coefficients[1:])[31]
    bits = "0" + "".join("1" if each > middle else "0" for each in coefficients[1:])
    assert f"{fingerprint(luma):064b}" == bits
    assert bits.count("1") == 31


def test_photos_of_one_colour_have_one_fingerprint() -> None:
    assert {fingerprint(np.full((128, 128), grey)) for grey in (0.0, 0.31, 1.0)} == {0}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    for name in ("broken.jpg", "none.jpg"):
        with pytest.raises(ImageError, match=name):
            look_at(tmp_path / name, None)


def changed(image: Image.Image) -> dict[str, Image.Image]:
    return {
        "smaller": image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
        "square": image.resize((256, 256), Image.Resampling.BICUBIC),
        "darker": ImageEnhance.Brightness(image).enhance(0.7),
        "flatter": ImageEnhance.Contrast(image).enhance(0.7),
        "grey": image.convert("L"),
    }


@pytest.mark.real_data
def test_photos_that_were_saved_anew_are_alike_and_no_others(
    tmp_path: Path, imagenet: Path
) -> None:
    paths = read_unlabelled(imagenet / "calib")
    prints = np.array([look_at(path, None).fingerprint for path in paths], object)
    apart = [(a ^ b).bit_count() for i, a in enumerate(prints) for b in prints[:i]]
    assert min(apart) > ALIKE
    missed = 0
    for path, own in zip(paths[::10], prints[::10], strict=True):
        with Image.open(path) as image:
            others = changed(image.convert("RGB"))
        for other in others.values():
            stream = io.BytesIO()
            other.save(stream, "JPEG", quality=50)
            (tmp_path / "other.jpg").write_bytes(stream.getvalue())
            missed += (look_at(tmp_path / "other.jpg", None).fingerprint ^ own).bit_count() > ALIKE
    assert missed <= 0.05 * len(paths[::10]) * len(others)
