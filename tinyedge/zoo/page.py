"""The table of Tiny Darknet's page, what it says beside what tinyedge computes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tinyedge.table import WIDTH, Column, table
from tinyedge.zoo.fetch import network_cost
from tinyedge.zoo.models import MODELS, PAGE

__all__ = ["PageRow", "as_json", "as_text", "page_again"]

# The page's MB are of 1024 * 1024 bytes: 238 of them are AlexNet's 249.5 million bytes.
_MEBI = 1 << 20

_HEADINGS = ("top-1", "top-5", "operations", "page", "size", "page")
_COLUMNS = (Column("model"), *(Column(heading, align="right") for heading in _HEADINGS))


@dataclass(frozen=True)
class PageRow:
    """One model: computed of its .cfg, and ``published`` by the page.

    Attributes:
        name: what the commands call it.
        published_top1, published_top5: accuracy on ImageNet, per cent.
        operations, published_operations: of one image.
        weight_bytes, published_weight_bytes: the size of the .weights.
    """

    name: str
    published_top1: float
    published_top5: float
    operations: int
    published_operations: float
    weight_bytes: int
    published_weight_bytes: float


def page_again() -> list[PageRow]:
    """The page's rows, its figures beside those computed from the .cfg."""
    rows = []
    for name in PAGE:
        model = MODELS[name]
        cost = network_cost(model)
        assert model.published is not None
        rows.append(
            PageRow(
                name=name,
                published_top1=model.published.top1,
                published_top5=model.published.top5,
                operations=cost.operations,
                published_operations=model.published.operations * 1e9,
                weight_bytes=cost.weight_bytes,
                published_weight_bytes=model.published.size * _MEBI,
            )
        )
    return rows


def as_text(rows: Sequence[PageRow], *, width: int = WIDTH) -> str:
    """The page's table."""
    lines = []
    for row in rows:
        # The page gives small sizes one decimal.
        sizes = row.weight_bytes / _MEBI, row.published_weight_bytes / _MEBI
        digits = 1 if sizes[1] < 10 else 0
        lines.append(
            (
                row.name,
                f"{row.published_top1:.1f}",
                f"{row.published_top5:.1f}",
                f"{row.operations / 1e9:.2f} Bn",
                f"{row.published_operations / 1e9:.2f} Bn",
                *(f"{size:.{digits}f} MB" for size in sizes),
            )
        )
    return table(_COLUMNS, lines, width=width)


def as_json(rows: Sequence[PageRow]) -> dict[str, object]:
    """The fields of the `PageRow` of each model, not rounded."""
    return {"schema": "tinyedge.zoo/1", "models": [asdict(row) for row in rows]}
