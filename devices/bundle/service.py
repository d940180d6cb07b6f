"""The systemd service that classifies what comes into a folder; ``install.sh`` starts it."""

import os
import sys
from pathlib import Path

from tinyedge.devices.selftest import read_manifest
from tinyedge.errors import DeviceError, TinyedgeError
from tinyedge.files import bytes_sha256
from tinyedge.text import is_plain_name, printable

__all__ = ["unit_text"]

# The machine's service writes into its state folder alone and reaches no network: systemd.exec(5).
# An accelerator stays within reach, so no PrivateDevices, and AF_NETLINK, by which libusb hears of
# it; photos may come into /tmp, so no PrivateTmp. Of a user's own service the kernel may not allow
# these, which would keep it from starting.
_NO_PRIVILEGES = "CapabilityBoundingSet=\n"
_SANDBOX = """\
ProtectSystem=strict
ProtectHome=read-only
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectHostname=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
"""


def unit_text(prefix: Path, folder: Path, *, user: str | None, system: bool) -> str:
    """The unit file.

    Args:
        prefix: what tinyedge is installed into.
        folder: to be watched.
        user: whom the service runs as; None leaves it to systemd.
        system: for the whole machine, not for one user's session.

    Raises:
        DeviceError: a path has a control character in it, or `prefix` a quote or a backslash, which
            no unit can hold; or the user's name something else than ``A-Z a-z 0-9 . _ -``.
        ModelError: no bundle is installed at `prefix`.
    """
    if user is not None and not is_plain_name(user):
        raise DeviceError(f"{user!r} is no name of a user that a systemd unit can hold")
    installed = prefix / "current"
    manifest = read_manifest(installed)
    words = [
        *("run", str(installed / manifest["model"]), "--watch", str(folder)),
        *("--device", str(installed / manifest["profile"]), "--json"),
    ]
    program = str(prefix / "bin" / "tinyedge")
    if any(character in program for character in "\\\"'"):
        raise DeviceError(f"systemd starts no program in {program!r}: install into another folder")
    # Variables are put into all words but the program's path.
    command = [_quoted(program)]
    command += [_quoted(word).replace("$", "$$") for word in words]
    # A journal a folder: %S is where StateDirectory is. What comes while the service starts again
    # is answered then.
    journal = f"watch-{bytes_sha256(os.fsencode(folder))[:12]}.journal"
    command += ['"--journal"', f'"%S/tinyedge/{journal}"']
    values = {
        "@FOLDER@": _quoted(str(folder)),
        "@COMMAND@": " ".join(command),
        "@USER@": f"User={user}\n" if user else "",
        "@SANDBOX@": (_NO_PRIVILEGES if user else "") + _SANDBOX if system else "",
        "@WANTED_BY@": "multi-user.target" if system else "default.target",
    }
    text = Path(__file__).with_name("watch.service").read_text(encoding="utf-8")
    # From the last one: what is put in is not looked at again.
    for name, value in reversed(values.items()):
        before, _, after = text.partition(name)
        text = before + value + after
    return text


def _quoted(word: str) -> str:
    """One word of ExecStart, by systemd.service(5) and systemd.syntax(7)."""
    if not word.isprintable():
        raise DeviceError(f"{word!r} cannot stand in a systemd unit: rename it")
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%")):
        word = word.replace(character, escaped)
    return f'"{word}"'


def main(prefix: str, folder: str, kind: str, user: str | None = None) -> None:
    """Print the unit; `kind` is ``system`` or ``session``."""
    print(unit_text(Path(prefix), Path(folder), user=user, system=kind == "system"), end="")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (TinyedgeError, OSError) as problem:
        print(printable(f"error: {problem}"), file=sys.stderr)
        raise SystemExit(2) from None
