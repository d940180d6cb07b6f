"""Boards as one meets them, each a login of the tests' own sshd with something odd about it.

A board is an address of the loopback; which program stands for its login shell, and what is on its
PATH, is decided by that address. All that is odd is real (BusyBox, tcsh, a tmpfs without room) or
said by a ``python3`` that says it (ARMv6).
"""

import contextlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.private_sshd import private_sshd

_PYTHON = shlex.quote(sys.executable)
_RUN = 'exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
# An sshd listens on no more than 16.
_MOST_ADDRESSES = 15
# Until the connection is gone, so that nothing is left behind.
_HANG = "while kill -0 $SESSION 2>/dev/null; do sleep 0.2; done\n"


@dataclass(frozen=True)
class OddBoard:
    """What is odd about a board.

    Attributes:
        simulated: in words, by what.
        login: a shell program in the place of its login shell.
        python: one in the place of its python3; None is the real one, "" none at all.
        tar: one in the place of its tar; None is the real one, "" none at all.
        busybox: whether BusyBox's applets are all the tools there are.
        selftest, compare: what its tinyedge, installed before, prints of itself and of models;
            None where there is none.
        needs: the commands without which it cannot be simulated here.
    """

    simulated: str
    login: str = _RUN
    python: str | None = None
    tar: str | None = None
    busybox: bool = False
    selftest: str | None = None
    compare: str = ""
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Those of `needs` that are not here."""
        return [name for name in self.needs if shutil.which(name) is None]


def _mounted(options: str, then: str = "") -> str:
    inside = f'mount -t tmpfs {options} tmpfs "$HOME"\n{then}{_RUN}'
    return f"exec unshare --user --map-root-user --mount sh -c {shlex.quote(inside)}\n"


def _python_says(lies: str) -> str:
    """A python3 that runs the program of ``-c`` behind `lies`."""
    return (
        f'lies={shlex.quote(lies)}\nprogram=$2\nshift 2\nexec {_PYTHON} -c "$lies\n$program" "$@"\n'
    )


def _machine(name: str, bits: int) -> str:
    size = bits // 8
    return _python_says(
        "import platform, struct\n"
        f"platform.machine = lambda: {name!r}\nstruct.calcsize = lambda _: {size}"
    )


def _prints(text: str) -> str:
    return f"exec {_PYTHON} -c {shlex.quote(f'import sys; sys.stdout.write({text})')}\n"


_FACTS = (
    '{"prefix": "/tmp/x", "python": "3.11", "machine": "x86_64", "bits": 64, "libc": ["glibc",'
    ' "2.36"], "board": null, "installed": null, "has_images": false, "is_root": false,'
    ' "free": 1, "memory": null, "modules": [], "problem": null}'
)

ODD_BOARDS: Mapping[str, OddBoard] = {
    "ARMv6, a Pi Zero W": OddBoard("python3 says armv6l, 32 bits", python=_machine("armv6l", 32)),
    "32-bit x86": OddBoard("python3 says x86_64, 32 bits", python=_machine("x86_64", 32)),
    "RISC-V": OddBoard("python3 says riscv64", python=_machine("riscv64", 64)),
    "32-bit ARM, Python 3.13": OddBoard(
        "python3 says aarch64, 32 bits, 3.13",
        python=_machine("aarch64", 32)
        .replace("import platform", "import sys, platform")
        .replace("platform.machine =", "sys.version_info = (3, 13, 5); platform.machine =", 1),
    ),
    "musl, as of Alpine": OddBoard(
        "python3 says musl 1.2.5",
        python=_python_says(
            "import os, platform\nos.confstr = lambda _: None\n"
            "platform.libc_ver = lambda: ('musl', '1.2.5')"
        ),
    ),
    "an old Python": OddBoard(
        "python3 says 3.9", python=_python_says("import sys\nsys.version_info = (3, 9, 2)")
    ),
    "no python3": OddBoard("PATH without python3", python=""),
    "a python3 that does not start": OddBoard(
        "python3 fails", python='echo "python3: cannot open shared object file" >&2\nexit 127\n'
    ),
    "no tar": OddBoard("PATH without tar", tar=""),
    "a tar without gzip": OddBoard(
        "tar fails", tar="echo \"tar: invalid option -- 'z'\" >&2\nexit 1\n"
    ),
    "no venv": OddBoard(
        "python3 without venv",
        python=_python_says(
            "import importlib.util\nfound = importlib.util.find_spec\n"
            "importlib.util.find_spec = lambda name: None if name == 'venv' else found(name)"
        ),
    ),
    "a read-only home": OddBoard("a read-only tmpfs", _mounted("-o ro"), needs=("unshare",)),
    "a full disk": OddBoard(
        "a full tmpfs",
        _mounted("-o size=64k", 'dd if=/dev/zero of="$HOME/full" bs=64k count=9 2>/dev/null\n'),
        needs=("unshare",),
    ),
    "a small disk": OddBoard("a tmpfs of 30 MB", _mounted("-o size=30m"), needs=("unshare",)),
    "a home mounted noexec": OddBoard("a tmpfs", _mounted("-o noexec"), needs=("unshare",)),
    "no shell to log in": OddBoard(
        "nologin", "echo 'This account is currently not available.'\nexit 1\n"
    ),
    "an answer of {}": OddBoard("python3 prints it", python=_prints("'{}'")),
    "numbers for strings": OddBoard(
        "python3 prints it", python=_prints(repr(_FACTS.replace('"3.11"', "3.11")))
    ),
    "deep JSON": OddBoard("python3 prints 100,000 [", python=_prints("'[' * 100000")),
    "JSON 500 deep": OddBoard(
        "python3 prints it",
        python=_prints(repr(_FACTS[:-1] + ', "x": %s}') + " % ('[' * 500 + ']' * 500)"),
    ),
    "an integer of 5,000 digits": OddBoard(
        "python3 prints it",
        python=_prints(repr(_FACTS.replace('"free": 1', '"free": %s')) + " % ('9' * 5000)"),
    ),
    "an infinite number": OddBoard(
        "python3 prints 1e999", python=_prints(repr(_FACTS.replace('"free": 1', '"free": 1e999')))
    ),
    "control characters": OddBoard(
        "python3 prints an escape",
        python=_prints(repr(_FACTS.replace('"board": null', r'"board": "\u001b]0;title\u0007"'))),
    ),
    "half a surrogate pair": OddBoard(
        "python3 prints \\ud800",
        python=_prints(repr(_FACTS.replace('"board": null', r'"board": "\ud800"'))),
    ),
    "half a surrogate pair in its folder": OddBoard(
        "python3 prints \\ud800",
        python=_prints(repr(_FACTS.replace("/tmp/x", r"/tmp/\ud800"))),
    ),
    "no UTF-8": OddBoard("python3 prints ff fe", python="printf '\\377\\376{\\n'\n"),
    "NUL bytes": OddBoard("python3 prints them", python="head -c 4096 /dev/zero\n"),
    "gigabytes for an answer": OddBoard("python3 runs yes", python="exec yes\n"),
    "gigabytes of errors": OddBoard("python3 runs yes >&2", python="exec yes >&2\n"),
    "gigabytes before the login": OddBoard("the login runs yes", "exec yes\n"),
    "never answers": OddBoard("python3 hangs", python=_HANG),
    "a login that hangs": OddBoard("the login hangs", _HANG),
    "crashes": OddBoard("python3 dies of SIGSEGV", python="kill -SEGV $$\n"),
}
"""Those on which nothing can be installed, by what they are."""

_PASSED = '{"passed": true, "models": [{"passed": true}]}'


def _tests(answer: str) -> OddBoard:
    return OddBoard("its tinyedge prints it", selftest=answer)


def _compares(answer: str) -> OddBoard:
    return OddBoard("its tinyedge prints it", selftest=_PASSED, compare=answer)


STRANGE_ANSWERS: Mapping[str, OddBoard] = {
    "a self-test of {}": _tests("{}"),
    "a self-test of no model": _tests('{"passed": true, "models": []}'),
    "a self-test that contradicts itself": _tests(_PASSED.replace('true, "m', 'false, "m')),
    "a self-test of words": _tests(_PASSED.replace('true, "m', '"yes", "m')),
    "a self-test of numbers": _tests('{"passed": true, "models": [7]}'),
    "a self-test with NaN": _tests(_PASSED.replace("true}", 'true, "x": NaN}')),
    "a self-test with 1e999": _tests(_PASSED.replace("true}", 'true, "x": 1e999}')),
    "a deep self-test": _tests("[" * 100_000),
    "a self-test of a list": _tests("[]"),
    "a self-test of nothing": _tests(""),
    "a comparison of {}": _compares("{}"),
    "a comparison of words": _compares('{"float": {"top1": 1}, "int8": {"top1": "x"}}'),
    "a comparison of numbers": _compares('{"float": 1, "int8": 1, "drop": 1}'),
    "half an interval": _compares(
        '{"float": {"top1": 1}, "int8": {"top1": 1}, "drop": {"top1": 1, "interval": [0]}}'
    ),
}
"""Those that have the bundle, and a tinyedge that is somebody's own program."""

