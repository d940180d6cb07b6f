"""The check that ends every export: each finished file is run against what it was made of.

The float file against the Keras model, the int8 file against the float file, and the Edge TPU's
against the int8 file, on the calibration images. What is another function is refused, however well
the export went; what int8 costs is told.

Three numbers say how close two files are: on how many images they name the same class, the KL
divergence of their answers, and the noise of their scores before any softmax. They tell what int8
costs, but not a wrong file of one network from a right one of another that int8 costs much. The
layers one by one do: docs/fidelity.md has the numbers that the limits here were chosen from.
"""

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy.statistics import kl_divergence, log_softmax, top1
from tinyedge.darknet.layers import Softmax
from tinyedge.darknet.network import Network
from tinyedge.devices.runtime.runtimes import (
    RUNTIME_ERRORS,
    Interpreter,
    TensorDetails,
    find_runtime,
)
from tinyedge.errors import ExportError, ModelError, TinyedgeWarning
from tinyedge.modelcard import Check, CheckImages, ModelCard, Quantizer, Reference
from tinyedge.progress import Advance
from tinyedge.text import counted
from tinyedge.tflite.model import parse_tflite
from tinyedge.tflite.quantization import QuantParams

if TYPE_CHECKING:
    import keras

    from tinyedge.export.inspection.parting import LayerError

__all__ = [
    "CLEAR_DB",
    "FAR_DB",
    "LEAST_WEIGHTS_DB",
    "MOST_BIAS_STEPS",
    "MOST_STEPS",
    "UNROUNDED_DB",
    "FileCheck",
    "Parting",
    "Probe",
    "answers_divergence",
    "make_probe",
    "noise_db",
    "parting",
    "raised",
    "run_before",
    "run_behind",
    "run_file",
    "spread",
    "told",
    "unrounded_db",
]

Floats = NDArray[np.float32]
Answers = NDArray[np.float64]
# What a file's inputs are given, or its outputs give, as it is stored.
Tensors = Sequence[NDArray[np.generic]]

# The check is to take a small part of the export: large networks are run on few images.
_MOST_IMAGES, _FEWEST_IMAGES, _KERAS_IMAGES, _LAYER_IMAGES = 50, 4, 4, 3
_OPERATIONS = 2e10  # of all images; a network counts multiplications and additions

_FLOAT_ERROR, _FLOAT_ROUNDING = 1e-3, 1e-4
"""A difference as a part of the scores' spread over images, and of the largest score beside it."""
CLEAR_DB = 30.0
"""The layers of files with less noise are not looked at. How right and wrong files lie about this
limit and the next four: docs/fidelity.md."""
FAR_DB = 6.0
"""An error that is as large as the scores themselves, whatever makes it."""
MOST_STEPS = 15.0
"""Of the error of one layer."""
MOST_BIAS_STEPS, LEAST_WEIGHTS_DB = 1.0, 20.0
"""Of what one layer adds to its sums, and of what its weights make of values."""
UNROUNDED_DB = 18.0
"""With the weights in int8 and no value, where layers do not match."""
_PROBABILITY_ROUNDING = 1e-5
_PROBABILITY_STEPS = 1.5
"""Of an int8 softmax: half is the rounding of its output, the rest its table of exponentials."""
_POOR_KL = 0.05
"""Nats. Tiny Darknet has 0.009; 0.084 by TFLiteConverter's quantizer."""
_POOR_DB, _POOR_AGREEMENT = 12.0, 0.8
_CORAL_DB = 10.0
"""Leaky activations as PRELU: fashion has 36 dB, Tiny Darknet 30."""
_MIXED_DB = 6.0
"""By how much less signal over noise a mixed file may have than the integer file it is made of.

Of a small network two roundings may happen to make up for each other, and one be farther off."""
_SPREAD_STEPS = 8.0
_ALIKE = 1e-6
_MUCH_CLIPPED = 0.1


@dataclass(frozen=True, eq=False)
class Probe:
    """The images that files are compared on.

    Attributes:
        images: float32 (n, height, width, channels) in [0, 1].
        source: whether they are photos.
        keras: float64 (k, outputs), what the Keras model answers to the first k of them.
    """

    images: Floats
    source: CheckImages
    keras: Answers


