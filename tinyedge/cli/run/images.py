"""Where ``tinyedge run`` takes its pictures from: photos, a folder that fills, a camera.

Each mode loads the model only when it has found its source: a wrong name costs no waiting, and
no photo that comes meanwhile is missed.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.errors import DatasetError, DeviceError, ImageError

if TYPE_CHECKING:
    from tinyedge.cli.run.printing import AnswerPrinter

__all__ = ["answer_camera", "answer_folder", "answer_photos"]

# Looks closer together could miss that a photo is still being written.
_LEAST_BETWEEN_LOOKS = 0.1


def answer_photos(load: Callable[[], "AnswerPrinter"], sources: Sequence[str]) -> None:
    """Answer each photo as it comes; one that cannot be read is skipped unless it was named.

    Raises:
        ImageError: a photo that was named cannot be read.
        DatasetError: none could be read, or there was none.
    """
    from tinyedge.images.stream import photo_stream

    photos = photo_stream(sources, sys.stdin.buffer if sys.stdin is not None else None)
    printer = load()
    count = answered = 0
    for photo in photos:
        count += 1
        try:
            inputs = printer.classifier.preprocess(photo.path)
        except ImageError as error:
            if photo.named:
                raise
            click.echo(f"skipped: {error}", err=True)
            continue
        printer.answer(photo.path, inputs)
        answered += 1
    if not count:
        raise DatasetError("stdin: no path of an image; one a line is expected")
    if not answered:
        raise DatasetError(f"none of the {count} images can be read")


def answer_folder(
    load: Callable[[], "AnswerPrinter"], folder: Path, *, existing: bool, interval: float
) -> None:
    """Answer the photos that appear in `folder` until the program is asked to stop.

    A photo that cannot be read is noted, and tried again when it changes.

    Raises:
        DatasetError: there is no such folder.
        OSError: the folder has gone.
    """
    from tinyedge.images.watch import FolderWatch
    from tinyedge.system import stop_request

    with stop_request() as stop:
        watch = FolderWatch(folder, existing=existing)
        printer = load()
        click.echo(f"watching {folder}", err=True)
        while not stop.made:
            for path in watch.look():
                try:
                    inputs = printer.classifier.preprocess(path)
                except ImageError as error:
                    watch.look_again(path)
                    # One that was taken away before it was read is nobody's concern.
                    if path.exists():
                        click.echo(f"note: {error}; it is tried again if it changes", err=True)
                    continue
                printer.answer(path, inputs)
                if stop.made:
                    return
            stop.waited(max(interval, _LEAST_BETWEEN_LOOKS))


def answer_camera(load: Callable[[], "AnswerPrinter"], source: str, *, interval: float) -> None:
    """Answer what a camera sees every `interval` seconds until the program is asked to stop.

    A video is answered picture by picture to its end.

    Raises:
        DeviceError: there is no such camera, it gives no picture, or the video holds none.
        MissingPackageError: no package that reads cameras is installed.
    """
    from datetime import UTC, datetime

    from tinyedge.devices.camera import open_camera
    from tinyedge.system import stop_request

    with stop_request() as stop, closing(open_camera(source)) as camera:
        printer = load()
        click.echo(f"{camera.name} by {camera.driver}", err=True)
        answered = False
        while not stop.made:
            taken = datetime.now(UTC).isoformat(timespec="milliseconds")
            pixels = camera.picture()
            if pixels is None:
                if not answered:
                    raise DeviceError(f"{camera.name} holds no picture")
                return
            inputs = printer.classifier.preprocess_pixels(pixels)
            printer.answer(camera.name, inputs, time=taken)
            answered = True
            stop.waited(interval)
