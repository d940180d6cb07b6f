"""Bundles made and installed as a user would, for several test files."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any


def offline() -> list[str]:
    """The words that run a command without any network, where this machine lets us."""
    for words in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if (
            shutil.which("unshare")
            and not subprocess.run([*words, "true"], capture_output=True, check=False).returncode
        ):
            return words
    return []


def install(
    bundle: Path,
    *words: object,
    before: tuple[str, ...] = (),
    cwd: str | Path = "/",
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run the bundle's installer in `cwd` with no network; `before` are words before the shell."""
    return subprocess.run(
        [*offline(), *before, "sh", str(bundle / "install.sh"), *map(str, words)],
        env={**board_environment(), **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def board_environment() -> dict[str, str]:
    """The tests' own, without what would let the checkout in."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def installed(prefix: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the tinyedge that was installed into `prefix`."""
    return subprocess.run(
        [prefix / "bin" / "tinyedge", *map(str, words)],
        env=board_environment(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def selftest_of(prefix: Path) -> dict[str, Any]:
    """What the installed tinyedge says of its own models; it must have passed."""
    done = installed(prefix, "selftest", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    assert next(iter(found.items())) == ("schema", "tinyedge.selftest/1")
    return without_times(found)


def without_times(selftest: dict[str, Any]) -> dict[str, Any]:
    """A self-test's answer but for what is not the same a second time; each time was one."""
    models = [dict(model) for model in selftest["models"]]
    times = [model.pop("milliseconds") for model in models]
    assert all(time > 0 for time in times), times
    return {**selftest, "models": models}
