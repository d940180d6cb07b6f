"""An `Inspection` for people, as a table, and for programs, as JSON's types."""

import math

from tinyedge.export.inspection.result import (
    Divergence,
    InspectedLayer,
    Inspection,
    Requantization,
)

__all__ = ["as_json", "as_text"]

_HEADER = (
    f"{'layer':<20}{'SNR':>6}{'cosine':>9}{'weights':>9}{'alone':>9}{'gives back':>20}"
    f"   {'rounded':<11}{'int8 range':>19}{'observed':>19}{'saturated':>11}"
)
_UNITS = f"{'':<20}{'dB':>6}{'':>9}{'dB':>9}{'KL':>9}{'KL':>20}   {'':<11}{'':>19}{'':>19}{'%':>11}"
# TFLite's names of what a layer's output and its activation come from, in a word.
_SHORT = {
    "average_pool_2d": "average",
    "conv_2d": "sums",
    "depthwise_conv_2d": "sums",
    "fully_connected": "sums",
    "leaky_relu": "leaky",
    "mean": "average",
}


def as_text(inspection: Inspection) -> str:
    """The table, a line for each requantization, and the layers it blames."""
    lines = [_summary(inspection), "", _HEADER, _UNITS]
    for layer in inspection.layers:
        lines += _rows(layer)
    return "\n".join([*lines, "", _blame(inspection)])


def as_json(inspection: Inspection) -> dict[str, object]:
    """The same to compute with: dB, nats, percent from 0 to 100; never rounded.

    An infinite ratio, of what has no error at all, is null; so are ``kl``, ``alone`` and
    ``gives_back`` where the answers are no softmax over all classes.
    """
    divergence = inspection.divergence
    return {
        "schema": "tinyedge.inspect/1",
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
    return {
        "layer": layer.index,
        "kind": layer.kind,
        "snr": _finite(layer.snr),
        "cosine": layer.cosine,
        "weight_snr": _finite(layer.weight_snr),
        "alone": None if found is None else found.alone,
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
    plural = "" if inspection.images == 1 else "s"
    text = f"{inspection.images} image{plural}, same answer on {inspection.agreement:.1f} %"
    if inspection.divergence is not None:
        text += f", KL(float, int8) {inspection.divergence.int8:.3g} nats"
    return text


def _rows(layer: InspectedLayer) -> list[str]:
    mark = "*" if layer.worst else " "
    weights = "" if layer.weight_snr is None else f"{layer.weight_snr:.1f}"
    alone = back = ""
    if (found := layer.sensitivity) is not None:
        alone = f"{found.alone:.2g}"
        back = f"{found.gives_back:.2g} +- {found.standard_error:.1g}"
    first = (
        f"{mark} {layer.name:<18}{layer.snr:>6.1f}{layer.cosine:>9.4f}{weights:>9}"
        f"{alone:>9}{back:>20}   "
    )
    cells = [_requantization(item) for item in layer.requantizations] or [""]
    starts = [first, *[" " * len(first)] * (len(cells) - 1)]
    return [(start + text).rstrip() for start, text in zip(starts, cells, strict=True)]


def _requantization(item: Requantization) -> str:
    name = _SHORT.get(item.operator, item.operator)
    ranges = "".join(
        f"{f'{low:.4g} .. {high:.4g}':>19}" for low, high in (item.int8_range, item.observed_range)
    )
    return f"{name:<11}{ranges}{item.saturated:>11.3f}"


def _blame(inspection: Inspection) -> str:
    worst = [layer for layer in inspection.layers if layer.worst]
    if not worst:
        return "no layer is blamed: the models do not end in one softmax over all classes"
    names = ", ".join(layer.name for layer in sorted(worst, key=_alone, reverse=True))
    return (
        f"* to blame most: {names}\n"
        "alone: KL(float, int8) were only this layer int8;"
        " gives back: how much of it were only this layer float"
    )


def _alone(layer: InspectedLayer) -> float:
    return 0.0 if layer.sensitivity is None else layer.sensitivity.alone
