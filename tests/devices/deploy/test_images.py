"""Labelled images packed for a board: classes are named there as here."""

import io
import tarfile
from pathlib import Path

import pytest

from tests.support.linear_model import write_image
from tinyedge.devices.deploy.images import pack_images
from tinyedge.images.find import read_labelled
from tinyedge.images.image_list import LabelledImage


@pytest.mark.parametrize(
    ("labels", "outputs"),
    [
        (None, 1),
        (("dog",), 1),
        (("cat", "dog"), 1),
        (("1", "0"), 1),  # each the other's index
        (("1", "0"), 2),
    ],
)
def test_classes_come_back(labels: tuple[str, ...] | None, outputs: int, tmp_path: Path) -> None:
    images = [
        LabelledImage(write_image(tmp_path / f"{number}.png", number), number % 2)
        for number in range(4)
    ]
    packed = pack_images(images, labels=labels, ids=None, classes=outputs)
    with tarfile.open(fileobj=io.BytesIO(packed.archive)) as archive:
        archive.extractall(tmp_path / "board", filter="data")
    found = read_labelled(tmp_path / "board", labels=labels, ids=None, classes=outputs)
    assert sorted((image.path.read_bytes(), image.index) for image in found) == sorted(
        (image.path.read_bytes(), image.index) for image in images
    )
