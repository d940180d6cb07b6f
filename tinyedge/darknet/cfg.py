"""A .cfg as sections whose every option knows its line.

The rules are those of Darknet's ``parser.c`` (``read_cfg``) and ``option_list.c``: blanks
anywhere in a line mean nothing, ``#`` and ``;`` begin a comment line, the first of a repeated
option wins, and a section may be written by its short name. Where the C engine reads on past a
mistake (``atoi`` makes 0 of ``abc``), this reader stops and says where. Three liberties are
taken: a comment may also stand behind an option, lines may end in CR LF, and the file may begin
with a byte order mark. Comments may be in any encoding.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tinyedge.errors import CfgError, TinyedgeWarning
from tinyedge.files import read_bytes

__all__ = ["Option", "Section", "parse_cfg", "read_cfg"]

# string_to_layer_type() and is_network() in parser.c.
_CANONICAL = {
    "avg": "avgpool",
    "conn": "connected",
    "conv": "convolutional",
    "deconv": "deconvolutional",
    "local_avg": "local_avgpool",
    "lrn": "normalization",
    "max": "maxpool",
    "network": "net",
    "soft": "softmax",
}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# The engine keeps every integer of a .cfg in a C int.
_LARGEST = 2**31 - 1
# The longest of Darknet's own cfgs has 20 KB; more than this is some other file.
_MOST_BYTES = 2**20


class Option(NamedTuple):
    """An option's text and the line it stands on, from 1."""

    value: str
    line: int


@dataclass(frozen=True)
class Section:
    """One ``[section]`` of a .cfg.

    Attributes:
        name: the section's type, its long name (``convolutional`` for ``[conv]``).
        line: of the section's header, from 1.
        source: the file as its reader named it; every error begins with it.
        options: by name; of a repeated option the first.
    """

    name: str
    line: int
    source: str
    options: Mapping[str, Option]

    def integer(
        self, option: str, default: int | None = None, *, minimum: int | None = None
    ) -> int:
        """The option as a whole number; without a default the option is required.

        Raises:
            CfgError: it is missing, no integer, beyond 32 bits or less than `minimum`.
        """
        if option not in self.options and default is not None:
            return default
        value = self._integer(self.text(option), option)
        if minimum is not None and value < minimum:
            raise self.error(f"must be at least {minimum}", option)
        return value

    def number(self, option: str, default: float | None = None) -> float:
        """The option as a finite decimal number; without a default the option is required.

        Raises:
            CfgError: it is missing or no number.
        """
        if option not in self.options and default is not None:
            return default
        value = self.text(option)
        if not _NUMBER.fullmatch(value) or abs(float(value)) == float("inf"):
            raise self.error("is not a number", option)
        return float(value)

    def text(self, option: str, default: str | None = None) -> str:
        """The option as it is written, without blanks; without a default it is required.

        Raises:
            CfgError: it is missing.
        """
        if option in self.options:
            return self.options[option].value
        if default is None:
            raise self.error("is required", option)
        return default

    def integers(self, option: str) -> tuple[int, ...]:
        """The required option as whole numbers with commas between.

        Raises:
            CfgError: it is missing, or a part of it is no integer.
        """
        return tuple(self._integer(part, option) for part in self.text(option).split(","))

    def describe(self, message: str, option: str | None = None) -> str:
        """`message` behind the place it speaks of: ``tiny.cfg:42: [convolutional] size=abc ...``.

        With an `option`, the message's subject is that option and the line is the option's; an
        option that is not written is named without a value, at the section's line.
        """
        if option is None:
            return f"{self.source}:{self.line}: [{self.name}] {message}"
        found = self.options.get(option)
        if found is None:
            return f"{self.source}:{self.line}: [{self.name}] {option} {message}"
        written = f"{option}={_shown(found.value)}"
        return f"{self.source}:{found.line}: [{self.name}] {written} {message}"

    def error(self, message: str, option: str | None = None) -> CfgError:
        """The error that says `message` of this section or of one of its options."""
        return CfgError(self.describe(message, option))

    def _integer(self, text: str, option: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise self.error("is not an integer", option)
        # The length first: Python refuses to convert thousands of digits.
        if len(text.lstrip("+-").lstrip("0")) > 10 or abs(int(text)) > _LARGEST:
            raise self.error(f"is beyond {_LARGEST}, the largest integer of a .cfg", option)
        return int(text)


def read_cfg(path: Path) -> tuple[Section, ...]:
    """The sections of the .cfg at `path`, in order; the first is ``[net]``.

    Raises:
        CfgError: the file is not UTF-8 text, comments aside, is larger than any .cfg, is no
            regular file, or breaks a rule of the format.
        OSError: the file cannot be read.
    """
    content = read_bytes(path, limit=_MOST_BYTES, what="a Darknet .cfg", error=CfgError)
    # Other encodings are common in comments, which mean nothing; `parse_cfg` looks at the rest.
    return parse_cfg(content.decode("utf-8-sig", "surrogateescape"), str(path))


def parse_cfg(text: str, source: str) -> tuple[Section, ...]:
    """The sections of a .cfg's text, in order; the first is ``[net]``.

    Warns (TinyedgeWarning) of a repeated option. `source` is how errors and warnings name the
    file.

    Raises:
        CfgError: a line is neither section, option nor comment; an option stands before the
            first section; there is no section, or the first is not ``[net]``.
    """
    sections: list[Section] = []
    options: dict[str, Option] = {}
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, raw in enumerate(lines, start=1):
        if "\0" in raw:
            raise CfgError(f"{source}:{number}: a zero byte; is this a Darknet .cfg?")
        line = "".join(re.split("[#;]", raw, maxsplit=1)[0].split())
        if not line:
            continue
        if found := re.search("[\udc80-\udcff]", line):
            raise CfgError(
                f"{source}:{number}: byte 0x{ord(found[0]) - 0xDC00:02x} is not UTF-8 text;"
                " is this a Darknet .cfg?"
            )
        if line.startswith("["):
            options = {}
            name = _section_name(line, f"{source}:{number}")
            sections.append(Section(name, number, source, options))
        else:
            name, value = _option(line, f"{source}:{number}")
            if not sections:
                raise CfgError(f"{source}:{number}: {_shown(line)} stands before the first section")
            if name in options:
                first = options[name]
                warnings.warn(
                    f"{source}:{number}: [{sections[-1].name}] {_shown(line)} is ignored:"
                    f" line {first.line} says {name}={_shown(first.value)}",
                    TinyedgeWarning,
                    stacklevel=2,
                )
            else:
                options[name] = Option(value, number)
    if not sections:
        raise CfgError(f"{source}: holds no section; a Darknet .cfg begins with [net]")
    if sections[0].name != "net":
        raise CfgError(
            f"{source}:{sections[0].line}: the first section must be [net],"
            f" not [{sections[0].name}]"
        )
    return tuple(sections)


def _section_name(line: str, where: str) -> str:
    if not re.fullmatch(r"\[[^\[\]]+\]", line):
        raise CfgError(f"{where}: {_shown(line)} is not a section; write [name]")
    name = line[1:-1]
    return _CANONICAL.get(name, _shown(name))


def _option(line: str, where: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals or not name:
        raise CfgError(f"{where}: {_shown(line)} is neither [section], option=value nor a comment")
    if not value:
        raise CfgError(f"{where}: {_shown(line)} has no value")
    return name, value


def _shown(text: str) -> str:
    """Text from the file, fit for a one-line message: printable, and not endless."""
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return text if text.isprintable() else ascii(text)[1:-1]
