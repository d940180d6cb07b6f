"""A .cfg as sections whose every option knows its line.

The rules are those of Darknet's ``parser.c`` (``read_cfg``) and ``option_list.c``: blanks
anywhere in a line mean nothing, ``#`` and ``;`` begin a comment line, the first of a repeated
option wins, lines that are no option are passed over, and a section may be written by its short
name. Where the C engine reads a value past a mistake (``atoi`` makes 0 of ``abc``) and it matters
for the answer, this reader stops and says where. Three liberties are taken: a comment may also
stand behind a section or an option, though not where Darknet would make another network of it;
lines may end in CR LF, or all of them in CR; and the file may begin with a byte order mark.
Comments may be in any encoding.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyedge.errors import CfgError, TinyedgeWarning
from tinyedge.files import read_bytes
from tinyedge.text import Option, counted, cut

__all__ = ["LARGEST_INTEGER", "Option", "Section", "parse_cfg", "read_cfg"]

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
LARGEST_INTEGER = 2**31 - 1
"""The engine keeps every integer of a .cfg in a C int."""
_LARGEST_FLOAT = (2 - 2**-23) * 2.0**127
# What C's atoi() and strtod() find at the beginning of a text.
_C_INTEGER = re.compile(r"[\v\f\r]*([+-]?)([0-9]+)")
_C_NUMBER = re.compile(
    r"[\v\f\r]*([+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|nan))", re.IGNORECASE
)
_MOST_DIGITS = 25  # beyond any integer of C, and what Python converts
_BLANKS = str.maketrans("", "", " \t")
_TOLD_LINES = 5
# The longest of Darknet's own cfgs has 20 KB; more than this is some other file.
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Section:
    """One ``[section]`` of a .cfg.

    Attributes:
        name: the section's type, its long name (``convolutional`` for ``[conv]``).
        line: of the section's header, from 1.
        source: the file as its reader named it; every error begins with it.
        options: by name; of a repeated option the first.
        behind: by the option's name, what stands behind it on its line and is not read here, but
            is a part of the value to Darknet: a comment, blanks left out, or a CR.
    """

    name: str
    line: int
    source: str
    options: Mapping[str, Option]
    behind: Mapping[str, str] = field(default_factory=dict)

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
            CfgError: it is missing, no number, or beyond a float32, in which Darknet keeps it.
        """
        if option not in self.options and default is not None:
            return default
        value = self.text(option)
        if not _NUMBER.fullmatch(value):
            raise self.error("is not a number", option)
        if abs(float(value)) > _LARGEST_FLOAT:
            raise self.error(f"is beyond {_LARGEST_FLOAT:.3g}, the largest float32", option)
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
            CfgError: it is missing, a part of it is no integer, or a comment behind it has a
                comma: Darknet reads on there.
        """
        if "," in self.behind.get(option, ""):
            raise self.error(
                f"is followed by {_shown(self.behind[option])}, where Darknet reads a number behind"
                " each comma; put the comment on a line of its own",
                option,
            )
        return tuple(self._integer(part, option) for part in self.text(option).split(","))

    def atoi(self, option: str, default: int) -> int:
        """The option as Darknet reads an integer, whatever is written: 7 of ``7.5``, 0 of ``x``.

        For what matters in training alone, and for whether something is switched on.
        """
        if option not in self.options:
            return default
        found = _C_INTEGER.match(self.options[option].value)
        # Python refuses to convert thousands of digits.
        value = int(found[1] + (found[2].lstrip("0")[:_MOST_DIGITS] or "0")) if found else 0
        value = max(-(2**63), min(value, 2**63 - 1))
        return (value + 2**31) % 2**32 - 2**31

    def atof(self, option: str, default: float) -> float:
        """The option as Darknet reads a number, whatever is written; see `atoi`."""
        if option not in self.options:
            return default
        found = _C_NUMBER.match(self.options[option].value)
        return float(found[1]) if found else 0.0

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
        digits = text.lstrip("+-").lstrip("0") or "0"
        if len(digits) > 10 or int(digits) > LARGEST_INTEGER:
            raise self.error(f"is beyond {LARGEST_INTEGER}, the largest integer of a .cfg", option)
        return -int(digits) if text.startswith("-") else int(digits)


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

    Warns (TinyedgeWarning) of a repeated option, and of lines that Darknet passes over because they
    are neither section, option nor comment. `source` is how errors and warnings name the file.

    Raises:
        CfgError: something stands before the first section; there is no section, or the first is
            not ``[net]``; what is no comment is no UTF-8 text.
    """
    sections: list[Section] = []
    options = _Options()
    ignored: list[str] = []
    text = text.removeprefix("\ufeff")
    # To Darknet only LF ends a line.
    for number, raw in enumerate(text.split("\n" if "\n" in text else "\r"), start=1):
        where = f"{source}:{number}"
        if "\0" in raw:
            raise CfgError(f"{where}: a zero byte; is this a Darknet .cfg?")
        line, comment = _without_comment(raw.rstrip("\r").translate(_BLANKS))
        if not line:
            continue
        if line.startswith("[") or "=" in line or not sections:
            _check_text(line, where)
        if line.startswith("["):
            # With a CR behind the name Darknet does not know the section.
            options = _Options(ends_differ=not raw.endswith("\r"))
            name = _section_name(line, where)
            sections.append(Section(name, number, source, options.found, options.behind))
            continue
        if not sections:
            raise CfgError(f"{where}: {_shown(line)} stands before the first section")
        place = f"{where}: [{sections[-1].name}] {_shown(line)} is ignored"
        if (said := options.said_before(line)) is not None:
            warnings.warn(f"{place}: {said}", TinyedgeWarning, stacklevel=2)
        elif (why := options.add(line, number, comment, cr=raw.endswith("\r"))) is not None:
            ignored.append(f"{place}, as by Darknet: {why}")
    _note_ignored(ignored, source)
    if not sections:
        raise CfgError(f"{source}: holds no section; a Darknet .cfg begins with [net]")
    if sections[0].name != "net":
        raise CfgError(
            f"{source}:{sections[0].line}: the first section must be [net],"
            f" not [{sections[0].name}]"
        )
    return tuple(sections)


