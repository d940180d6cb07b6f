"""Which images a journal takes for answered."""

from pathlib import Path

from tinyedge.images.resumed import resumed_images
from tinyedge.images.stream import NamedImages


def test_an_image_named_twice_is_answered_twice_however_many_are_taken_at_a_time(
    tmp_path: Path,
) -> None:
    photo, journal = tmp_path / "a.png", tmp_path / "journal"
    photo.write_bytes(b"a photo")
    names = [str(photo)] * 2
    with resumed_images(NamedImages(names, None), journal, {}, resume=False) as images:
        # As of workers: both are taken before the first is answered.
        for image in list(images):
            images.answered(image)
    with resumed_images(NamedImages(names, None), journal, {}, resume=True) as images:
        assert images.before == 2
        assert list(images) == []
