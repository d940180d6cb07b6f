"""What to do where int8 cost too much, by what was measured and what the models' cards know."""

from collections.abc import Iterator

from tinyedge.accuracy.result import Comparison, NextStep
from tinyedge.accuracy.statistics import wilson_interval
from tinyedge.modelcard import ModelCard
from tinyedge.text import cut, printable

__all__ = ["PAGE", "next_steps", "worth_fixing"]

PAGE = "docs/when_int8_is_not_good_enough.md"

POOR_KL = 0.05
"""Nats. Of Tiny Darknet the tuned quantizer makes 0.013 with 200 photos, 0.033 with 25."""
POOR_AGREEMENT = 90.0
"""Percent. Likewise 94.6 and 92.6."""
_ENOUGH_PHOTOS = 100
"""docs/calibration.md: with 100 Tiny Darknet's KL is 13 % more than with 200, with 50 half more."""
_FAR_ABOVE = 4.0
"""Times the KL on the calibration photos. Of Tiny Darknet: docs/when_int8_is_not_good_enough.md."""
_FEWEST_TO_GUESS = 30
_MOST_NAME = 40


def worth_fixing(c: Comparison) -> bool:
    """Whether a gate failed, or int8 cost much beyond doubt (95 %), budget or not."""
    return (
        any(gate.verdict == "fail" for gate in c.gates)
        or (c.interval is not None and c.interval.low > 0)
        or c.agreement_interval.high < POOR_AGREEMENT
        or (
            c.divergence is not None
            and c.divergence.interval is not None
            and c.divergence.interval.low > POOR_KL
        )
    )


def next_steps(c: Comparison, float_card: ModelCard, int8_card: ModelCard) -> tuple[NextStep, ...]:
    """What to try, the most promising first; nothing where int8 did well.

    Args:
        c: what was measured.
        float_card: of the float model, inferred where the file bears none.
        int8_card: likewise.
    """
    if c.float_worse:
        return ()
    of_float = list(_float_steps(c, float_card))
    if not of_float and not worth_fixing(c):
        return ()
    page = NextStep("page", f"All ways, one after the other: {PAGE}")
    return (*of_float, *_int8_steps(c, float_card, int8_card), page)


def _float_steps(c: Comparison, card: ModelCard) -> Iterator[NextStep]:
    top1 = c.float_model.top1
    if top1 is None or c.images < _FEWEST_TO_GUESS:
        return
    right = round(top1 / 100 * c.images)
    if wilson_interval(right, c.images).low <= 100 / c.classes:
        norm = f"; --batch-norm (it was made with {card.batch_norm})" if card.weights_sha256 else ""
        yield NextStep(
            "float file",
            f"See to the float file first: it is right on {right} of {c.images} images, hardly"
            " more than guessing. Its labels may be in another order (--labels), its pixels"
            f" others (--pixels, --fit){norm}",
        )


def _int8_steps(c: Comparison, float_card: ModelCard, int8_card: ModelCard) -> Iterator[NextStep]:
    photos = len(int8_card.calibration_sha256)
    if int8_card.lowerings:
        yield NextStep(
            "lowered file",
            "This is the file for the Edge TPU, which has operators written as others"
            f" ({', '.join(int8_card.lowerings)}). Compare the int8 file beside it, too: the"
            " difference is what that costs",
        )
    if int8_card.quantizer == "default":
        yield NextStep(
            "quantizer",
            "Export with --quantizer tuned: this file was made by TFLiteConverter's quantizer",
        )
    if int8_card.calibration == "batch norm statistics":
        yield NextStep(
            "calibration photos",
            "Calibrate with photos, --calib FOLDER: this file was made without any",
        )
    elif 0 < photos < _ENOUGH_PHOTOS:
        yield NextStep(
            "more calibration photos",
            f"Calibrate on more photos: this file was on {photos}; 100 or 200 are worth it",
        )
    unlike = _unlike(c, int8_card)
    if unlike:
        yield NextStep(
            "other calibration photos",
            f"Calibrate on photos such as the network will see: {unlike}",
        )
    if float_card.weights_sha256 and float_card.batch_norm != int8_card.batch_norm:
        yield NextStep(
            "batch norm",
            f"Export both files with one --batch-norm: float was made with {float_card.batch_norm},"
            f" int8 with {int8_card.batch_norm}",
        )
    if int8_card.quantizer is not None:
        worst = int8_card.check.worst_layer if int8_card.check is not None else None
        seen = f"; the export saw most of it at layer {_name(worst)}" if worst else ""
        yield NextStep(
            "inspect",
            f"See which layer costs it: tinyedge inspect, with these two files and photos{seen}",
        )


def _name(layer: str) -> str:
    return cut(printable(layer), _MOST_NAME)


def _unlike(c: Comparison, card: ModelCard) -> str | None:
    """Why the calibration photos seem to be of another kind; None where nothing says so."""
    if card.calibration_shift is not None and card.calibration_shift > 1:
        return (
            "those it was calibrated on do not look like those it was trained on"
            f" ({card.calibration_shift:.1f} times as far off as right ones are at most)"
        )
    check = card.check
    interval = c.divergence.interval if c.divergence is not None else None
    if check is None or not check.kl or interval is None or check.source != "photos":
        return None
    # Few are learned by heart, which `more calibration photos` mends.
    if len(card.calibration_sha256) < _ENOUGH_PHOTOS:
        return None
    if check.against == "float" and interval.low > _FAR_ABOVE * check.kl:
        return f"on those it was calibrated on its KL was {check.kl:.2g} nats, far less than here"
    return None
