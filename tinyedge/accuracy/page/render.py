"""A page of its own: templates become one HTML file that asks nothing of the network."""

from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.errors import DatasetError
from tinyedge.files import check_output_file
from tinyedge.installation import report_package_missing
from tinyedge.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["check_page", "rendered"]

_TEMPLATES = Path(__file__).parent / "templates"


def check_page(path: Path, *inputs: Path | None) -> None:
    """Say before the work whether a page can be made at `path`.

    Raises:
        DatasetError: the file's name does not end in .html: it may be one of the others named.
        OSError: it cannot be written there, or is one of the `inputs`.
        MissingPackageError: jinja2 is not installed; the message says what brings it.
    """
    if path.suffix.lower() != ".html":
        raise DatasetError(f"{path}: a page is an .html file")
    check_output_file(path, *inputs)
    _environment()


def rendered(template: str, **values: object) -> bytes:
    """The page of a template, UTF-8.

    Strangers' text, which may be any, is shown and never obeyed: what is harmful in a line is
    escaped by `tinyedge.text.printable`, and the rest for HTML.

    Raises:
        MissingPackageError: jinja2 is not installed.
    """
    return _environment().get_template(template).render(**values).encode()


def _environment() -> "Environment":
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise report_package_missing((error.name or "jinja2").partition(".")[0]) from error

    def harmless(value: object) -> object:
        if isinstance(value, Markup):
            return value
        return printable(value) if isinstance(value, str | Path) else value

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["css"] = lambda value: Markup(f"{float(value):.2f}")
    return environment


def _number(value: float | None, digits: int = 3) -> str:
    """With so many significant digits; a dash of what is not known."""
    return "–" if value is None else f"{value:.{digits}g}"
