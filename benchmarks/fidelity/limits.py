"""What right and wrong int8 files are off by: the numbers behind the limits of the export's check.

    python -m benchmarks.fidelity.limits --nets 40

exports random nets (`tests.random_nets`) by both quantizers, and makes files of other functions of
them: by the quantizer without what it knows of constants that the converter folds into weights, and
by edits of the right file. What was measured is kept, and ``python -m benchmarks.fidelity -o
docs/fidelity.md`` writes it on its page.
"""

import argparse
import multiprocessing
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.fidelity.rows import Row, keep
from benchmarks.places import state
from tinyedge.errors import ExportError, ModelError, TinyedgeWarning
from tinyedge.modelcard import Quantizer
from tinyedge.progress import no_progress

__all__ = ["KINDS", "limits_path", "markdown"]


_PHOTOS = 32
_LAYER_PHOTOS = 3
_SAME_DB = 1.0
_OFFSET = 20.0  # of the logits of every other net, whose spread over photos is 2
_BATCH = 10  # nets a process: what TensorFlow does not free stays small

KINDS = {
    "tuned": "right, tuned",
    "default": "right, `--quantizer default`",
    "constants": "what the converter folded into weights, overwritten",
    "bias": "the first layer without its bias",
    "order": "the first layer's weights in another order",
    "factor": "the last layer's weights times 2",
}
"""Files by how they were made; but the first two they are of another function."""

_RIGHT = ("tuned", "default")


def limits_path(folder: Path) -> Path:
    """Where the measurements are kept in the benchmarks' cache."""
    return folder / "limits.json"


