"""Targets: what ``compare`` reads beside models and photos: ``--layers``, and its own journal."""

import atexit
import functools
import json
import math
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from tests.fuzz.mutators import mutate_json
from tests.fuzz.target import Target, check_message, written
from tinyedge.accuracy.comparison_journal import ComparisonJournal
from tinyedge.accuracy.observations import Answer, ImageAnswers, ObservationTable
from tinyedge.accuracy.page.figures import layer_bars
from tinyedge.accuracy.page.layers import read_layers
from tinyedge.errors import ModelError
from tinyedge.export.inspection.report import as_json
from tinyedge.export.inspection.result import (
    InspectedLayer,
    Inspection,
    Requantization,
    Sensitivity,
)
from tinyedge.images.image_list import ImagePaths
from tinyedge.journal import Journal, open_journal

_FLOAT, _INT8 = "a" * 64, "b" * 64


def _read_layers(content: bytes) -> None:
    """What a page shows of it: text that can be written, and bars that lie somewhere."""
    layers = read_layers(written("layers.json", content))
    with suppress(ModelError):
        layers.check_is_of(_FLOAT, (_INT8,))
    try:
        layers.check_is_of("c" * 64, ("d" * 64,))
    except ModelError as error:
        check_message(str(error))
    else:
        raise AssertionError("it is of any model")
    bars = layer_bars(layers.layers)
    if bars and len(bars) != len(layers.layers):
        raise AssertionError(f"{len(bars)} bars of {len(layers.layers)} layers")
    places = [
        place
        for bar in bars
        for place in (bar.zero, bar.alone, *bar.alone_error, bar.back, *bar.back_error)
    ]
    if not all(map(math.isfinite, places)):
        raise AssertionError(f"{bars} cannot be drawn")
    for layer in layers.layers:
        layer.name.encode()
        shown = (layer.snr, layer.weight_snr, layer.alone, layer.gives_back, layer.saturated)
        if not all(value is None or math.isfinite(value) for value in shown):
            raise AssertionError(f"{layer} holds no finite number")


def _seeds() -> Iterator[bytes]:
    rounding = Requantization("conv_2d", "t", (0.0, 1.0), (0.0, 2.0), 1.5)
    found = Sensitivity(-0.1, 0.2, 0.3, 0.4)
    layers = (
        InspectedLayer(None, "input", math.inf, 1.0, None, (1, 1), (rounding,), None, False),
        InspectedLayer(3, "conv", 30.0, 0.9, 40.0, (1, 1), (rounding, rounding), found, True),
        InspectedLayer(4, "softmax", 20.0, 0.8, None, (1, 1), (), found, False),
    )
    whole = as_json(Inspection(_FLOAT, _INT8, 32, 96.9, None, layers))
    yield json.dumps(whole).encode()
    yield json.dumps(as_json(Inspection(_FLOAT, _INT8, 1, 100.0, None, layers[1:]))).encode()
    yield json.dumps({**whole, "layers": []}).encode()
    yield json.dumps({name: whole[name] for name in whole if name != "sha256"}).encode()
    yield json.dumps({**whole, "schema": "tinyedge.compare/1"}).encode()
    yield b"[" * 2000
    yield b'{"schema": NaN}'
    yield b""


@functools.cache
def _journal() -> Journal:
    """One that stays open: its entries are put into it, for the disk takes long to flush."""
    opened = open_journal(written("comparison.journal", b""), "a comparison")
    atexit.register(opened.__exit__, None, None, None)
    return opened.__enter__()


def _read_answers(content: bytes) -> None:
    """An entry of a comparison's journal, which goes on with the numbers in it."""
    journal = _journal()
    journal.entries = [{"answers": content.decode("utf-8", "surrogateescape")}]
    known = list(ComparisonJournal(journal).recorded())
    table = ObservationTable(_IMAGES, 2, labelled=True)
    for number, found in known:
        ranked = all(answer.label_rank is not None for answer in found.answers)
        if number < _IMAGES and ranked and (len(found.answers), len(found.divergences)) == (2, 1):
            table.record(number, found)
    observed = table.observations(ImagePaths(map(str, range(_IMAGES))), [0] * _IMAGES)
    if not np.isfinite(observed.divergence).all() or not np.isfinite(observed.probability).all():
        raise AssertionError(f"{known} are no finite numbers")


def _answer_seeds() -> Iterator[bytes]:
    good = [[1, *_ANSWERS], [2, *_ANSWERS]]
    yield json.dumps(good).encode()
    yield json.dumps([[0, [[1, None, False, 0.5]] * 2, [0.0]]]).encode()
    yield json.dumps([[3, [[2**31, 0, True, 1e308]] * 2, [-1e-320]]]).encode()
    yield b"[[1, [[1, 0, false, 1e999], [1, 0, false, 0.5]], [Infinity]]]"
    yield b"[" * 2000
    yield b""


_IMAGES = 4
_ANSWERS = ImageAnswers((Answer(1, 0, False, 0.1), Answer(0, 1, True, -3.5)), (0.25,))
_KEYS = (
    *("schema", "sha256", "float", "int8", "images", "layers", "layer", "kind", "snr"),
    *("weight_snr", "alone", "alone_standard_error", "gives_back", "gives_back_standard_error"),
    *("roundings", "saturated", "worst"),
)

TARGETS = (
    Target(
        name="layers",
        read=_read_layers,
        seeds=_seeds,
        words=(*(f'"{key}": ' for key in _KEYS), "null", "true", "1e9", "-1e9", "1e-320", "[]"),
        mutate=mutate_json,
    ),
    Target(
        name="answers",
        read=_read_answers,
        seeds=_answer_seeds,
        words=("[[", "]]", "null", "true", "false", "1e999", "NaN", "2147483648", "-1"),
        largest=1024,
        mutate=mutate_json,
    ),
)
