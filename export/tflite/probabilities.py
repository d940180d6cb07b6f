"""The softmax of a network written into its .tflite, which otherwise leaves it to its reader."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.darknet.layers import Softmax
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.schema_types import OperatorT
from tinyedge.tflite.quantization import QuantParams

__all__ = ["PROBABILITIES", "append_softmax"]

PROBABILITIES = QuantParams.per_tensor(1 / 256, -128)
"""What TFLite fixes for the output of an int8 softmax."""


def append_softmax(content: bytes, softmax: Softmax) -> bytes:
    """A .tflite that answers with probabilities, of one that answers with logits.

    Args:
        content: a file of one output, (1, classes): float32, int8 or uint8.
        softmax: over groups of the classes, at a temperature.
    """
    editor = ModelEditor(content)
    logits = editor.int8_output()
    shape = editor.shape(logits)
    source, target = logits, editor.add_like(logits, shape, "probabilities", PROBABILITIES)
    answer = target
    if softmax.groups > 1:
        rows = (softmax.groups, shape[-1] // softmax.groups)
        source = editor.add_like(logits, rows, "grouped_logits")
        target = editor.add_like(logits, rows, "grouped_probabilities", PROBABILITIES)
        editor.operators.append(_reshape(editor, logits, source, rows))
    options = schema.SoftmaxOptionsT()
    options.beta = 1 / softmax.temperature
    editor.operators.append(editor.new_operator("SOFTMAX", [source], [target], options))
    if softmax.groups > 1:
        editor.operators.append(_reshape(editor, target, answer, shape))
    editor.set_int8_output(answer)
    return editor.content(aligned=True)


def _reshape(editor: ModelEditor, source: int, target: int, shape: tuple[int, ...]) -> OperatorT:
    options = schema.ReshapeOptionsT()
    options.newShape = np.asarray(shape, np.int32)
    constant = editor.add_indices(shape, f"shape_{target}")
    return editor.new_operator("RESHAPE", [source, constant], [target], options)
