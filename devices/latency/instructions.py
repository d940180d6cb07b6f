"""How many instructions a .tflite takes on a core, by a table of what each kind of operator takes.

A table, because nobody has a board of every kind beside them, or an emulator:
`instructions.json` is written by ``python -m benchmarks.emulated.costs``, which counts single
operators of many shapes through LiteRT and XNNPACK, one thread, on emulated cores, and fits what
`operator_terms` says they grow with. It knows no network. What comes from memory is not in it, and
counted by rule: as in `tinyedge.devices.latency.roofline`, an operator takes the longer of both.
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tinyedge.devices.latency.cache import COPIES_NOTHING, POOLS, missed_lines, taps
from tinyedge.devices.latency.roofline import LINE_BYTES, cycles_of_a_line
from tinyedge.devices.profile import Profile, find_profile
from tinyedge.errors import DeviceError
from tinyedge.modelcard import Precision
from tinyedge.tflite.model import Operator, Subgraph
from tinyedge.tflite.schema import OPS_WITH_WEIGHTS

__all__ = [
    "FileCost",
    "conversion_cycles",
    "costs_are_known",
    "counted_boards",
    "file_cost",
    "operator_cycles",
    "operator_instructions",
    "operator_kind",
    "operator_precision",
    "operator_terms",
]

_FILE = Path(__file__).with_name("instructions.json")
_ANY_PI = ("pi3", "pi4", "pi5")
"""One of each core; a Zero 2 W has a Pi 3's, and its memory is as fast beside it."""
# Of an operator that was not counted: as its like.
_LIKE = {
    **dict.fromkeys(("ABS", "NEG", "RELU", "RELU6", "RELU_N1_TO_1", "PRELU"), "LEAKY_RELU"),
    **dict.fromkeys(("SUB", "MUL", "DIV"), "ADD"),
    "MINIMUM": "MAXIMUM",
    **dict.fromkeys(("EXP", "LOG", "TANH", "HARD_SWISH", "GELU", "SOFTMAX"), "LOGISTIC"),
    **dict.fromkeys(("SUM", "REDUCE_MAX"), "MEAN"),
}
_COPIES = "CONCATENATION"
# Of XNNPACK's kernels for these cores, in the precisions that there are.
_PIXEL_TILE, _FILTER_TILES, _CHANNEL_STEPS = 4, (8, 16), (1, 4, 8, 16)


class FileCost(NamedTuple):
    """What an inference takes on one core.

    Attributes:
        instructions: of all operators.
        lines: of 64 bytes, that come from memory.
        cycles: an instruction a cycle, or where memory takes longer over an operator, that.
    """

    instructions: float
    lines: float
    cycles: float


def counted_boards(profile: Profile) -> tuple[Profile, ...]:
    """The boards that a profile stands for, each of a core in the table: ``pi`` for any of them.

    Raises:
        DeviceError: its core is not in the table.
    """
    boards = _boards(profile)
    if not boards:
        cores = ", ".join(_table())
        raise DeviceError(
            f"what operators cost on {profile.name} is not known: name a board of 64 bits with one"
            f" of {cores}, such as --device pi4"
        )
    return boards


def costs_are_known(profile: Profile) -> bool:
    """Whether a device's CPU runs an int8 file, and what operators cost there is known.

    Then export chooses what suits it: forms of convolutions, and precisions of layers.
    """
    return bool(_boards(profile)) and profile.input_type == "int8" and profile.delegate is None


def _boards(profile: Profile) -> tuple[Profile, ...]:
    if profile.name == "pi" and profile.architecture != "armv7l":
        return tuple(map(find_profile, _ANY_PI))
    known = (profile.cpu in _table(), profile.cache, profile.clock, profile.memory_bandwidth)
    return (profile,) if all(known) and profile.architecture == "aarch64" else ()


def file_cost(graph: Subgraph, profile: Profile) -> FileCost:
    """The cost of a graph on a board.

    Args:
        graph: as `tinyedge.tflite.model.parse_tflite` reads it.
        profile: one of `counted_boards`.
    """
    assert profile.cache is not None
    instructions = lines = cycles = 0.0
    for operator, missed in missed_lines(graph, profile.cache):
        taken = operator_instructions(graph, operator, operator_precision(graph, operator), profile)
        instructions, lines = instructions + taken, lines + missed
        cycles += max(taken, missed * cycles_of_a_line(profile))
    return FileCost(instructions, lines, cycles)


def operator_instructions(
    graph: Subgraph, operator: Operator, precision: Precision, profile: Profile
) -> float:
    """Instructions of an operator, were it in that precision, on one of `counted_boards`."""
    kinds = _table()[profile.cpu or ""]
    kind = f"{operator.name} {precision}"
    if kind not in kinds:
        kind = f"{_LIKE.get(operator.name, _COPIES)} {precision}"
    if operator.name in COPIES_NOTHING:
        return 0.0
    terms = operator_terms(graph, operator)
    return sum(value * terms.get(name, 0.0) for name, value in kinds[kind].items())


