"""What was asked for, asserted on the finished .tflite file itself."""

from typing import Any

import numpy as np
import tensorflow as tf

from tinyedge.devices.edgetpu.partition import Placement
from tinyedge.errors import ExportError
from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.modelcard import ModelCard

__all__ = ["assert_lowered", "assert_model"]


def assert_model(content: bytes, card: ModelCard, *, input_type: str) -> None:
    """Check a .tflite against its card.

    The input is (1, height, width, channels) and the output (1, classes), or without a head the
    features, both of `input_type`;
    each of the classes has a label where there are labels; and in an integer model no tensor
    is of a floating type, so that no op can compute in float.

    Raises:
        ExportError: the file is not what was asked for; it must not be given to anyone.
    """
    try:
        interpreter = _loaded(content)
    except (ValueError, RuntimeError) as error:
        raise ExportError(f"the converted file does not load: {error}") from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    _assert_tensor("input", inputs, (1, card.height, card.width, card.channels), input_type)
    _assert_tensor("output", outputs, card.output_shape, input_type)
    for name, texts in (("labels", card.labels), ("ids", card.ids)):
        if texts is not None and len(texts) != card.classes:
            raise ExportError(f"the file has {card.classes} classes and {len(texts)} {name}")
    if card.quantization == "int8":
        floating = [
            tensor["name"]
            for tensor in interpreter.get_tensor_details()
            if np.issubdtype(tensor["dtype"], np.floating)
        ]
        if floating:
            raise ExportError(
                f"the converted file is not full-integer: {len(floating)} tensors are float,"
                f" the first is {floating[0]!r}"
            )


def assert_lowered(placement: Placement) -> None:
    """Check that a file for the Edge TPU has no leaky activation left, which it does not know.

    Raises:
        ExportError: it has; nothing behind it would run on the Edge TPU.
    """
    left = sum(verdict.operator == "LEAKY_RELU" for verdict in placement.verdicts)
    if left:
        raise ExportError(f"the file for the Edge TPU has {left} LEAKY_RELU, which it cannot run")


def _loaded(content: bytes) -> Any:
    with tensorflow_hushed():
        # Without the delegate, which would hide the tensors it takes over.
        interpreter = tf.lite.Interpreter(
            model_content=content,
            experimental_op_resolver_type=(
                tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )
        interpreter.allocate_tensors()
    return interpreter


def _assert_tensor(
    role: str, details: list[dict[str, Any]], shape: tuple[int, ...], kind: str
) -> None:
    found = [
        (tuple(int(side) for side in detail["shape"]), np.dtype(detail["dtype"]).name)
        for detail in details
    ]
    if found != [(shape, kind)]:
        raise ExportError(f"the converted file's {role} is {found}, expected {[(shape, kind)]}")
