"""The commands tests run: ``tinyedge`` in this process and as a user does, and pip."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tinyedge.cli import main

ROOT = Path(__file__).parents[2]
"""The checkout."""

# Runs tinyedge with the arguments behind the first two: modules that may not be imported, and a
# file for the names of those that were.
_WATCHED = """
import json, sys
for name in filter(None, sys.argv[1].split(",")):
    sys.modules[name] = None
from tinyedge.cli import main
try:
    main(sys.argv[3:], prog_name="tinyedge")
finally:
    loaded = [name for name, module in sys.modules.items() if module is not None]
    open(sys.argv[2], "w").write(json.dumps(loaded))
"""


def run_in_process(*words: object) -> Result:
    """Run a tinyedge command that must succeed, in this process."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


def run_as_user(
    *words: object, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``tinyedge`` in a process of its own, as a user's shell would."""
    command: Sequence[str] = [sys.executable, "-m", "tinyedge", *map(str, words)]
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def watched(
    folder: Path, *words: object, without: tuple[str, ...] = ()
) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run tinyedge with packages missing; what came of it, and the packages it imported."""
    report = folder / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, ",".join(without), report, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        # The runtime is measured, not the editable install's finder.
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done, {name.split(".")[0] for name in json.loads(report.read_text())}


def need_programs(*names: str) -> None:
    """Skip the test where one of these is not installed; on CI, where all must be, fail it."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"on CI nothing may be missing: {missing[0]}", pytrace=False)
    if missing:
        pytest.skip(f"{missing[0]} is not installed")


def copy_sources(folder: Path) -> None:
    """Copy the checkout, links as links, without what was built in it."""

    def rubbish(inside: str, names: list[str]) -> set[str]:
        found = {name for name in names if name.startswith(".") or name == "__pycache__"}
        if Path(inside) == ROOT:
            found |= {"build", "dist", *(name for name in names if name.endswith(".egg-info"))}
        return found

    shutil.copytree(ROOT, folder, symlinks=True, ignore=rubbish)


def link_distributions(site_packages: Path, names: Iterable[str]) -> None:
    """Make distributions that are installed here importable from a folder, without a copy."""
    for name in names:
        distribution = importlib.metadata.distribution(name)
        installed = Path(str(distribution.locate_file("")))
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site_packages / top).exists():
                (site_packages / top).symlink_to(installed / top)


def pip(*words: object) -> None:
    """Run pip, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


_TRAPS = (
    *("compileall", "ctypes", "hashlib", "json", "numpy", "pathlib", "pip", "platform"),
    *("statistics", "struct", "subprocess", "tempfile", "tflite_micro", "tinyedge", "typing"),
    "venv",
)


def set_traps(folder: Path) -> Path:
    """Modules in `folder`, called as those that tinyedge needs, that end who imports them."""
    for name in _TRAPS:
        text = f"raise SystemExit({name + ' is imported from the folder it runs in'!r})\n"
        (folder / f"{name}.py").write_text(text)
    return folder
