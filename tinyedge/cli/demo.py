"""``tinyedge demo``."""

import shlex
from pathlib import Path

import click

from tinyedge.cli.output import say, say_lines
from tinyedge.cli.parameters import PATH


@click.command()
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=Path("tinyedge-demo"),
    show_default=True,
    metavar="OUT",
    help="Folder for the files.",
)
def command(output: Path) -> None:
    """Show the whole path on the built-in model: export, compare, run. Needs no download."""
    from tinyedge.accuracy.page.render import check_page
    from tinyedge.cli import main
    from tinyedge.errors import MissingPackageError
    from tinyedge.zoo.fetch import fetch
    from tinyedge.zoo.models import MODELS

    files = fetch(MODELS["fashion"])
    assert files.test is not None
    float_file, int8_file = (output / f"fashion_{kind}.tflite" for kind in ("float", "int8"))
    page = output / "report.html"
    # The page is left out where what makes it is missing, and the rest is shown all the same.
    shown: list[str] = []
    try:
        check_page(page)
        shown = ["--html", str(page)]
    except MissingPackageError as error:
        say(f"note: {error}", err=True)
    photos = [sorted(folder.glob("*.png"))[0] for folder in sorted(files.test.iterdir())[:3]]
    steps: tuple[tuple[str, list[str]], ...] = (
        (
            "A network trained in Darknet on Fashion-MNIST becomes two .tflite files:",
            ["export", "fashion", "-o", str(output)],
        ),
        (
            "What did int8 cost, on 1,000 test images?",
            ["compare", str(float_file), str(int8_file), "--data", str(files.test), *shown],
        ),
        (
            "The int8 file alone classifies photos, as it will on the board:",
            ["run", str(int8_file), *map(str, photos), "--top", "2"],
        ),
    )
    for title, words in steps:
        say_lines(f"{title}\n$ tinyedge {shlex.join(words)}")
        main(words, standalone_mode=False)
        say("")
    look = f" Look at {page.absolute()} in a browser." if shown else ""
    say(f"The files are in {output.absolute()}.{look} Next: tinyedge export --help")
