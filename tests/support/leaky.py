"""One leaky activation of int8 as a .tflite file, and what the runtime makes of every int8."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from tests.support.tflite_writer import Op, T, write_model

EVERY_INT8 = np.arange(-128, 128, dtype=np.int8)


def leaky_model(qparams: tuple[float, int, float, int], slope: float) -> bytes:
    """One leaky activation of 256 channels, so that one inference sees every int8.

    `qparams` are the scale and zero point before it, and those after it.
    """
    before = T((1, 1, 1, 256), scale=qparams[0], zero_point=qparams[1])
    after = T((1, 1, 1, 256), scale=qparams[2], zero_point=qparams[3])
    return write_model(Op("LEAKY_RELU", [before], [after], "LeakyReluOptions", {"alpha": slope}))


def answers(content: bytes, *, reference: bool) -> NDArray[np.int64]:
    """The int8 of each int8, by the reference kernels or by those that a device uses."""
    resolver = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], EVERY_INT8.reshape(1, 1, 1, -1)
    )
    interpreter.invoke()
    output = interpreter.get_output_details()[0]["index"]
    return np.asarray(interpreter.get_tensor(output).reshape(-1), np.int64)
