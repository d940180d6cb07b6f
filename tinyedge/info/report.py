"""A `Description` for people, as text, and for programs, as JSON's types."""

import math
from collections.abc import Iterator
from dataclasses import asdict

from tinyedge.darknet.layer_names import named_layer
from tinyedge.info.describe import Description, Layer
from tinyedge.json_values import as_object
from tinyedge.modelcard import Check, ModelCard, Precision
from tinyedge.table import Column, paragraph, table
from tinyedge.text import counted, cut, printable
from tinyedge.tflite.metadata import Metadata
from tinyedge.tflite.model import Tensor

__all__ = ["as_json", "as_text"]

_NAME_WIDTH = 16
_FIRST_LABELS = 3
_MOST_TEXT = 300
_MOST_NAME = 60
_MOST_LAYER = 28
_COLUMNS = (
    Column("layer", fit="shorten", least=16),
    Column("operators", fit="shorten", most=24, least=18),
    Column("gives"),
    Column("weights", leave_out=1),
    Column("bytes", align="right"),
    Column("share", align="right"),
)
_PRECISIONS: dict[Precision, str] = {"float32": "float", "hybrid": "hybrid", "int8": "int8"}
_HEADS = {
    "softmax": "probabilities, of a softmax in the file",
    "sigmoid": "a probability each, of a sigmoid in the file",
    "scores": "scores",
    None: "made inside a custom operator",
}


def as_text(description: Description, *, width: int) -> str:
    """A line a fact and a table of the layers, of at most `width` characters a line."""
    lines = paragraph(f"{printable(description.path)}  {description.bytes:,} bytes", width=width)
    for name, text in _facts(description):
        lines += paragraph(printable(text), width=width, first=name, indent=_NAME_WIDTH)
    whole = sum(layer.bytes for layer in description.layers)
    rows = [_row(layer, whole) for layer in description.layers]
    return "\n".join((*lines, "", table(_COLUMNS, rows, width=width)))


def as_json(description: Description) -> dict[str, object]:
    """The same, nothing shortened; see docs/json.md."""
    d = description
    return {
        "schema": "tinyedge.info/1",
        "path": str(d.path),
        "bytes": d.bytes,
        "sha256": d.sha256,
        "description": d.description,
        "graphs": d.graphs,
        "inputs": [_tensor_json(tensor) for tensor in d.inputs],
        "outputs": [_tensor_json(tensor) for tensor in d.outputs],
        "head": d.head,
        "classes": d.classes,
        "labels": list(d.labels) if d.labels is not None else None,
        "operators": d.operators,
        "layers": [asdict(layer) for layer in d.layers],
        "card": as_object(d.card) if d.card is not None else None,
        "metadata": as_object(d.metadata) if d.metadata is not None else None,
    }


def _facts(d: Description) -> Iterator[tuple[str, str]]:
    card = d.card
    yield "sha256", d.sha256
    yield "name", _name(d)
    for tensor in d.inputs:
        fed = f"; {_fed(d)}" if len(d.inputs) == 1 else ""
        yield "input", f"{_tensor(tensor)}{fed}"
    for tensor in d.outputs:
        answer = f"; {_answer(d)}" if len(d.outputs) == 1 else ""
        yield "output", f"{_tensor(tensor)}{answer}"
    yield "labels", _labels(d)
    if card is not None:
        yield from _card_facts(card)
    if d.metadata is not None:
        yield from _metadata_facts(d.metadata)
    yield "operators", ", ".join(f"{count} {name}" for name, count in d.operators.items())
    macs = sum(layer.multiply_accumulates for layer in d.layers)
    stored = sum(layer.bytes for layer in d.layers)
    yield (
        "size",
        (
            f"{counted(len(d.layers), 'layer')}, {stored:,} bytes of constants,"
            f" {d.bytes - stored:,} of all else; {macs:,} multiply-accumulates"
        ),
    )
    if d.graphs > 1:
        yield "graphs", f"{d.graphs}; the table is of the first"


def _name(d: Description) -> str:
    if d.card is not None:
        return d.card.name
    said = "" if d.metadata is None else cut(d.metadata.name, _MOST_NAME)
    made = f"the file says of itself: {cut(d.description, _MOST_NAME)}" if d.description else ""
    return "; ".join(filter(None, (said, "no model card of tinyedge's", made)))


def _tensor(tensor: Tensor) -> str:
    text = f"{_shape(tensor.signature)} {tensor.type}"
    if tensor.qparams is None:
        return text
    scale, zero_point = tensor.qparams.scales[0], tensor.qparams.zero_points[0]
    return f"{text}, {scale:.6g} * (q - {zero_point})" if zero_point else f"{text}, {scale:.6g} * q"


def _shape(shape: tuple[int, ...]) -> str:
    """The sides, the batch left out; ``?`` for one that is left open."""
    sides = shape[1:] if len(shape) > 1 else shape
    return "x".join("?" if side < 0 else str(side) for side in sides) or "one"


