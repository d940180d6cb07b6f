"""How tinyedge is installed, and what to do about what is missing or in the way."""

import os
import sys

from tinyedge.errors import MissingPackageError

__all__ = [
    "DISTRIBUTION",
    "cluster_package_missing",
    "export_package_missing",
    "is_externally_managed",
    "other_distribution",
    "pip_advice",
    "report_package_missing",
]

DISTRIBUTION = "tinyedge-darknet"
"""What pip calls this project. It calls another one tinyedge, as its package and command are."""

# The first Python without a wheel of the TensorFlow that pyproject.toml names.
_WITHOUT_TENSORFLOW = (3, 14)
_ENVIRONMENT = "~/tinyedge-env"


def export_package_missing(
    what: str, package: str | None, python: tuple[int, ...] = sys.version_info[:2]
) -> MissingPackageError:
    """The error where `what` (a command, a plot) lacks a package that only the computer needs."""
    if package in ("tensorflow", "keras") and python >= _WITHOUT_TENSORFLOW:
        return MissingPackageError(
            f"{what} needs the package tensorflow, which has no wheel for Python"
            f" {'.'.join(map(str, python))}: use Python 3.11 to 3.13"
        )
    return MissingPackageError(
        f"{what} needs the package {package}, which {DISTRIBUTION}[export] brings"
        " (README: Installing)"
    )


def cluster_package_missing(package: str | None) -> MissingPackageError:
    """The error where other machines cannot be asked for lack of a package."""
    return MissingPackageError(
        f"--scheduler needs the package {package}, which {DISTRIBUTION}[cluster] brings (README:"
        " Installing)"
    )


def report_package_missing(package: str) -> MissingPackageError:
    """The error where a page (--html) cannot be made for lack of a package."""
    return MissingPackageError(
        f"a page (--html) needs the package {package}, which {DISTRIBUTION}[report] brings, and"
        " so does [export] (README: Installing)"
    )


def is_externally_managed() -> bool:
    """Whether pip refuses to install into this Python, as into Debian's own since bookworm.

    The rule is PEP 668's: no virtual environment, and a file beside the standard library.
    """
    if sys.prefix != sys.base_prefix:
        return False
    import sysconfig

    return os.path.isfile(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))


def pip_advice(requirements: str, *, managed: bool | None = None) -> str:
    """A sentence: what to type for `requirements`, as a shell takes them, in this Python.

    `managed` says whether that `is_externally_managed`; looked up where not given.
    """
    if not (is_externally_managed() if managed is None else managed):
        return f"Type: pip install {requirements}"
    return (
        "pip installs nothing into the system's Python (PEP 668): have a computer install tinyedge"
        f" here (tinyedge deploy, tinyedge bundle), or type: python3 -m venv"
        f" --system-site-packages {_ENVIRONMENT} && {_ENVIRONMENT}/bin/pip install {requirements};"
        f" then {_ENVIRONMENT}/bin/python -m tinyedge"
    )


def other_distribution(folder: str | None = None) -> str | None:
    """A line on a distribution called tinyedge whose files lie among this one's, or None.

    Looked for by the names in `folder`, by default the one that holds this package: to ask
    importlib.metadata takes longer than most commands.
    """
    if folder is None:
        folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return None
    for name in names:
        project, _, version = name.removesuffix(".dist-info").partition("-")
        if name.endswith(".dist-info") and project.lower() == "tinyedge":
            return (
                f"another distribution, tinyedge {version}, is installed in {folder} too, and its"
                f" files and these overwrite each other: pip uninstall tinyedge {DISTRIBUTION},"
                f" then install {DISTRIBUTION} again"
            )
    return None
