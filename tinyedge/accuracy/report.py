"""A `Comparison` for people, as aligned text, and for programs, as JSON's types."""

import math
from collections.abc import Callable

from tinyedge.accuracy.budgets import UNITS
from tinyedge.accuracy.distributions import Reliability
from tinyedge.accuracy.gates import WORST_FIRST, Gate, GateName
from tinyedge.accuracy.result import (
    ClassName,
    ClassResult,
    Comparison,
    Flip,
    FlipAnswer,
    ModelResult,
)
from tinyedge.accuracy.statistics import FEWEST_VALUES, Interval
from tinyedge.table import paragraph
from tinyedge.text import cut, printable, size_text

__all__ = ["as_json", "as_text", "digits", "points", "rounded", "said_of_gates"]

_WIDTH = 80
_NAME_WIDTH = 13
_SHOWN_CLASSES = 3
_SHOWN_FLIPS = 3
_LABEL_WIDTH = 22
_BEYOND_CHANCE = 0.05
_OPTIONS: dict[GateName, str] = {
    "max_drop": "--max-drop",
    "min_agreement": "--min-agreement",
    "max_kl": "--max-kl",
}


def as_text(comparison: Comparison) -> str:
    """The report to read, some twenty lines without a final newline, what to do next at the end.

    Numbers are rounded; an interval's ends outward and a budget to what passes, so that the text
    never claims more than was measured.
    """
    c = comparison
    rows = [
        *_wrapped("images", [_images(c)]),
        ("", f"{'float':>12}{c.int8_model.kind:>12}"),
        *(_accuracy(c) if c.labelled else []),
        ("ties", _pair(c, lambda model: str(model.ties)) + f"   ({_tied(c)})"),
        ("file", _pair(c, lambda model: size_text(model.bytes))),
        *_inference(c),
        *(_lost(c) if c.labelled else []),
        ("agreement", _agreement(c)),
        *_divergence(c),
        *_worst_flips(c),
        *([("lost most", _worst_classes(c))] if c.labelled else []),
        *_passes(c),
        *_verdict(c),
        *_next_steps(c),
    ]
    return "\n".join(f"{name:<{_NAME_WIDTH}}{text}".rstrip() for name, text in rows)


def as_json(comparison: Comparison) -> dict[str, object]:
    """The report to compute with: percent from 0 to 100, nats, milliseconds; never rounded.

    Null are: what needs labels, where there are none; ``kl`` where the models do not end in one
    softmax over all classes; ``verdict`` without a budget but where ``float_worse``;
    ``images_needed`` unless more images would settle it.
    """
    c = comparison
    kl = c.divergence
    return {
        "schema": "tinyedge.compare/1",
        "images": c.images,
        "labelled": c.labelled,
        "float": {"top1": c.float_model.top1, "top5": c.float_model.top5},
        "int8": {"top1": c.int8_model.top1, "top5": c.int8_model.top5},
        "drop": {"top1": c.drop, "interval": _interval_json(c.interval)},
        "agreement": c.agreement,
        "agreement_interval": _interval_json(c.agreement_interval),
        "kl": {
            "mean": kl.mean if kl else None,
            "p95": kl.p95 if kl else None,
            "interval": _interval_json(kl.interval if kl else None),
            "histogram": {
                "edges": list(kl.histogram.edges),
                "counts": list(kl.histogram.counts),
                "below": kl.histogram.below,
            }
            if kl
            else None,
        },
        "verdict": c.verdict,
        "float_worse": c.float_worse,
        "max_drop": c.max_drop,
        "images_needed": c.images_needed,
        "gates": [
            {
                "gate": gate.name,
                "budget": gate.budget,
                "measured": gate.measured,
                "interval": _interval_json(gate.interval),
                "verdict": gate.verdict,
                "images_needed": gate.images_needed,
                "strictest": gate.strictest,
            }
            for gate in c.gates
        ],
        "flips": {"right_to_wrong": c.lost, "wrong_to_right": c.gained},
        "mcnemar_p": c.mcnemar_p,
        "ties": {"float": c.float_model.ties, "int8": c.int8_model.ties},
        "bytes": {"float": c.float_model.bytes, "int8": c.int8_model.bytes},
        "milliseconds": {
            "float": c.float_model.milliseconds,
            "int8": c.int8_model.milliseconds,
        },
        "classes": c.classes,
        "threshold": c.threshold,
        "left": c.left,
        "top_k": c.top_k,
        "worst_classes": [_class_json(item) for item in c.worst_classes],
        "changed_classes": [_class_json(item) for item in c.changed_classes],
        "reliability": {
            "float": _reliability_json(c.float_model.reliability),
            "int8": _reliability_json(c.int8_model.reliability),
        },
        "duplicates": c.duplicates,
        "skipped": [{"image": str(item.path), "reason": item.reason} for item in c.skipped],
        "flipped": [_flip_json(flip) for flip in c.flips],
        "next": [{"step": step.name, "text": step.text} for step in c.next_steps],
    }