GOOD_BOARDS: Mapping[str, OddBoard] = {
    "BusyBox": OddBoard(
        "BusyBox's ash and applets are all but python3",
        'exec busybox ash -c "$SSH_ORIGINAL_COMMAND"\n',
        busybox=True,
        needs=("busybox",),
    ),
    "tcsh that greets": OddBoard(
        "tcsh with a .tcshrc",
        'exec tcsh -c "$SSH_ORIGINAL_COMMAND"\n',
        needs=("tcsh",),
    ),
}
"""Those on which all goes well."""


@dataclass(frozen=True)
class Boards:
    """Odd boards that run: their hosts by kind, and the words for ``tinyedge deploy``."""

    hosts: Mapping[str, str]
    words: tuple[str, ...]
    _folders: Mapping[str, Path]

    def received(self, kind: str) -> int:
        """How many bytes have come to a board, beside the programs it was asked to run."""
        count = self._folders[kind] / "in"
        lines = count.read_bytes().splitlines(keepends=True) if count.exists() else []
        return sum(len(line) for line in lines if not line.startswith(b"printf \\0047"))


@contextlib.contextmanager
def boards_of(folder: Path, kinds: Mapping[str, OddBoard], checksums: bytes) -> Iterator[Boards]:
    """Run them while the block does, each with a home below `folder`.

    `checksums` are those of the bundle that some of them say they have.
    """
    addresses = {kind: f"127.0.0.{number}" for number, kind in enumerate(kinds, start=10)}
    folders = {kind: folder / address for kind, address in addresses.items()}
    for kind in kinds:
        _make(folders[kind], kinds[kind])
        if kinds[kind].selftest is not None:
            _install(folders[kind] / "home" / "tinyedge", kinds[kind], checksums)
    login = folder / "login.sh"
    login.write_text(
        f"cd {shlex.quote(str(folder))}\nSESSION=$PPID\nset -- $SSH_CONNECTION\n"
        'HOME=$PWD/$3/home PATH=$PWD/$3/bin\nexport SESSION HOME PATH\ncd "$HOME"\n'
        "../tee -a ../in | ../sh ../login\n"
    )
    hosts: dict[str, str] = {}
    words: list[str] = []
    with contextlib.ExitStack() as servers:
        for start in range(0, len(kinds), _MOST_ADDRESSES):
            some = list(kinds)[start : start + _MOST_ADDRESSES]
            sshd = servers.enter_context(
                private_sshd(
                    folder / f"sshd-{start}",
                    force_command=f"sh {shlex.quote(str(login))}",
                    more_addresses=[addresses[kind] for kind in some],
                )
            )
            user = sshd.host.partition("@")[0]
            hosts |= {kind: f"ssh://{user}@{addresses[kind]}:{sshd.port}" for kind in some}
            words += ["--ssh-option", f"IdentityFile={folder}/sshd-{start}/user"]
        known = " ".join(map(str, folder.glob("sshd-*/known")))
        words += ["--ssh-option", f"UserKnownHostsFile={known}"]
        words += ["--ssh-option", "IdentitiesOnly=yes"]
        yield Boards(hosts, tuple(words), folders)


