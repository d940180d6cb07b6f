"""What an inference costs, against sums by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.int8_chain import integer_file
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.latency import instructions
from tinyedge.devices.latency.instructions import (
    counted_boards,
    file_cost,
    operator_instructions,
    operator_kind,
    operator_terms,
)
from tinyedge.devices.latency.roofline import cycles_of_a_line
from tinyedge.devices.profile import find_profile
from tinyedge.errors import DeviceError
from tinyedge.export.tflite.mixed import mixed_file
from tinyedge.tflite.model import parse_tflite

TABLE = json.loads(Path(instructions.__file__).with_name("instructions.json").read_text())
PI4 = find_profile("pi4")


def test_an_operator_costs_what_its_row_says() -> None:
    """The chain's second layer: 16 pixels of 6 channels to 8."""
    graph = parse_tflite(integer_file()).subgraphs[0]
    convolution = graph.operators[2]
    row = TABLE["cores"]["Cortex-A72"]["CONV_2D int8"]["coefficients"]
    terms = {
        **{"call": 1, "read": 16 * 6, "written": 16 * 8, "pixels": 16, "taps": 16},
        **{"results_8": 16 * 8, "tap_results_8": 16 * 8, "results_16": 256, "tap_results_16": 256},
        **{"products_8x1": 768, "products_8x4": 1024, "products_8x8": 1024, "products_8x16": 2048},
        **{"products_16x1": 1536, "products_16x4": 2048, "products_16x8": 2048},
        **{"products_16x16": 4096},
        # One tap, and more than one pixel.
        **dict.fromkeys(("single", "indirect", "indirect_results_8", "indirect_results_16"), 0),
    }
    assert operator_terms(graph, convolution) == terms
    wanted = sum(value * terms[name] for name, value in row.items())
    assert operator_instructions(graph, convolution, "int8", PI4) == pytest.approx(wanted)


def terms_of(name: str, output: T, *inputs: T) -> dict[str, float]:
    graph = parse_tflite(write_model(Op(name, inputs, [output]))).subgraphs[0]
    return operator_terms(graph, graph.operators[0])


@pytest.mark.parametrize(
    ("name", "whole", "part", "copies"),
    [
        ("SLICE", (1, 9, 7, 5), (1, 4, 3, 5), 4),  # 3 pixels of a row are one run
        ("SLICE", (1, 9, 7, 5), (1, 4, 7, 5), 1),
        ("SLICE", (1, 9, 35), (1, 4, 30), 4),
        ("PAD", (1, 6, 10), (1, 8, 14), 6),
        ("PAD", (1, 6, 5, 2), (1, 8, 7, 2), 6),
        ("PAD", (1, 6, 5, 2), (1, 6, 5, 3), 30),
    ],
)
def test_what_is_cut_or_padded_is_copied_in_runs(
    name: str, whole: tuple[int, ...], part: tuple[int, ...], copies: int
) -> None:
    indices = [constant(whole, "int32")] * (2 if name == "SLICE" else 1)
    assert terms_of(name, T(part), T(whole), *indices)["copies"] == copies


def test_one_pixel_has_a_kernel_of_its_own() -> None:
    kernel, bias = constant(np.zeros((10, 1, 1, 6))), constant(np.zeros(10), "int32")
    terms = terms_of("FULLY_CONNECTED", T((1, 10)), T((1, 6)), constant(np.zeros((10, 6))), bias)
    assert terms["single"] == 16 * 8
    assert terms["results_8"] == 16  # of one pixel, not of a tile of four
    several = terms_of("CONV_2D", T((1, 3, 3, 10)), T((1, 3, 3, 6)), kernel, bias)
    assert (several["single"], several["results_8"]) == (0, 12 * 16)


def test_a_file_costs_the_sum_where_all_of_it_fits_the_cache() -> None:
    graph = parse_tflite(integer_file()).subgraphs[0]
    cost = file_cost(graph, PI4)
    wanted = sum(operator_instructions(graph, op, "int8", PI4) for op in graph.operators)
    assert cost.instructions == cost.cycles == pytest.approx(wanted)
    assert cost.lines == 0


def test_what_no_cache_holds_comes_from_memory() -> None:
    """Each tensor once for each operator that touches it, 64 bytes a line."""
    graph = parse_tflite(integer_file()).subgraphs[0]
    small = PI4._replace(cache=1)
    bytes_moved = sum(
        graph.tensors[index].bytes for op in graph.operators for index in (*op.inputs, *op.outputs)
    )
    cost = file_cost(graph, small)
    assert cost.lines == bytes_moved / 64
    assert cost.cycles >= cost.instructions


def test_a_float_layer_moves_four_times_the_bytes() -> None:
    small = PI4._replace(cache=1)
    integer = parse_tflite(integer_file()).subgraphs[0]
    floating = parse_tflite(mixed_file(integer_file(), dict.fromkeys(range(3), "float32")))
    kinds = [operator_kind(floating.subgraphs[0], op) for op in floating.subgraphs[0].operators]
    assert kinds.count("CONV_2D float32") == 3
    assert file_cost(floating.subgraphs[0], small).lines > 2 * file_cost(integer, small).lines


def test_a_line_takes_longer_where_memory_is_slower() -> None:
    """Pi 3: 64 bytes at 5.56 of 12.8 parts of 3.6 GB/s and 1.4 GHz."""
    assert cycles_of_a_line(find_profile("pi3")) == pytest.approx(64 * 1.4 / (3.6 * 5.56 / 12.8))


def test_the_boards_that_are_counted() -> None:
    assert [board.cpu for board in counted_boards(find_profile("pi"))] == list(TABLE["cores"])
    assert counted_boards(PI4) == (PI4,)
    with pytest.raises(DeviceError, match="such as --device pi4"):
        counted_boards(find_profile("host"))
    with pytest.raises(DeviceError, match="64 bits"):
        counted_boards(PI4._replace(architecture="armv7l"))


def test_the_table_is_close_to_what_was_counted() -> None:
    """What costs a network most: convolutions and activations."""
    for kinds in TABLE["cores"].values():
        for kind, row in kinds.items():
            if kind.split()[0] in ("CONV_2D", "LEAKY_RELU", "QUANTIZE", "DEQUANTIZE"):
                assert row["median_error"] < 0.08, kind
