"""The zoo as text and as plain data: what there is, and the published page's table again."""

from collections.abc import Sequence
from typing import Any

from tinyedge.zoo.fetch import is_cached, network_cost
from tinyedge.zoo.models import MODELS, PAGE, Model

__all__ = ["listing", "listing_text", "page", "page_text"]

# The page's MB are of 1024 * 1024 bytes: 238 of them are AlexNet's 249.5 million bytes.
_MEBI = 1 << 20


def listing() -> list[dict[str, Any]]:
    """Every model: its costs, what is published of it, and whether its files are here."""
    return [_entry(model) for model in MODELS.values()]


def _entry(model: Model) -> dict[str, Any]:
    cost = network_cost(model)
    said = model.published
    return {
        "name": model.name,
        "title": model.title,
        "operations": cost.operations,
        "parameters": cost.parameters,
        "weight_bytes": cost.weight_bytes,
        "published_top1": None if said is None else said.top1,
        "published_top5": None if said is None else said.top5,
        "files": "packaged" if model.packaged else "here" if is_cached(model) else "missing",
        "urls": [file.url for file in model.remote_files() if file.url is not None],
    }


def listing_text(entries: Sequence[dict[str, Any]]) -> str:
    """A line a model; accuracies are the published ones."""
    rows = [("name", "size", "operations", "top-1", "top-5", "files")]
    for entry in entries:
        accuracies = [entry["published_top1"], entry["published_top5"]]
        rows.append(
            (
                entry["name"],
                f"{entry['weight_bytes'] / 1e6:.1f} MB",
                f"{entry['operations'] / 1e9:.2f} Bn",
                *("-" if value is None else f"{value:.1f}" for value in accuracies),
                entry["files"],
            )
        )
    return _columns(rows)


def page() -> list[dict[str, Any]]:
    """The page's rows, its figures beside those computed from the .cfg."""
    rows = []
    for name in PAGE:
        model = MODELS[name]
        cost = network_cost(model)
        assert model.published is not None
        rows.append(
            {
                "name": name,
                "published_top1": model.published.top1,
                "published_top5": model.published.top5,
                "operations": cost.operations,
                "published_operations": model.published.operations * 1e9,
                "weight_bytes": cost.weight_bytes,
                "published_weight_bytes": model.published.size * _MEBI,
            }
        )
    return rows


def page_text(rows: Sequence[dict[str, Any]]) -> str:
    """The page's table, with what tinyedge computes beside what the page says."""
    lines = [("model", "top-1", "top-5", "operations", "page", "size", "page")]
    for row in rows:
        # The page gives small sizes one decimal.
        sizes = row["weight_bytes"] / _MEBI, row["published_weight_bytes"] / _MEBI
        digits = 1 if sizes[1] < 10 else 0
        lines.append(
            (
                row["name"],
                f"{row['published_top1']:.1f}",
                f"{row['published_top5']:.1f}",
                f"{row['operations'] / 1e9:.2f} Bn",
                f"{row['published_operations'] / 1e9:.2f} Bn",
                *(f"{size:.{digits}f} MB" for size in sizes),
            )
        )
    return _columns(lines)


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [f"{text:>{width}}" for text, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([f"{row[0]:<{widths[0]}}", *cells]))
    return "\n".join(lines)
