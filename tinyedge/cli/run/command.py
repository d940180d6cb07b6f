"""``tinyedge run``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import say
from tinyedge.cli.parameters import (
    FILE_NAME,
    PATH,
    command_line,
    device_option,
    fast_resize_option,
    fit_option,
    html_option,
    json_option,
    labels_option,
    not_nan,
    pixel_options,
    running_profile,
    said_of_pixels,
    threads_option,
    threshold_option,
    workers_option,
)

if TYPE_CHECKING:
    from tinyedge.cli.run.images import JournalFile, PageFile
    from tinyedge.devices.runtime.classifier import Classifier
    from tinyedge.images.annotate import AnnotatedCopies
    from tinyedge.images.spec import Fit


@click.command()
@click.argument("model", type=PATH)
@click.argument("images", type=FILE_NAME, nargs=-1, metavar="IMAGE...")
@click.option("--watch", type=PATH, help="Answer new photos of this folder until interrupted.")
@click.option("--existing", is_flag=True, help="With --watch, the photos already there too.")
@click.option(
    "--rewritten",
    is_flag=True,
    help="With --watch, a photo that is rewritten where it stands is a new one.",
)
@click.option(
    "--journal",
    type=PATH,
    metavar="FILE",
    help="Keep in FILE what was answered: --watch goes on from there at the next start, photos that"
    " are named with --resume.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with the journal of an interrupted run of these photos."
)
@click.option(
    "--camera", metavar="NUMBER", help="Answer what this camera sees until interrupted: 0, say."
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0, max=86400),
    callback=not_nan,
    default=1.0,
    show_default=True,
    help="Seconds between photos of --camera, or between looks of --watch.",
)
@click.option(
    "-0", "--null", is_flag=True, help="Paths on stdin end in a NUL byte, as of find -print0."
)
@click.option(
    "--save",
    type=PATH,
    metavar="DIR",
    help="Write a copy of each photo into DIR, with its answer drawn on it.",
)
@html_option("Write a page to look at: the photos with their answers.")
@click.option(
    "--bench", type=click.IntRange(min=1), metavar="RUNS", help="Time the model on the photos."
)
@click.option("--operators", is_flag=True, help="With --bench, what each operator takes, too.")
@device_option
@click.option(
    "--require-delegate",
    is_flag=True,
    help="End with an error where the device's accelerator cannot be used.",
)
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, help="Classes to print."
)
@click.option(
    "--min",
    "least",
    type=click.FloatRange(0, 1),
    callback=not_nan,
    metavar="P",
    help="Leave out classes whose probability is below P.",
)
@workers_option
@threads_option
@fit_option
@fast_resize_option(
    "Resize photos in whole numbers: faster, each sample at most 1 of 255 from Darknet's."
)
@pixel_options
@threshold_option
@labels_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    model: Path,
    images: tuple[str, ...],
    watch: Path | None,
    existing: bool,
    rewritten: bool,
    journal: Path | None,
    resume: bool,
    camera: str | None,
    interval: float,
    null: bool,
    save: Path | None,
    html: Path | None,
    bench: int | None,
    operators: bool,
    device: str,
    require_delegate: bool,
    top: int,
    least: float | None,
    workers: int | None,
    threads: int | None,
    fit: "Fit | None",
    fast_resize: bool,
    mean: list[float] | None,
    std: list[float] | None,
    pixels: str | None,
    threshold: float | None,
    labels: Path | None,
    as_json: bool,
) -> None:
    """Classify photos with a .tflite file.

    MODEL is a file that tinyedge exported; any other image classifier needs --fit, and --labels
    and --mean and --std, or --pixels, where it does not say them itself.
    IMAGE is a photo, a folder (searched recursively), a pattern such as 'photos/*.jpg', or -
    for stdin: one photo, or paths, a line each, answered as they come.

    --watch and --camera go on until Ctrl-C, SIGTERM or SIGHUP, between two answers. --watch
    answers each photo once it is completely written. --camera needs picamera2 or OpenCV; it
    also takes what OpenCV reads: a video file, an address, a sequence such as 'frame%04d.png'.
    With --device coral-usb a file compiled for the Edge TPU runs there, and where that cannot be,
    the int8 file beside it on the CPU, which is said.

    Many photos are shared among the cores, on stdin and of --watch as many as wait at once;
    Ctrl-C shows what came of those until then.

    --bench prints the times of loading, of the first inference, of warming up and of steady
    inference apart, and of loading photos; with --operators also each operator's, by
    ai-edge-litert's profiler.

    With --json, one JSON object a line for each photo, or one of --bench.
    """
    _check_sources(images, watch, camera, bench)
    _check_output(images, bench, null=null, least=least, save=save, html=html)
    if operators and bench is None:
        raise click.UsageError("--operators goes with --bench")
    for name, given in (("existing", existing), ("rewritten", rewritten)):
        if given and watch is None:
            raise click.UsageError(f"--{name} goes with --watch")
    _check_journal(images, watch, bench, journal=journal, resume=resume, html=html)
    if workers is not None and (not images or bench is not None):
        raise click.UsageError(
            "--workers share photos that are named: --watch shares those that wait by itself,"
            " --camera and --bench take one after the other"
        )
    from tinyedge.cli.run.images import (
        answer_images,
        open_camera_source,
        open_folder,
        open_names,
    )
    from tinyedge.system import Interrupted, forget_interrupt

    said_mean, said_std = said_of_pixels(mean, std, pixels)
    profile = running_profile(device)

    def load(file: Path = model) -> "Classifier":
        import tinyedge

        return tinyedge.Classifier(
            file,
            device=profile,
            threads=threads,
            fit=fit,
            labels=labels,
            mean=said_mean,
            std=said_std,
            threshold=threshold,
            delegate="required" if require_delegate else "preferred",
            fast_resize=fast_resize,
        )

    if bench is not None:
        from tinyedge.cli.run.bench import bench_images

        bench_images(load, model, images, bench, operators=operators, as_json=as_json)
        return
    page = None
    if html is not None:
        page = _page(context, html, model, images, labels)
    copies = None if save is None else _copies(save, watch, images)
    kept = None
    if journal is not None and watch is None:
        kept = _journal(journal, model, labels, images, resume=resume)
    if watch is not None:
        opened = open_folder(
            watch, existing=existing, rewritten=rewritten, journal=journal, interval=interval
        )
    elif camera is not None:
        opened = open_camera_source(camera, interval=interval)
    else:
        opened = open_names(images, null=null, shared=workers not in (None, 1))
    try:
        with opened as source:
            answer_images(
                load,
                source,
                top=top,
                least=least,
                copies=copies,
                workers=workers,
                threads=threads,
                journal=kept,
                page=page,
                as_json=as_json,
            )
    except Interrupted:
        # Before the first image, or after the last.
        if watch is None and camera is None:
            raise
        forget_interrupt()


def _check_sources(
    images: tuple[str, ...],
    watch: Path | None,
    camera: str | None,
    bench: int | None,
) -> None:
    """Raise a UsageError unless there is one source of images, and options that go with it."""
    from tinyedge.images.stream import STDIN

    given = [bool(images), watch is not None, camera is not None]
    if sum(given) != 1:
        raise click.UsageError("give IMAGE... or --watch DIR or --camera NUMBER, one of the three")
    if bench is not None and not images:
        raise click.UsageError("--bench times photos: give IMAGE...")
    if bench is not None and STDIN in images:
        raise click.UsageError("--bench times photos it can take again: name them, not -")
    if camera == "":
        raise click.UsageError("--camera takes a camera's number, a file or an address")


def _check_journal(
    images: tuple[str, ...],
    watch: Path | None,
    bench: int | None,
    *,
    journal: Path | None,
    resume: bool,
    html: Path | None,
) -> None:
    """Raise a UsageError where these do not go together."""
    if journal is not None and (bench is not None or not (images or watch)):
        raise click.UsageError(
            "--journal keeps which photos were answered: give IMAGE... or --watch"
        )
    if resume and watch is not None:
        raise click.UsageError("--resume is of IMAGE...: --watch goes on with its journal anyway")
    if resume and journal is None:
        raise click.UsageError("--resume goes on with a journal: name it with --journal")
    if journal is not None and html is not None:
        raise click.UsageError("--html shows the answers of one run: not with --journal")


def _journal(
    journal: Path, model: Path, labels: Path | None, images: tuple[str, ...], *, resume: bool
) -> "JournalFile":
    """The journal of photos that are named: no file that is read, and there to go on with."""
    from tinyedge.cli.run.images import JournalFile
    from tinyedge.files import check_is_no_input

    if resume and not journal.exists():
        raise click.UsageError(f"--resume: there is no journal {journal}")
    check_is_no_input(journal, model, labels, *map(Path, filter(os.path.isfile, images)))
    return JournalFile(journal, resume)


def _check_output(
    images: tuple[str, ...],
    bench: int | None,
    *,
    null: bool,
    least: float | None,
    save: Path | None,
    html: Path | None,
) -> None:
    """Raise a UsageError where options do not go together."""
    from tinyedge.images.stream import STDIN

    if null and STDIN not in images:
        raise click.UsageError("--null says how paths on stdin end: give - as IMAGE")
    for name, given in (("min", least), ("save", save), ("html", html)):
        if bench is not None and given is not None:
            raise click.UsageError(f"--{name} is for answers, and --bench gives none")


def _page(
    context: click.Context, html: Path, model: Path, images: tuple[str, ...], labels: Path | None
) -> "PageFile":
    """Where the page goes: to no file that is read."""
    from tinyedge.accuracy.page.render import check_page
    from tinyedge.cli.run.images import PageFile
    from tinyedge.temporary import own_temporaries

    if not images:
        raise click.UsageError("--html is of photos that come to an end: give IMAGE...")
    context.with_resource(own_temporaries())
    check_page(html, model, labels, *(Path(name) for name in images if Path(name).is_file()))
    return PageFile(html, command_line(context))


def _copies(save: Path, watch: Path | None, images: tuple[str, ...]) -> "AnnotatedCopies":
    """Where copies go: nowhere where they would be answered themselves."""
    from tinyedge.errors import DatasetError
    from tinyedge.images.annotate import AnnotatedCopies, is_read_from

    if watch is not None and watch.is_dir() and is_read_from(save, watch):
        raise DatasetError(
            f"--save {save} lies in the folder that is watched, {watch}: each copy would be a new"
            " photo there; name a folder outside"
        )
    copies = AnnotatedCopies(save)
    folders = [Path(name) for name in images if Path(name).is_dir()]
    if read := next((each for each in folders if is_read_from(save, each)), None):
        say(f"note: the next run over {read} will find the copies in {save}, too", err=True)
    return copies
