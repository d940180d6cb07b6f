"""An `Inspection` for people, as a table, and for programs, as JSON's types."""

import math

from tinyedge.export.inspection.result import (
    Divergence,
    InspectedLayer,
    Inspection,
    Requantization,
)
from tinyedge.table import WIDTH, Column, folded, table
from tinyedge.text import counted

__all__ = ["as_json", "as_text"]

_COLUMNS = (
    Column("  layer"),
    Column("SNR", align="right"),
    Column("cosine", align="right", leave_out=2),
    Column("weights", align="right", leave_out=1),
    *(Column(name, align="right") for name in ("alone", "gives back")),
    Column("rounded"),
    Column("int8 range", align="right", leave_out=3),
    Column("observed", align="right", leave_out=4),
    Column("saturated", align="right"),
)
_UNITS = ("", "dB", "", "dB", "KL", "KL", "", "", "", "%")
# Behind the layer, where they are not all in int8.
_PRECISION = Column("in")
_IN = {"float32": "float", "hybrid": "hybrid", "int8": "int8", None: ""}
# TFLite's names of what a layer's output and its activation come from, in a word.
_SHORT = {
    "average_pool_2d": "average",
    "conv_2d": "sums",
    "depthwise_conv_2d": "sums",
    "fully_connected": "sums",
    "leaky_relu": "leaky",
    "mean": "average",
}


def as_text(inspection: Inspection, *, width: int = WIDTH) -> str:
    """The table, a line for each requantization, and the layers it blames."""
    rows = [_UNITS, *(row for layer in inspection.layers for row in _rows(layer))]
    columns = _COLUMNS
    if inspection.is_mixed:
        columns = (_COLUMNS[0], _PRECISION, *_COLUMNS[1:])
        kinds = ["", *(kind for layer in inspection.layers for kind in _kinds(layer))]
        rows = [(row[0], kind, *row[1:]) for row, kind in zip(rows, kinds, strict=True)]
    whole = table(columns, rows, width=width)
    blame = folded(_blame(inspection), width=width)
    return "\n".join([_summary(inspection), "", whole, "", blame])


def as_json(inspection: Inspection) -> dict[str, object]:
    """The same to compute with: dB, nats, percent from 0 to 100; never rounded.

    An infinite ratio, of what has no error at all or no signal, is null; so are ``kl``, ``alone``
    and ``gives_back`` where the answers are no softmax over all classes.
    """
    divergence = inspection.divergence
    return {
        "schema": "tinyedge.inspect/1",
        "sha256": {"float": inspection.float_sha256, "int8": inspection.int8_sha256},
        "images": inspection.images,
        "agreement": inspection.agreement,
        "kl": None if divergence is None else _divergence_json(divergence),
        "layers": [_layer_json(layer) for layer in inspection.layers],
    }


def _divergence_json(divergence: Divergence) -> dict[str, float]:
    return {
        "int8": divergence.int8,
        "simulated": divergence.simulated,
        "exact": divergence.simulated_float,
    }


def _layer_json(layer: InspectedLayer) -> dict[str, object]:
    found = layer.sensitivity
    # Programs read equalization_range and requantizations by the names below.
    return {
        "layer": layer.index,
        "kind": layer.kind,
        "precision": layer.precision,
        "snr": _finite(layer.snr),
        "cosine": layer.cosine,
        "weight_snr": _finite(layer.weight_snr),
        "alone": None if found is None else found.alone,
        "alone_standard_error": None if found is None else found.alone_standard_error,
        "gives_back": None if found is None else found.gives_back,
        "gives_back_standard_error": None if found is None else found.standard_error,
        "worst": layer.worst,
        "gains": list(layer.equalization_range),
        "roundings": [
            {
                "operator": item.operator,
                "tensor": item.tensor,
                "int8_range": list(item.int8_range),
                "observed_range": list(item.observed_range),
                "saturated": item.saturated,
            }
            for item in layer.requantizations
        ],
    }


def _finite(ratio: float | None) -> float | None:
    return ratio if ratio is not None and math.isfinite(ratio) else None


def _summary(inspection: Inspection) -> str:
    text = f"{counted(inspection.images, 'image')}, same answer on {inspection.agreement:.1f} %"
    if inspection.divergence is not None:
        kind = "mixed" if inspection.is_mixed else "int8"
        text += f", KL(float, {kind}) {inspection.divergence.int8:.3g} nats"
    return text


def _rows(layer: InspectedLayer) -> list[tuple[str, ...]]:
    alone = back = ""
    if (found := layer.sensitivity) is not None:
        alone = f"{found.alone:.2g}"
        back = f"{found.gives_back:.2g} +- {found.standard_error:.1g}"
    first = (
        f"{'*' if layer.worst else ' '} {layer.name}",
        f"{layer.snr:.1f}",
        f"{layer.cosine:.4f}",
        "" if layer.weight_snr is None else f"{layer.weight_snr:.1f}",
        alone,
        back,
    )
    cells = _roundings(layer)
    starts = [first, *[("",) * len(first)] * (len(cells) - 1)]
    return [(*start, *rest) for start, rest in zip(starts, cells, strict=True)]


def _kinds(layer: InspectedLayer) -> list[str]:
    return [_IN[layer.precision], *[""] * (len(_roundings(layer)) - 1)]


def _roundings(layer: InspectedLayer) -> list[tuple[str, ...]]:
    # A hybrid layer's input, to a range that no file has.
    own = [("input", "", "", "")] if layer.precision == "hybrid" else []
    return [*own, *map(_requantization, layer.requantizations)] or [("", "", "", "")]


def _requantization(item: Requantization) -> tuple[str, ...]:
    ranges = (f"{low:.4g} .. {high:.4g}" for low, high in (item.int8_range, item.observed_range))
    return (_SHORT.get(item.operator, item.operator), *ranges, f"{item.saturated:.3f}")


def _blame(inspection: Inspection) -> str:
    worst = [layer for layer in inspection.layers if layer.worst]
    if not worst:
        return f"no layer is blamed: {_innocence(inspection)}"
    names = ", ".join(layer.name for layer in sorted(worst, key=_alone, reverse=True))
    return (
        f"* to blame most: {names}\n"
        f"alone: KL were only this layer {'as it is' if inspection.is_mixed else 'int8'};"
        " gives back: how much of it were only this layer float"
    )


def _innocence(inspection: Inspection) -> str:
    if inspection.divergence is None:
        return "the models do not end in one softmax over all classes"
    if inspection.images == 1:
        return "one image tells no layer from another"
    return (
        "none does more damage alone than the others do, beyond the spread over"
        f" {inspection.images} images (95 % confidence)"
    )


def _alone(layer: InspectedLayer) -> float:
    return 0.0 if layer.sensitivity is None else layer.sensitivity.alone
