"""Mutations that keep what a reader tests first: JSON stays JSON, a PNG's sums are right."""

import json
import random
import struct
import zlib
from collections.abc import Iterator

END = b"\x1e"
"""Between JSON texts of one file; each has a byte before it, as a board's answers have."""

_PNG = b"\x89PNG\r\n\x1a\n"
_DEEP = "[" * 3000
_ODD: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 3, 64, 2**31, -(2**63), 10**400, 0.5, -0.0, 1e308, 1e-320),
    *("", "a", "0", "3.11", "x" * 400, "\x1b[2J\x07", "a\nb", "\ud800", "../..", "$(id)", "-o"),
    *([], {}, [[]], [None], ["a", "b"], {"a": 1}, [1, 2, 3], [{}], ["glibc", "2.36"]),
)
_RAW = ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, _DEEP, '{"a":1,"a":2}', "01", "")


def mutate_json(content: bytes, most: int, seed: int) -> bytes:
    """Another file of at most `most` bytes: mostly other JSON."""
    return _mutated(content, most, random.Random(seed), _with_value)


def mutate_lines(content: bytes, most: int, seed: int) -> bytes:
    """The same for a text a line."""

    def change(content: bytes, chance: random.Random) -> bytes:
        lines = content.split(b"\n")
        number = chance.randrange(len(lines))
        lines[number] = _with_value(lines[number], chance)
        return b"\n".join(lines)

    return _mutated(content, most, random.Random(seed), change)


def mutate_answers(content: bytes, most: int, seed: int) -> bytes:
    """The same for several texts, `END` between them."""

    def change(content: bytes, chance: random.Random) -> bytes:
        parts = content.split(END)
        number = chance.randrange(len(parts))
        parts[number] = parts[number][:1] + _with_value(parts[number][1:], chance)
        return END.join(parts)

    return _mutated(content, most, random.Random(seed), change)


def mutate_image(content: bytes, most: int, seed: int) -> bytes:
    """Mutate as libFuzzer does, then mend the sums of a PNG: no decoder goes on without."""
    import atheris  # type: ignore[import-untyped]

    changed = bytes(atheris.Mutate(content, most))
    return _summed(changed) if changed.startswith(_PNG) and seed % 4 else changed


def _mutated(content: bytes, most: int, chance: random.Random, change: object) -> bytes:
    import atheris

    if chance.random() < 0.4:
        return bytes(atheris.Mutate(content, most))
    assert callable(change)
    changed: bytes = change(content, chance)
    return changed if len(changed) <= most else bytes(atheris.Mutate(content, most))


def _with_value(content: bytes, chance: random.Random) -> bytes:
    """The JSON with one value replaced, left out or moved; other bytes where it is none."""
    try:
        root = json.loads(content)
    except (ValueError, RecursionError):
        return content + chance.choice(_RAW).encode()
    places = list(_places(root))
    if not places:
        return json.dumps(chance.choice(_ODD)).encode()
    holder, key = chance.choice(places)
    kind = chance.random()
    if kind < 0.15:
        del holder[key]  # type: ignore[attr-defined]
    elif kind < 0.25:
        other, place = chance.choice(places)
        holder[key] = other[place]  # type: ignore[index]
    elif kind < 0.35:
        # json writes no such text: it takes the place of a name of its own.
        holder[key] = "@raw@"  # type: ignore[index]
        return _text(root).replace('"@raw@"', chance.choice(_RAW)).encode()
    else:
        holder[key] = chance.choice(_ODD)  # type: ignore[index]
    return _text(root).encode("utf-8", "surrogatepass")


def _text(root: object) -> str:
    try:
        return json.dumps(root)
    except (ValueError, RecursionError):  # a value was moved into itself
        return "[]"


def _places(value: object) -> Iterator[tuple[object, object]]:
    """Every object and list inside, with each of its keys."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield value, key
            yield from _places(item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield value, index
            yield from _places(item)


def _summed(content: bytes) -> bytes:
    """A PNG with the right CRC behind each of its chunks."""
    found = bytearray(content)
    position = len(_PNG)
    while position + 12 <= len(found):
        (length,) = struct.unpack_from(">I", found, position)
        end = position + 8 + length
        if end + 4 > len(found):
            break
        struct.pack_into(">I", found, end, zlib.crc32(found[position + 4 : end]))
        position = end + 4
    return bytes(found)
