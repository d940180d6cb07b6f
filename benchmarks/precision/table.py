"""The tables of docs/precision.md."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["BEGIN", "END", "markdown"]

BEGIN = "<!-- begin: benchmarks/precision writes what follows -->\n"
END = "<!-- end: benchmarks/precision -->\n"

_BOARDS = {"pi3": "A53", "pi4": "A72", "pi5": "A76"}


def markdown(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """A table for each network; a number is the mean over seeds, with the range behind it."""
    lines = ["## Measured", ""]
    lines += ["Written by `python -m benchmarks.precision -o docs/precision.md`.", ""]
    for network, seeds in found.items():
        lines += [*_network(network, seeds), ""]
    return "\n".join(lines[:-1]) + "\n"


def _network(network: str, seeds: Sequence[Mapping[str, Any]]) -> list[str]:
    first = seeds[0]["rows"]["integer"]
    numbers = ", ".join(str(seed["seed"]) for seed in seeds)
    columns = ("file for, budget", "cycles", "KL, val", "agreement", "ties", "KL, calib_more")
    columns += ("bytes", *_BOARDS.values())
    lines = [
        f"`{network}`, calibrated on 200 photos, seeds {numbers}; answers on"
        f" {first['val']['images']} photos of val and {first['calib_more']['images']} of"
        f" calib_more, against the float file's; {_machine()}; {seeds[0]['date']}. Instructions are"
        " M of one inference on an emulated core, one thread; cycles by the table and the rule, to"
        " the integer file's on the board.",
        "",
        f"| {' | '.join(columns)} |",
        f"|---{'|---:' * (len(columns) - 1)}|",
    ]
    for name in seeds[0]["rows"]:
        measured = [seed for seed in seeds if name in seed["rows"]]
        rows = [seed["rows"][name] for seed in measured]
        some = f" (seed {', '.join(str(seed['seed']) for seed in measured)})"
        cells = [
            name if len(measured) == len(seeds) else name + some,
            _spread([row.get("cycles", 1.0) for row in rows], "{:.3f}"),
            _spread([row["val"]["kl"] for row in rows], "{:.4f}"),
            _spread([row["val"]["agreement"] for row in rows], "{:.1f}"),
            _spread([row["val"]["ties"] for row in rows], "{:.0f}"),
            _spread([row["calib_more"]["kl"] for row in rows], "{:.4f}"),
            _spread([row["bytes"] for row in rows], "{:,.0f}"),
        ]
        cells += [
            _spread([row["instructions"][board] / 1e6 for row in rows], "{:.1f}")
            for board in _BOARDS
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _spread(values: Sequence[float], form: str) -> str:
    """The mean, and the lowest and highest where they are told apart."""
    mean, low, high = (
        form.format(each) for each in (sum(values) / len(values), min(values), max(values))
    )
    return mean if low == high else f"{mean} ({low} to {high})"


def _machine() -> str:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    kind = "with" if "avx512_vnni" in flags else "without"
    return f"{platform.machine()} {kind} AVX-512 VNNI"
