"""Target: images, of every format that is read."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.fuzz.mutators import mutate_image
from tests.fuzz.target import Target, written
from tinyedge.images.load import load_input
from tinyedge.images.spec import InputSpec

_ORIENTATION = 0x0112
_SPECS = (InputSpec(4, 5, 3, "crop"), InputSpec(5, 4, 1, "letterbox"))


def _read_image(content: bytes) -> None:
    path = written("fuzzed.image", content)
    for spec in _SPECS:
        found = load_input(path, spec)
        if found.shape != (spec.height, spec.width, spec.channels):
            raise AssertionError(f"the input has shape {found.shape}")
        if not 0 <= found.min() <= found.max() <= 1:
            raise AssertionError(f"pixels from {found.min()} to {found.max()}")


def _image_seeds() -> Iterator[bytes]:
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    colour = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[_ORIENTATION] = 6
    saved: tuple[tuple[Image.Image, str, dict[str, object]], ...] = (
        (colour, "JPEG", {"exif": turned}),
        (colour.resize((64, 64)), "JPEG", {"progressive": True, "quality": 10}),
        (colour.convert("CMYK"), "JPEG", {}),
        (colour.convert("L"), "JPEG", {}),
        (colour, "PNG", {"exif": turned}),
        (colour.convert("1"), "PNG", {}),
        (colour.convert("P"), "PNG", {"transparency": 0}),
        (colour.convert("RGBA"), "PNG", {}),
        (Image.fromarray(pixels[..., 0].astype(np.uint16) * 300), "PNG", {}),
        (colour, "BMP", {}),
        (colour.convert("P"), "BMP", {}),
        (colour.convert("P"), "GIF", {"save_all": True, "append_images": [colour.convert("P")]}),
        (colour, "WEBP", {"lossless": True}),
        (colour, "WEBP", {"exif": turned}),
        (colour.convert("RGBA"), "WEBP", {}),
        (colour, "TIFF", {"compression": "tiff_lzw"}),
        (colour, "TIFF", {"compression": "jpeg"}),
        (colour, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (colour.convert("1"), "TIFF", {"compression": "group4"}),
        (colour, "TIFF", {}),
        (Image.fromarray(pixels[..., 0].astype(np.float32)), "TIFF", {}),
        (colour, "PPM", {}),
        (colour.convert("1"), "PPM", {}),
    )
    for image, kind, options in saved:
        with io.BytesIO() as stream:
            image.save(stream, kind, **options)
            yield stream.getvalue()
    yield b"P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12\n"


TARGETS = (
    Target(
        name="images",
        read=_read_image,
        seeds=_image_seeds,
        words=(
            *("IHDR", "IDAT", "PLTE", "tRNS", "acTL", "fdAT", "eXIf", "iCCP", "zTXt", "GIF89a"),
            *("RIFF", "WEBP", "VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "II*\0", "MM\0*", "Exif\0\0"),
            *("JFIF", "Adobe", "MPF\0", b"\xff\xd8", b"\xff\xc2", b"\xff\xda", b"\xff\xff\xff\xff"),
        ),
        largest=2048,
        runs=200_000,
        # What takes more is refused by its header, and the rest is quick.
        memory=192 << 20,
        mutate=mutate_image,
    ),
)
