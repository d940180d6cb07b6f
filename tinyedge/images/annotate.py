"""Copies of images with their answers drawn on them, in a folder of their own."""

import io
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tinyedge.files import bytes_sha256, check_writable, read_bytes, write_together
from tinyedge.images.encoded import MOST_BYTES, EncodedImage
from tinyedge.images.stream import STDIN, SourceImage
from tinyedge.images.thumbnail import upright
from tinyedge.images.walk import folders_below, is_passed_over
from tinyedge.text import printable

__all__ = ["AnnotatedCopies", "annotated", "is_read_from", "shown_in_ascii"]

# Of a copy's longer and shorter side, pixels: a larger image comes smaller, a smaller one larger.
_LONGEST, _SHORTEST = 1920, 240
_LEAST_TEXT, _TEXT_SHARE = 14, 24
_QUALITY = 90
_LONGEST_STEM = 60
_BACKGROUND, _INK = (0, 0, 0, 160), (255, 255, 255, 255)

Pixels = NDArray[np.uint8]


class AnnotatedCopies:
    """The folder that copies go to.

    A copy is called by its image's name and a hash of its path, its time and its content: two
    images never have one name, and the same one has the same again.
    """

    def __init__(self, folder: Path) -> None:
        """Copies go to `folder`, which is made where it is missing.

        Raises:
            OSError: nothing can be written there.
        """
        check_writable(folder)
        self.folder = folder

    def save(self, image: SourceImage, lines: Sequence[str]) -> Path:
        """Write a copy of the image with the lines drawn on it, whole or not at all; its path.

        Raises:
            ImageError: the image cannot be read any more.
            OSError: it cannot be written.
        """
        content = image.content
        if isinstance(content, Path):
            content = EncodedImage(read_bytes(content, limit=MOST_BYTES, what="an image"))
        raw = content.content if isinstance(content, EncodedImage) else content.tobytes()
        identity = f"{os.path.abspath(image.name)}\0{image.time or ''}\0".encode(
            "utf-8", "surrogateescape"
        )
        target = self.folder / f"{_stem(image.name)}-{bytes_sha256(identity + raw)[:16]}.jpg"
        stream = io.BytesIO()
        annotated(content, lines).save(stream, "JPEG", quality=_QUALITY)
        # `check_writable` has swept.
        write_together({target: stream.getvalue()}, swept=True)
        return target


def annotated(image: EncodedImage | Pixels, lines: Sequence[str]) -> Image.Image:
    """The image upright in RGB, at most 1920 pixels long, with the lines drawn at its top left.

    One of less than 240 pixels along its shorter side is shown larger, so that the lines can be
    read. Lines are drawn as `shown_in_ascii` has them, and cut where the image ends.

    Raises:
        ImageError: it cannot be read.
    """
    shown = _sized(
        upright(image, _LONGEST) if isinstance(image, EncodedImage) else Image.fromarray(image)
    )
    size = max(_LEAST_TEXT, min(shown.size) // _TEXT_SHARE)
    font = _font(size)
    margin, line_height = size // 2, round(1.3 * size)
    draw = ImageDraw.Draw(shown, "RGBA")
    most = shown.width - 2 * margin
    texts = [_cut(shown_in_ascii(line), draw, font, most) for line in lines]
    texts = texts[: max(1, (shown.height - margin) // line_height)]
    if texts:
        width = max(draw.textlength(text, font=font) for text in texts)
        corner = (width + 2 * margin, line_height * len(texts) + margin)
        draw.rectangle((0, 0, *corner), fill=_BACKGROUND)
    for number, text in enumerate(texts):
        draw.text((margin, margin // 2 + number * line_height), text, fill=_INK, font=font)
    return shown


def shown_in_ascii(text: str) -> str:
    r"""What Pillow's own font, which has no other letters, can draw of a stranger's text.

    Accents are left out, and what is no letter of ASCII then is escaped: ``e`` for ``é``,
    ``\u888b`` for ``袋``.
    """
    plain = "".join(
        each for each in unicodedata.normalize("NFKD", printable(text)) if not _is_accent(each)
    )
    return plain.encode("ascii", "backslashreplace").decode("ascii")


def is_read_from(folder: Path, source: Path) -> bool:
    """Whether images in `folder` would be found in `source`, by whatever links lead there.

    Raises:
        OSError: a folder cannot be read.
    """
    above: list[Path] = []
    place = Path(os.path.realpath(folder))
    for each in (place, *place.parents):
        above.append(each)
        # Behind a folder that no search enters nothing is found, but from inside.
        if is_passed_over(each.name):
            break
    return any(
        os.path.samestat(os.stat(inside), os.stat(each))
        for inside in folders_below(source)
        for each in above
        if each.exists()
    )


def _is_accent(character: str) -> bool:
    return unicodedata.combining(character) != 0


def _stem(name: str) -> str:
    """What a file may be called everywhere, of a stranger's name, without its suffix."""
    stem = "stdin" if name == STDIN else os.path.splitext(os.path.basename(name))[0]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", shown_in_ascii(stem)).lstrip("._-")
    return plain[:_LONGEST_STEM] or "image"


def _sized(image: Image.Image) -> Image.Image:
    longest, shortest = max(image.size), min(image.size)
    if longest > _LONGEST:
        scale, how = _LONGEST / longest, Image.Resampling.BOX
    else:
        # In whole steps, so that a pixel stays one.
        scale = max(1, min(-(-_SHORTEST // shortest), _LONGEST // longest))
        how = Image.Resampling.NEAREST
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.convert("RGB").resize((width, height), how)


def _font(size: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    try:
        return ImageFont.load_default(size)
    except (TypeError, ImportError):  # before Pillow 10.1, or without FreeType: of one size
        return ImageFont.load_default()


def _cut(
    text: str,
    draw: ImageDraw.ImageDraw,
    font: "ImageFont.FreeTypeFont | ImageFont.ImageFont",
    most: float,
) -> str:
    """As much of the text as is no wider than `most` pixels."""
    if draw.textlength(text, font=font) <= most:
        return text
    while text and draw.textlength(f"{text}...", font=font) > most:
        text = text[:-1]
    return f"{text}..."
