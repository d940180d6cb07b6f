"""A `Comparison` for people, as aligned text, and for programs, as JSON's types."""

import math
from collections.abc import Callable

from tinyedge.accuracy.result import Comparison, ModelResult
from tinyedge.text import printable

__all__ = ["as_json", "as_text"]

_NAME_WIDTH = 13
_SHOWN_CLASSES = 3


def as_text(comparison: Comparison) -> str:
    """The report to read, about fifteen lines without a final newline, the verdict last.

    Numbers are rounded; an interval's ends outward, so that the text never claims more than
    was measured.
    """
    c = comparison
    rows = [
        ("images", _images(c)),
        ("", f"{'float':>12}{'int8':>12}"),
        ("top-1", _pair(c, lambda model: f"{model.top1:.2f} %")),
        *([(f"top-{c.top_k}", _pair(c, lambda model: f"{model.top5:.2f} %"))] * (c.top_k > 1)),
        ("ties", _pair(c, lambda model: str(model.ties)) + f"   ({_tied(c)})"),
        ("file", _pair(c, lambda model: _size(model.bytes))),
        ("inference", _pair(c, lambda model: f"{model.milliseconds:.2f} ms") + "   (median)"),
        ("drop", f"{c.drop:.2f} points of top-1, 95 % interval {_interval(c)}"),
        ("flips", f"{c.lost} right to wrong, {c.gained} wrong to right; McNemar p {_p(c)}"),
        ("agreement", _agreement(c)),
        ("KL", _divergence(c)),
        ("lost most", _worst_classes(c)),
        ("verdict", _verdict(c)),
    ]
    return "\n".join(f"{name:<{_NAME_WIDTH}}{text}".rstrip() for name, text in rows)


def as_json(comparison: Comparison) -> dict[str, object]:
    """The report to compute with: percent from 0 to 100, nats, milliseconds; never rounded.

    ``kl`` holds nulls where the models do not end in one softmax over all classes, ``verdict``
    is null without a budget but where ``float_worse``, ``images_needed`` is null unless more
    images would settle it.
    """
    c = comparison
    kl = c.divergence
    return {
        "schema": "tinyedge.compare/1",
        "images": c.images,
        "float": {"top1": c.float_model.top1, "top5": c.float_model.top5},
        "int8": {"top1": c.int8_model.top1, "top5": c.int8_model.top5},
        "drop": {"top1": c.drop, "interval": [c.interval.low, c.interval.high]},
        "agreement": c.agreement,
        "kl": {"mean": kl.mean if kl else None, "p95": kl.p95 if kl else None},
        "verdict": c.verdict,
        "float_worse": c.float_worse,
        "max_drop": c.max_drop,
        "images_needed": c.images_needed,
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
        "top_k": c.top_k,
        "worst_classes": [
            {
                "index": item.index,
                "label": item.label,
                "images": item.images,
                "float_correct": item.float_correct,
                "int8_correct": item.int8_correct,
            }
            for item in c.worst_classes
        ],
        "duplicates": c.duplicates,
        "skipped": [{"image": str(item.path), "reason": item.reason} for item in c.skipped],
    }


def _images(c: Comparison) -> str:
    text = str(c.images)
    if c.skipped:
        text += f", {len(c.skipped)} skipped as unreadable"
    if c.duplicates:
        text += f", {c.duplicates} of them copies of others, which narrow the interval unduly"
    return text


def _tied(c: Comparison) -> str:
    if c.threshold is None:
        return "several classes score highest"
    return f"the output is at the threshold, {c.threshold:.15g}"


def _pair(c: Comparison, cell: Callable[[ModelResult], str]) -> str:
    return f"{cell(c.float_model):>12}{cell(c.int8_model):>12}"


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _interval(c: Comparison) -> str:
    return f"{_down(c.interval.low)} to {_up(c.interval.high)}"


def _down(value: float) -> str:
    return f"{math.floor(value * 100) / 100:.2f}"


def _up(value: float) -> str:
    return f"{math.ceil(value * 100) / 100:.2f}"


def _p(c: Comparison) -> str:
    return f"{c.mcnemar_p:.3f}" if c.mcnemar_p >= 0.001 else "below 0.001"


def _agreement(c: Comparison) -> str:
    # With the count, for 49,999 of 50,000 are 100.00 % too.
    count = round(c.agreement / 100 * c.images)
    return f"{count} of {c.images} images, {c.agreement:.2f} %"


def _divergence(c: Comparison) -> str:
    if c.divergence is None:
        return "none: it is of logits before one softmax over all classes"
    return f"mean {c.divergence.mean:.3g}, 95th percentile {c.divergence.p95:.3g} nats"


def _worst_classes(c: Comparison) -> str:
    return (
        "; ".join(
            f"{printable(item.label)} {item.float_correct} to {item.int8_correct} of {item.images}"
            for item in c.worst_classes[:_SHOWN_CLASSES]
        )
        or "no class lost an image"
    )


def _verdict(c: Comparison) -> str:
    if c.float_worse:
        return _below(
            "INCONCLUSIVE: the float file is worse than the int8 file (95 % confidence), which",
            "int8 cannot make it: it was fed wrongly. Say what its pixels are:",
            "--pixels, or --mean and --std",
        )
    if c.max_drop is None:
        return "none: name a budget for the drop with --max-drop POINTS"
    budget = f"{c.max_drop:.15g}"
    if c.verdict == "pass":
        found = f"PASS: the drop is at most {_up(c.interval.high)} points, within the budget of"
        return f"{found} {budget} (95 % confidence)"
    if c.verdict == "fail":
        found = f"FAIL: the drop is at least {_down(c.interval.low)} points, over the budget of"
        return f"{found} {budget} (95 % confidence)"
    return _below(
        f"INCONCLUSIVE: {c.images} images cannot tell whether the drop is within the budget of"
        f" {budget};",
        _advice(c),
    )


def _below(*lines: str) -> str:
    """Lines of one row, the second and later ones below the first."""
    return f"\n{'':{_NAME_WIDTH}}".join(lines)


def _advice(c: Comparison) -> str:
    if c.images_needed is None:
        return "it was measured to be the budget itself, so no number of images would tell"
    return f"about {c.images_needed:,} images would tell, if flips stay as frequent"
