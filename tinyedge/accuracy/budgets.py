"""What int8 may cost, as a user says it; `tinyedge.accuracy.gates` judges it.

The command line's options have these limits, and load no numpy for them.
"""

from typing import NamedTuple

from tinyedge.json_values import argument, optional, real

__all__ = ["MOST_KL", "UNITS", "Budgets"]

MOST_KL = 1000
"""Nats, of a budget: e to the -1000 is no probability that any file holds."""

UNITS = {"max_drop": "points", "min_agreement": "%", "max_kl": "nats"}
"""Of each budget, by its name."""


class Budgets(NamedTuple):
    """What int8 may cost; None is no gate.

    Attributes:
        max_drop: points of top-1, 0 to 100.
        min_agreement: percent of the images, 0 to 100.
        max_kl: mean KL(float || int8), nats, 0 to `MOST_KL`.
    """

    max_drop: float | None = None
    min_agreement: float | None = None
    max_kl: float | None = None

    def check(self) -> None:
        """Refuse what is no budget.

        Raises:
            ValueError: one is out of range.
        """
        for name, unit in UNITS.items():
            most = MOST_KL if name == "max_kl" else 100
            try:
                argument(name, getattr(self, name), optional(real(0, most)))
            except ValueError as error:
                raise ValueError(f"{error} {unit}") from None
