"""The list of the models tinyedge knows by name, for people and for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from tinyedge.table import WIDTH, Column, table
from tinyedge.zoo.fetch import is_cached, network_cost
from tinyedge.zoo.models import MODELS, Model

__all__ = ["Entry", "as_json", "as_text", "list_models"]

_COLUMNS = (
    Column("name"),
    *(Column(name, align="right") for name in ("size", "operations", "top-1", "top-5", "files")),
)


@dataclass(frozen=True)
class Entry:
    """One model.

    Attributes:
        name: what the commands call it.
        title: what a person calls it.
        operations, parameters, weight_bytes: its `Cost`.
        published_top1, published_top5: accuracy on ImageNet by Darknet's page, per cent, or None.
        files: ``packaged`` with tinyedge, ``here`` in the cache, or ``missing`` from it.
        urls: where the missing ones can be had.
    """

    name: str
    title: str
    operations: int
    parameters: int
    weight_bytes: int
    published_top1: float | None
    published_top5: float | None
    files: Literal["packaged", "here", "missing"]
    urls: tuple[str, ...]


def list_models() -> list[Entry]:
    """Every model: its costs, what is published of it, and whether its files are here."""
    return [_entry(model) for model in MODELS.values()]


def as_text(entries: Sequence[Entry], *, width: int = WIDTH) -> str:
    """One line per model; accuracies are the published ones."""
    rows = [
        (
            entry.name,
            f"{entry.weight_bytes / 1e6:.1f} MB",
            f"{entry.operations / 1e9:.2f} Bn",
            _percent(entry.published_top1),
            _percent(entry.published_top5),
            entry.files,
        )
        for entry in entries
    ]
    return table(_COLUMNS, rows, width=width)


def as_json(entries: Sequence[Entry]) -> dict[str, object]:
    """The fields of the `Entry` of each model."""
    return {"schema": "tinyedge.zoo/1", "models": [asdict(entry) for entry in entries]}


def _entry(model: Model) -> Entry:
    cost = network_cost(model)
    said = model.published
    return Entry(
        name=model.name,
        title=model.title,
        operations=cost.operations,
        parameters=cost.parameters,
        weight_bytes=cost.weight_bytes,
        published_top1=None if said is None else said.top1,
        published_top5=None if said is None else said.top5,
        files="packaged" if model.packaged else "here" if is_cached(model) else "missing",
        urls=tuple(file.url for file in model.remote_files() if file.url is not None),
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
