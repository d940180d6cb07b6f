"""The operators that the Edge TPU supports and their constraints, read from rules.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict

__all__ = ["Advice", "Doubt", "Memory", "OperatorRule", "Rules", "edgetpu_rules"]


@dataclass(frozen=True)
class Doubt:
    """Why an operator may fail to map though it keeps to every constraint known.

    Attributes:
        elements: of its largest tensor, above which it is in doubt.
        reason: a few words.
    """

    elements: int
    reason: str


@dataclass(frozen=True)
class OperatorRule:
    """An operator that maps.

    Attributes:
        constraints: names of what it must keep to besides what all must.
        source: who says so, by the names in `Rules.sources`.
        parameters: positions of the inputs that must be constants.
        runtime: the oldest one of the Edge TPU that knows it; 0 for all.
        leads: whether it may stay on the CPU ahead of the Edge TPU's part.
        doubt: None where nothing is known against it.
    """

    constraints: tuple[str, ...]
    source: tuple[str, ...]
    parameters: tuple[int, ...] = ()
    runtime: int = 0
    leads: bool = False
    doubt: Doubt | None = None


@dataclass(frozen=True)
class Memory:
    """Bytes on the chip: all, and the least and the most that were seen to hold parameters."""

    on_chip: int
    parameters: tuple[int, int]
    source: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """What helps where an operator does not map, or breaks `constraint` where that is said."""

    text: str
    source: tuple[str, ...]
    constraint: str | None


@dataclass(frozen=True)
class Rules:
    """All of rules.toml.

    Attributes:
        sources: what their names stand for.
        memory: the chip's.
        every: name of a constraint for every operator -> its sources, in the order to try them.
        unreadable: operator -> the version from which on the compiler cannot parse a file.
        unreadable_source: operator -> who says so.
        operators: by name; one without a rule does not map.
        advice: operator -> what helps where it does not map.
    """

    sources: dict[str, str]
    memory: Memory
    every: dict[str, tuple[str, ...]]
    unreadable: dict[str, int]
    unreadable_source: dict[str, tuple[str, ...]]
    operators: dict[str, OperatorRule]
    advice: dict[str, Advice]


@cache
def edgetpu_rules() -> Rules:
    """The rules that ship."""
    text = (Path(__file__).parent / "rules.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    memory, unreadable = content["memory"], content["unreadable"]
    return Rules(
        sources=content["sources"],
        memory=Memory(
            memory["on_chip"],
            (memory["parameters"][0], memory["parameters"][1]),
            tuple(memory["source"]),
        ),
        every={row["constraint"]: tuple(row["source"]) for row in content["every"]},
        unreadable={row["operator"]: row["version"] for row in unreadable},
        unreadable_source={row["operator"]: tuple(row["source"]) for row in unreadable},
        operators={name: _operator(row) for name, row in content["operators"].items()},
        advice={
            name: Advice(row["text"], tuple(row["source"]), row.get("constraint"))
            for name, row in content["advice"].items()
        },
    )


class _DoubtRow(TypedDict):
    elements: int
    reason: str


class _OperatorRow(TypedDict, total=False):
    constraints: list[str]
    source: list[str]
    parameters: list[int]
    runtime: int
    leads: bool
    doubt: _DoubtRow


def _operator(row: _OperatorRow) -> OperatorRule:
    return OperatorRule(
        constraints=tuple(row["constraints"]),
        source=tuple(row["source"]),
        parameters=tuple(row.get("parameters", ())),
        runtime=row.get("runtime", 0),
        leads=row.get("leads", False),
        doubt=Doubt(**row["doubt"]) if "doubt" in row else None,
    )
