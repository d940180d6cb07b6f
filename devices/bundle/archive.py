"""A bundle on the disk: a folder or a .tar.gz, whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

from tinyedge.devices.bundle.assembly import CHECKSUMS, INSTALLER, Bundle
from tinyedge.devices.selftest import MANIFEST, read_manifest
from tinyedge.errors import DatasetError, TinyedgeError
from tinyedge.files import check_replaceable, read_text, reproducible_tar, write_together

__all__ = ["check_output", "tar_gz", "write_bundle"]

_SUFFIXES = (".tar.gz", ".tgz")
# A line of a bundle has 66 characters and a name, and it has some twenty files.
_MOST_CHECKSUMS = 1 << 20


def write_bundle(bundle: Bundle, output: Path) -> None:
    """Write `bundle` to `output`: an archive where its name ends so, else a folder.

    Raises:
        DatasetError: see `check_output`.
        OSError: it cannot be written; what was there before is untouched.
    """
    check_output(output)
    if output.name.endswith(_SUFFIXES):
        write_together({output: tar_gz(bundle)})
    else:
        write_together({output: bundle.files}, executables={INSTALLER})


def check_output(output: Path) -> None:
    """Refuse what a bundle must not replace: anything but files that a bundle wrote.

    Raises:
        DatasetError: `output` is a folder that holds something else.
        OSError: it is a folder where an archive is to be, or the other way round.
    """
    if output.name.endswith(_SUFFIXES):
        check_replaceable(output)
        return
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
