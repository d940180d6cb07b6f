"""Side-by-side runs against other engines. Not installed; run from the checkout."""

import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tinyedge.system import Interrupted, interruptible

__all__ = ["CPU", "cpu", "machine", "run"]


def run(main: Callable[[], None]) -> None:
    """Run a benchmark's `main`, which SIGTERM and SIGHUP end as Ctrl-C does: cleaned up."""
    try:
        with interruptible():
            main()
    except Interrupted as interrupted:
        raise SystemExit(128 + interrupted.number) from None


class CPU(NamedTuple):
    """What Linux knows of a CPU.

    Attributes:
        name: such as "AMD EPYC 9B14"; the architecture's where it has none.
        flags: what it has of instructions, by Linux's names; none where Linux lists none.
    """

    name: str
    flags: tuple[str, ...]


def cpu() -> CPU:
    """The first of this machine."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return CPU(fields.get("model name", platform.machine()), tuple(fields.get("flags", "").split()))


def machine() -> str:
    """Such as "x86_64 with AVX-512 VNNI"."""
    kind = "with" if "avx512_vnni" in cpu().flags else "without"
    return f"{platform.machine()} {kind} AVX-512 VNNI"