def _interval_json(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _class_json(item: ClassResult) -> dict[str, object]:
    return {
        "index": item.index,
        "label": item.label,
        "images": item.images,
        "float_correct": item.float_correct,
        "int8_correct": item.int8_correct,
        "p": item.p,
    }


def _reliability_json(found: Reliability | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {"ece": found.ece, "bins": [each._asdict() for each in found.bins]}


def _flip_json(flip: Flip) -> dict[str, object]:
    def named(item: ClassName | FlipAnswer) -> dict[str, object]:
        return {"index": item.index, "label": item.label}

    return {
        "image": str(flip.path),
        "label": None if flip.truth is None else named(flip.truth),
        "float": {**named(flip.float_answer), "probability": flip.float_answer.probability},
        "int8": {**named(flip.int8_answer), "probability": flip.int8_answer.probability},
        "kl": flip.divergence,
    }


_Rows = list[tuple[str, str]]


def _images(c: Comparison) -> str:
    text = f"{c.images} so far, {c.left} are left" if c.left else str(c.images)
    if not c.labelled:
        text += ", without labels"
    if c.skipped:
        text += f", {len(c.skipped)} skipped as unreadable"
    if c.duplicates:
        text += f", {c.duplicates} of them copies of others, which narrow the interval unduly"
    return text


def _accuracy(c: Comparison) -> _Rows:
    rows = [("top-1", _pair(c, lambda model: f"{model.top1:.2f} %"))]
    if c.top_k > 1:
        rows.append((f"top-{c.top_k}", _pair(c, lambda model: f"{model.top5:.2f} %")))
    return rows


def _lost(c: Comparison) -> _Rows:
    assert c.interval is not None
    return [
        ("drop", f"{c.drop:.2f} points of top-1, 95 % interval {points(*c.interval)}"),
        ("flips", f"{c.lost} right to wrong, {c.gained} wrong to right; McNemar p {_p(c)}"),
    ]


def _inference(c: Comparison) -> _Rows:
    if c.float_model.milliseconds is None:
        return []
    return [("inference", _pair(c, lambda model: f"{model.milliseconds:.2f} ms") + "   (median)")]


def _tied(c: Comparison) -> str:
    if c.threshold is None:
        return "several classes score highest"
    return f"the output is at the threshold, {c.threshold:.15g}"


def _pair(c: Comparison, cell: Callable[[ModelResult], str]) -> str:
    return f"{cell(c.float_model):>12}{cell(c.int8_model):>12}"


def points(low: float, high: float) -> str:
    """An interval in points or percent, its ends rounded outward to hundredths."""
    return f"{_down(low)} to {_up(high)}"


def _down(value: float) -> str:
    return f"{math.floor(value * 100) / 100:.2f}"


def _up(value: float) -> str:
    return f"{math.ceil(value * 100) / 100:.2f}"


def digits(value: float, *, up: bool) -> str:
    """A number of at least 0 with three significant digits, rounded up or down."""
    if value == 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    rounded = (math.ceil if up else math.floor)(value / unit) * unit
    # What the product's own rounding made is not to end on the wrong side.
    text = f"{rounded:.3g}"
    return text if (float(text) >= value) == up or float(text) == value else f"{value:.17g}"


def _p(c: Comparison) -> str:
    p = c.mcnemar_p
    assert p is not None
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"


def _agreement(c: Comparison) -> str:
    # With the count, for 49,999 of 50,000 are 100.00 % too.
    return (
        f"{c.images - len(c.flips)} of {c.images} images, {c.agreement:.2f} %,"
        f" 95 % interval {points(*c.agreement_interval)}"
    )


def _divergence(c: Comparison) -> _Rows:
    if c.divergence is None:
        return [("KL", "none: it is of logits before one softmax over all classes")]
    mean, p95, interval = c.divergence.mean, c.divergence.p95, c.divergence.interval
    ends = (
        f"no interval of fewer than {FEWEST_VALUES} images"
        if interval is None
        else f"95 % interval {digits(interval.low, up=False)} to {digits(interval.high, up=True)}"
    )
    return [("KL", f"mean {mean:.3g} nats, {ends}"), ("", f"95th percentile {p95:.3g} nats")]


def _worst_flips(c: Comparison) -> _Rows:
    if not c.flips:
        return []
    by = "float's probability" if c.divergence is None else "KL"
    rows = [("worst flips", f"by {by}, of {len(c.flips)}; all of them: --flips FILE.csv")]
    for flip in c.flips[:_SHOWN_FLIPS]:
        name = printable(flip.path.name)
        if flip.truth is not None:
            name = cut(name, 28) + f", which shows {_label(flip.truth)}"
        changed = (
            f"{_label(flip.float_answer)} {flip.float_answer.probability:.2f} became"
            f" {_label(flip.int8_answer)} {flip.int8_answer.probability:.2f}"
        )
        rows += [("", cut(name, _WIDTH - _NAME_WIDTH)), ("", f"  {changed}")]
    return rows


def _label(item: ClassName | FlipAnswer) -> str:
    return cut(printable(item.label), _LABEL_WIDTH)


def _worst_classes(c: Comparison) -> str:
    named = [item for item in c.worst_classes if item.p < _BEYOND_CHANCE]
    if not c.lost:
        return "no class lost an image"
    if not named:
        return "no class more than chance would have it (95 % confidence)"
    return f"\n{'':{_NAME_WIDTH}}".join(
        f"{cut(printable(item.label), 40)} {item.float_correct} to {item.int8_correct}"
        f" of {item.images}"
        for item in named[:_SHOWN_CLASSES]
    )


def _passes(c: Comparison) -> _Rows:
    passed = [
        # Rounded to what passes.
        f"{_OPTIONS[gate.name]} "
        + rounded(gate.name, gate.strictest, up=gate.name != "min_agreement")
        for gate in c.gates
        if gate.strictest is not None
    ]
    return [("passes", ", ".join(passed))] if passed else []


def rounded(name: GateName, value: float, *, up: bool) -> str:
    """What a gate measures, or its budget, in text."""
    if name == "max_kl":
        return digits(value, up=up)
    return _up(value) if up else _down(value)


def _verdict(c: Comparison) -> _Rows:
    lines = said_of_gates(c)
    if c.left:
        lines = ["none before all images are done: a partial result decides nothing"]
    lines = lines or [
        "none: name a budget with "
        + (
            "--max-drop, --min-agreement or --max-kl"
            if c.labelled
            else "--min-agreement or --max-kl"
        )
    ]
    return _wrapped("verdict", lines)


def said_of_gates(c: Comparison) -> list[str]:
    """A sentence on each budget, the worst first; none without a budget."""
    if c.float_worse:
        kind = c.int8_model.kind
        return [
            f"INCONCLUSIVE: the float file is worse than the {kind} file (95 % confidence), which"
            f" {kind} cannot make it: it was fed wrongly. Say what its pixels are:"
            " --pixels, or --mean and --std"
        ]
    return [
        _said_of(gate, c.images)
        for verdict in WORST_FIRST
        for gate in c.gates
        if gate.verdict == verdict
    ]


_MEASURES: dict[GateName, str] = {
    "max_drop": "drop",
    "min_agreement": "agreement",
    "max_kl": "mean KL",
}


def _said_of(gate: Gate, images: int) -> str:
    measure, unit = _MEASURES[gate.name], UNITS[gate.name]
    budget = f"{gate.budget:.15g}"
    least = gate.name == "min_agreement"
    if gate.verdict == "inconclusive" or gate.interval is None:
        asked = f"at least {budget} %" if least else f"within the budget of {budget}"
        return (
            f"INCONCLUSIVE: {images} images cannot tell whether the {measure} is {asked};"
            f" {_advice(gate)}"
        )
    passed = gate.verdict == "pass"
    if passed != least:
        bound = f"at most {rounded(gate.name, gate.interval.high, up=True)}"
    else:
        bound = f"at least {rounded(gate.name, gate.interval.low, up=False)}"
    if least:
        asked = f"and at least {budget} was asked"
    else:
        asked = f"{'within' if passed else 'over'} the budget of {budget}"
    verdict = "PASS" if passed else "FAIL"
    return f"{verdict}: the {measure} is {bound} {unit}, {asked} (95 % confidence)"


def _advice(gate: Gate) -> str:
    if gate.images_needed is None:
        return "it was measured to be the budget itself, so no number of images would tell"
    if gate.interval is None:
        return f"it takes {gate.images_needed} at least"
    like = "if others are like these" if gate.name == "max_kl" else "if flips stay as frequent"
    return f"about {gate.images_needed:,} images would tell, {like}"


def _next_steps(c: Comparison) -> _Rows:
    numbered = [f"{number}. {step.text}" for number, step in enumerate(c.next_steps, start=1)]
    return _wrapped("next", numbered) if numbered else []


def _wrapped(name: str, texts: list[str]) -> _Rows:
    """A row of several paragraphs that fit the width."""
    lines = [line for text in texts for line in paragraph(text, width=_WIDTH - _NAME_WIDTH)]
    return [(name, lines[0]), *(("", line) for line in lines[1:])]
