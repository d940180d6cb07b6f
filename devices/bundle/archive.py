"""A bundle on the disk: a folder or a .tar.gz, whole or not at all."""

from pathlib import Path

from tinyedge.devices.bundle.assembly import INSTALLER, Bundle
from tinyedge.devices.selftest import MANIFEST
from tinyedge.errors import DatasetError
from tinyedge.files import reproducible_tar, write_together

__all__ = ["check_output", "tar_gz", "write_bundle"]

_SUFFIXES = (".tar.gz", ".tgz")


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
    """Refuse a folder that would be replaced and is no bundle.

    Raises:
        DatasetError: `output` is a folder that holds something else.
    """
    if output.name.endswith(_SUFFIXES) or not output.is_dir():
        return
    if any(output.iterdir()) and not (output / MANIFEST).is_file():
        raise DatasetError(
            f"{output} holds something that is no bundle, and a bundle replaces its folder: name"
            " another"
        )


def tar_gz(bundle: Bundle) -> bytes:
    """The bundle as one folder in a gzipped tar; equal bundles give equal bytes."""
    members = ((f"{bundle.name}/{name}", content) for name, content in bundle.files.items())
    return reproducible_tar(members, executables={f"{bundle.name}/{INSTALLER}"}, compress=True)
