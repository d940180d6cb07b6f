"""``python -m tests.fuzz``."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import click

from tests.fuzz import corpus
from tests.fuzz.sessions import Session, fuzz
from tests.fuzz.target import Target, allow_own_warnings, find_in
from tests.fuzz.targets import TARGETS
from tinyedge.table import WIDTH, Column, table

_ALL = "all"
_COLUMNS = (
    Column("reader"),
    *(Column(name, align="right") for name in ("executions", "a second", "seconds")),
    *(Column(name, align="right") for name in ("files", "bytes", "finds")),
)


@click.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice([*TARGETS, _ALL]))
@click.option("--runs", type=click.IntRange(1), help="Executions of each [default: a campaign's].")
@click.option("--seconds", type=click.IntRange(1), help="At most so long for each.")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Side by side.")
@click.option("--keep", is_flag=True, help="Merge what was learned into tests/fuzz/corpus.")
@click.option("--replay", is_flag=True, help="Read corpus and finds once, without atheris.")
@click.option(
    "--finds",
    type=click.Path(path_type=Path, file_okay=False),
    default="/tmp/tinyedge-finds",
    show_default=True,
    help="Where files go with which a reader fails.",
)
@click.option(
    "--campaign",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A JSON file of results: readers that are in it are left out, the others added.",
)
def main(
    *,
    names: tuple[str, ...],
    runs: int | None,
    seconds: int | None,
    seed: int,
    jobs: int,
    keep: bool,
    replay: bool,
    finds: Path,
    campaign: Path | None,
) -> None:
    """Feed readers with mutated files; exit 1 where one does what it may not."""
    chosen = list(TARGETS.values()) if _ALL in names else [TARGETS[name] for name in names]
    if replay:
        sys.exit(sum(_replayed(target) for target in chosen) > 0)
    known = _recorded(campaign)
    left = [target for target in chosen if target.name not in known]

    def one(target: Target) -> Session:
        return fuzz(
            target,
            runs=runs or target.runs,
            seconds=seconds,
            seed=seed,
            keep=keep,
            artifacts=finds,
        )

    with ThreadPoolExecutor(jobs) as pool:
        for session in pool.map(one, left):
            known[session.name] = session
            if campaign is not None:
                rows = [asdict(each) for each in known.values()]
                campaign.write_text(json.dumps(rows, indent=1) + "\n")
            click.echo(f"{session.name}: {session.executions:,} executions", err=True)
    shown = [known[target.name] for target in chosen]
    click.echo(as_text(shown))
    for session in shown:
        for find in session.finds:
            click.echo(f"{session.name}: {finds / session.name / find}")
        if session.complaint:
            click.echo(f"{session.name}: {session.complaint}", err=True)
    sys.exit(any(session.finds or session.complaint for session in shown))


def as_text(sessions: list[Session]) -> str:
    """A line a reader, in 80 columns."""
    rows = [
        (
            session.name,
            f"{session.executions:,}",
            f"{session.executions / max(session.seconds, 1e-3):,.0f}",
            f"{session.seconds:,.0f}",
            f"{session.files:,}",
            f"{session.size:,}",
            str(len(session.finds)),
        )
        for session in sessions
    ]
    return table(_COLUMNS, rows, width=WIDTH)


def _recorded(campaign: Path | None) -> dict[str, Session]:
    if campaign is None or not campaign.exists():
        return {}
    return {row["name"]: Session(**row) for row in json.loads(campaign.read_text())}


def _replayed(target: Target) -> bool:
    """Whether a file of the corpus is a find; each is told."""
    allow_own_warnings()
    failed = False
    for content in [*target.seeds(), *corpus.read_corpus(target.name), *_past_finds(target)]:
        found = find_in(target, content)
        if found is not None:
            failed = True
            click.echo(f"{target.name}: {found.place}: {content[:60]!r}\n{found.trace}", err=True)
    return failed


def _past_finds(target: Target) -> list[bytes]:
    return [path.read_bytes() for path in corpus.finds(target.name)]


if __name__ == "__main__":
    main()
