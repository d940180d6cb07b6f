"""``tinyedge fetch``: a known model's files, downloaded once and checked."""

import click

from tinyedge.errors import FetchError


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--json", "as_json", is_flag=True, help="Print the paths as JSON.")
def command(names: tuple[str, ...], as_json: bool) -> None:
    """Download the files of known models and print where they are.

    NAME is a model of the zoo; `tinyedge zoo` lists them.
    Files that are in the cache already are checked and kept. The cache is the folder named in
    TINYEDGE_CACHE, else the platform's cache folder.
    """
    import json
    import sys
    from dataclasses import asdict

    from tinyedge.zoo.fetch import fetch, find_model
    from tinyedge.zoo.models import MODELS

    models = []
    for name in names:
        model = find_model(name)
        if model is None:
            raise FetchError(f"no model is named {name!r}; known: {', '.join(sorted(MODELS))}")
        models.append(model)

    paths = {}
    for model in models:
        if model.packaged:
            click.echo(f"note: {model.name} ships with tinyedge, nothing to download", err=True)
        files = fetch(model, progress=sys.stderr.isatty())
        paths[model.name] = {kind: path and str(path) for kind, path in asdict(files).items()}

    if as_json:
        click.echo(json.dumps(paths, indent=2))
        return
    for model in models:
        click.echo(f"{model.name}: {model.title}")
        for kind, path in paths[model.name].items():
            if path is not None:
                click.echo(f"  {kind:<11} {path}")