def make_probe(
    network: Network, model: "keras.Model", images: Floats, source: CheckImages
) -> Probe:
    """Choose images, spread evenly over `images`, and run the Keras model on the first few.

    Args:
        network: whose operations bound the count.
        model: the network's.
        images: (n, height, width, channels) in [0, 1].
        source: whether they are photos.
    """
    affordable = int(_OPERATIONS // max(network.operations, 1))
    count = min(len(images), max(_FEWEST_IMAGES, min(_MOST_IMAGES, affordable)))
    # A copy, which does not keep all the calibration images.
    chosen = images[np.linspace(0, len(images) - 1, count).astype(int)]
    first = chosen[:_KERAS_IMAGES]
    answers = np.stack([np.asarray(model(image[np.newaxis])).reshape(-1) for image in first])
    return Probe(chosen, source, answers.astype(np.float64))


class FileCheck:
    """The files of one export, checked in the order they are made of one another."""

    def __init__(self, network: Network, probe: Probe, card: ModelCard, advance: Advance) -> None:
        """Prepare the check.

        Args:
            network: named in errors.
            probe: the images, and Keras's answers.
            card: says what is done to the scores.
            advance: is told of each image that a file has run on.
        """
        self._network, self._probe, self._card, self._advance = network, probe, card, advance
        self._images = probe.images
        self._float_file = b""
        self._answers: dict[Reference | Literal["mixed"], Answers] = {"keras": probe.keras}

    def float_file(self, content: bytes) -> Check:
        """Check the float file against the Keras model.

        Warns (TinyedgeWarning) of images that the network has no finite answer to; they are left
        out from here on.

        Raises:
            ExportError: the file is another function, or answers nothing with numbers.
        """
        keras, found = self._probe.keras, run_file(content, self._images, self._advance).answers
        _check_float(self._network, keras, found[: len(keras)])
        usable = np.asarray(np.isfinite(found).all(axis=1))
        few = usable[: len(keras)]
        _check_finite(self._network, usable, enough=bool(few.any()))
        self._float_file, self._images = content, self._images[usable]
        self._answers["float"] = found[usable]
        return self._compared("keras", keras[few], found[: len(keras)][few], noise=None)

    def int8_file(self, content: bytes, quantizer: Quantizer, *, is_written: bool = True) -> Check:
        """Check the int8 file against the float file, which was checked before.

        Warns (TinyedgeWarning) where int8 costs much, if the file `is_written` and not only what a
        mixed one is made of.

        Raises:
            ExportError: the file is far from the float file; the message names the layer where
                they part.
        """
        reference = self._answers["float"]
        found, scale = run_file(content, self._images, self._advance)
        self._answers["int8"] = found
        told_of = raised(reference, content) if self._card.softmax else reference
        check = self._compared("float", reference, found, noise=noise_db(told_of, found, scale))
        found_out = parting(
            self._float_file,
            content,
            self._images,
            reference=reference,
            found=found,
            scale=scale,
            softmax=self._card.softmax,
        )
        if found_out.refusal is not None:
            raise ExportError(
                f"{self._network.source}: {found_out.refusal} ({told(check)});"
                f" {_way_out(quantizer)}"
            )
        check = check._replace(worst_layer=found_out.worst_layer)
        if is_written:
            _note_cost(check, quantizer)
        return check

    def mixed_file(self, content: bytes, quantizer: Quantizer) -> Check:
        """Check the file in mixed precision against the float file.

        It is made of the int8 file, which was checked before, and rounds less.

        Warns (TinyedgeWarning) where it costs much.

        Raises:
            ExportError: it is farther from the float file than the int8 file is.
        """
        reference = self._answers["float"]
        integer = self._answers["int8"]
        found = self._answers["mixed"] = run_file(content, self._images, self._advance).answers
        scale = float(np.abs(integer - reference).max()) / _SPREAD_STEPS
        noise, most = (noise_db(reference, each, scale) for each in (found, integer))
        check = self._compared("float", reference, found, noise=noise)
        if noise is not None and (most is None or noise < most - _MIXED_DB):
            raise ExportError(
                f"{self._network.source}: the mixed file is farther from the float file"
                f" ({told(check)}) than the int8 file; make that one: --precision integer"
            )
        _note_cost(check, quantizer)
        return check

    def coral_file(self, content: bytes, lowerings: Sequence[str]) -> Check:
        """Check the Edge TPU's file against the int8 file, which was checked before.

        Lowered operators compute the same integers, but for a leaky activation, which rounds
        otherwise.

        Args:
            content: the file.
            lowerings: the names of those that made it.

        Raises:
            ExportError: the file is another function.
        """
        reference = self._answers["int8"]
        found, scale = run_file(content, self._images, self._advance)
        check = self._compared("int8", reference, found, noise=noise_db(reference, found, scale))
        exact = "leaky-as-prelu" not in lowerings
        if check.noise_db is not None and (exact or check.noise_db < _CORAL_DB):
            raise ExportError(
                f"{self._network.source}: the file for the Edge TPU is another function than the"
                f" int8 file ({told(check)}), by one of {', '.join(lowerings)}; do without it:"
                " --device host"
            )
        return check

    def rewritten_file(self, content: bytes, kind: Literal["int8", "mixed"]) -> None:
        """Check that a file computes what the one it was rewritten of does, bit for bit.

        Args:
            content: the .tflite in other operators.
            kind: of the file, which was checked before in its own.

        Raises:
            ExportError: an answer differs.
        """
        found = run_file(content, self._images, self._advance).answers
        if not np.array_equal(self._answers[kind], found):
            raise ExportError(
                f"{self._network.source}: convolutions in the forms that suit the device answer"
                " otherwise than plain ones: make a file for any device, --device host"
            )

    def probabilities(self, logits: bytes, content: bytes, softmax: Softmax) -> None:
        """Check a file that ends in the softmax against the same file without.

        Args:
            logits: the .tflite without.
            content: the .tflite in question.
            softmax: that of the network.

        Raises:
            ExportError: a probability is off by more than the rounding of its type.
        """
        scores = run_file(logits, self._images, self._advance).answers
        found, scale = run_file(content, self._images, self._advance)
        groups = scores.reshape(len(scores), softmax.groups, -1) / softmax.temperature
        exact = np.exp(log_softmax(groups)).reshape(scores.shape)
        error = float(np.abs(found - exact).max())
        if not error <= (_PROBABILITY_STEPS * scale if scale else _PROBABILITY_ROUNDING):
            raise ExportError(
                f"{self._network.source}: the softmax in the file is off by up to {error:.2g}:"
                " export it without --probabilities"
            )

    def _compared(
        self, against: Reference, reference: Answers, found: Answers, *, noise: float | None
    ) -> Check:
        return _check(against, self._probe.source, reference, found, self._card, noise=noise)


def spread(reference: Answers) -> float:
    """The variance of scores (images, outputs) over images, the mean over outputs.

    What differs between outputs and is the same for all images, as biases of the last layer, tells
    nothing of an image: it counts as little as it does in an answer.
    """
    return float(np.var(reference, axis=0).mean())


def noise_db(
    reference: Answers, found: Answers, scale: float, *, variance: float | None = None
) -> float | None:
    """How far the scores of an integer file lie from the reference's, signal over noise in dB.

    10 lg of the spread of the reference's scores over the mean square of the error. Scores that
    are all but constant (a logistic that saturates, images that are alike) would make noise of an
    error that int8 cannot avoid: beside the spread counts the variance of `_SPREAD_STEPS` steps.

    Args:
        reference: (images, outputs), before any softmax.
        found: the same of the integer file.
        scale: one step of `found`.
        variance: in place of the reference's own `spread`.

    Returns:
        To a tenth, so that the processor's float rounding does not show; None of equal scores.
    """
    error = float(np.mean(np.square(found - reference)))
    if error == 0:
        return None
    signal = spread(reference) if variance is None else variance
    signal += (_SPREAD_STEPS * scale) ** 2
    return round(10 * float(np.log10(signal / error)), 1)


def raised(reference: Answers, int8_file: bytes) -> Answers:
    """Scores before a softmax, those below what an integer file can hold raised to that.

    The quantizer clips scores whose probability is nil; what that costs, the divergence tells.
    """
    graph = parse_tflite(int8_file).subgraphs[0]
    qparams = graph.tensors[graph.outputs[0]].qparams
    assert qparams is not None
    return np.maximum(reference, qparams.range[0])


def unrounded_db(reference: Answers, found: Answers, *, variance: float) -> float | None:
    """`noise_db` of what an integer file answers with no value rounded.

    Only its weights are off then, so that even scores that are all but constant are near: beside
    their `variance` counts what float's own rounding may make.
    """
    rounding = _FLOAT_ROUNDING * float(np.abs(reference).max())
    return noise_db(reference, found, rounding / _SPREAD_STEPS, variance=variance)


def told(check: Check) -> str:
    """A check's numbers: ``44 of 50 photos agree, KL 0.0841 nats, SNR 16 dB``."""
    images = counted(check.images, "photo" if check.source == "photos" else "image")
    parts = [f"on {images}" if check.agreement is None else f"{check.agreement} of {images} agree"]
    if check.against == "keras":
        return f"{parts[0]}, equal but for float's rounding"
    if check.noise_db is None:
        return f"{parts[0]}, equal scores"
    if check.kl is not None:
        parts.append(f"KL {check.kl:g} nats")
    return ", ".join([*parts, f"SNR {check.noise_db:g} dB"])


def answers_divergence(reference: Answers, found: Answers, softmax: Softmax | None) -> float:
    """How far answers are from the reference's, the mean over images; 0 of equal ones.

    Before a softmax it is their KL divergence in nats. Of other scores, each an answer by itself,
    it is half the mean square of the error, relative to their variance over images.

    Args:
        reference: (images, outputs), before any softmax.
        found: the same of the file in question.
        softmax: what the network ends in.
    """
    if softmax is None:
        error = float(np.mean(np.square(found - reference)))
        return error / (2 * spread(reference) + float(np.finfo(np.float32).tiny))
    return _mean_kl(reference, found, softmax.groups, softmax.temperature)


def _mean_kl(reference: Answers, found: Answers, groups: int, temperature: float) -> float:
    """KL(reference || found), nats, of a softmax over groups: their sum, the mean over images."""
    logits = (each.reshape(len(each), groups, -1) / temperature for each in (reference, found))
    return float(kl_divergence(*logits).sum(axis=1).mean())


class Ran(NamedTuple):
    """What a file answers.

    Attributes:
        answers: (images, outputs), dequantized.
        scale: one step of them; 0 in float.
    """

    answers: Answers
    scale: float


def run_file(content: bytes, images: Floats, advance: Advance) -> Ran:
    """Run a file, float, integer or of mixed precision, on images.

    Raises:
        ExportError: the runtime does not run it.
    """
    with _running(content) as interpreter:
        return _ran(interpreter, _pixels(interpreter, images), advance)


def run_before(content: bytes, images: Floats) -> list[Tensors]:
    """What the first part of a file gives out (`ModelEditor.split`) for each image.

    Raises:
        ExportError: the runtime does not run it.
    """
    with _running(content) as interpreter:
        return list(_outputs(interpreter, _pixels(interpreter, images)))


def run_behind(content: bytes, given: Iterable[Tensors], advance: Advance) -> Ran:
    """Run the second part of a file on what the first gave out.

    Raises:
        ExportError: the runtime does not run it.
    """
    with _running(content) as interpreter:
        return _ran(interpreter, given, advance)


@contextlib.contextmanager
def _running(content: bytes) -> Iterator[Interpreter]:
    """An interpreter of the file; what it raises is an ExportError."""
    runtime = find_runtime()
    try:
        yield runtime.load(content, threads=os.cpu_count() or 1)
    except MemoryError:
        raise
    except RUNTIME_ERRORS as error:
        said = " ".join(str(error).split())
        raise ExportError(f"{runtime} does not run the converted file: {said}") from error


def _pixels(interpreter: Interpreter, images: Floats) -> Iterator[Tensors]:
    """Images as the file's input is to be given them."""
    qparams = _qparams(interpreter.get_input_details()[0])
    for image in images:
        values = image if qparams is None else qparams.quantize(image)
        yield [values[np.newaxis]]


def _outputs(interpreter: Interpreter, given: Iterable[Tensors]) -> Iterator[Tensors]:
    sources = [details["index"] for details in interpreter.get_input_details()]
    targets = [details["index"] for details in interpreter.get_output_details()]
    for tensors in given:
        for index, values in zip(sources, tensors, strict=True):
            interpreter.set_tensor(index, values)
        interpreter.invoke()
        yield [interpreter.get_tensor(index) for index in targets]


def _ran(interpreter: Interpreter, given: Iterable[Tensors], advance: Advance) -> Ran:
    qparams = _qparams(interpreter.get_output_details()[0])
    found = []
    for stored, *_ in _outputs(interpreter, given):
        values = stored.reshape(-1)
        found.append(values if qparams is None else qparams.dequantize(values))
        advance()
    return Ran(np.asarray(found, np.float64), 0.0 if qparams is None else qparams.scale)


def _qparams(details: TensorDetails) -> QuantParams | None:
    if details["dtype"] == np.float32:
        return None
    return QuantParams.per_tensor(*details["quantization"], details["dtype"])


def _check(
    against: Reference,
    source: CheckImages,
    reference: Answers,
    found: Answers,
    card: ModelCard,
    *,
    noise: float | None,
) -> Check:
    classifies = card.features is None
    divergence = None
    if classifies and card.classes > 1 and card.softmax:
        divergence = _mean_kl(reference, found, card.softmax_groups, card.temperature)
        # Logits over a temperature next to 0 may be too large even for a double.
        divergence = divergence if np.isfinite(divergence) else None
    return Check(
        against=against,
        images=len(reference),
        source=source,
        agreement=int(np.count_nonzero(top1(reference) == top1(found))) if classifies else None,
        # For the same reason as the noise; what float's rounding makes of it, 1e-13 or so, is 0.
        kl=None if divergence is None else float(f"{round(divergence, 6):.3g}"),
        noise_db=noise,
    )


def _check_float(network: Network, keras: Answers, found: Answers) -> None:
    """Infinite scores and NaN must be where Keras has them."""
    finite = np.isfinite(keras)
    same = bool(np.array_equal(finite, np.isfinite(found)))
    largest = float(np.abs(keras).max(where=finite, initial=0))
    error = float(np.abs(found - keras).max(where=finite, initial=0)) if same else np.inf
    numbers = keras[finite.all(axis=1)]
    deviation = float(np.sqrt(spread(numbers))) if len(numbers) else 0.0
    if not error <= _FLOAT_ERROR * deviation + _FLOAT_ROUNDING * largest:
        raise ExportError(
            f"{network.source}: TensorFlow's converter made another function of this network:"
            f" scores of the float file differ by up to {error:.2g} from those of the Keras model,"
            f" the largest of which is {largest:.2g} and which vary by {deviation:.2g}"
        )


def _check_finite(network: Network, usable: NDArray[np.bool_], *, enough: bool) -> None:
    if usable.all():
        return
    lost = f"{np.count_nonzero(~usable)} of {counted(len(usable), 'image')}"
    what = f"{network.source}: the network answers {lost} with infinite scores or NaN"
    if not enough:
        raise ExportError(f"{what}: are these its weights?")
    warnings.warn(f"{what}; the check leaves them out", TinyedgeWarning, stacklevel=3)


def _note_cost(check: Check, quantizer: Quantizer) -> None:
    """Warn where int8 costs much: by any of the three numbers."""
    if check.noise_db is None:
        return
    others = 0 if check.agreement is None else check.images - check.agreement
    # One image of few may be one that the float file hardly decides on.
    differs = others > max(1, (1 - _POOR_AGREEMENT) * check.images)
    if check.noise_db >= _POOR_DB and (check.kl or 0) <= _POOR_KL and not differs:
        return
    better = "use --quantizer tuned, or calibrate" if quantizer == "default" else "calibrate"
    if check.worst_layer is None:
        layer = "`tinyedge inspect` says which layer costs it"
    else:
        layer = f"layer {check.worst_layer} costs most of it"
    warnings.warn(
        f"int8 costs this network much ({told(check)}); {better} on more photos such as the"
        f" network will see; {layer}",
        TinyedgeWarning,
        stacklevel=3,
    )


@dataclass(frozen=True)
class Parting:
    """How an int8 file parts from its float file.

    Attributes:
        refusal: why it must not be written, the layer named; None of one that may be.
        worst_layer: the layer that does most damage alone in int8, on each of the images it was
            looked at on; None where no layer is the worst on all of them, or none was looked at.
    """

    refusal: str | None = None
    worst_layer: str | None = None


def parting(
    float_file: bytes,
    int8_file: bytes,
    images: Floats,
    *,
    reference: Answers,
    found: Answers,
    scale: float,
    softmax: bool,
) -> Parting:
    """Hold an int8 file against the float file, layer by layer where that is worth it.

    Args:
        float_file: what it was made of.
        int8_file: the file.
        images: (n, height, width, channels) in [0, 1].
        reference: (n, outputs), the float file's answers.
        found: the int8 file's.
        scale: one step of them.
        softmax: whether a softmax follows.
    """
    told_of = raised(reference, int8_file) if softmax else reference
    noise = noise_db(told_of, found, scale)
    if noise is None or noise >= CLEAR_DB:
        return Parting()
    from tinyedge.export.inspection.parting import layer_errors, without_rounding

    # Of all numbers, about one mean: where all images are alike a right file is still near.
    level_db = noise_db(told_of, found, scale, variance=float(np.var(told_of)))
    far = level_db is not None and level_db < FAR_DB
    level = float(np.var(reference))
    # Of one image, or of images that are alike, nothing varies.
    varies = spread(reference)
    if varies <= _ALIKE * level:
        varies = level
    few = slice(None, None, -(-len(images) // _LAYER_IMAGES))
    images, reference = images[few], reference[few]
    another = "the int8 file is another function than the float file: they part at layer"
    try:
        layers = layer_errors(float_file, int8_file, images, reference, with_answers=True)
    except ModelError:
        # The layers do not match.
        unrounded = without_rounding(float_file, int8_file, images)
        unrounded_noise = unrounded_db(reference, unrounded.answers, variance=varies)
        # NaN is no answer either.
        close = unrounded_noise is None or unrounded_noise >= UNROUNDED_DB
        if far or not close:
            return Parting(
                f"{another} {unrounded.parting}, with no value rounded SNR {unrounded_noise} dB"
            )
        return Parting()
    damage = _damage(layers, reference, int8_file if softmax else None)
    worst, always = layers[int(damage.mean(axis=1).argmax())], set(damage.argmax(axis=0).tolist())
    wrong = _wrong(layers)
    if wrong is not None:
        return Parting(f"{another} {wrong}")
    if far:
        return Parting(f"the int8 file is far from the float file: {_told_worst(worst)}")
    return Parting(worst_layer=worst.name if len(always) == 1 else None)


def _wrong(layers: "Sequence[LayerError]") -> str | None:
    """The first layer that is not the float file's, and why; None where all are."""
    for layer in layers:
        if layer.steps > MOST_STEPS:
            return (
                f"{layer.name}, which is off by up to {layer.steps:.0f} steps of its int8 scale"
                f" where rounding makes less than {MOST_STEPS:.0f}"
            )
        if layer.weights_db < LEAST_WEIGHTS_DB:
            return f"{layer.name}, whose weights are others (SNR {layer.weights_db:.1f} dB)"
        if layer.bias_steps > MOST_BIAS_STEPS:
            return (
                f"{layer.name}, whose bias is off by {layer.bias_steps:.3g} steps of its int8 scale"
            )
    return None


def _damage(
    layers: "Sequence[LayerError]", reference: Answers, softmax_behind: bytes | None
) -> Answers:
    """(layers, images): the mean square of what each layer alone in int8 does to the answers.

    `softmax_behind` is the int8 file where a softmax follows: scores are raised as it raises them.
    """

    def told(answers: Answers) -> Answers:
        return answers if softmax_behind is None else raised(answers, softmax_behind)

    errors = []
    for layer in layers:
        assert layer.answers is not None
        errors.append(np.square(told(layer.answers) - told(reference)).mean(axis=1))
    return np.stack(errors)


def _told_worst(worst: "LayerError") -> str:
    clipped = f", {100 * worst.clipped:.0f} % of its values at an end of its int8 range"
    return (
        f"layer {worst.name} does most of it, alone in int8"
        f"{clipped if worst.clipped >= _MUCH_CLIPPED else ''}"
    )


def _way_out(quantizer: Quantizer) -> str:
    other = "default" if quantizer == "tuned" else "tuned"
    return f"try --quantizer {other}, other photos, or make the float file alone with --float-only"
