"""tinyedge's own wheel for a board, made of the package as it runs here.

No build tool and no checkout are needed: what is imported is what goes in, without what a board
cannot use (`tinyedge.export`, the built-in model's weights and photos). The file follows PEP 427
and the specification of recorded installs; equal packages give equal bytes.
"""

import base64
from collections.abc import Iterator
from email import message_from_string
from importlib.metadata import Distribution, distributions
from pathlib import Path

import tinyedge
from tinyedge.errors import MissingPackageError
from tinyedge.files import bytes_sha256, reproducible_zip
from tinyedge.installation import DISTRIBUTION

__all__ = ["board_wheel"]

_LEFT_OUT_FOLDERS = {"__pycache__", "export"}
_LEFT_OUT_SUFFIXES = {".png", ".pyc", ".weights", ".zip"}
_REGULAR_FILE = 0o100644


def board_wheel() -> tuple[str, bytes]:
    """The wheel's file name and content.

    Raises:
        MissingPackageError: tinyedge runs from a folder without having been installed, so that
            what it depends on is not recorded.
    """
    # Building a wheel leaves another record in the checkout, which python -m finds first.
    installed = next(
        (found for found in distributions(name=DISTRIBUTION) if found.read_text("METADATA")), None
    )
    if installed is None:
        raise MissingPackageError(
            f"{DISTRIBUTION} is not installed here, it only runs: install it (README: Installing)"
        )
    # PEP 427 has no hyphen in a name.
    stem = f"{DISTRIBUTION.replace('-', '_')}-{installed.version}"
    information = f"{stem}.dist-info"
    members = dict(_package_files(Path(tinyedge.__file__).parent))
    members |= {
        f"{information}/METADATA": _metadata(installed),
        f"{information}/WHEEL": _WHEEL.encode(),
        f"{information}/entry_points.txt": _text(installed, "entry_points.txt"),
        f"{information}/licenses/LICENSE": _text(installed, "licenses/LICENSE"),
    }
    record = f"{information}/RECORD"
    lines = [_record_line(name, content) for name, content in members.items()]
    members[record] = "".join(f"{line}\n" for line in [*lines, f"{record},,"]).encode()
    return f"{stem}-py3-none-any.whl", reproducible_zip(members, mode=_REGULAR_FILE)


_WHEEL = """\
Wheel-Version: 1.0
Generator: tinyedge
Root-Is-Purelib: true
Tag: py3-none-any
"""


def _package_files(package: Path) -> Iterator[tuple[str, bytes]]:
    """Name in the wheel and content of every file a board needs, by name."""
    found = {}
    # In a checkout some of the packages are links, which rglob does not enter.
    waiting = [package]
    while waiting:
        for path in waiting.pop().iterdir():
            if path.name.startswith(".") or path.name in _LEFT_OUT_FOLDERS:
                continue
            if path.is_dir():
                waiting.append(path)
            elif path.suffix not in _LEFT_OUT_SUFFIXES:
                found[f"tinyedge/{path.relative_to(package).as_posix()}"] = path
    for name in sorted(found):
        yield name, found[name].read_bytes()


def _metadata(installed: Distribution) -> bytes:
    """The installed METADATA without its extras, none of which a board can have, and the README."""
    message = message_from_string(_text(installed, "METADATA").decode())
    kept = []
    for key, value in message.items():
        if key in ("Provides-Extra", "Description-Content-Type"):
            continue
        if key == "Requires-Dist" and "extra ==" in value:
            continue
        kept.append(f"{key}: {value}\n")
    return "".join(kept).encode()


def _text(installed: Distribution, name: str) -> bytes:
    content = installed.read_text(name)
    if content is None:
        raise MissingPackageError(
            f"the installed {DISTRIBUTION} lacks its {name}: install it again"
        )
    return content.encode()


def _record_line(name: str, content: bytes) -> str:
    raw = bytes.fromhex(bytes_sha256(content))
    digest = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}"
