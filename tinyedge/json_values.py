"""JSON of strangers and arguments of callers: each value is checked for its type and range.

A check makes a field of a JSON value, or raises a ValueError that says what the value should be
("an integer from 1 to 10"). `record` puts together those of an object's fields, and names the place
of what is wrong ("check.images is 0, not an integer from 1 to 10").
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

from tinyedge.text import shortened

__all__ = [
    "LARGEST_SEED",
    "ValueCheck",
    "argument",
    "as_object",
    "by_name",
    "field",
    "integer",
    "one_of",
    "optional",
    "parse_json",
    "real",
    "record",
    "several",
    "sha256",
    "text",
    "truth",
]

ValueCheck = Callable[[object], Any]

LARGEST_SEED = 2**32 - 1
"""An integer's limit: the seeds of NumPy and of Keras alike."""


class _PartError(ValueError):
    """What is wrong with a part of a value, and which part: ``.check.images``, ``.labels[0]``."""

    def __init__(self, place: str, wrong: str) -> None:
        super().__init__(f"{place.lstrip('.')} {wrong}")
        self.place = place
        self.wrong = wrong


def parse_json(content: bytes | str) -> object:
    """The value that UTF-8 `content` is the JSON of, as RFC 8259 has it: no NaN, no infinity.

    Raises:
        ValueError: it is no JSON, or nested too deep or too large for Python to hold.
    """
    try:
        return json.loads(content, parse_constant=_no_number, parse_int=_integer)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except MemoryError:
        raise ValueError("it does not fit into memory") from None


def record(
    content: object, checks: Mapping[str, ValueCheck], kind: type[NamedTuple]
) -> dict[str, Any]:
    """The fields of `kind` among those of a JSON object; it may hold others.

    Raises:
        ValueError: a value is not as its check wants it, or a field without a default is missing.
    """
    if not isinstance(content, dict):
        raise ValueError("an object")
    values = {}
    for name, check in checks.items():
        if name in content:
            values[name] = field(content, name, check)
    for name in kind._fields:
        if name not in values and name not in kind._field_defaults:
            raise _PartError(f".{name}", "is missing")
    return values


def as_object(value: NamedTuple) -> dict[str, Any]:
    """The JSON object of a named tuple's fields; of named tuples in it, too."""
    return {name: _as_json(item) for name, item in value._asdict().items()}


def _as_json(value: Any) -> object:
    if hasattr(value, "_asdict"):
        return as_object(value)
    return [_as_json(item) for item in value] if isinstance(value, tuple) else value


def field(content: object, name: str, check: ValueCheck) -> Any:
    """What `check` makes of one field of a JSON object.

    Raises:
        ValueError: `content` is no object, the field is missing or not as its check wants it.
    """
    if not isinstance(content, dict):
        raise ValueError("an object")
    if name not in content:
        raise _PartError(f".{name}", "is missing")
    return _part(check, f".{name}", content[name])


def argument(name: str, value: object, check: ValueCheck) -> Any:
    """What `check` makes of an argument that a caller gave; of NumPy's numbers as of Python's.

    Raises:
        ValueError: it is not as its check wants it; the message begins with `name`.
    """
    is_numpys = hasattr(value, "dtype") and getattr(value, "shape", None) == ()
    return _part(check, f".{name}", value.item() if is_numpys else value)  # type: ignore[attr-defined]


def text(value: object) -> str:
    """A string of Unicode characters: half a surrogate pair is none, and is written nowhere."""
    if not isinstance(value, str):
        raise ValueError("a text")
    # The first question takes no time, and is answered by nearly all of a thousand labels.
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("a text")
    return value


def sha256(value: object) -> str:
    """A sha256 in hexadecimal, or an empty string where none is known."""
    if value == "" or (
        isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")
    ):
        return value
    raise ValueError("a sha256")


def truth(value: object) -> bool:
    """True or false, and no number."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def integer(low: int, high: int | None = None) -> ValueCheck:
    """An integer from `low` to `high`, where there is one; true and 1.0 are none."""

    def check(value: object) -> int:
        if type(value) is not int or value < low or (high is not None and value > high):
            limit = f"of at least {low}" if high is None else f"from {low} to {high}"
            raise ValueError(f"an integer {limit}")
        return value

    return check


def real(low: float = -math.inf, high: float = math.inf, *, open_end: bool = False) -> ValueCheck:
    """A finite number of at least `low`, with `open_end` above it, and at most `high`."""

    def check(value: object) -> float:
        try:
            number = float(value) if type(value) in (int, float) else math.nan  # type: ignore[arg-type]
        except OverflowError:
            number = math.inf
        is_between = low <= number <= high and not (open_end and number == low)
        if math.isfinite(number) and is_between:
            return number
        if math.isfinite(low) and math.isfinite(high):
            raise ValueError(f"a number from {low:g} to {high:g}")
        limit = "" if low == -math.inf else f" {'above' if open_end else 'of at least'} {low:g}"
        raise ValueError(f"a number{limit}")

    return check


def one_of(names: object) -> ValueCheck:
    """One of the strings of `names`, a Literal."""

    def check(value: object) -> object:
        if value not in get_args(names):
            raise ValueError(f"one of {', '.join(get_args(names))}")
        return value

    return check


def optional(check: ValueCheck) -> ValueCheck:
    """What `check` makes, or None of null."""
    return lambda value: None if value is None else check(value)


def several(check: ValueCheck, count: int | None = None) -> ValueCheck:
    """A tuple of what `check` makes of each item of a list, of `count` where that is given."""

    def check_all(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or count not in (None, len(value)):
            raise ValueError("a list" if count is None else f"a list of {count}")
        try:
            return tuple(map(check, value))
        except ValueError:
            # Once more, to tell where.
            return tuple(_part(check, f"[{index}]", item) for index, item in enumerate(value))

    return check_all


def by_name(check: ValueCheck) -> ValueCheck:
    """A dictionary of what `check` makes of each value of an object, by a `text`."""

    def check_all(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("an object")
        return {
            text(name): _part(check, f"[{shortened(name)}]", item) for name, item in value.items()
        }

    return check_all


def _part(check: ValueCheck, step: str, value: object) -> object:
    try:
        return check(value)
    except _PartError as error:
        raise _PartError(f"{step}{error.place}", error.wrong) from None
    except ValueError as error:
        raise _PartError(step, f"is {shortened(value)}, not {error}") from None


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise ValueError(f"an integer of {len(digits):,} digits") from None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
