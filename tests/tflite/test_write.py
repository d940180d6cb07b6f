"""Files written without a converter: TFLite's own classes read them, and its runtime runs them."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinyedge.system import native_output_hidden
from tinyedge.tflite.check import check_tflite
from tinyedge.tflite.write import IMAGE, RESIZED, resize_bilinear

_SIDES = st.integers(2, 40)


def interpreter(source: tuple[int, int], target: tuple[int, int], channels: int) -> Interpreter:
    with native_output_hidden():
        made = Interpreter(model_content=resize_bilinear(source, target, channels), num_threads=1)
        made.allocate_tensors()
    return made


def mixed(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """Bilinear from corner to corner, in float64: rows and columns as matrices."""

    def weights(source: int, target: int) -> NDArray[np.float64]:
        places = np.arange(target)[:, None] * (source - 1) / (target - 1)
        return np.maximum(0, 1 - np.abs(places - np.arange(source)))

    rows, columns = weights(pixels.shape[0], height), weights(pixels.shape[1], width)
    found: NDArray[np.float64] = np.einsum("yr,rcs,xc->yxs", rows, pixels, columns)
    return found


def test_tflites_own_classes_read_it() -> None:
    content = resize_bilinear((5, 7), (3, 4), 3)
    assert schema.Model.ModelBufferHasIdentifier(content, 0)
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    (operator,) = graph.operators
    (code,) = model.operatorCodes
    assert model.version == 3
    assert code.builtinCode == code.deprecatedBuiltinCode == 23
    assert schema.BuiltinOperator.RESIZE_BILINEAR == 23
    assert [list(tensor.shape) for tensor in graph.tensors] == [[1, 5, 7, 3], [2], [1, 3, 4, 3]]
    kinds = [tensor.type for tensor in graph.tensors]
    assert kinds == [schema.TensorType.UINT8, schema.TensorType.INT32, schema.TensorType.UINT8]
    size = model.buffers[graph.tensors[1].buffer].data
    assert np.asarray(size, np.uint8).view("<i4").tolist() == [3, 4]
    assert [graph.tensors[n].buffer for n in (IMAGE, RESIZED)] == [0, 0]
    assert (list(graph.inputs), list(graph.outputs)) == ([IMAGE], [RESIZED])
    assert (list(operator.inputs), list(operator.outputs)) == ([IMAGE, 1], [RESIZED])
    assert isinstance(operator.builtinOptions, schema.ResizeBilinearOptionsT)
    assert operator.builtinOptions.alignCorners
    assert not operator.builtinOptions.halfPixelCenters


@settings(deadline=None, max_examples=40)
@given(st.tuples(_SIDES, _SIDES), st.tuples(_SIDES, _SIDES), st.sampled_from((1, 3, 4)))
def test_a_runtime_may_be_given_it_and_resizes(
    source: tuple[int, int], target: tuple[int, int], channels: int
) -> None:
    check_tflite(resize_bilinear(source, target, channels))
    pixels = np.random.default_rng(source).integers(0, 256, (*source, channels), np.uint8)
    made = interpreter(source, target, channels)
    made.set_tensor(IMAGE, pixels[np.newaxis])
    made.invoke()
    difference = made.get_tensor(RESIZED)[0] - mixed(pixels, *target)
    # Half a level for rounding, and twice 255 / 2**12 for the weights' 11 bits.
    assert np.abs(difference).max() <= 0.5 + 2 * 255 / 2**12 + 1e-3


def test_xnnpack_takes_it() -> None:
    names = [found["op_name"] for found in interpreter((9, 9), (4, 4), 4)._get_ops_details()]
    assert names == ["RESIZE_BILINEAR", "DELEGATE"]
