"""``tinyedge deploy``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import output_width, show
from tinyedge.cli.parameters import (
    DEVICE,
    PATH,
    budget_option,
    command_line,
    html_option,
    json_option,
    not_nan,
    on_a_terminal,
    shows_progress,
)
from tinyedge.exit_codes import CODE_OF_VERDICT, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinyedge.devices.deploy.board import BoardReport, Comparing
    from tinyedge.modelcard import CardKind


@click.command()
@click.argument("models", type=PATH, nargs=-1, metavar="MODEL...")
@click.option("--host", "hosts", multiple=True, metavar="USER@HOST", help="A board; repeat it.")
@click.option(
    "--inventory",
    type=PATH,
    metavar="FILE",
    help="Boards, a line each: host, and perhaps device; or .toml with [[board]] tables.",
)
@click.option(
    "--device",
    type=DEVICE,
    default="pi",
    show_default=True,
    metavar="NAME",
    help="Device profile of the boards: a name or a .toml file.",
)
@click.option(
    "--data",
    type=PATH,
    metavar="DIR",
    help="Labelled photos to compare on, on each board; MODEL is a float and an int8 or mixed"
    " file.",
)
@budget_option(
    "--max-drop",
    "POINTS",
    100,
    "With --data, the budget: how many points of top-1 int8 may cost on each board.",
)
@html_option("Write a page to look at: a row and a section for each board.")
@click.option(
    "--rollback", is_flag=True, help="Have the boards go back to the bundle before; no MODEL."
)
@click.option(
    "--prefix",
    default="~/tinyedge",
    show_default=True,
    metavar="FOLDER",
    help="Where to install on a board.",
)
@click.option(
    "--service",
    metavar="FOLDER",
    help="Have a service watch this folder of a board for photos; its whole path.",
)
@click.option(
    "--root",
    is_flag=True,
    help="With --service, where the login is root's: run it as root.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1, max=86400),
    callback=not_nan,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a board may take for its first answer; later ones have a multiple of it.",
)
@click.option("--online", is_flag=True, help="Have the boards download their packages.")
@click.option(
    "--ssh-option",
    "ssh_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="As of ssh -o, such as Port=2222; repeat it.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    models: tuple[Path, ...],
    hosts: tuple[str, ...],
    inventory: Path | None,
    device: str,
    data: Path | None,
    max_drop: float | None,
    html: Path | None,
    rollback: bool,
    prefix: str,
    service: str | None,
    root: bool,
    timeout: float,
    online: bool,
    ssh_options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Install models on boards over ssh, and test them there.

    MODEL is a .tflite file that tinyedge exported. What a board runs is asked of it; it gets the
    bundle that `tinyedge bundle` would make, installed whole or not at all, and none that is
    there already. Your ~/.ssh/config and agent are used; a board's password is asked for only
    where there is one board and a terminal. Boards are served side by side.

    With --rollback each board goes back to the bundle that was in use before, once that has passed
    its self-test again; the next --rollback takes that back.
    """
    from tinyedge.accuracy.page.render import check_page
    from tinyedge.devices.deploy import report
    from tinyedge.devices.deploy.board import Service
    from tinyedge.devices.deploy.fleet import Reaching, deploy, roll_back_all
    from tinyedge.devices.deploy.inventory import boards_of
    from tinyedge.devices.deploy.ssh import check_ssh
    from tinyedge.progress import progress_of_each
    from tinyedge.temporary import own_temporaries

    if root and service is None:
        raise click.UsageError("--root goes with --service")
    # The installer runs in a folder of its own there, and no shell opens a ~ for it.
    if service is not None and not service.startswith("/"):
        raise click.UsageError(
            "--service names a folder of the board by its whole path, such as /home/pi/incoming"
        )
    if max_drop is not None and data is None:
        raise click.UsageError("--max-drop judges the drop on photos: give --data")
    if rollback and (models or data is not None or service is not None or online):
        raise click.UsageError(
            "--rollback takes no MODEL, --data, --service or --online: it installs nothing"
        )
    if not rollback and not models:
        raise click.UsageError("Missing argument 'MODEL...'.")
    context.with_resource(own_temporaries())
    if html is not None:
        if rollback:
            raise click.UsageError("--html shows what was installed: not with --rollback")
        check_page(html, *models, inventory, data)
    boards = boards_of(hosts, inventory, device)
    check_ssh()
    comparing = None if data is None else _comparing(models, data, max_drop)
    with progress_of_each(on_terminal=shows_progress()) as progress_of:
        reaching = Reaching(
            ssh_options=ssh_options,
            may_ask=on_a_terminal() and len(boards) == 1,
            timeout=timeout,
            prefix=prefix,
            progress_of=progress_of,
        )
        if rollback:
            reports = roll_back_all(boards, reaching)
        else:
            reports = deploy(
                models,
                boards,
                reaching,
                online=online,
                service=None if service is None else Service(service, as_root=root),
                comparing=comparing,
            )
    kind: CardKind = "int8" if comparing is None else comparing.kind
    show(
        as_json,
        lambda: report.as_text(reports, kind=kind, width=output_width()),
        lambda: report.as_json(reports),
    )
    if html is not None:
        _write_page(html, reports, models, command_line(context), max_drop=max_drop, kind=kind)
    for board in reports:
        if board.fault is not None:
            raise board.fault
    context.exit(_exit_code(reports))


def _write_page(
    path: Path,
    reports: "Sequence[BoardReport]",
    models: tuple[Path, ...],
    command: str,
    *,
    max_drop: float | None,
    kind: "CardKind",
) -> None:
    from tinyedge.accuracy.page.made import time_now
    from tinyedge.devices.deploy.page import boards_page
    from tinyedge.files import file_sha256, write_together

    files = [(model.name, file_sha256(model)) for model in models]
    page = boards_page(
        reports, command=command, time=time_now(), files=files, max_drop=max_drop, kind=kind
    )
    write_together({path: page})


def _exit_code(reports: "Sequence[BoardReport]") -> ExitCode:
    """The worst of the boards': one that failed, then one that cannot tell."""
    from tinyedge.accuracy.gates import worst_verdict

    if any(board.error for board in reports):
        return ExitCode.FAILED
    return CODE_OF_VERDICT[worst_verdict(board.verdict for board in reports)]


def _comparing(models: tuple[Path, ...], data: Path, max_drop: float | None) -> "Comparing":
    """What to compare on each board, made sure of before any is touched."""
    from tinyedge.devices.deploy.board import Comparing
    from tinyedge.devices.deploy.images import pack_images
    from tinyedge.images.find import read_labelled
    from tinyedge.modelcard import read_card

    cards = [(model, read_card(model)) for model in models]
    by_kind = {card.quantization: (model, card) for model, card in cards if card is not None}
    if len(models) != 2 or set(by_kind) != {"float32", "int8"}:
        raise click.UsageError("--data needs two models, a float and an int8 or mixed one.")
    (float_file, float_card), (int8_file, int8_card) = by_kind["float32"], by_kind["int8"]
    labels, ids = float_card.labels or int8_card.labels, float_card.ids or int8_card.ids
    classes = float_card.classes
    images = read_labelled(data, labels=labels, ids=ids, classes=classes)
    packed = pack_images(images, labels=labels, ids=ids, classes=classes)
    return Comparing(float_file.name, int8_file.name, packed, max_drop, int8_card.kind)
