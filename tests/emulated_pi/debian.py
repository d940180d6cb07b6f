"""Packages of any Debian release and architecture, unpacked without installing them."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["SOURCES", "download", "download_source", "unpack"]

# Where this machine gets its own packages, and the keys that vouch for them.
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def download(
    suite: str, architecture: str, packages: Sequence[str], folder: Path, *, alone: bool = False
) -> list[Path]:
    """The .deb files of `packages` and of all they depend on (`alone`: of themselves only).

    apt's whole state is kept in `folder`, which must be empty: this machine's is not touched.

    Raises:
        RuntimeError: apt failed; the message is its own.
    """
    what = ["download"] if alone else ["--download-only", "install"]
    return _fetch("deb", suite, architecture, [*what, *packages], folder)


def download_source(suite: str, package: str, folder: Path) -> list[Path]:
    """The files of a source package, as Debian keeps them; `folder` as in `download`.

    Raises:
        RuntimeError: apt failed; the message is its own.
    """
    return _fetch("deb-src", suite, "amd64", ["--download-only", "source", package], folder)


def _fetch(
    kind: str, suite: str, architecture: str, what: Sequence[str], folder: Path
) -> list[Path]:
    archives = folder / "cache" / "archives"
    for made in (archives / "partial", folder / "lists" / "partial"):
        made.mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(_source(kind, suite))
    apt = ["apt-get", "--quiet=2", "--yes"]
    for option in (
        f"APT::Architecture={architecture}",
        f"APT::Architectures::={architecture}",
        "APT::Sandbox::User=root",
        "APT::Install-Recommends=false",
        "Acquire::Languages=none",
        f"Dir::Etc::sourcelist={folder}/sources.list",
        "Dir::Etc::sourceparts=/dev/null",
        "Dir::Etc::preferencesparts=/dev/null",
        f"Dir::State={folder}",
        f"Dir::State::status={folder}/status",
        f"Dir::Cache={folder}/cache",
    ):
        apt += ["-o", option]
    _run([*apt, "update"], archives)
    _run([*apt, *what], archives)
    return sorted(path for path in archives.iterdir() if path.suffix in (".deb", ".xz", ".dsc"))


def unpack(archive: Path, folder: Path, *members: str) -> None:
    """What `archive` installs, or those of its files, into `folder`."""
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE
    ) as content:
        # The links /bin, /lib and /sbin stay what they are.
        _run(
            ["tar", "--keep-directory-symlink", "-x", "-f", "-", "-C", str(folder), *members],
            folder,
            stdin=content.stdout,
        )


def _source(kind: str, suite: str) -> str:
    text = SOURCES.read_text()
    address, keys = (
        re.search(rf"^{field}: *(\S+)", text, re.MULTILINE) for field in ("URIs", "Signed-By")
    )
    if address is None:
        raise RuntimeError(f"{SOURCES}: names no address (URIs:)")
    signed_by = f"[signed-by={keys[1]}] " if keys else ""
    return f"{kind} {signed_by}{address[1]} {suite} main\n"


def _run(command: Sequence[str], folder: Path, stdin: object = subprocess.DEVNULL) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=stdin,  # type: ignore[call-overload]
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")
