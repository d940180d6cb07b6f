"""Parameters that several commands share."""

import contextlib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import output_width, say, set_verbosity, verbosity
from tinyedge.system import MOST_THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from click.shell_completion import CompletionItem

    from tinyedge.cli.output import Verbosity
    from tinyedge.devices.profile import Profile
    from tinyedge.progress import Progress
    from tinyedge.stage_times import StageTimes

    _TextType = click.ParamType[str]
else:
    _TextType = click.ParamType

__all__ = [
    "DEVICE",
    "FILE_NAME",
    "FIT",
    "MODEL_NAME",
    "OLD_SPELLINGS",
    "PATH",
    "SIZE",
    "SOURCE",
    "a_text",
    "budget_option",
    "command_line",
    "count_option",
    "device_option",
    "fast_resize_option",
    "fit_option",
    "html_option",
    "ids_option",
    "json_option",
    "keep_words",
    "labels_option",
    "not_nan",
    "on_a_terminal",
    "pixel_options",
    "running_profile",
    "said_of_pixels",
    "shows_progress",
    "spelled_as_today",
    "threads_option",
    "threshold_option",
    "told_progress",
    "verbosity_options",
    "with_verbosity",
    "workers_option",
]

OLD_SPELLINGS = {
    "deploy": {"--compare": "--data"},
    "export": {"--calib-count": "--count"},
    "inspect": {"--images": "--count"},
}
"""By command, what options were called once and are called now."""

PATH = click.Path(path_type=Path)


class _Name(_TextType):
    """A text, which a shell completes by names that are known, or else by files."""

    name = "text"

    def __init__(self, names: "Callable[[], Iterable[str]]", *, files: bool = True) -> None:
        self._names = names
        self._files = files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """The names that begin so; where there is none, files."""
        del ctx, param
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name) for name in self._names() if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")] * self._files


def _models() -> "Iterable[str]":
    from tinyedge.zoo.models import MODELS

    return MODELS


def _devices() -> "Iterable[str]":
    from tinyedge.devices.profile import profile_names

    return profile_names()


FILE_NAME = _Name(tuple)
DEVICE = _Name(_devices)
SOURCE = _Name(_models)
MODEL_NAME = _Name(_models, files=False)
FIT = click.Choice(["crop", "letterbox", "stretch"])


def SIZE(text: str) -> tuple[int, int]:  # noqa: N802  # a click type, named as click names its own
    """(width, height) of a text such as ``298x224``."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise click.BadParameter(f"{text!r} is not a size such as 298x224")
    return int(width), int(height)


def not_nan(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    """A click callback: nan passes any range check, being neither too small nor too large."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number.")
    return value


def a_text(_: click.Context, __: click.Parameter, value: str) -> str:
    """A click callback: a word of the command line may be any bytes, and a file holds text."""
    from tinyedge.json_values import text

    try:
        text(value)
    except ValueError as error:
        raise click.BadParameter("no UTF-8 text.") from error
    return value


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
fit_option = click.option("--fit", type=FIT, help="How photos are fitted; overrides the card's.")
labels_option = click.option(
    "--labels",
    type=PATH,
    metavar="FILE",
    help="Class names, one a line, or a .data file; overrides the model's own.",
)
ids_option = click.option(
    "--ids",
    type=PATH,
    metavar="FILE",
    help="WordNet ids of the classes, one a line; overrides the model's own.",
)


def count_option(default: int) -> "Callable[[Callable[..., None]], Callable[..., None]]":
    """``--count``, of photos that were named by the option before it."""
    return click.option(
        "--count",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help="How many of them to use, spread evenly.",
    )


def _numbers(_: click.Context, __: click.Parameter, text: str | None) -> list[float] | None:
    """A click callback: one number, or three with commas between."""
    try:
        numbers = [float(each) for each in text.split(",")] if text is not None else None
    except ValueError:
        numbers = []
    if numbers is not None and len(numbers) not in (1, 3):
        raise click.BadParameter(f"{text!r} is not a number, or three such as 123.7,116.3,103.5")
    return numbers


def pixel_options(command: "Callable[..., None]") -> "Callable[..., None]":
    """The options that say what pixels become; see `said_of_pixels`."""
    for option in (
        click.option(
            "--pixels",
            type=click.Choice(["0..1", "-1..1", "0..255"]),
            help="What pixels become: short for --mean and --std.",
        ),
        click.option("--std", metavar="S[,S,S]", callback=_numbers, help="See --mean."),
        click.option(
            "--mean",
            metavar="M[,M,M]",
            callback=_numbers,
            help="With --std, what a pixel of 0 to 255 becomes: (pixel - M) / S.",
        ),
    ):
        command = option(command)
    return command


def said_of_pixels(
    mean: list[float] | None, std: list[float] | None, pixels: str | None
) -> tuple["Sequence[float] | None", "Sequence[float] | None"]:
    """The mean and the std that the three `pixel_options` say."""
    if (mean is None) != (std is None):
        raise click.UsageError("--mean and --std go together: pixels become (pixel - M) / S")
    if pixels is None:
        return mean, std
    if mean is not None:
        raise click.UsageError("--pixels stands for --mean and --std: give it alone")
    from tinyedge.tflite.metadata import PIXELS

    return PIXELS[pixels].mean, PIXELS[pixels].std


