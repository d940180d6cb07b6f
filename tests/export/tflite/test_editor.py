"""The editor of .tflite files: what it writes, as the reader reads it."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.support.commands import ROOT
from tests.support.tflite_writer import Op, T, constant, packed, write_model
from tinyedge.errors import ExportError
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.tflite.model import Subgraph, parse_tflite
from tinyedge.tflite.quantization import QuantParams

IMAGE = T((1, 4, 4, 3), scale=0.5, zero_point=3)
KERNEL = replace(constant(np.arange(6).reshape(2, 1, 1, 3)), scale=(0.25, 0.125))
BIAS = replace(constant([800, -1600], "int32"), scale=(0.125, 0.0625))  # 100 and -100
CHANNELS = T((1, 4, 4, 2))
OTHER = QuantParams.per_tensor(0.1, -7)


def convolution(image: T | int = IMAGE) -> Op:
    options = {"strideW": 1, "strideH": 1}
    return Op("CONV_2D", [image, KERNEL, BIAS], [CHANNELS], "Conv2DOptions", options, version=3)


def graph_of(editor: ModelEditor) -> Subgraph:
    (graph,) = parse_tflite(editor.content()).subgraphs
    return graph


def test_it_needs_no_tensorflow() -> None:
    code = (
        "import sys; import tinyedge.export.tflite.editor, tinyedge.export.tflite.verify;"
        " import tinyedge.export.edgetpu.lower; sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_file_that_is_not_edited_says_the_same() -> None:
    before = parse_tflite(write_model(convolution())).subgraphs[0]
    after = graph_of(ModelEditor(write_model(convolution())))
    assert [tensor.qparams for tensor in after.tensors] == [t.qparams for t in before.tensors]
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (new.name, new.shape, new.stored) == (old.name, old.shape, old.stored)


def test_a_bias_follows_the_scale_of_its_input() -> None:
    editor = ModelEditor(write_model(convolution()))
    assert editor.set_qparams(editor.int8_input(), OTHER)
    graph = graph_of(editor)
    image, _, bias = (graph.tensors[index] for index in graph.operators[0].inputs)
    assert image.qparams == QuantParams.per_tensor(float(np.float32(0.1)), -7)
    data = bias.data()
    assert data is not None
    assert data.tolist() == [4000, -8000]  # 100 / (0.1 * 0.25), -100 / (0.1 * 0.125)
    assert bias.values() == pytest.approx([100, -100])


def test_what_shares_a_scale_changes_together() -> None:
    pool = {"strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}
    pooled = Op("MAX_POOL_2D", [0], [T((1, 2, 2, 2))], "Pool2DOptions", pool)
    flat = Op("RESHAPE", [1, constant([1, 8], "int32")], [T((1, 8))], "ReshapeOptions")
    editor = ModelEditor(write_model(convolution(), pooled, flat, Op("RELU", [2], [T((1, 8))])))
    output = int(editor.operators[0].outputs[0])
    relu = editor.consumer_named(output, "RELU")
    assert relu is editor.operators[3]
    assert editor.set_qparams(output, OTHER)
    graph = graph_of(editor)
    found = [graph.tensors[operator.outputs[0]].qparams for operator in graph.operators]
    changed = QuantParams.per_tensor(float(np.float32(0.1)), -7)
    assert found == [changed, changed, changed, QuantParams.per_tensor(1 / 16, 0)]


def test_in_a_concatenation_no_branch_decides_alone() -> None:
    both = Op("CONCATENATION", [0, 1], [T((1, 4, 4, 4))], "ConcatenationOptions", {"axis": 3})
    content = write_model(convolution(), convolution(), both)
    editor = ModelEditor(content)
    output = int(editor.operators[0].outputs[0])
    assert not editor.set_qparams(output, OTHER)
    assert graph_of(editor).tensors[output].qparams == QuantParams.per_tensor(1 / 16, 0)
    assert editor.set_qparams(output, OTHER, producers=2)
    graph = graph_of(editor)
    scales = {graph.tensors[op.outputs[0]].qparams for op in graph.operators}
    assert scales == {QuantParams.per_tensor(float(np.float32(0.1)), -7)}


def test_a_uint8_interface_is_the_int8_tensor_shifted() -> None:
    pixels, answer = replace(IMAGE, type="uint8"), replace(CHANNELS, type="uint8")
    to_int8 = Op("QUANTIZE", [pixels], [IMAGE])
    back = Op("QUANTIZE", [1], [answer])
    editor = ModelEditor(write_model(to_int8, convolution(0), back))
    editor.set_qparams(editor.int8_input(), OTHER)
    editor.set_qparams(editor.int8_output(), OTHER)
    graph = graph_of(editor)
    for index in (*graph.inputs, *graph.outputs):
        qparams = graph.tensors[index].qparams
        assert qparams is not None
        assert (qparams.zero_point, qparams.dtype.name) == (121, "uint8")


def test_weights_are_laid_out_as_tflite_has_them() -> None:
    depthwise = Op(
        "DEPTHWISE_CONV_2D",
        [CHANNELS, constant(np.zeros((1, 3, 1, 2))), BIAS],
        [CHANNELS],
        "DepthwiseConv2DOptions",
        {"depthMultiplier": 1},
    )
    for op, shape, axes in (
        (convolution(), (1, 1, 3, 2), (3, 0, 1, 2)),
        (depthwise, (3, 1, 1, 2), (2, 0, 1, 3)),
    ):
        editor = ModelEditor(write_model(op))
        kernel = np.arange(6, dtype=np.int8).reshape(shape)
        qparams = QuantParams.symmetric([127.0, 254.0], axis=-1)
        bias = np.array([10, 20], np.float32)
        editor.set_weights(editor.operators[0], kernel, qparams, bias)
        graph = graph_of(editor)
        _, stored, biased = (graph.tensors[index] for index in graph.operators[0].inputs)
        data = stored.data()
        assert data is not None
        assert np.array_equal(data, kernel.transpose(axes))
        assert stored.qparams is not None
        assert stored.qparams.scales.tolist() == [1.0, 2.0]
        assert biased.values() == pytest.approx([10, 20])


@pytest.mark.parametrize("left", [1e-30, 1e-38, 1e-42, 1e-45, 0.0])
def test_what_is_left_of_decayed_weights_has_a_scale_that_a_file_can_hold(left: float) -> None:
    """Decay goes on with the weights of a filter that no gradient reaches, down to no float32."""
    editor = ModelEditor(write_model(convolution()))
    # As narrow as an input's range may be: less counts as zeros.
    assert editor.set_qparams(editor.int8_input(), QuantParams.from_range(0.0, 1e-6))
    real = np.array([[[[1.0, left], [0.5, -left], [-1.0, 0.0]]]])
    qparams = QuantParams.symmetric(np.abs(real).max(axis=(0, 1, 2)), axis=-1)
    kernel, bias = qparams.quantize(real), np.array([1e-6, 0.0], np.float32)
    editor.set_weights(editor.operators[0], kernel, qparams, bias)
    graph = graph_of(editor)
    _, weights, biased = (graph.tensors[index] for index in graph.operators[0].inputs)
    for written, wanted in ((weights, np.moveaxis(real, -1, 0)), (biased, bias)):
        assert written.qparams is not None
        assert (written.qparams.scales > 0).all()
        assert written.values() == pytest.approx(wanted, rel=0.01, abs=1e-12)


def test_a_kernel_of_another_shape_is_refused() -> None:
    editor = ModelEditor(write_model(convolution()))
    kernel, qparams = np.zeros((3, 3, 3, 2), np.int8), QuantParams.symmetric([1, 1], axis=-1)
    with pytest.raises(
        ExportError, match=r"laid a kernel out as \(2, 1, 1, 3\), not \(2, 3, 3, 3\)"
    ):
        editor.set_weights(editor.operators[0], kernel, qparams, np.zeros(2, np.float32))


def test_constants_that_share_bytes_part_when_one_is_written() -> None:
    model = schema.ModelT.InitFromPackedBuf(write_model(convolution(), convolution()), 0)
    graph = model.subgraphs[0]
    first, second = (int(operator.inputs[1]) for operator in graph.operators)
    graph.tensors[second].buffer = graph.tensors[first].buffer
    editor = ModelEditor(packed(model))
    kernel, qparams = np.full((1, 1, 3, 2), 9, np.int8), QuantParams.symmetric([1, 1], axis=-1)
    editor.set_weights(editor.operators[0], kernel, qparams, np.zeros(2, np.float32))
    written = graph_of(editor)
    found = [written.tensors[index].data() for index in (first, second)]
    assert found[0] is not None
    assert found[1] is not None
    assert (found[0].tolist(), found[1].ravel().tolist()) == (
        [[[[9, 9, 9]]], [[[9, 9, 9]]]],
        [0, 1, 2, 3, 4, 5],
    )
