"""Programs run on another machine by the system's OpenSSH, with the user's own configuration."""

import os
import re
import secrets
import selectors
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tinyedge import children
from tinyedge.errors import DeployError, MissingPackageError

__all__ = ["Finished", "Ssh", "check_ssh"]

# ssh's own exit code; a remote program's is passed on.
_SSH_FAILED = 255
_CHUNK_BYTES = 1 << 16
# Of each stream of a board. The largest honest answer is a comparison's, which lists flips.
_MOST_BYTES = 8 << 20
# At least so many bytes a second of what is sent, or the board is given up.
_SLOWEST = 1 << 14
# A person looks for a password, seconds.
_TYPING = 300.0
# What holds a pipe open after ssh has ended, such as a shared connection, is not waited for.
_AFTERWARDS = 1.0
_TIMES = (
    # Until the board answers; after that, four questions of 15 s without an answer.
    "ConnectTimeout=10",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)
# Words that bash, dash, BusyBox's ash, tcsh and fish take alike: the program is the first line of
# the input, and `read` takes no byte of what follows it.
_LOGIN_SHELL_WORDS = """exec sh -c 'IFS= read -r program; eval "$(printf %b "$program")"'"""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@ ")


@dataclass(frozen=True)
class Finished:
    """A remote program's end: its exit code and what it wrote, without a login's greetings."""

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
        timeout: how long the board may take nothing of what is sent to it, seconds.
    """

    host: str
    options: tuple[str, ...] = ()
    may_ask: bool = False
    timeout: float = 60.0

    def run(
        self,
        program: str,
        words: Sequence[str] = (),
        *,
        seconds: float,
        send: bytes = b"",
        sent: Callable[[int], None] = lambda _: None,
    ) -> Finished:
        """Run a program of the POSIX shell there, whatever the user's login shell.

        Args:
            program: the text of the program.
            words: its arguments.
            seconds: how long it may take once all is sent.
            send: its standard input.
            sent: called with how many more bytes of it have gone.

        Raises:
            DeployError: the board cannot be reached, its login shell runs no program, the
                connection broke, or the board took too long or wrote more than 8 MB.
        """
        # What comes before the mark is a login's greeting.
        mark = secrets.token_hex(8)
        head = f"printf '\\n%s\\n' {mark}; printf '\\n%s\\n' {mark} >&2\n"
        text = f"{head}set -- {shlex.join(words)}\n{program}"
        outgoing = [_Outgoing(memoryview(_one_line(text)), lambda _: None)]
        outgoing.append(_Outgoing(memoryview(send), sent))
        typing = _TYPING if self.may_ask else 0.0
        stall, patience = self.timeout + typing, seconds + typing
        try:
            with children.child(
                [*self._command(), _LOGIN_SHELL_WORDS],
                foreground=self.may_ask,
                # A pipe: should this process die, the board sees its input cut short.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as process:
                raw_stdout, raw_stderr = _exchange(process, outgoing, stall, patience)
                code = process.wait(patience)
        except subprocess.TimeoutExpired:
            raise DeployError(f"it did not end within {patience:.0f} seconds") from None
        stdout, answered = _behind(mark, raw_stdout)
        stderr, _ = _behind(mark, raw_stderr)
        if code == _SSH_FAILED or code < 0:
            raise DeployError(self._reason(code, stderr))
        if not answered:
            said = _last_line(stdout) or _last_line(stderr) or f"exit code {code}"
            raise DeployError(f"its login shell runs no program: {said}")
        return Finished(code, stdout, stderr)

    def _command(self) -> list[str]:
        options = [*self.options, *_TIMES, *(() if self.may_ask else ("BatchMode=yes",))]
        # The first value of an option counts.
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-T", *words, "--", self.host]

    def _reason(self, code: int, stderr: str) -> str:
        """Why ssh itself failed, by what it said, and what to do."""
        if code < 0:
            return f"ssh was ended by signal {-code}"
        if "REMOTE HOST IDENTIFICATION HAS CHANGED" in stderr:
            return (
                f"its host key has CHANGED: if its card was flashed anew, type {_forget(stderr)}"
                " and connect once by hand; if not, this may be another machine that listens in"
            )
        reason = _last_line(stderr) or "ssh failed without a word"
        hints = {
            "Host key verification failed": (
                "its host key is not known yet: connect once by hand, to accept its key"
            ),
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
        raise MissingPackageError("deploying needs OpenSSH's ssh: sudo apt install openssh-client")


def _one_line(program: str) -> bytes:
    """`program` as ``printf %b`` makes it again of one line, whatever its characters."""
    return (
        b"".join(
            bytes([byte]) if byte in _PLAIN else b"\\0%03o" % byte for byte in os.fsencode(program)
        )
        + b"\n"
    )


class _Outgoing(NamedTuple):
    """Bytes to send, and who is told how many more have gone."""

    content: memoryview
    sent: Callable[[int], None]


def _exchange(
    process: "subprocess.Popen[bytes]", outgoing: list[_Outgoing], stall: float, seconds: float
) -> tuple[bytes, bytes]:
    """Send, and read until the process has ended: its stdout and stderr.

    Args:
        process: with pipes that nobody else uses.
        outgoing: what it gets, in this order.
        stall: how long it may take no byte of that.
        seconds: how long it may take once it has all.

    Raises:
        DeployError: it took longer, or wrote too much.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    written = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    sink, waiting = process.stdin.fileno(), [piece for piece in outgoing if piece.content]
    os.set_blocking(sink, False)
    now = time.monotonic()
    slowest = now + stall + sum(len(piece.content) for piece in waiting) / _SLOWEST
    deadline = now + stall
    with selectors.DefaultSelector() as ready:
        for descriptor in written:
            ready.register(descriptor, selectors.EVENT_READ)
        ready.register(sink, selectors.EVENT_WRITE)
        while ready.get_map():
            # Asked before: what it writes last, between the two, is still to be read.
            has_ended = process.poll() is not None
            events = ready.select(min(_AFTERWARDS, max(0.0, deadline - time.monotonic())))
            for key, _ in events:
                if key.fd == sink:
                    waiting = _sent_some(sink, waiting)
                    deadline = min(slowest, time.monotonic() + stall)
                    if not waiting:
                        ready.unregister(sink)
                        process.stdin.close()
                        deadline = time.monotonic() + seconds
                elif not _read_some(key.fd, written[key.fd]):
                    ready.unregister(key.fd)
            if not events and has_ended:
                break
            if time.monotonic() >= deadline:
                if waiting:
                    raise DeployError(
                        "it takes no more of what is copied to it: the connection is too slow, or"
                        " it hangs"
                    )
                raise DeployError(f"it gave no answer within {seconds:.0f} seconds")
    stdout, stderr = written.values()
    return bytes(stdout), bytes(stderr)


