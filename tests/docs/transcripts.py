"""The commands that README and docs show, run as a user would type them.

    python -m tests.docs.transcripts [PAGE...]

writes what they print now into the pages; it needs the real data (TINYEDGE_CACHE).
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import ROOT
from tests.support.exports import Exported, exporter

__all__ = ["ELSEWHERE", "PAGES", "Command", "alike", "commands", "lay_out", "output"]

PAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "README.md": {},
    "docs/boards.md": {},
    "docs/calib.md": {},
    "docs/command_line.md": {},
    "docs/cluster.md": {},
    "docs/compare.md": {
        "out": ("fashion",),
        "tiny": ("tiny", "--count", "50"),
        "default": ("tiny", "--quantizer", "default", "--count", "50"),
    },
    "docs/coral.md": {"out": ("fashion",)},
    "docs/deploy.md": {"out": ("tiny", "--count", "50")},
    "docs/export.md": {},
    "docs/inspect.md": {"out": ("fashion",), "tiny": ("tiny", "--count", "50")},
    "docs/metadata.md": {"out": ("fashion",)},
    "docs/microcontrollers.md": {"out": ("fashion",)},
    "docs/report.md": {"out": ("fashion",)},
    "docs/run.md": {"out": ("tiny", "--count", "50")},
    "docs/when_int8_is_not_good_enough.md": {"tiny": ("tiny", "--count", "50")},
    "docs/zoo.md": {},
}
"""The pages with commands, and the exports, by folder, that are there when one reads them."""

_CLUSTER = "tests/test_cluster.py"
ELSEWHERE = {
    "dask ": _CLUSTER,
    "pip install 'tinyedge_darknet-0.1.0-py3-none-any.whl[cluster]'": _CLUSTER,
    "tinyedge compare ... --scheduler": _CLUSTER,
    "tinyedge compare out/tiny_float.tflite out/tiny_int8.tflite \\\n    --data val": _CLUSTER,
    "python3 -m venv": "tests/test_installation.py and tests/test_packaging.py",
    "~/tinyedge-env/bin/": "the same",
    "scp ": "tests/cli/test_deploy.py carries bundles over ssh",
    "ssh ": "the same",
    "tar -xzf": "tests/devices/bundle installs what it unpacked",
    "sh tinyedge-pi4/install.sh": "the same",
    "tinyedge/bin/tinyedge": "the same",
    "tinyedge deploy": "tests/cli/test_deploy.py",
    "tinyedge run tiny_coral_edgetpu.tflite": "tests/devices/runtime, with a delegate made for it",
    "tinyedge compare tiny_float.tflite tiny_coral": "tests/cli/test_compare_edgetpu.py",
    "tinyedge compare out/pets_float.tflite": "tests/cli/test_darknets_data.py",
    "tinyedge completion": "tests/cli/test_completion.py",
    "tinyedge run out/tiny_int8.tflite --watch": "tests/cli/run",
    "tinyedge run out/tiny_int8.tflite photos --json --journal": "tests/cli/run/test_shared.py",
    "tinyedge run out/tiny_int8.tflite --camera": "tests/cli/run",
    "tinyedge export tiny --calib photos --device coral-usb": "tests/cli/test_export_coral.py",
    "tinyedge export tiny --calib set": "tests/cli/test_calib.py reads sets as export does",
    "tinyedge export tiny --calib photos --count 50": (
        "tests/docs/test_transcripts.py for README.md, with 200 photos"
    ),
    "tinyedge export fashion --device tflm": "tests/cli/test_check_microcontroller.py, of a toy",
    "tinyedge check out/fashion_int8.tflite --device tflm": (
        "tests/cli/test_check_microcontroller.py, for its package is optional"
    ),
    "tinyedge export net.cfg": "tests/export/tflite/test_metadata.py",
    "tinyedge devices": "tests/cli/test_devices.py",
}
"""Commands, by how they begin, that are not run here, and what tests them."""

# Commands behind a prompt, with their output; or commands alone, a line each.
_FENCED = re.compile(r"^```\n((?:\$|tinyedge|find) .*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
# Names of classes and of images that a page on another machine may not share.
_NAMING = ("lost most", "flipped", "worst")
_TIMES = re.compile(r"\s*[\d.,]+ m?s\b")


@dataclass(frozen=True)
class Command:
    """A command of a page: what is typed, over several lines perhaps, and what comes of it.

    `printed` is None where the page shows no output.
    """

    typed: str
    printed: str | None

    @property
    def elsewhere(self) -> str | None:
        """What tests it where that is not done here."""
        found = [where for start, where in ELSEWHERE.items() if self.typed.startswith(start)]
        return found[0] if found else None


def commands(page: str) -> list[Command]:
    """Those of a page, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [each for block in _FENCED.findall(text) for each in _of_block(block)]


