"""The systemd service that classifies what comes into a folder; ``install.sh`` starts it."""

import os
import shutil
import sys
from pathlib import Path

from tinyedge import children
from tinyedge.devices.selftest import read_manifest
from tinyedge.errors import DeviceError, TinyedgeError
from tinyedge.files import write_together

__all__ = ["UNIT", "install_service", "unit_text"]

UNIT = "tinyedge-watch.service"
_SYSTEM_FOLDER = Path("/etc/systemd/system")
# There where systemd manages this machine: sd_booted(3).
_RUNNING = Path("/run/systemd/system")


def unit_text(prefix: Path, folder: Path, *, user: str | None, system: bool) -> str:
    """The unit file.

    Args:
        prefix: what tinyedge is installed into.
        folder: to be watched.
        user: whom the service runs as; None leaves it to systemd.
        system: for the whole machine, not for one user's session.

    Raises:
        DeviceError: a path has a line end in it, which no unit file can hold.
        ModelError: no bundle is installed at `prefix`.
    """
    installed = prefix / "current"
    manifest = read_manifest(installed)
    words = [
        str(prefix / "bin" / "tinyedge"),
        *("run", str(installed / manifest["model"]), "--watch", str(folder)),
        *("--device", str(installed / manifest["profile"]), "--json"),
    ]
    values = {
        "@COMMAND@": " ".join(map(_quoted, words)),
        "@USER@": f"User={user}\n" if user else "",
        "@WANTED_BY@": "multi-user.target" if system else "default.target",
    }
    text = Path(__file__).with_name("watch.service").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def install_service(prefix: Path, folder: Path) -> str:
    """Write the unit, and where systemd runs start it, now and at each start of the board.

    Root's is the machine's, and runs as who called sudo; anybody else's belongs to their session.

    Returns:
        What was done, in words.

    Raises:
        DeviceError: systemd refused.
        ModelError, OSError: see `unit_text`; the unit cannot be written.
    """
    system = os.geteuid() == 0
    text = unit_text(
        prefix, folder, user=os.environ.get("SUDO_USER") if system else None, system=system
    )
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = (_SYSTEM_FOLDER if system else configuration / "systemd" / "user") / UNIT
    write_together({path: text.encode()})
    control = ["systemctl"] if system else ["systemctl", "--user"]
    if not _RUNNING.is_dir() or shutil.which("systemctl") is None:
        return f"note: wrote {path}; systemd does not run here, so it is not started"
    for words in (["daemon-reload"], ["enable", UNIT], ["restart", UNIT]):
        done = children.run([*control, *words])
        if done.returncode != 0:
            raise DeviceError(f"{' '.join([*control, *words])}: {done.stderr.strip()}")
    linger = "" if system else "; to run it while nobody is logged in: loginctl enable-linger"
    journal = f"journalctl {'' if system else '--user '}-fu {UNIT}"
    return f"started {UNIT}, watching {folder}; its answers: {journal}{linger}"


def _quoted(word: str) -> str:
    """One word of ExecStart, by systemd.service(5) and systemd.syntax(7)."""
    if not word.isprintable():
        raise DeviceError(f"{word!r} cannot stand in a systemd unit: rename it")
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(character, escaped)
    return f'"{word}"'


if __name__ == "__main__":
    try:
        print(install_service(Path(sys.argv[1]), Path(sys.argv[2]).absolute()))
    except (TinyedgeError, OSError) as problem:
        print(f"error: tinyedge is installed, its service is not: {problem}", file=sys.stderr)
        raise SystemExit(2) from None