def _measure(seed: int) -> list[Row]:
    """Of the random net of `seed`, what each kind of file is off by."""
    from tests.random_nets.nets import random_net
    from tests.random_nets.photos import random_photos, write_photos
    from tests.random_nets.weights import fitted_weights
    from tinyedge.darknet.weights import write_weights

    warnings.simplefilter("ignore", TinyedgeWarning)
    net = random_net(seed)
    if not net.has_int8_form:
        return []
    photos = random_photos(net.network.input, _PHOTOS, seed)
    pixels = photos.astype(np.float32) / np.float32(255)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "net.cfg").write_text(net.cfg)
        first = list(pixels[: _PHOTOS // 2])
        offset = _OFFSET * (seed // 2 % 2)
        weights = fitted_weights(net.network, first, seed, offset=offset)
        write_weights(folder / "net.weights", net.network, weights)
        write_photos(folder / "photos", photos)
        softmax = net.network.softmax is not None
        rows: list[Row] = []
        for kind, float_file, int8_file in _files(folder):
            try:
                off = _off(float_file, int8_file, pixels, softmax=softmax)
            except ExportError as error:
                # What is overwritten may leave no file that runs.
                if kind in _RIGHT:
                    raise
                off = {**dict.fromkeys(_MEASURES), "refused": str(error)}
            rows.append({"seed": seed, "kind": kind, "offset": bool(offset and softmax), **off})
        return rows


def _files(folder: Path) -> Iterator[tuple[str, bytes, bytes]]:
    from tinyedge.export.tflite.editor import ModelEditor

    float_file, right = _converted(folder, "tuned")
    yield "tuned", float_file, right
    yield "default", float_file, _converted(folder, "default")[1]
    with patch.object(ModelEditor, "holds_weights", lambda *_: True):
        other = _converted(folder, "tuned")[1]
    if other != right:
        yield "constants", float_file, other
    for kind, edit in _EDITS.items():
        yield kind, float_file, _edited(right, edit)


def _converted(folder: Path, quantizer: Quantizer) -> tuple[bytes, bytes]:
    """The float and the int8 file, before they are checked."""
    from tinyedge.export.pipeline import convert, prepare
    from tinyedge.export.request import ExportRequest
    from tinyedge.zoo.models import SourceFiles

    files = SourceFiles(folder / "net.cfg", folder / "net.weights", calibration=folder / "photos")
    request = ExportRequest("net", files, folder, calibration_count=_PHOTOS, quantizer=quantizer)
    made = convert(prepare(request, progress=no_progress), progress=no_progress)
    assert made.int8_tflite is not None
    return made.float_tflite, made.int8_tflite


def _off(
    float_file: bytes, int8_file: bytes, images: np.ndarray[Any, Any], *, softmax: bool
) -> Row:
    """SNR of the answers, what layers are off by in steps, and SNR with nothing rounded."""
    from tinyedge.export.check import (
        noise_db,
        parting,
        raised,
        run_file,
        spread,
        unrounded_db,
    )
    from tinyedge.export.inspection.parting import layer_errors, without_rounding

    advance = no_progress("")
    wanted = run_file(float_file, images, advance).answers
    found, scale = run_file(int8_file, images, advance)
    few = slice(None, None, -(-len(images) // _LAYER_PHOTOS))
    try:
        layers = layer_errors(float_file, int8_file, images[few], wanted[few])
        alone: Row = {
            "steps": max(layer.steps for layer in layers),
            "bias_steps": max(layer.bias_steps for layer in layers),
            "weights_db": min(layer.weights_db for layer in layers),
        }
    except ModelError:
        alone = dict.fromkeys(("steps", "bias_steps", "weights_db"))
    unrounded = without_rounding(float_file, int8_file, images[few]).answers
    finite = bool(np.isfinite(unrounded).all())
    varies = spread(wanted)
    told_of = raised(wanted, int8_file) if softmax else wanted
    return {
        "db": noise_db(told_of, found, scale),
        "level_db": noise_db(told_of, found, scale, variance=float(np.var(told_of))),
        **alone,
        "unrounded_db": unrounded_db(wanted[few], unrounded, variance=varies) if finite else None,
        "agreement": int(np.count_nonzero(wanted.argmax(axis=1) == found.argmax(axis=1))),
        "refused": parting(
            float_file,
            int8_file,
            images,
            reference=wanted,
            found=found,
            scale=scale,
            softmax=softmax,
        ).refusal,
    }


def _edited(content: bytes, edit: Callable[[Any, Any], None]) -> bytes:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    options = (schema.Conv2DOptionsT, schema.DepthwiseConv2DOptionsT, schema.FullyConnectedOptionsT)
    edit(model, [op.inputs for op in graph.operators if isinstance(op.builtinOptions, options)])
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _no_bias(model: Any, layers: Sequence[Any]) -> None:
    buffer = model.buffers[model.subgraphs[0].tensors[layers[0][2]].buffer]
    buffer.data = np.zeros_like(np.asarray(buffer.data))


def _another_order(model: Any, layers: Sequence[Any]) -> None:
    buffer = model.buffers[model.subgraphs[0].tensors[layers[0][1]].buffer]
    buffer.data = np.random.default_rng(0).permutation(np.asarray(buffer.data))


def _a_factor(model: Any, layers: Sequence[Any]) -> None:
    quantization = model.subgraphs[0].tensors[layers[-1][1]].quantization
    quantization.scale = 2 * np.asarray(quantization.scale)


_EDITS = {"bias": _no_bias, "order": _another_order, "factor": _a_factor}


def markdown(rows: Sequence[Row]) -> list[str]:
    """The section of the page."""
    from tinyedge.export import check

    lines = [
        "## What an int8 file may be off by",
        "",
        "The check that ends every export refuses an int8 file that is another function than its",
        "float file. Its limits were chosen from files that are right and files that are wrong: of",
        f"{len({row['seed'] for row in rows})} random nets (`tests/random_nets`), by"
        " `python -m benchmarks.fidelity.limits`.",
        "",
        "| files | n | refused | SNR of the answers, dB | worst layer alone, steps"
        " | weights, dB | bias, steps | nothing rounded, dB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, told in KINDS.items():
        of_kind = [row for row in rows if row["kind"] == kind]
        if of_kind:
            cells = (_span([row[name] for row in of_kind]) for name in _MEASURES)
            refused = sum(row["refused"] is not None for row in of_kind)
            lines.append(f"| {told} | {len(of_kind)} | {refused} | {' | '.join(cells)} |")
    apart = {row["seed"] for row in rows if row["offset"]}
    return [
        *lines,
        "",
        f"Logits of {len(apart)} nets are {_OFFSET:g} apart by their biases, ten times what they"
        " vary from",
        "photo to photo. Lowest to highest, and the median. *SNR*: the variance of the float",
        "file's scores over photos over the mean square of the error; it leaves no gap between",
        "right files of one net and wrong ones of another. *Worst layer alone*: with one layer in",
        "int8 and all others in float, nine in ten of the values that come out are off by no more",
        "steps of their int8 scale; rounding makes the same few in any network. *Weights* and",
        "*bias*: the worst layer's own constants against the float file's. n is less there: the",
        "rest are files whose layers do not match, which a factor at one layer does too, or that",
        "do not run. *Nothing rounded*: the answers of the file's weights with its values in",
        "float, which tells those.",
        "",
        *_missed(rows),
        "",
        f"So, where the SNR is below {check.CLEAR_DB:g} dB, a layer off by more than"
        f" {check.MOST_STEPS:g} steps is an error, and",
        f"so are weights with less than {check.LEAST_WEIGHTS_DB:g} dB and a bias off by more than"
        f" {check.MOST_BIAS_STEPS:g} steps; where",
        f"layers do not match, less than {check.UNROUNDED_DB:g} dB with nothing rounded; and an"
        f" error within {check.FAR_DB:g} dB",
        "of the scores themselves, whatever the reason. Operators that copy integers from one",
        "scale to another are found by the scales. Trained networks by `--quantizer default`, on",
        "12 photos: Tiny Darknet has 12.6 dB, 1.4 steps, weights 35.3 dB, 25.3 dB with nothing",
        "rounded; SqueezeNet 20.6, 0.8, 37.1 and 23.3.",
    ]


def _missed(rows: Sequence[Row]) -> list[str]:
    """Of the wrong files that are not refused, how wrong they are."""
    right = {row["seed"]: row["db"] for row in rows if row["kind"] == "tuned"}
    passed = [row for row in rows if row["kind"] not in _RIGHT and row["refused"] is None]
    missed = [
        row
        for row in passed
        if row["db"] is not None and row["db"] < (right[row["seed"]] or np.inf) - _SAME_DB
    ]
    told = ", ".join(f"{row['db']:g} for {right[row['seed']]:g}" for row in missed)
    same = len(passed) - len(missed)
    right_refused = [row for row in rows if row["kind"] in _RIGHT and row["refused"] is not None]
    lost = ", ".join(f"{row['db']:g}" for row in right_refused)
    return [
        f"Of the {len(passed)} wrong files that are not refused {same} answer as the right file",
        f"does, within {_SAME_DB:g} dB: what is wrong does not count there. The SNR of the others,",
        f"for that of the right file: {told or 'none'}. The right files that are refused are",
        f"those that int8 leaves next to nothing of, in dB: {lost or 'none'}.",
    ]


_MEASURES = ("db", "steps", "weights_db", "bias_steps", "unrounded_db")


def _span(values: Sequence[float | None]) -> str:
    # Infinite where no layer has weights, or none is off.
    known = [value for value in values if value is not None and np.isfinite(value)]
    if not known:
        return "-"
    count = "" if len(known) == len(values) else f" (n = {len(known)})"
    return f"{min(known):.1f} to {max(known):.1f}, {np.median(known):.1f}{count}"


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", type=int, default=40)
    count = parser.parse_args().nets
    context = multiprocessing.get_context("spawn")
    rows: list[Row] = []
    for start in range(0, count, _BATCH):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            for found in pool.map(_measure, range(start, min(count, start + _BATCH))):
                rows += found
                print(*found, sep="\n", flush=True)
    keep(limits_path(state()), rows)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
