"""What runs a model, and the model's answer to an image, for people and for programs."""

from tinyedge.devices.runtime.classifier import Classification, Classifier
from tinyedge.images.stream import SourceImage
from tinyedge.text import counted, printable

__all__ = ["as_json", "as_text", "running_on"]


def running_on(classifier: Classifier) -> str:
    """The runtime with its version, the threads and, where there is one, the delegate."""
    through = "" if classifier.delegate is None else f", through {classifier.delegate}"
    return f"{classifier.runtime}, {counted(classifier.threads, 'thread')}{through}"


def as_json(image: SourceImage, answer: Classification) -> dict[str, object]:
    """The classes, the likeliest first; probabilities and milliseconds are never rounded."""
    content: dict[str, object] = {"schema": "tinyedge.run/1", "image": image.name}
    if image.time is not None:
        content["time"] = image.time
    content["predictions"] = [prediction._asdict() for prediction in answer]
    content["milliseconds"] = answer.milliseconds
    return content


def as_text(image: SourceImage, answer: Classification) -> str:
    """A line for the image and below it one line per class."""
    time = "" if image.time is None else f"  {image.time}"
    lines = [f"{printable(image.name)}{time}  {answer.milliseconds:.1f} ms"]
    lines += [f"  {found.probability:.6f}  {printable(found.label)}" for found in answer]
    return "\n".join(lines)
