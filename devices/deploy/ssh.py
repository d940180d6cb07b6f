"""Programs run on another machine by the system's OpenSSH, with the user's own configuration."""

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinyedge import children
from tinyedge.errors import DeployError, MissingPackageError

__all__ = ["Finished", "Ssh", "check_ssh"]

# ssh's own exit code; a remote program's is passed on.
_SSH_FAILED = 255
_CHUNK_BYTES = 1 << 16
_TIMES = (
    # Until the board answers; after that, four questions of 15 s without an answer.
    "ConnectTimeout=10",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)


@dataclass(frozen=True)
class Finished:
    """A remote program's end: its exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Ssh:
    """A way to a board.

    Attributes:
        host: as ssh takes it: ``user@host``, or a name of ``~/.ssh/config``.
        options: ssh_config(5) options such as ``Port=2222``; before those that stand here and
            in the user's configuration.
        may_ask: whether ssh may ask a person for a password or about an unknown host; else it
            gives up.
    """

    host: str
    options: tuple[str, ...] = ()
    may_ask: bool = False

    def run(
        self,
        words: Sequence[str],
        *,
        send: bytes = b"",
        sent: Callable[[int], None] = lambda _: None,
    ) -> Finished:
        """Run a program there, whatever the user's login shell.

        Args:
            words: the program and its arguments.
            send: its standard input.
            sent: called with how many more bytes of it have gone.

        Raises:
            DeployError: the board cannot be reached, or the connection broke.
        """
        # Files, not pipes: nothing read here ever keeps the board waiting while it is written to.
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            with children.child(
                [*self._command(), shlex.join(words)],
                foreground=self.may_ask,
                # A pipe: should this process die, the board sees its input cut short.
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
            ) as process:
                assert process.stdin is not None
                try:
                    for start in range(0, len(send), _CHUNK_BYTES):
                        process.stdin.write(send[start : start + _CHUNK_BYTES])
                        sent(len(send[start : start + _CHUNK_BYTES]))
                    process.stdin.close()
                except BrokenPipeError:
                    pass  # it ended without reading all; why, its exit code and stderr say
            texts = []
            for stream in (stdout, stderr):
                stream.seek(0)
                texts.append(stream.read().decode("utf-8", "replace"))
        finished = Finished(process.returncode, *texts)
        if finished.code == _SSH_FAILED or finished.code < 0:
            raise DeployError(self._reason(finished))
        return finished

    def _command(self) -> list[str]:
        options = [*self.options, *_TIMES, *(() if self.may_ask else ("BatchMode=yes",))]
        # The first value of an option counts.
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-T", *words, "--", self.host]

    def _reason(self, finished: Finished) -> str:
        if finished.code < 0:
            return f"ssh was ended by signal {-finished.code}"
        said = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
        reason = said[-1] if said else "ssh failed without a word"
        hints = {
            "Host key verification failed": "connect once by hand, to accept its key",
            "Permission denied": "put your key there with ssh-copy-id, or start an agent",
        }
        for sign, hint in hints.items():
            if sign in reason:
                return f"{reason.rstrip('.')}: {hint}"
        return reason


def check_ssh() -> None:
    """Make sure that there is an ssh.

    Raises:
        MissingPackageError: there is none on PATH.
    """
    if shutil.which("ssh") is None:
        raise MissingPackageError("deploying needs OpenSSH's ssh: apt install openssh-client")
