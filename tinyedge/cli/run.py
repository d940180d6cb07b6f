"""``tinyedge run``."""

import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from tinyedge.cli.parameters import (
    PATH,
    device_option,
    fit_option,
    json_option,
    running_profile,
    threads_option,
)
from tinyedge.errors import DatasetError, ImageError

if TYPE_CHECKING:
    from tinyedge.devices.runtime import Classifier, Prediction


@click.command()
@click.argument("model", type=PATH)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@device_option
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, help="Classes to print."
)
@threads_option
@fit_option
@click.option("--labels", type=PATH, help="Class names, one a line; overrides the card's.")
@json_option
def command(
    *,
    model: Path,
    images: tuple[str, ...],
    device: str,
    top: int,
    threads: int | None,
    fit: str | None,
    labels: Path | None,
    as_json: bool,
) -> None:
    """Classify photos with a .tflite file.

    MODEL is a file that tinyedge exported; any other image classifier needs --fit and --labels.
    IMAGE is a photo, a folder (searched recursively) or a pattern such as 'photos/*.jpg'.
    With --json, one JSON object a line for each photo.
    """
    from tinyedge.dataset import find_images
    from tinyedge.devices.runtime import Classifier

    profile = running_profile(device)
    paths = find_images(images)
    classifier = Classifier(
        model,
        threads=threads or profile.usable_threads(),
        runtimes=profile.runtimes,
        fit=fit,
        labels=labels,
    )
    runtime = classifier.runtime
    plural = "" if classifier.threads == 1 else "s"
    click.echo(f"{runtime.name} {runtime.version}, {classifier.threads} thread{plural}", err=True)
    named = {Path(image) for image in images}
    answered = False
    for path, predictions, milliseconds in _answers(classifier, paths, named, top):
        answered = True
        show = _json if as_json else _text
        click.echo(show(path, predictions, milliseconds))
    if not answered:
        raise DatasetError(f"none of the {len(paths)} images can be read")


def _answers(
    classifier: "Classifier", paths: list[Path], named: set[Path], top: int
) -> Iterator[tuple[Path, list["Prediction"], float]]:
    """Each photo's path, likeliest classes and inference time; a bad photo is an error if named."""
    for path in paths:
        try:
            inputs = classifier.preprocess(path)
        except ImageError as error:
            if path in named:
                raise
            click.echo(f"skipped: {error}", err=True)
            continue
        start = perf_counter()
        logits = classifier.logits(inputs)
        milliseconds = 1000 * (perf_counter() - start)
        yield path, classifier.ranked(logits, top), milliseconds


def _text(path: Path, predictions: list["Prediction"], milliseconds: float) -> str:
    lines = [f"{click.format_filename(path)}  {milliseconds:.1f} ms"]
    lines += [f"  {found.probability:.6f}  {found.label}" for found in predictions]
    return "\n".join(lines)


def _json(path: Path, predictions: list["Prediction"], milliseconds: float) -> str:
    found = [prediction._asdict() for prediction in predictions]
    return json.dumps({"image": str(path), "predictions": found, "milliseconds": milliseconds})
