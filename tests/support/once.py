"""What is made once for all the processes that test at the same time."""

import fcntl
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["made_once"]


def made_once(target: Path, make: Callable[[Path], None]) -> Path:
    """The folder `target`, made if it is not there; others who want it wait meanwhile.

    `make` fills an empty folder of another name, which becomes `target` where it succeeds: a
    folder that is there is whole.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory(prefix=".making.", dir=target.parent) as making:
            made = Path(making) / "made"
            made.mkdir()
            make(made)
            made.rename(target)
    return target
