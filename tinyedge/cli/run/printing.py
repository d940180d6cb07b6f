"""What ``tinyedge run`` prints of each picture: text for people, or a JSON object a line."""

import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classifier, Prediction

__all__ = ["AnswerPrinter", "announce"]


def announce(classifier: "Classifier") -> None:
    """Say on stderr what runs the model."""
    runtime, threads = classifier.runtime, classifier.threads
    plural = "" if threads == 1 else "s"
    through = "" if classifier.delegate is None else f", through {classifier.delegate}"
    click.echo(f"{runtime.name} {runtime.version}, {threads} thread{plural}{through}", err=True)


class AnswerPrinter:
    """Prints what a classifier answers, each answer in one write, flushed.

    Attributes:
        classifier: the one that answers.
    """

    def __init__(self, classifier: "Classifier", *, top: int, as_json: bool) -> None:
        self.classifier = classifier
        self._top = top
        self._as_json = as_json

    def answer(self, image: Path | str, inputs: Any, **more: str) -> None:
        """Run one input and print its answer; `more` is said of the picture beside its name."""
        start = perf_counter()
        logits = self.classifier.logits(inputs)
        milliseconds = 1000 * (perf_counter() - start)
        predictions = self.classifier.ranked(logits, self._top)
        if self._as_json:
            found = [prediction._asdict() for prediction in predictions]
            picture = {"image": str(image), **more}
            click.echo(json.dumps({**picture, "predictions": found, "milliseconds": milliseconds}))
        else:
            title = "  ".join([click.format_filename(image), *more.values()])
            click.echo(_text(title, predictions, milliseconds))


def _text(title: str, predictions: list["Prediction"], milliseconds: float) -> str:
    lines = [f"{title}  {milliseconds:.1f} ms"]
    lines += [f"  {found.probability:.6f}  {found.label}" for found in predictions]
    return "\n".join(lines)
