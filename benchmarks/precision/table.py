"""The tables of docs/precision.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import machine
from benchmarks.emulated.cores import CORES

__all__ = ["BEGIN", "END", "markdown"]

BEGIN = "<!-- begin: benchmarks/precision writes what follows -->\n"
END = "<!-- end: benchmarks/precision -->\n"


def markdown(found: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> str:
    """A table for each network and kind of sample: ``seed``, ``draw``, ``count 10``.

    A number is the mean over the samples, with the range behind it.
    """
    lines = ["## Measured", ""]
    lines += [
        "Written by `python -m benchmarks.precision -o docs/precision.md`. *cycles* are by the"
        " table and the rule, to the integer file's on the board; instructions are counted on"
        " emulated cores, one thread, of the integer file for each of them. A number is the mean;"
        " in brackets the lowest and highest.",
        "",
    ]
    for (network, kind), samples in sorted(found.items(), key=lambda each: each[0], reverse=True):
        lines += [*_table(network, kind, samples), ""]
    return "\n".join(lines[:-1]) + "\n"


def _table(network: str, kind: str, samples: Sequence[Mapping[str, Any]]) -> list[str]:
    first = samples[0]["rows"]["integer"]
    numbers = ", ".join(sample["sample"].partition("-")[2] for sample in samples)
    photos, others = samples[0]["photos"], first["others"]["images"]
    if kind == "seed":
        calibrated = f"calibrated on the {photos} photos of calib, seeds {numbers}"
        compared = f"*others* are the {others} of calib_more"
    elif kind == "draw":
        calibrated = f"calibrated on {photos} drawn from calib and calib_more, draws {numbers}"
        compared = f"*others* are the {others} that were not drawn"
    else:
        calibrated = f"calibrated on {photos} photos of calib" if photos else "`--calib none`"
        compared = f"*others* are the {others} of calib_more"
    columns = ["file for, budget", "cycles", "KL, val", "agreement", "ties", "KL, others"]
    columns += ["bytes", *(CORES.values() if kind == "seed" else ())]
    lines = [
        f"`{network}`, {calibrated}; answers against the float file's on the"
        f" {first['val']['images']} photos of val, {compared}; {machine()};"
        f" {samples[0]['date']}."
        + (" Instructions are M of one inference, counted." if kind == "seed" else ""),
        "",
        f"| {' | '.join(columns)} |",
        f"|---{'|---:' * (len(columns) - 1)}|",
    ]
    for name in samples[0]["rows"]:
        measured = [sample for sample in samples if name in sample["rows"]]
        rows = [sample["rows"][name] for sample in measured]
        some = ", ".join(sample["sample"].replace("-", " ") for sample in measured)
        cells = [
            name if len(measured) == len(samples) else f"{name} ({some})",
            _spread([row.get("cycles", 1.0) for row in rows], "{:.3f}"),
            _spread([row["val"]["kl"] for row in rows], "{:.4f}"),
            _spread([row["val"]["agreement"] for row in rows], "{:.1f}"),
            _spread([row["val"]["ties"] for row in rows], "{:.0f}"),
            _spread([row["others"]["kl"] for row in rows], "{:.4f}"),
            _spread([row["bytes"] for row in rows], "{:,.0f}"),
        ]
        if kind == "seed":
            cells += [
                _spread([row["instructions"][board] / 1e6 for row in rows], "{:.1f}")
                for board in CORES
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _spread(values: Sequence[float], form: str) -> str:
    """The mean, and the lowest and highest where they are told apart."""
    mean, low, high = (
        form.format(each) for each in (sum(values) / len(values), min(values), max(values))
    )
    return mean if low == high else f"{mean} ({low} to {high})"
