"""``python -m tests.random_nets``: judge many random nets and print the table."""

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tests.random_nets.judge import Judgement, judged, lost
from tests.random_nets.table import as_text

_ROOT = Path(__file__).resolve().parents[2]
# Nets a process judges: TensorFlow starts once for them, and what it does not free stays small.
_BATCH = 15


@click.command()
@click.option("--nets", type=click.IntRange(min=1), default=300, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first.")
@click.option(
    "--quantizer",
    type=click.Choice(["tuned", "default"]),
    default="tuned",
    show_default=True,
    help="As of tinyedge export.",
)
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of all that was measured.")
def command(*, nets: int, seed: int, quantizer: str, processes: int, as_json: bool) -> None:
    """Export random nets; compare the float files with Darknet, int8 with float.

    Exit 1 where a net is wrong, failed or crashed.
    """
    seeds = range(seed, seed + nets)
    batches = [seeds[start : start + _BATCH] for start in range(0, nets, _BATCH)]
    with (
        ThreadPoolExecutor(processes) as pool,
        click.progressbar(length=nets, file=sys.stderr, label="nets") as bar,
    ):

        def judge_all(batch: Sequence[int]) -> list[Judgement]:
            found = []
            for each in _judged(batch, quantizer):
                found.append(each)
                bar.update(1)
            return found

        found = [each for batch in pool.map(judge_all, batches) for each in batch]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in found], allow_nan=False))
    else:
        click.echo(as_text(found))
    sys.exit(any(each.verdict in ("wrong", "failed", "crashed") for each in found))


def _judged(seeds: Sequence[int], quantizer: str) -> Iterator[Judgement]:
    """Judge them in a process of their own, and in another one what comes behind a crash."""
    left = list(seeds)
    while left:
        words = [sys.executable, "-m", "tests.random_nets.judge", quantizer, *map(str, left)]
        with (
            tempfile.TemporaryFile("w+") as complaints,
            subprocess.Popen(
                words, cwd=_ROOT, stdout=subprocess.PIPE, stderr=complaints, text=True
            ) as child,
        ):
            assert child.stdout is not None
            for line in child.stdout:
                yield judged(line)
                del left[0]
            code = child.wait()
            complaints.seek(0)
            said = complaints.read().strip().splitlines()
        if left:
            yield lost(left.pop(0), said[-1] if said else f"exit {code}")


if __name__ == "__main__":
    command()
