"""A model's answer to an image, for people and for programs."""

from tinyedge.devices.runtime.classifier import Classification
from tinyedge.files import displayed
from tinyedge.images.stream import SourceImage

__all__ = ["as_json", "as_text"]


def as_json(image: SourceImage, answer: Classification) -> dict[str, object]:
    """The classes, the likeliest first; probabilities and milliseconds are never rounded."""
    content: dict[str, object] = {"schema": "tinyedge.run/1", "image": image.name}
    if image.time is not None:
        content["time"] = image.time
    content["predictions"] = [prediction._asdict() for prediction in answer]
    content["milliseconds"] = answer.milliseconds
    return content


def as_text(image: SourceImage, answer: Classification) -> str:
    """A line of the image and below it a line a class."""
    time = "" if image.time is None else f"  {image.time}"
    lines = [f"{displayed(image.name)}{time}  {answer.milliseconds:.1f} ms"]
    lines += [f"  {found.probability:.6f}  {found.label}" for found in answer]
    return "\n".join(lines)
