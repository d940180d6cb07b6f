"""What ``tinyedge run`` prints of each image: text for people, or a JSON object a line."""

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classification, Classifier
    from tinyedge.images.stream import SourceImage

__all__ = ["SCHEMA", "announced", "answer_json", "answer_text"]

SCHEMA = "tinyedge.run/1"


def announced(classifier: "Classifier") -> str:
    """What runs the model, in a line."""
    runtime, threads = classifier.runtime, classifier.threads
    plural = "" if threads == 1 else "s"
    through = "" if classifier.delegate is None else f", through {classifier.delegate}"
    return f"{runtime.name} {runtime.version}, {threads} thread{plural}{through}"


def answer_json(image: "SourceImage", answer: "Classification") -> str:
    """One line; probabilities and milliseconds are never rounded."""
    content: dict[str, object] = {"schema": SCHEMA, "image": image.name}
    if image.time is not None:
        content["time"] = image.time
    content["predictions"] = [prediction._asdict() for prediction in answer]
    content["milliseconds"] = answer.milliseconds
    return json.dumps(content)


def answer_text(image: "SourceImage", answer: "Classification") -> str:
    """A line of the image and below it a line a class, without the last line's end."""
    time = "" if image.time is None else f"  {image.time}"
    lines = [f"{click.format_filename(image.name)}{time}  {answer.milliseconds:.1f} ms"]
    lines += [f"  {found.probability:.6f}  {found.label}" for found in answer]
    return "\n".join(lines)