def _make(board: Path, kind: OddBoard) -> None:
    (board / "home").mkdir(parents=True)
    (board / "home" / ".tcshrc").write_text("echo Welcome to the board\n")
    (board / "login").write_text(kind.login)
    tools = board / "bin"
    tools.mkdir()
    for name in ("sh", "tee"):
        (board / name).symlink_to(str(shutil.which(name)))
    if kind.busybox:
        names = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
        for name in {*names.stdout.split(), "busybox"}:
            (tools / name).symlink_to(str(shutil.which("busybox")))
    else:
        for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for name in os.listdir(folder):
                if not os.path.lexists(tools / name):
                    (tools / name).symlink_to(f"{folder}/{name}")
    for name, program in (("python3", kind.python), ("tar", kind.tar)):
        tool = tools / name
        if program is None and name == "tar":
            continue
        for other in tools.glob("python*") if name == "python3" else [tool]:
            other.unlink()
        text = f'exec {_PYTHON} "$@"\n' if program is None else program
        if text:
            tool.write_text(f"#!/bin/sh\n{text}")
            tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


def _install(prefix: Path, kind: OddBoard, checksums: bytes) -> None:
    (prefix / "current").mkdir(parents=True)
    (prefix / "current" / "SHA256SUMS").write_bytes(checksums)
    (prefix / "bin").mkdir()
    (prefix / "selftest").write_text(kind.selftest or "")
    (prefix / "compare").write_text(kind.compare)
    program = prefix / "bin" / "tinyedge"
    program.write_text(f"#!/bin/sh\ncat '{prefix}'/\"$1\"\n")
    program.chmod(0o755)
