"""What the runtime has in every tensor."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

__all__ = ["runtime_tensors"]


def runtime_tensors(path: Path, pixels: Any, *, exact: bool = False) -> dict[int, Any]:
    """All tensors of one inference by index, dequantized, as the runtime has them."""
    # XNNPACK, which a device uses, for int8; the plain kernels keep every float tensor.
    options: dict[str, Any] = {}
    if exact:
        options["experimental_op_resolver_type"] = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with warnings.catch_warnings():
        # That it is meant for debugging.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = Interpreter(
            model_path=str(path), experimental_preserve_all_tensors=True, **options
        )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    found = {}
    for detail in interpreter.get_tensor_details():
        try:
            values = interpreter.get_tensor(detail["index"])
        except ValueError:  # a kernel's scratch
            continue
        scale, zero_point = detail["quantization"]
        # What XNNPACK keeps to itself is whatever was in that memory, and looked at by nobody.
        with np.errstate(invalid="ignore"):
            found[detail["index"]] = (values.astype(float) - zero_point) * (scale or 1)
    return found
