"""Side-by-side runs against other engines. Not installed; run from the checkout."""

import platform
from collections.abc import Callable
from pathlib import Path

from tinyedge.system import Interrupted, interruptible

__all__ = ["machine", "run"]


def run(main: Callable[[], None]) -> None:
    """Run a benchmark's `main`, which SIGTERM and SIGHUP end as Ctrl-C does: cleaned up."""
    try:
        with interruptible():
            main()
    except Interrupted as interrupted:
        raise SystemExit(128 + interrupted.number) from None


def machine() -> str:
    """Such as "x86_64 with AVX-512 VNNI"; Linux knows."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    kind = "with" if "avx512_vnni" in flags else "without"
    return f"{platform.machine()} {kind} AVX-512 VNNI"