def conversion_cycles(elements: int, *, to_float: bool, profile: Profile) -> float:
    """Cycles of a tensor's DEQUANTIZE, or else of its QUANTIZE, all of it from memory."""
    name = "DEQUANTIZE" if to_float else "QUANTIZE"
    taken = _table()[profile.cpu or ""][f"{name} float32"].get("read", 0.0) * elements
    return max(taken, 5 * elements / LINE_BYTES * cycles_of_a_line(profile))


def operator_cycles(
    graph: Subgraph, operator: Operator, precision: Precision, profile: Profile
) -> float:
    """Cycles of an operator in a network that does not fit the cache, were it in that precision."""
    assert profile.cache is not None
    if operator.name in COPIES_NOTHING:
        return 0.0
    width = 1 if precision == "int8" else 4
    computed = graph.computed_inputs(operator)
    read = width * sum(graph.tensors[index].elements for index in computed)
    written = width * graph.tensors[operator.outputs[0]].elements
    stored = (graph.tensors[n] for n in operator.inputs if n >= 0 and n not in computed)
    moved = written + sum(tensor.bytes for tensor in stored)
    moved += read if read + written > profile.cache else 0
    taken = operator_instructions(graph, operator, precision, profile)
    return max(taken, moved / LINE_BYTES * cycles_of_a_line(profile))


def operator_kind(graph: Subgraph, operator: Operator) -> str:
    """Its name and precision, such as ``CONV_2D hybrid``: a row of the table."""
    return f"{operator.name} {operator_precision(graph, operator)}"


def operator_precision(graph: Subgraph, operator: Operator) -> Precision:
    """What it computes in: of one with weights, float values and stored int8 ones are hybrid.

    What converts between float and int8 counts as float.
    """
    types = [graph.tensors[index].type for index in graph.computed_inputs(operator)]
    types += [graph.tensors[index].type for index in operator.outputs]
    if "float32" not in types:
        return "int8"
    if operator.name in OPS_WITH_WEIGHTS and graph.tensors[operator.inputs[1]].type == "int8":
        return "hybrid"
    return "float32"


def operator_terms(graph: Subgraph, operator: Operator) -> dict[str, float]:
    """The numbers that an operator's instructions are taken to be a sum of multiples of."""
    read = sum(graph.tensors[index].elements for index in graph.computed_inputs(operator))
    output = graph.tensors[operator.outputs[0]]
    terms = {"call": 1.0, "read": float(read), "written": float(output.elements)}
    if operator.name in OPS_WITH_WEIGHTS:
        return terms | _weighted_terms(graph, operator)
    channels = output.shape[-1] if output.shape else 1
    pixels = output.elements // channels
    terms |= {"pixels": float(pixels), "vectors": float(pixels * -(-channels // 16))}
    if operator.name == _COPIES:
        terms["copies"] = float(len(graph.computed_inputs(operator)) * pixels)
    if operator.name in ("PAD", "SLICE"):
        terms["copies"] = float(_copies(graph.tensors[operator.inputs[0]].shape, output.shape))
    if operator.name in POOLS:
        window = float(taps(graph, operator))
        terms |= {"taps": window * pixels, "window": window * terms["vectors"]}
    return terms


def _copies(whole: tuple[int, ...], part: tuple[int, ...]) -> int:
    """How many runs of bytes the smaller of two arrays of one layout is in the larger."""
    alike = 0
    while alike < len(part) and whole[-1 - alike] == part[-1 - alike]:
        alike += 1
    return math.prod(map(min, whole[: -1 - alike], part[: -1 - alike]))


def _weighted_terms(graph: Subgraph, operator: Operator) -> dict[str, float]:
    """Of a kernel; XNNPACK multiplies whole tiles, of so many pixels, filters and channels."""
    shape = graph.tensors[operator.inputs[1]].shape
    output = graph.tensors[operator.outputs[0]].shape
    pixels, window = math.prod(output[:-1]), taps(graph, operator)
    if operator.name == "DEPTHWISE_CONV_2D":
        return {"pixels": float(pixels), "products": float(pixels * window * _whole(shape[-1], 8))}
    filters, channels = shape[0], shape[-1]
    whole_pixels = _whole(pixels, _PIXEL_TILE) if pixels > 1 else pixels
    terms = {
        "pixels": float(pixels),
        "taps": float(pixels * window),
        # Of one pixel there is another kernel, and of one tap a kernel without pointers to pixels.
        "single": float(_whole(filters, 8) * _whole(channels, 4) * window * (pixels == 1)),
        "indirect": float(whole_pixels * (window > 1)),
    }
    for tile in _FILTER_TILES:
        results = whole_pixels * _whole(filters, tile)
        terms |= {
            f"results_{tile}": float(results),
            f"indirect_results_{tile}": float(results * (window > 1)),
            f"tap_results_{tile}": float(results * window),
        }
        for step in _CHANNEL_STEPS:
            products = results * window * _whole(channels, step)
            terms[f"products_{tile}x{step}"] = float(products)
    return terms


@cache
def _table() -> dict[str, dict[str, dict[str, float]]]:
    """By core and kind of operator, what each term costs, instructions."""
    stored = json.loads(_FILE.read_text(encoding="utf-8"))
    return {
        cpu: {kind: row["coefficients"] for kind, row in kinds.items()}
        for cpu, kinds in stored["cores"].items()
    }


def _whole(count: int, tile: int) -> int:
    return -(-count // tile) * tile
