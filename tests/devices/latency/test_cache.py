"""Lines that come from memory, against sums by hand."""

import numpy as np

from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.latency.cache import missed_lines
from tinyedge.tflite.model import Subgraph, parse_tflite

KIB = 1024


def leaky(source: T | int, size: int) -> Op:
    """An activation of so many KiB."""
    output = T((1, size, 4, 256))
    return Op("LEAKY_RELU", [source], [output], "LeakyReluOptions", {"alpha": 0.5}, version=2)


def graph_of(*operators: Op) -> Subgraph:
    return parse_tflite(write_model(*operators)).subgraphs[0]


def missed(graph: Subgraph, cache_kib: float) -> list[float]:
    """KiB that each operator does not find."""
    return [lines / 16 for _, lines in missed_lines(graph, int(cache_kib * KIB))]


def chain(length: int) -> Subgraph:
    """Activations of 64 KiB, one behind the other."""
    image = T((1, 64, 4, 256))
    return graph_of(leaky(image, 64), *(leaky(number, 64) for number in range(length - 1)))


def test_what_is_done_with_makes_room_for_what_comes() -> None:
    """Of five tensors never more than two are needed, and they take turns in two places."""
    assert missed(chain(4), 128) == [0, 0, 0, 0]
    assert missed(chain(4), 1) == [128, 128, 128, 128]


def test_what_was_touched_last_is_held() -> None:
    """Of blocks of 4 KiB: one is read 30 others after it was written, and written anew 31 after."""
    assert missed(chain(4), 124) == [64, 64, 64, 64]
    assert missed(chain(4), 120) == [128, 128, 128, 128]


def test_a_tensor_that_is_needed_longer_keeps_its_place() -> None:
    image = T((1, 64, 4, 256))
    total = T((1, 64, 4, 256))
    both = Op("ADD", [0, 2], [total], "AddOptions", {}, version=2)
    kept = graph_of(leaky(image, 64), leaky(0, 64), leaky(1, 64), both)
    assert missed(kept, 192) == [0, 0, 0, 0]
    assert sum(missed(kept, 128)) > 0


def test_another_shape_is_in_the_same_place() -> None:
    image = T((1, 64, 4, 256))
    shape = constant([1, 64 * KIB], "int32")
    flat = T((1, 64 * KIB))
    options = {"newShape": np.array([1, 64 * KIB], np.int32)}
    reshape = Op("RESHAPE", [0, shape], [flat], "ReshapeOptions", options)
    found = graph_of(leaky(image, 64), reshape, leaky(1, 64))
    # The reshape is no operator that computes, and what reads it finds what was written.
    assert missed(found, 128) == [0, 0]
    assert missed(found, 1) == [128, 128]


def convolution(size: int) -> Subgraph:
    """Of 4 KiB to 32 KiB: 64 x 64 pixels, from 1 channel to 8."""
    kernel = constant(np.ones((8, size, size, 1)))
    bias = constant(np.zeros(8), "int32")
    fields = {"strideH": 1, "strideW": 1}
    image, output = T((1, 64, 64, 1)), T((1, 64, 64, 8))
    operator = Op("CONV_2D", [image, kernel, bias], [output], "Conv2DOptions", fields, version=3)
    return graph_of(operator)


def test_several_taps_have_a_pointer_each() -> None:
    """Eight bytes a tap and output pixel: of 3x3 on 4096 pixels 288 KiB."""
    weights = (8 + 32) / KIB, (72 + 32) / KIB
    assert missed(convolution(1), 0) == [4 + 32 + weights[0]]
    assert missed(convolution(3), 0) == [4 + 32 + weights[1] + 288]
    assert missed(convolution(3), 330) == [0]


def test_so_has_a_pool() -> None:
    image, output = T((1, 64, 64, 8)), T((1, 32, 32, 8))
    fields = dict.fromkeys(("strideH", "strideW", "filterHeight", "filterWidth"), 2)
    pool = Op("MAX_POOL_2D", [image], [output], "Pool2DOptions", fields, version=2)
    assert missed(graph_of(pool), 0) == [32 + 8 + 32]
