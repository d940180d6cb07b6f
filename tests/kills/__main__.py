"""``python -m tests.kills``: kill each command many times and print what is left of it."""

import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click

from tests.kills.campaign import Tally, campaign
from tests.kills.commands import Bundle, Calib, Command, Compare, Deploy, Export, Watch
from tests.support.commands import run_as_user
from tests.support.private_sshd import private_sshd
from tests.support.toy import write_toy
from tinyedge.table import Column, table

COMMANDS = ("export", "calib", "bundle", "deploy", "compare", "watch")
_WIDTH = 80


@contextmanager
def commands(folder: Path, names: tuple[str, ...]) -> Iterator[dict[str, Command]]:
    """The commands of those names, ready to be killed; what they need is in `folder`."""
    toy = write_toy(folder / "toy")
    # Other photos than those that calibrate.
    others = write_toy(folder / "others", channels=1)
    for name, size in (("a", "8x6"), ("b", "10x8")):
        words = ["export", *toy.source(), "--calib", toy.photos, "--size", size]
        done = run_as_user(*words, "-o", folder / name)
        assert done.returncode == 0, done.stderr
    models = [folder / name / "toy_int8.tflite" for name in "ab"]
    both = [folder / "a" / f"toy_{kind}.tflite" for kind in ("float", "int8")]
    for name in names:
        (folder / name / "out").mkdir(parents=True)
    watch = folder / "watch"
    photo = min(toy.photos.rglob("*.png"))
    with private_sshd(folder / "sshd") as sshd:
        makers: dict[str, Callable[[], Command]] = {
            "export": lambda: Export(folder / "export" / "out", toy=toy),
            "calib": lambda: Calib(folder / "calib" / "out", photos=toy.photos),
            "bundle": lambda: Bundle(folder / "bundle" / "out", models=models),
            "deploy": lambda: Deploy(folder / "deploy" / "prefix", sshd, models),
            "compare": lambda: Compare(both, others.photos),
            "watch": lambda: Watch(models[0], watch / "out", photo, watch / "answers"),
        }
        yield {name: makers[name]() for name in names}


def as_text(tallies: list[Tally]) -> str:
    """The table, 80 columns wide."""
    headings = ("run", "kills", "missed", "half", "mixed", "strays", "orphans", "lost", "twice")
    columns = [Column("command"), *(Column(name, "right") for name in (*headings, "code"))]
    rows = [
        [
            each.command,
            f"{each.seconds:.0f} s",
            str(each.kills),
            f"{each.early}+{each.late}",
            str(each.half_made),
            f"{each.mixed}+{each.mixed_killed}",
            f"{each.strays_at_once}+{each.strays}",
            *map(str, (each.orphans, each.lost)),
            f"{each.twice}+{each.twice_killed}",
            str(each.wrong_codes),
        ]
        for each in tallies
    ]
    return table(columns, rows, width=_WIDTH)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(COMMANDS))
@click.option("--kills", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--parallel", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of all that was counted.")
def command(*, names: tuple[str, ...], kills: int, parallel: int, as_json: bool) -> None:
    """Kill each command by SIGTERM, SIGHUP, SIGINT and SIGKILL in turn; all NAMES by default.

    missed: before Python had loaded tinyedge + after it had ended; half: outputs neither old nor
    new; mixed: sets not of one run until the next run, by another signal than SIGKILL + by SIGKILL;
    strays: left at once by another signal than SIGKILL + left after the next run; orphans: children
    that went on; twice: photos answered again + the one a SIGKILL that it explains. Exit 1 where
    anything went wrong.
    """
    names = names or COMMANDS
    with (
        tempfile.TemporaryDirectory(prefix="kills-") as folder,
        commands(Path(folder), names) as found,
        ThreadPoolExecutor(parallel) as pool,
        click.progressbar(length=kills * len(names), file=sys.stderr, label="kills") as bar,
    ):
        jobs = [
            pool.submit(campaign, each, Path(folder) / name / "run", kills, bar.update)
            for name, each in found.items()
        ]
        tallies = [job.result() for job in jobs]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in tallies]))
    else:
        click.echo(as_text(tallies))
        for each in tallies:
            for note in each.notes:
                click.echo(f"{each.command}: {note}", err=True)
    sys.exit(any(each.faults for each in tallies))


if __name__ == "__main__":
    command()
