"""The operators that TFLite Micro has and the types they compute with, read from rules.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Doubt", "Rules", "tflm_rules"]


@dataclass(frozen=True)
class Doubt:
    """Why a kernel may fail on some numbers.

    Attributes:
        type: of what it computes.
        depth: of the last axis, from which on it may.
        reason: for people.
    """

    type: str
    depth: int
    reason: str


@dataclass(frozen=True)
class Rules:
    """All of rules.toml.

    Attributes:
        sources: what the names of sources stand for.
        types: operator -> what it computes with; None where that is not known. One that is not
            among them has no kernel.
        weighted: operators whose weights have types of their own.
        weights: type of what is computed -> the types that their weights may have.
        doubts: operator -> where its kernel may fail.
    """

    sources: Mapping[str, str]
    types: Mapping[str, tuple[str, ...] | None]
    weighted: frozenset[str]
    weights: Mapping[str, tuple[str, ...]]
    doubts: Mapping[str, Doubt]


@cache
def tflm_rules() -> Rules:
    """The rules that ship."""
    content = tomllib.loads((Path(__file__).parent / "rules.toml").read_text(encoding="utf-8"))
    weights = content["weights"]
    return Rules(
        sources=content["sources"],
        types={
            operator: tuple(row["types"]) if "types" in row else None
            for row in content["kernels"]
            for operator in row["operators"]
        },
        weighted=frozenset(weights["operators"]),
        weights={
            kind: tuple(allowed)
            for kind, allowed in weights.items()
            if kind not in ("operators", "source")
        },
        doubts={
            operator: Doubt(row["type"], row["depth"], row["reason"])
            for operator, row in content["doubts"].items()
        },
    )
