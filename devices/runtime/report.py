"""What runs a model, and the model's answer to an image, for people and for programs."""

from pathlib import Path

from tinyedge.devices.runtime.classifier import Classification, Classifier
from tinyedge.images.stream import SourceImage
from tinyedge.text import counted, printable

__all__ = ["answer_lines", "as_json", "as_text", "running_on"]


def running_on(classifier: Classifier, shared: str | None = None) -> str:
    """The runtime with its version, the threads and, where there is one, the delegate.

    `shared` is how the work is shared where the classifier's threads do not do it.
    """
    through = "" if classifier.delegate is None else f", through {classifier.delegate}"
    return f"{classifier.runtime}, {shared or counted(classifier.threads, 'thread')}{through}"


def as_json(
    image: SourceImage, answer: Classification, saved: Path | None = None
) -> dict[str, object]:
    """The classes, the likeliest first; probabilities and milliseconds are never rounded.

    `saved` is where a copy with the answer on it is, if one was made.
    """
    content: dict[str, object] = {"schema": "tinyedge.run/1", "image": image.name}
    if image.time is not None:
        content["time"] = image.time
    content["predictions"] = [prediction._asdict() for prediction in answer]
    content["milliseconds"] = answer.milliseconds
    if saved is not None:
        content["saved"] = str(saved)
    return content


def as_text(image: SourceImage, answer: Classification, least: float | None = None) -> str:
    """A line for the image and below it one line per class, or that none reaches `least`."""
    time = "" if image.time is None else f"  {image.time}"
    name = f"{printable(image.name)}{time}  {answer.milliseconds:.1f} ms"
    return "\n".join([name, *(f"  {line}" for line in answer_lines(answer, least))])


def answer_lines(answer: Classification, least: float | None = None) -> list[str]:
    """One line per class, or where there is none one that says so."""
    if not answer and least is not None:
        return [f"no class reaches {least:g}"]
    return [f"{found.probability:.6f}  {printable(found.label)}" for found in answer]
