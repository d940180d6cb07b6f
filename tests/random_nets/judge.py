"""One random net through an export, and what came of it.

``python -m tests.random_nets.judge QUANTIZER SEED...`` prints a JSON object a net, each as soon as
it is known: where a net takes the process down, it is the first without one.
"""

import dataclasses
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from click.testing import CliRunner
from numpy.typing import NDArray

from tests.random_nets.nets import RandomNet, random_net
from tests.random_nets.photos import random_photos, write_photos
from tests.random_nets.rounded import rounded_answers
from tests.random_nets.weights import fitted_weights, revision_of
from tests.support import c_engine
from tests.support.naive import forward
from tinyedge.cli import main as tinyedge
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.layers import (
    BatchNormalization,
    Convolutional,
    DepthwiseConvolutional,
    Dropout,
    Layer,
    Local,
    LocalAvgPool,
    Route,
    Sam,
    ScaleChannels,
    Shortcut,
    Softmax,
)
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Weights, write_weights
from tinyedge.devices.runtime.runtimes import find_runtime
from tinyedge.tflite.quantization import QuantParams

__all__ = ["CLOSE", "MARGIN", "POOR", "Judgement", "Verdict", "judge", "judged", "lost"]

Verdict = Literal["right", "poor", "wrong", "refused", "failed", "crashed"]
Floats = NDArray[np.float64]

CLOSE = 1e-4
"""How far the float file may be off, as a part of the largest output there is."""

POOR = 16.0
"""dB of an int8 file's answers below which it is poor."""

MARGIN = 6.0
"""dB that a poor file may lie below what 8 bits leave of the definition."""

_FAR = "the int8 file is far from the float file"
_FLOAT_ONLY = "float only"
_MOST = 99.0

CALIBRATION, UNSEEN, COMPARED = 32, 32, 4
"""Photos: to calibrate with, to compare int8 with float on, and float with Darknet."""


@dataclass(frozen=True)
class Judgement:
    """What came of one net.

    Attributes:
        seed: of the net.
        verdict: ``right``; ``poor``, whose int8 file is less than `POOR` dB above its error;
            ``wrong``, which is poor and more than `MARGIN` dB worse than 8 bits explain, or whose
            float file is not `CLOSE` to Darknet's answer; ``refused`` as the documentation says,
            the float file being right: an activation without int8 kernels, or a net that the check
            at the end finds far from its float file and that does not bear 8 bits; ``failed``, an
            error without such a ground; ``crashed``.
        reason: in a line, of what is neither right nor poor.
        oracle: what the float file was compared with: Darknet's C engine, or the definition where
            the engine has no such layer or crashes in it.
        float_error: the largest difference of the float file's answers from the oracle's, divided
            by the oracle's largest; None where there is no file.
        db: spread of the float file's answers over unseen photos to the error of the int8 file's,
            10 log10 of their squares, behind a softmax where there is one; None without a file.
        logits_db: the same before the softmax, where what means nothing may be clipped.
        reachable: the same where the definition is rounded to 8 bits after every layer.
        agreement: on how many of the photos, 0 to 1, both name the same class; None of one output
            or of no head.
        kl: the mean Kullback-Leibler divergence of their softmax; None where there is none.
        outputs: numbers in an answer.
        seconds: all of it took.
        gist: the net in a line.
        head: the name of its head.
    """

    seed: int
    verdict: Verdict
    reason: str
    oracle: Literal["engine", "definition"]
    float_error: float | None
    db: float | None
    logits_db: float | None
    reachable: float | None
    agreement: float | None
    kl: float | None
    outputs: int
    seconds: float
    gist: str
    head: str