def _sent_some(sink: int, waiting: list[_Outgoing]) -> list[_Outgoing]:
    """Write what a pipe takes now; what is left."""
    (content, sent), *rest = waiting
    try:
        count = os.write(sink, content[:_CHUNK_BYTES])
    except BlockingIOError:
        return waiting
    except BrokenPipeError:
        return []  # it ended without reading all; why, its exit code and stderr say
    sent(count)
    return [_Outgoing(content[count:], sent), *rest] if count < len(content) else rest


def _read_some(source: int, into: bytearray) -> bool:
    """Append what has come; False at the end."""
    came = os.read(source, _CHUNK_BYTES)
    into += came
    if len(into) > _MOST_BYTES:
        raise DeployError(f"it printed more than {_MOST_BYTES >> 20} MB, which no answer has")
    return bool(came)


def _behind(mark: str, raw: bytes) -> tuple[str, bool]:
    """What was written behind the line with the mark, and whether there is one; else all."""
    before, found, after = raw.decode("utf-8", "replace").partition(f"\n{mark}\n")
    return (after, True) if found else (before, False)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _forget(stderr: str) -> str:
    """The line that makes ssh forget a host's old key, of what it says of a new one."""
    named = re.search(r"^Host key for (\S+) has changed", stderr, re.MULTILINE)
    known = re.search(r"^Offending \S+ key in (.+):\d+\s*$", stderr, re.MULTILINE)
    words = ["ssh-keygen"]
    if known and known[1] != os.path.expanduser("~/.ssh/known_hosts"):
        words += ["-f", known[1]]
    return shlex.join([*words, "-R", named[1] if named else "HOST"])
