"""``tinyedge fetch``: a known model's files, downloaded once and checked."""

import click

from tinyedge.cli.output import say, show
from tinyedge.cli.parameters import MODEL_NAME, json_option, told_progress
from tinyedge.errors import FetchError


@click.command()
@click.argument("names", type=MODEL_NAME, nargs=-1, required=True, metavar="NAME...")
@json_option
def command(names: tuple[str, ...], as_json: bool) -> None:
    """Download the files of known models and print where they are.

    NAME is a model of the zoo; `tinyedge zoo` lists them.
    Files that are in the cache already are checked and kept. The cache is the folder named in
    TINYEDGE_CACHE, else the platform's cache folder.
    """
    from tinyedge.zoo import fetch
    from tinyedge.zoo.models import MODELS

    models = []
    for name in names:
        model = fetch.find_model(name)
        if model is None:
            raise FetchError(f"no model is named {name!r}; known: {', '.join(sorted(MODELS))}")
        models.append(model)

    found = {}
    for model in models:
        if model.packaged:
            say(f"note: {model.name} ships with tinyedge, nothing to download", err=True)
        with told_progress() as progress:
            found[model.name] = fetch.fetch(model, progress=progress, keep=True)
    show(as_json, lambda: fetch.as_text(found), lambda: fetch.as_json(found))
