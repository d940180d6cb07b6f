"""How far published latencies are from their estimates: the error that goes with each estimate.

`error.json` is written by ``benchmarks/latency``, which compares the two.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["LatencyError", "Processor", "latency_error"]

Processor = Literal["cpu", "edge_tpu"]

_FILE = Path(__file__).with_name("error.json")


@dataclass(frozen=True)
class LatencyError:
    """Published latencies, each divided by its estimate.

    Attributes:
        figures: how many were compared.
        lowest, median, highest: of the ratios.
        within_factor_2: how many of them are between 0.5 and 2.
    """

    figures: int
    lowest: float
    median: float
    highest: float
    within_factor_2: int

    def __str__(self) -> str:
        low, high = math.floor(self.lowest * 10) / 10, math.ceil(self.highest * 10) / 10
        return (
            f"{self.figures} published latencies are {low:.1f} to {high:.1f} times their"
            f" estimates, {self.within_factor_2} of them within a factor of 2"
        )


def latency_error(processor: Processor) -> LatencyError:
    """The error of the estimates for that processor."""
    return LatencyError(**json.loads(_FILE.read_text(encoding="utf-8"))[processor])