def _of_block(block: str) -> Iterator[Command]:
    if not block.startswith("$ "):
        yield from (Command(line, None) for line in block.replace("\\\n", "").splitlines())
        return
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        typed = 1
        while lines[typed - 1].endswith("\\\n"):
            typed += 1
        yield Command("".join(lines[:typed]).rstrip("\n"), "".join(lines[typed:]))


def lay_out(page: str, folder: Path, exported: Exported) -> None:
    """Put into `folder` what a reader of the page has."""
    shared = Path(os.environ["TINYEDGE_CACHE"]).resolve().parent
    own = ROOT / "calib_data" / "fashion"
    there = {
        "photos": shared / "imagenet" / "calib",
        "labelled": shared / "imagenet" / "val",
        "dog.jpg": shared / "images" / "dog.jpg",
        "test": own / "test",
        "my.cfg": own / "fashion.cfg",
        "my.weights": own / "fashion.weights",
        "my.names": own / "fashion.labels",
    }
    for name, words in PAGES[page].items():
        calib = ("--calib", str(there["photos"])) if words[0] == "tiny" else ()
        there[name] = exported(*words, *calib).float_model.parent
    for name, target in there.items():
        (folder / name).symlink_to(target)


def output(command: Command, folder: Path) -> str:
    """What it prints on stdout, a pipe, in `folder`.

    Raises:
        AssertionError: it ends with an error.
    """
    path = (str(Path(sys.executable).parent), os.environ["PATH"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.typed}"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    # A gate that fails, or cannot tell, prints its result, too.
    assert done.returncode in (0, 1, 3), f"{command.typed}\n{done.stderr}"
    return done.stdout


def alike(shown: str, printed: str) -> bool:
    """Whether a page shows what a command prints, on whatever machine.

    Times are left out. Sizes may differ by 2 %, other numbers by half or 8, as the arithmetic of
    another kind of CPU has them; words may not. ``...`` stands for any lines.
    """
    ours, theirs = (_unnamed(text.splitlines()) for text in (shown, printed))
    if "..." in ours:
        place = ours.index("...")
        rest = len(ours) - place - 1
        theirs = [*theirs[:place], "...", *(theirs[len(theirs) - rest :] if rest else [])]
    return len(ours) == len(theirs) and all(map(_line_alike, ours, theirs))


def _unnamed(lines: list[str]) -> list[str]:
    """Without what stands below a row of names, indented."""
    kept: list[str] = []
    naming = False
    for line in lines:
        if not (naming and line.startswith(" ")):
            kept.append(line)
            naming = line.startswith(_NAMING)
    return kept


def _line_alike(shown: str, printed: str) -> bool:
    if shown.startswith(_NAMING):
        return printed.startswith(shown.split(maxsplit=1)[0])
    shown, printed = (_TIMES.sub(" TIME", line) for line in (shown, printed))
    words = [" ".join(_NUMBER.sub("#", line).split()) for line in (shown, printed)]
    numbers = [
        [float(each.replace(",", "")) for each in _NUMBER.findall(line)]
        for line in (shown, printed)
    ]
    size = "bytes" in shown or " kB" in shown or " MB" in shown
    return words[0] == words[1] and all(
        abs(a - b) <= (0.02 * abs(a) if size else max(0.5 * abs(a), 8))
        for a, b in zip(*numbers, strict=True)
    )


def write_anew(page: str, exported: Exported) -> None:
    """Put what its commands print now into the page; what is shortened by ``...`` stays."""
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        lay_out(page, Path(name), exported)
        for command in commands(page):
            if command.elsewhere is not None:
                continue
            printed = output(command, Path(name))
            if command.printed is not None and "...\n" not in command.printed:
                old = f"$ {command.typed}\n{command.printed}"
                assert text.count(old) == 1, old
                text = text.replace(old, f"$ {command.typed}\n{printed}")
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for each in sys.argv[1:] or PAGES:
            print(each, flush=True)
            write_anew(each, exporter(Path(made)))
