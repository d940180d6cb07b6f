"""An sshd of the tests' own on the loopback, for those who hold its key and no one else."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

# It is not on the PATH of everybody.
SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


def is_installed() -> bool:
    """Whether Debian's openssh-server and openssh-client are."""
    return SSHD is not None and shutil.which("ssh-keygen") is not None


@dataclass(frozen=True)
class Sshd:
    """A server that runs: its address for ssh, and the options that reach it."""

    host: str
    port: int
    options: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """What to put behind ``tinyedge deploy`` to reach it, but for the host."""
        return [word for option in self.options for word in ("--ssh-option", option)]


@contextmanager
def private_sshd(
    folder: Path, *, force_command: str = "", more_addresses: Sequence[str] = ()
) -> Iterator[Sshd]:
    """Run one while the block does, on 127.0.0.1 and `more_addresses` of the loopback.

    With a `force_command` the user's shell runs that in the place of what a client asks, which it
    finds in ``SSH_ORIGINAL_COMMAND``.
    """
    assert SSHD is not None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = [
        *(f"ListenAddress {address}" for address in ("127.0.0.1", *more_addresses)),
        "MaxStartups 100",
        f"Port {port}",
        f"HostKey {folder}/host",
        f"AuthorizedKeysFile {folder}/user.pub",
        "PidFile none",
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
    ]
    if force_command:
        lines.append(f"ForceCommand {force_command}")
    (folder / "config").write_text("".join(f"{line}\n" for line in lines))
    key = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.*]:{port} {key}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # it insists, and only its service makes it
    with subprocess.Popen(
        [SSHD, "-D", "-f", folder / "config", "-E", folder / "log"], stdin=subprocess.DEVNULL
    ) as process:
        try:
            _wait(process, port, folder / "log")
            options = (
                f"Port={port}",
                f"IdentityFile={folder}/user",
                "IdentitiesOnly=yes",
                f"UserKnownHostsFile={folder}/known",
            )
            yield Sshd(f"{getuser()}@127.0.0.1", port, options)
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as error:
            said = log.read_text() if log.exists() else ""
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"sshd does not answer: {said}") from error
            time.sleep(0.05)
        else:
            return