threads_option = click.option(
    "--threads",
    type=click.IntRange(1, MOST_THREADS),
    help="Threads of the runtime [default: the device's].",
)
# More than any machine has cores.
_MOST_WORKERS = 4096
workers_option = click.option(
    "--workers",
    type=click.IntRange(1, _MOST_WORKERS),
    help="Processes that share the work, with --threads each [default: as many as are of use].",
)
device_option = click.option(
    "--device",
    type=DEVICE,
    default="host",
    show_default=True,
    metavar="NAME",
    help="Device profile: a name or a .toml file.",
)


def fast_resize_option(text: str) -> "Callable[[Callable[..., None]], Callable[..., None]]":
    """``--fast-resize``, with what it is for in this command."""
    return click.option("--fast-resize", is_flag=True, help=text)


def budget_option(
    name: str, metavar: str, most: float, text: str
) -> "Callable[[Callable[..., None]], Callable[..., None]]":
    """An option for what int8 may cost, a number from 0 to `most`."""
    return click.option(
        name, metavar=metavar, type=click.FloatRange(0, most), callback=not_nan, help=text
    )


def html_option(text: str) -> "Callable[[Callable[..., None]], Callable[..., None]]":
    """The option for a page, `tinyedge.accuracy.page`, that says what the page shows."""
    return click.option("--html", type=PATH, metavar="FILE.html", help=text)


threshold_option = click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    callback=not_nan,
    metavar="P",
    help="Of a network of one output, the probability above which it is class 1 [default: 0.5].",
)


_WORDS = "tinyedge.words"


def keep_words(context: click.Context, words: "Sequence[str]") -> None:
    """Keep a command's name and words for `command_line`."""
    context.meta[_WORDS] = tuple(words)


def command_line(context: click.Context) -> str:
    """The command that runs, as a shell takes it."""
    import shlex

    return shlex.join(["tinyedge", *context.meta.get(_WORDS, ())])


def spelled_as_today(command: str, words: "Sequence[str]") -> list[str]:
    """The words behind a command, with a note on stderr for each option that was renamed."""
    spellings = OLD_SPELLINGS.get(command, {})
    today = list(words)
    for place, word in enumerate(words):
        if word == "--":
            break
        old, is_joined, value = word.partition("=")
        if new := spellings.get(old):
            if not {"-q", "--quiet"} & set(words):
                say(f"note: {old} is called {new} now", err=True)
            today[place] = f"{new}={value}" if is_joined else new
    return today


def _choose_verbosity(chosen: "Verbosity") -> "Callable[..., None]":
    def callback(_: click.Context, __: click.Parameter, is_given: bool) -> None:
        if is_given:
            set_verbosity(chosen)

    return callback


def with_verbosity(command: "Callable[..., None]") -> "Callable[..., None]":
    """The options `-v` and `-q`; the one that is given last counts."""
    options: tuple[tuple[str, str, Verbosity, str], ...] = (
        ("-q", "--quiet", "quiet", "Say nothing but results and errors: no notes, no progress."),
        ("-v", "--verbose", "verbose", "Show also what TensorFlow and other libraries say."),
    )
    for short, name, chosen, text in options:
        command = click.option(
            short,
            name,
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_choose_verbosity(chosen),
            help=text,
        )(command)
    return command


def verbosity_options() -> list[click.Parameter]:
    """The options of `with_verbosity`, for a command that is made already."""

    @click.command()
    @with_verbosity
    def command() -> None:
        pass

    return command.params


def on_a_terminal() -> bool:
    """Whether a person watches stderr, and could be asked there."""
    # None where it was closed before Python started.
    return sys.stderr is not None and sys.stderr.isatty()


def shows_progress() -> bool:
    """Whether to show progress: a person watches stderr, and has not asked for quiet."""
    return on_a_terminal() and verbosity() != "quiet"


@contextlib.contextmanager
def told_progress() -> "Iterator[Progress]":
    """What a command's long work is told by: a line on a terminal, and with -v what took how long.

    The times come on stderr at the end; of work that fails, before its error.
    """
    from tinyedge.progress import progress_shown

    # Left last: when the line on the terminal is gone.
    behind = contextlib.ExitStack()
    with behind, progress_shown(on_terminal=shows_progress()) as progress:
        if verbosity() != "verbose":
            yield progress
            return
        from tinyedge.stage_times import StageTimes

        times = StageTimes(progress)
        behind.callback(_say_times, times)
        yield times


def _say_times(times: "StageTimes") -> None:
    for line in times.as_text(width=output_width()).splitlines():
        say(line, err=True)


def running_profile(device: str) -> "Profile":
    """The profile to run a model by, with a note on stderr where this machine is another.

    Raises:
        DeviceError: there is none of that name, or no model runs by it.
    """
    from tinyedge.devices.profile import check_runs_models, find_profile, this_machine_is

    profile = find_profile(device)
    check_runs_models(profile)
    if not this_machine_is(profile):
        say(f"note: this machine is no {profile.description}; running here", err=True)
    return profile
