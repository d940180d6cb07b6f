"""The operators that TFLite Micro has and the types they compute with, read from rules.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Rules", "tflm_rules"]


@dataclass(frozen=True)
class Rules:
    """All of rules.toml.

    Attributes:
        sources: what the names of sources stand for.
        types: operator -> what it computes with; None where that is not known. One that is not
            among them has no kernel.
        weighted: operators whose weights have types of their own.
        weights: type of what is computed -> the types that their weights may have.
    """

    sources: Mapping[str, str]
    types: Mapping[str, tuple[str, ...] | None]
    weighted: frozenset[str]
    weights: Mapping[str, tuple[str, ...]]


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
    )