def _fed(d: Description) -> str:
    card = d.card
    normalization = card.normalization if card is not None else None
    if normalization is None and d.metadata is not None:
        normalization = d.metadata.normalization
    if normalization is None and card is not None:
        pixels = "pixels become 0 to 1"
    elif normalization is not None:
        low, high = normalization.range
        pixels = f"pixels become {low:.3g} to {high:.3g}"
    else:
        pixels = "what pixels become is not said: --pixels, or --mean and --std"
    fit = card.fit if card is not None else "how photos fit is not said: --fit"
    return f"{fit}; {pixels}"


def _answer(d: Description) -> str:
    card = d.card
    if card is not None and card.features is not None:
        return "features: the network has no head"
    text = _HEADS[d.head]
    if card is not None and card.softmax:
        groups = "" if card.softmax_groups == 1 else f" in {card.softmax_groups} groups"
        text = f"logits; run and compare apply the softmax{groups}"
    return text if d.classes is None else f"{d.classes} classes, {text}"


def _labels(d: Description) -> str:
    if d.labels is None:
        return "none"
    first = ", ".join(cut(label, _MOST_NAME) for label in d.labels[:_FIRST_LABELS])
    more = ", ..." if len(d.labels) > _FIRST_LABELS else ""
    ids = "; WordNet ids, too" if d.card is not None and d.card.ids is not None else ""
    return f"{len(d.labels)}: {first}{more}{ids}"


def _card_facts(card: ModelCard) -> Iterator[tuple[str, str]]:
    if card.quantizer is not None:
        parts = [card.quantizer, *(f"rewritten {name}" for name in card.rewrites)]
        if card.seed is not None:
            parts.append(f"seed {card.seed}")
        yield "quantizer", ", ".join(parts)
    if card.is_mixed:
        yield "precision", _precision(card)
    if card.lowerings:
        yield "lowered", ", ".join(card.lowerings)
    if card.calibration is not None:
        images = len(card.calibration_sha256)
        told = counted(images, "photo") if images else "batch norm statistics, no photos"
        yield "calibration", told
    if card.check is not None:
        yield "checked", _check(card.check)
    yield "batch norm", f"epsilon {card.batch_norm} the root"
    for name, digest in (("cfg sha256", card.cfg_sha256), ("weights sha256", card.weights_sha256)):
        if digest:
            yield name, digest
    if card.versions:
        yield "made with", ", ".join(f"{name} {version}" for name, version in card.versions.items())


def _precision(card: ModelCard) -> str:
    """Which layers are in what: by Darknet's numbers, those of other names by their names."""
    found: dict[Precision, list[str]] = {}
    for name, kind in card.precision.items():
        layer = named_layer(name)
        number = cut(name, _MOST_LAYER) if layer is None else str(layer[0])
        found.setdefault(kind, []).append(number)
    parts: list[str] = []
    for kind in (kind for kind in _PRECISIONS if kind in found):
        what = "" if parts or not found[kind][0].isdigit() else "layers "
        what = "layer " if what and len(card.precision) == 1 else what
        parts.append(f"{_PRECISIONS[kind]} in {what}{', '.join(found[kind])}")
    return "; ".join([*parts, f"{card.quantization} in the others"])


def _check(check: Check) -> str:
    images = "photos" if check.source == "photos" else "synthesized images"
    parts = [f"against the {check.against} model on {check.images} {images}"]
    if check.agreement is not None:
        parts.append(f"{check.agreement} agree")
    if check.kl is not None:
        parts.append(f"KL {check.kl:.3g}")
    if check.noise_db is not None:
        parts.append(f"{check.noise_db:.1f} dB")
    if check.worst_layer is not None:
        parts.append(f"most of it by layer {cut(check.worst_layer, _MOST_TEXT)}")
    return ", ".join(parts)


def _metadata_facts(metadata: Metadata) -> Iterator[tuple[str, str]]:
    if metadata.description:
        yield "description", cut(metadata.description, _MOST_TEXT)
    for name, text in (
        ("author", metadata.author),
        ("licence", metadata.license),
        ("version", metadata.version),
    ):
        if text:
            yield name, cut(text, _MOST_TEXT)


def _row(layer: Layer, whole: int) -> list[str]:
    weights = "" if layer.weights is None else layer.weights
    return [
        cut(layer.name, _MOST_LAYER),
        " ".join(layer.operators),
        f"{_shape(layer.shape)} {layer.type}",
        f"{weights} per channel" if layer.per_channel else weights,
        f"{layer.bytes:,}",
        f"{100 * layer.bytes / whole:.1f} %" if whole else "",
    ]


def _finite(number: float) -> float | None:
    """None of what JSON does not have, as a damaged file may."""
    return float(number) if math.isfinite(number) else None


def _tensor_json(tensor: Tensor) -> dict[str, object]:
    qparams = tensor.qparams
    return {
        "name": tensor.name,
        "shape": list(tensor.signature),
        "type": tensor.type,
        "scale": _finite(qparams.scales[0]) if qparams is not None else None,
        "zero_point": int(qparams.zero_points[0]) if qparams is not None else None,
    }
