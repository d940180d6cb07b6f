"""What came of many random nets, in 80 columns."""

from collections import Counter
from collections.abc import Sequence
from typing import get_args

import numpy as np

from tests.random_nets.judge import Judgement, Verdict
from tinyedge.table import Column, paragraph, table

__all__ = ["as_text"]

_WIDTH = 80
_WORST = 10
_QUANTILES = (0, 1, 5, 25, 50, 75, 100)


def as_text(found: Sequence[Judgement]) -> str:
    """Counts of verdicts, the distribution of the errors, the worst nets."""
    parts = [_verdicts(found), _quantiles(found), _heads(found), _worst(found)]
    reasons = [_reason(each) for each in found if each.reason and each.reason != "float only"]
    return "\n\n".join([*parts, *reasons])


def _verdicts(found: Sequence[Judgement]) -> str:
    counts = Counter(each.verdict for each in found)
    rows = [[verdict, str(counts[verdict])] for verdict in get_args(Verdict)]
    engine = sum(each.oracle == "engine" for each in found)
    rows.append(["all", str(len(found)), f"{engine} of them against Darknet's C engine"])
    columns = [Column("verdict"), Column("nets", "right"), Column("")]
    return table(columns, [[*row, ""][:3] for row in rows], width=_WIDTH)


def _quantiles(found: Sequence[Judgement]) -> str:
    measures = {
        "int8, dB": ([each.db for each in found], ".1f"),
        "in reach, dB": ([each.reachable for each in found], ".1f"),
        "logits, dB": ([each.logits_db for each in found], ".1f"),
        "agreement": ([each.agreement for each in found], ".3f"),
        "KL": ([each.kl for each in found], ".5f"),
        "float, off by": ([each.float_error for each in found], ".1e"),
    }
    rows = []
    for name, (values, form) in measures.items():
        known = [value for value in values if value is not None]
        if known:
            cells = [format(value, form) for value in np.percentile(known, _QUANTILES)]
            rows.append([name, str(len(known)), *cells])
    columns = [Column("quantile, %"), Column("n", "right")]
    columns += [Column(str(quantile), "right") for quantile in _QUANTILES]
    return table(columns, rows, width=_WIDTH)


def _heads(found: Sequence[Judgement]) -> str:
    rows = []
    for head in sorted({each.head for each in found}):
        decibels = [each.db for each in found if each.head == head and each.db is not None]
        cells = [f"{np.min(decibels):.1f}", f"{np.median(decibels):.1f}"] if decibels else ["", ""]
        rows.append([head, str(len(decibels)), *cells])
    columns = [Column("head"), *(Column(name, "right") for name in ("int8", "worst", "median dB"))]
    return table(columns, rows, width=_WIDTH)


def _worst(found: Sequence[Judgement]) -> str:
    measured = sorted((each.db, each.seed, each) for each in found if each.db is not None)
    rows = [
        [str(seed), f"{db:.1f}", f"{each.reachable:.1f}", each.verdict, each.gist]
        for db, seed, each in measured[:_WORST]
    ]
    columns = [Column(name, "right") for name in ("seed", "dB", "in reach")]
    columns += [Column("worst"), Column("net", fit="wrap")]
    return table(columns, rows, width=_WIDTH)


def _reason(each: Judgement) -> str:
    lines = paragraph(
        f"{each.reason} | {each.gist}", width=_WIDTH, first=f"{each.seed} {each.verdict}:", indent=4
    )
    return "\n".join(lines)
