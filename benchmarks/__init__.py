"""Side-by-side runs against other engines. Not installed; run from the checkout."""

from collections.abc import Callable

from tinyedge.system import Interrupted, interruptible

__all__ = ["run"]


def run(main: Callable[[], None]) -> None:
    """Run a benchmark's `main`, which SIGTERM and SIGHUP end as Ctrl-C does: cleaned up."""
    try:
        with interruptible():
            main()
    except Interrupted as interrupted:
        raise SystemExit(128 + interrupted.number) from None
