"""A bundle on the disk: a folder, a .tar.gz or a .zip, whole or not at all."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tinyedge.devices.bundle.assembly import CHECKSUMS, INSTALLER, Bundle
from tinyedge.devices.selftest import MANIFEST, read_manifest
from tinyedge.errors import DatasetError, TinyedgeError
from tinyedge.files import (
    check_replaceable,
    check_writable,
    read_text,
    reproducible_tar,
    reproducible_zip,
    write_together,
)

__all__ = ["check_output", "tar_gz", "write_bundle", "zipped"]

_TAR_GZ = (".tar.gz", ".tgz")
_ZIP = ".zip"
# Who names one of these wants no folder.
_OTHER_ARCHIVES = (
    *(".tar", ".gz", ".bz2", ".xz", ".zst", ".tbz", ".tbz2", ".txz", ".tzst"),
    *(".7z", ".rar", ".whl", ".deb", ".img"),
)
# A line of a bundle has 66 characters and a name, and it has some twenty files.
_MOST_CHECKSUMS = 1 << 20


def write_bundle(bundle: Bundle, output: Path) -> int:
    """Write `bundle` to `output`: an archive where its name ends so, else a folder.

    Returns:
        How many bytes were written: of the archive, or of all files.

    Raises:
        DatasetError: see `check_output`.
        OSError: it cannot be written; what was there before is untouched.
    """
    check_output(output)
    if not _is_archive(output):
        write_together({output: bundle.files}, executables={INSTALLER})
        return bundle.bytes
    content = zipped(bundle) if _named(output, _ZIP) else tar_gz(bundle)
    write_together({output: content})
    return len(content)


def check_output(output: Path) -> None:
    """Refuse what a bundle must not replace: anything but files that a bundle wrote.

    Raises:
        DatasetError: `output` is a folder that holds something else, or ends as an archive of a
            kind that is not written.
        OSError: it is a folder where an archive is to be, or the other way round; or nothing can
            be written there.
    """
    check_writable(output.parent)
    if _is_archive(output):
        check_replaceable(output)
        return
    if _named(output, *_OTHER_ARCHIVES) and not output.is_dir():
        raise DatasetError(
            f"{output}: no such archive is written; name a .tar.gz, .tgz or .zip file, or a folder"
        )
    check_replaceable(output, folder=True)
    if not output.is_dir():
        return
    found = {name for name in _names(output) if name not in (MANIFEST, CHECKSUMS)}
    foreign = sorted(found - _names_of_bundle(output))
    if foreign:
        raise DatasetError(
            f"{output} holds something that no bundle wrote, such as"
            f" {foreign[0]}, and a bundle replaces its folder: name another"
        )


def _names(folder: Path) -> Iterator[str]:
    """Of all files in `folder` and below it, of links and of empty folders."""
    for inside, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(inside, name))]
        for name in [*files, *links]:
            yield os.path.relpath(os.path.join(inside, name), folder)
        if inside != str(folder) and not folders and not files:
            yield os.path.relpath(inside, folder)


def _names_of_bundle(folder: Path) -> set[str]:
    """The names in the checksums of a bundle that was written there; none where it is no bundle.

    Raises:
        DatasetError: it holds the manifest or the checksums of something else.
    """
    there = [name for name in (MANIFEST, CHECKSUMS) if os.path.lexists(folder / name)]
    if not there:
        return set()
    try:
        read_manifest(folder)
        lines = read_text(
            folder / CHECKSUMS, limit=_MOST_CHECKSUMS, what="a bundle's checksums"
        ).splitlines()
    except (TinyedgeError, OSError, UnicodeError) as error:
        raise DatasetError(
            f"{folder} holds no whole bundle, and a bundle replaces its folder: name"
            f" another ({error})"
        ) from error
    return {line.partition("  ")[2] for line in lines}


def tar_gz(bundle: Bundle) -> bytes:
    """The bundle as one folder in a gzipped tar; equal bundles give equal bytes."""
    members = ((f"{bundle.name}/{name}", content) for name, content in bundle.files.items())
    return reproducible_tar(members, executables={f"{bundle.name}/{INSTALLER}"}, compress=True)


def zipped(bundle: Bundle) -> bytes:
    """The bundle as one folder in a zip; equal bundles give equal bytes."""
    members = {f"{bundle.name}/{name}": content for name, content in bundle.files.items()}
    return reproducible_zip(members, mode=stat.S_IFREG | 0o644)


def _is_archive(output: Path) -> bool:
    return _named(output, *_TAR_GZ, _ZIP)


def _named(output: Path, *suffixes: str) -> bool:
    return output.name.lower().endswith(suffixes)
