"""Which boards: named one by one, or listed in a file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import DeployError
from tinyedge.files import read_text
from tinyedge.text import shortened
from tinyedge.toml import read_toml

__all__ = ["BoardAddress", "boards_of"]

_MOST_BYTES = 2**20


_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]*"
# A name or an IPv6 address, perhaps with a zone; or as a URL, with a port.
_HOST = re.compile(
    f"({_NAME}@)?({_NAME}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%{_NAME})?)"
    rf"|ssh://({_NAME}@)?({_NAME}|\[[0-9A-Fa-f:.]+(%{_NAME})?\])(:(?P<port>[0-9]{{1,5}}))?/?"
)
_SSH_PORT = 22
_LAST_PORT = 65535


@dataclass(frozen=True)
class BoardAddress:
    """A board's host, as ssh takes it, and its device profile's name or file."""

    host: str
    device: str


def boards_of(hosts: Sequence[str], inventory: Path | None, device: str) -> list[BoardAddress]:
    """The boards of `hosts`, then those of `inventory`; `device` is that of all without one.

    An inventory is a text file with one line per board, its host and perhaps its device, where
    ``#`` begins a comment; or, where its name ends in ``.toml``, it has one table ``[[board]]``
    per board, with ``host`` and perhaps ``device``.

    Raises:
        DeployError: no board is named, one twice, or the inventory cannot be read.
        OSError: there is no such file.
    """
    found = [("--host", BoardAddress(host, device)) for host in hosts]
    if inventory is not None:
        read = _read_toml if inventory.suffix == ".toml" else _read_lines
        found += read(inventory, device)
    if not found:
        where = f"{inventory} names" if inventory is not None else "there is"
        raise DeployError(f"{where} no board: name one with --host USER@HOST")
    seen: dict[str, str] = {}
    for where, board in found:
        key = _identity(board.host, where)
        if key in seen:
            raise DeployError(f"{where}: {board.host} is named twice: {seen[key]} names it")
        seen[key] = where
    return [board for _, board in found]


def _identity(host: str, where: str) -> str:
    """What is the same of two names of one board: ssh takes a host's letters in any case."""
    # A user's ssh_config may hand it to a shell, as %h of a ProxyCommand.
    match = _HOST.fullmatch(host)
    if match is None:
        raise DeployError(
            f"{where}: {shortened(host)} is no host; expected USER@HOST, of letters, digits, . _"
            " and -"
        )
    port = match["port"] or str(_SSH_PORT)
    if not 1 <= int(port) <= _LAST_PORT:
        raise DeployError(f"{where}: {host}: no port is {port}; expected 1 to {_LAST_PORT}")
    user, _, name = host.removeprefix("ssh://").rstrip("/").rpartition("@")
    if match["port"]:
        name = name.removesuffix(f":{match['port']}")
    return f"{user}@{name.strip('[]').lower()} {int(port)}"


def _read_lines(inventory: Path, device: str) -> list[tuple[str, BoardAddress]]:
    text = read_text(inventory, limit=_MOST_BYTES, what="an inventory", error=DeployError)
    boards = []
    # Not splitlines() and split(), which break at characters that to an editor are no end.
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{inventory}:{number}"
        words = re.findall(r"[^ \t\r]+", line.partition("#")[0])
        if len(words) > 2:
            raise DeployError(f"{where}: expected HOST or HOST DEVICE, not {shortened(line)}")
        if words:
            board = BoardAddress(words[0], words[1] if len(words) == 2 else device)
            boards.append((where, board))
    return boards


def _read_toml(inventory: Path, device: str) -> list[tuple[str, BoardAddress]]:
    content = read_toml(inventory, what="an inventory", error=DeployError)
    tables = content.pop("board", [])
    if content or not isinstance(tables, list):
        raise DeployError(f"{inventory}: an inventory has tables [[board]] and nothing else")
    return [_board(inventory, number, table, device) for number, table in enumerate(tables, 1)]


def _board(inventory: Path, number: int, table: object, device: str) -> tuple[str, BoardAddress]:
    where = f"{inventory}: board {number}"
    found = table if isinstance(table, dict) else {}
    known = set(found) <= {"host", "device"} and "host" in found
    if not known or not all(isinstance(value, str) for value in found.values()):
        raise DeployError(f'{where}: expected host = "USER@HOST" and perhaps device')
    return where, BoardAddress(found["host"], found.get("device", device))