class _Options:
    """The options of one section, as its lines are read.

    Attributes:
        found, behind: as a `Section` has them.
    """

    def __init__(self, *, ends_differ: bool = False) -> None:
        self.found: dict[str, Option] = {}
        self.behind: dict[str, str] = {}
        self._ends_differ = ends_differ
        # Names that stand alone on a line, and the line.
        self._bare: dict[str, int] = {}

    def said_before(self, line: str) -> str | None:
        """Which earlier line counts in place of an option's, or None."""
        name, equals, _ = line.partition("=")
        if not equals:
            return None
        if name in self._bare:
            return (
                f"line {self._bare[name]} says {_shown(name)} without a value, and Darknet looks no"
                " further"
            )
        if name in self.found:
            first = self.found[name]
            return f"line {first.line} says {name}={_shown(first.value)}"
        return None

    def add(self, line: str, number: int, comment: str, *, cr: bool) -> str | None:
        """Take up what a line says, or return why it is no option."""
        name, equals, value = line.partition("=")
        if not equals:
            if not comment:
                self._bare.setdefault(name, number)
            return "it is neither [section], option=value nor a comment"
        if not name:
            return "it has no name"
        # What stands behind is the value to Darknet.
        if not value and not comment:
            return "it has no value"
        self.found[name] = Option(value, number)
        self.behind[name] = comment or ("\r" if cr and self._ends_differ else "")
        return None


def _note_ignored(messages: Sequence[str], source: str) -> None:
    for message in messages[:_TOLD_LINES]:
        warnings.warn(message, TinyedgeWarning, stacklevel=3)
    if (more := len(messages) - _TOLD_LINES) > 0:
        warnings.warn(
            f"{source}: {counted(more, 'more line')} like these", TinyedgeWarning, stacklevel=3
        )


def _without_comment(line: str) -> tuple[str, str]:
    found = re.search("[#;]", line)
    return (line, "") if found is None else (line[: found.start()], line[found.start() :])


def _check_text(line: str, where: str) -> None:
    if found := re.search("[\udc80-\udcff]", line):
        raise CfgError(
            f"{where}: byte 0x{ord(found[0]) - 0xDC00:02x} is not UTF-8 text;"
            " is this a Darknet .cfg?"
        )


def _section_name(line: str, where: str) -> str:
    if not re.fullmatch(r"\[[^\[\]]+\]", line):
        raise CfgError(f"{where}: {_shown(line)} is not a section; write [name]")
    name = line[1:-1]
    return _CANONICAL.get(name, _shown(name))


def _shown(text: str) -> str:
    """Text from the file, fit for a one-line message: printable, and not endless."""
    text = cut(text, 60)
    return text if text.isprintable() else ascii(text)[1:-1]