def judge(seed: int, folder: Path, quantizer: str = "tuned") -> Judgement:
    """Make the net of `seed` in the empty `folder`, export and compare."""
    start = time.monotonic()
    net = random_net(seed)
    photos = random_photos(net.network.input, CALIBRATION + UNSEEN, seed)
    pixels: NDArray[np.float32] = photos.astype(np.float32) / np.float32(255)
    weights = fitted_weights(net.network, list(pixels[: CALIBRATION // 2]), seed)
    (folder / "net.cfg").write_text(net.cfg)
    write_weights(folder / "net.weights", net.network, weights)
    write_photos(folder / "photos", photos[:CALIBRATION])
    found = _judged(net, weights, pixels, folder, quantizer)
    return dataclasses.replace(found, seconds=time.monotonic() - start)


def _judged(
    net: RandomNet, weights: Weights, pixels: NDArray[np.float32], folder: Path, quantizer: str
) -> Judgement:
    found = _unjudged(net)
    words = ["--calib", str(folder / "photos"), "--quantizer", quantizer]
    error, crashed = _export(folder, *words)
    refusal = ""
    if error and not crashed and (_FAR in error or not net.has_int8_form):
        refusal = error if net.has_int8_form else _FLOAT_ONLY
        error, crashed = _export(folder, "--float-only")
    elif not error and not net.has_int8_form:
        error = "an int8 file with an activation that TFLite has in float alone"
    if error:
        return dataclasses.replace(found, verdict="crashed" if crashed else "failed", reason=error)
    network = _cut(net.network)
    calibration, unseen = list(pixels[:CALIBRATION]), pixels[CALIBRATION:]
    of_float = _answers(folder / "net_float.tflite", unseen)
    right = _oracle(found, network, weights, unseen[:COMPARED], folder)
    off = _off(of_float[:COMPARED], right)
    # No number, where either is none.
    off = float(np.nan_to_num(off, nan=1e9, posinf=1e9))
    found = dataclasses.replace(found, float_error=off)
    # What float32 costs the engine itself, it may cost the file.
    if off > CLOSE and off > 4 * _off(right, _defined(network, weights, unseen[:COMPARED])):
        reason = f"the float file is {off:.2g} off"
        return dataclasses.replace(found, verdict="wrong", reason=reason)
    if refusal == _FLOAT_ONLY:
        return dataclasses.replace(found, verdict="refused", reason=refusal)
    softmax = net.network.softmax
    rounded = rounded_answers(network, weights, calibration, list(unseen))
    reachable = _decibels(*(_answers_behind(softmax, each) for each in (of_float, rounded)))
    found = dataclasses.replace(found, reachable=reachable)
    if refusal:
        verdict: Verdict = "failed" if reachable >= POOR else "refused"
        return dataclasses.replace(found, verdict=verdict, reason=refusal)
    return _int8_judged(net, found, of_float, _answers(folder / "net_int8.tflite", unseen))


def _int8_judged(net: RandomNet, found: Judgement, of_float: Floats, of_int8: Floats) -> Judgement:
    softmax = net.network.softmax
    right, by_int8 = (_answers_behind(softmax, scores) for scores in (of_float, of_int8))
    db, reachable = _decibels(right, by_int8), found.reachable or 0.0
    wrong = db < min(reachable, POOR) - MARGIN
    return dataclasses.replace(
        found,
        verdict="wrong" if wrong else "poor" if db < POOR else "right",
        reason=f"int8: {db:.1f} dB of {reachable:.1f} in reach" if wrong else "",
        db=db,
        logits_db=_decibels(of_float, of_int8),
        agreement=_agreement(net.network, of_float, of_int8),
        kl=None if softmax is None else _divergence(right, by_int8) / softmax.groups,
    )


def _oracle(
    found: Judgement,
    network: Network,
    weights: Weights,
    images: NDArray[np.float32],
    folder: Path,
) -> Floats:
    """What the float file is held to, (n, outputs)."""
    if found.oracle == "definition":
        return _defined(network, weights, images)
    last = network.layers[-1].index
    outputs = c_engine.layer_outputs(folder / "net.cfg", folder / "net.weights", images, last)
    return outputs.astype(np.float64)


def _defined(network: Network, weights: Weights, images: NDArray[np.float32]) -> Floats:
    return np.stack([forward(network, weights, each) for each in images])


def _off(found: Floats, right: Floats) -> float:
    return float(np.abs(found - right).max() / np.abs(right).max())


def _unjudged(net: RandomNet) -> Judgement:
    by_engine = c_engine.is_installed() and not _beyond_the_engine(net)
    return Judgement(
        seed=net.seed,
        verdict="right",
        reason="",
        oracle="engine" if by_engine else "definition",
        float_error=None,
        db=None,
        logits_db=None,
        reachable=None,
        agreement=None,
        kl=None,
        outputs=net.network.output.elements,
        seconds=0.0,
        gist=net.gist,
        head=net.head,
    )


def lost(seed: int, complaint: str) -> Judgement:
    """That of a net which took its process down."""
    return dataclasses.replace(_unjudged(random_net(seed)), verdict="crashed", reason=complaint)


def judged(line: str) -> Judgement:
    """What `main` printed of a net."""
    return Judgement(**json.loads(line))


def _beyond_the_engine(net: RandomNet) -> bool:
    """Whether Darknet's C engine has no such layer, crashes in it or leaves it out on a CPU."""
    foreign = any(ACTIVATIONS[activation].foreign for activation in net.activations)
    # It has its epsilon outside the root, whatever the header says.
    norms = revision_of(net.seed) and any(
        getattr(layer, "batch_normalize", False) for layer in net.network.layers
    )
    return (
        foreign or bool(norms) or "stride_x" in net.cfg or any(map(_is_beyond, net.network.layers))
    )


def _is_beyond(layer: Layer) -> bool:
    match layer:
        case (
            BatchNormalization()
            | DepthwiseConvolutional()
            | Local()
            | LocalAvgPool()
            | Sam()
            | ScaleChannels()
        ):
            return True
        case Shortcut():
            return len(layer.sources) > 1 or layer.weighting != "none"
        case Convolutional():
            one = layer.size == 1 and (layer.stride > 1 or layer.padding > 0)
            return one or layer.dilation > 1
        case Dropout():
            # It hands on the output of the layer before.
            return layer.index == 0
        case Route():
            return layer.groups > 1
    return False


def _cut(network: Network) -> Network:
    """The network that the files compute: the softmax is left to whoever reads them."""
    last = [layer for layer in network.layers if layer.kind not in ("softmax", "cost")][-1]
    return dataclasses.replace(network, layers=network.layers[: last.index + 1])


def _export(folder: Path, *words: str) -> tuple[str, bool]:
    """The error in one line, empty where all went well; and whether it is none of tinyedge's."""
    source = [str(folder / "net.cfg"), "--weights", str(folder / "net.weights")]
    result = CliRunner().invoke(tinyedge, ["export", *source, "-o", str(folder), *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"{type(result.exception).__name__}: {result.exception}", True
    if result.exit_code == 0:
        return "", False
    errors = [line for line in result.output.splitlines() if line.startswith("error")]
    return (errors or result.output.splitlines() or ["no word"])[-1], False


def _answers(model: Path, images: NDArray[np.float32]) -> Floats:
    """One flat answer an image in Darknet's order: channel, row, column."""
    interpreter = find_runtime().load(model.read_bytes(), threads=1)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    whole = source["dtype"] != np.float32
    scale, zero_point = result["quantization"]
    answers = []
    for pixels in images:
        given = QuantParams.pixels(source["dtype"]).quantize(pixels) if whole else pixels
        interpreter.set_tensor(source["index"], given.astype(source["dtype"])[np.newaxis])
        interpreter.invoke()
        found = interpreter.get_tensor(result["index"])[0].astype(np.float64)
        answers.append(np.moveaxis((found - zero_point) * scale if whole else found, -1, 0).ravel())
    return np.stack(answers)


def _decibels(of_float: Floats, of_int8: Floats) -> float:
    """Noise of answers that are all but alike counts as part of their size: a thirtieth of it."""
    error = np.square(of_int8 - of_float).sum()
    spread = np.square(of_float - of_float.mean(axis=0)).sum()
    spread = max(spread, 1e-3 * np.square(of_float).sum())
    if not error > 0:
        return -_MOST if np.isnan(error) else _MOST
    return float(np.clip(10 * np.log10(max(spread, 1e-30) / error), -_MOST, _MOST))


def _agreement(network: Network, of_float: Floats, of_int8: Floats) -> float | None:
    if network.features is not None or network.output.channels == 1:
        return None
    return float((of_float.argmax(axis=1) == of_int8.argmax(axis=1)).mean())


def _answers_behind(softmax: Softmax | None, scores: Floats) -> Floats:
    """What `scores` become in the softmax that the network ends in."""
    if softmax is None:
        return scores
    runs = scores.reshape(len(scores), softmax.groups, -1) / softmax.temperature
    powers = np.exp(runs - runs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True)).reshape(scores.shape)


def _divergence(right: Floats, found: Floats) -> float:
    """Mean KL divergence of one image's probabilities, all groups together."""
    ratio = np.maximum(right, 1e-300) / np.maximum(found, 1e-300)
    return float((right * np.log(ratio)).sum(axis=1).mean())


def main() -> None:
    """Judge the nets of the seeds."""
    quantizer, *seeds = sys.argv[1:]
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found = judge(int(seed), Path(folder), quantizer)
        print(json.dumps(dataclasses.asdict(found)), flush=True)


if __name__ == "__main__":
    main()
