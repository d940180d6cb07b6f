"""The scales around a layer's leaky activation, as a full-integer file has them."""

from tinyedge.export.tflite.editor import ModelEditor

__all__ = ["leaky_scales"]


def leaky_scales(content: bytes, layer: int) -> tuple[float, float]:
    """Before and behind the leaky activation of a layer of that number."""
    editor = ModelEditor(content)
    given = int(editor.layer_operators()[layer].outputs[0])
    activation = editor.consumer_named(given, "LEAKY_RELU")
    assert activation is not None
    before, behind = editor.qparams(given), editor.qparams(int(activation.outputs[0]))
    assert before is not None
    assert behind is not None
    return before.scale, behind.scale
