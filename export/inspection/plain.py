"""The plain convolutions that `tinyedge.export.tflite.forms` wrote in other forms, read back.

A layer is known by its kernel, as Darknet has it. A form computes the same integers from the same
kernel, so that what is found of the plain graph is true of the file.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import FormKind, operator_form
from tinyedge.errors import ModelError
from tinyedge.tflite.model import Operator, Subgraph, Tensor
from tinyedge.tflite.quantization import QuantParams
from tinyedge.tflite.schema import OptionValue, same_padding

__all__ = ["with_plain_convolutions"]

_HALVING: Mapping[str, OptionValue] = {
    **dict.fromkeys(("stride_h", "stride_w", "filter_h", "filter_w"), 2),
    "padding": "VALID",
    "fused_activation": "NONE",
}
_NOT_SO_WRITTEN = (ArithmeticError, LookupError, StopIteration, TypeError, ValueError)


def with_plain_convolutions(graph: Subgraph, source: str) -> Subgraph:
    """The graph with all convolutions plain: their tensors keep their indices, others are added.

    `source` names the file in errors.

    Raises:
        ModelError: a convolution bears the name of a form, and does not have it.
    """
    tensors, operators = list(graph.tensors), list[Operator]()
    for form, group in groupby(graph.operators, lambda operator: operator_form(graph, operator)):
        if form is None:
            operators += group
            continue
        try:
            operators += _plain(tensors, *form, tuple(group))
        except _NOT_SO_WRITTEN as error:
            raise ModelError(
                f"{source}: {form[0]} is not in the form {form[1]} that its tensors' names say:"
                " the file was not made by tinyedge export"
            ) from error
    return Subgraph(tuple(tensors), tuple(operators), graph.inputs, graph.outputs)


def _plain(
    tensors: list[Tensor], layer: str, kind: FormKind, group: Sequence[Operator]
) -> list[Operator]:
    """The operators in place of `group`; what they need is added to `tensors`."""
    convolution = next(each for each in group if each.name == "CONV_2D")
    pooled = any(each.name == "MAXIMUM" for each in group)
    image, target = group[0].inputs[0], group[-1].outputs[0]
    _, height, width, channels = tensors[image].shape
    _, rows, columns, filters = tensors[target].shape
    if pooled:
        rows, columns = 2 * rows, 2 * columns
    stored, bias = tensors[convolution.inputs[1]], tensors[convolution.inputs[2]]
    if kind == "im2col":
        size = math.isqrt(stored.shape[-1] // channels)
        kernel = _numbers(stored).reshape(filters, size, size, channels)
    else:
        size = stored.shape[1]
        wide = _numbers(stored).reshape(-1, size, stored.shape[-1] // channels, channels)
        # The first of the outputs beside each other begins at the first pixel.
        kernel = wide[:filters, :, :size]
    stride = int(convolution.options["stride_h"])  # type: ignore[arg-type]
    top, left = _border(tensors, group, channels)
    bottom = max((rows - 1) * stride + size - top - height, 0)
    right = max((columns - 1) * stride + size - left - width, 0)
    operators = []
    border = np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
    same = _is_same(border, (height, width), (rows, columns), size, stride)
    if not same and border.any():
        padded = (1, top + height + bottom, left + width + right, channels)
        widths = _add(tensors, _constant(f"{layer}/border", border, None))
        source = tensors[image]._replace(
            name=f"{layer}/padded", shape=padded, signature=padded, stored=None
        )
        image_padded = _add(tensors, source)
        operators.append(Operator("PAD", False, 2, (image, widths), (image_padded,), {}))
        image = image_padded
    inputs = (
        image,
        _add(tensors, _constant(f"{layer}/kernel", kernel, _of_first(stored, filters))),
        _add(tensors, _constant(bias.name, _numbers(bias)[:filters], _of_first(bias, filters))),
    )
    output = target
    if pooled:
        shape = (1, rows, columns, filters)
        made = tensors[target]._replace(name=layer, shape=shape, signature=shape)
        output = _add(tensors, made)
    options = dict(convolution.options) | {"padding": "SAME" if same else "VALID"}
    options["stride_w"] = stride
    operators.append(convolution._replace(inputs=inputs, outputs=(output,), options=options))
    if pooled:
        operators.append(Operator("MAX_POOL_2D", False, 2, (output,), (target,), _HALVING))
    return operators


def _border(tensors: list[Tensor], group: Sequence[Operator], channels: int) -> tuple[int, int]:
    """How many rows and columns of pixels are put above and to the left of the image."""
    for operator in group:
        if operator.name == "PAD":
            widths = _numbers(tensors[operator.inputs[1]])
            return int(widths[1, 0]), int(widths[2, 0]) // channels
    return 0, 0


def _is_same(
    border: NDArray[np.int32],
    sides: tuple[int, int],
    results: tuple[int, int],
    size: int,
    stride: int,
) -> bool:
    """Whether a border is what TFLite pads by itself."""
    for (before, after), side, count in zip(border[1:3], sides, results, strict=True):
        if count != -(-side // stride) or (before, after) != same_padding(side, size, stride):
            return False
    return True


def _numbers(tensor: Tensor) -> NDArray[np.generic]:
    data = tensor.data()
    if data is None:
        raise ValueError(f"{tensor.name} is no constant")
    return data


def _of_first(tensor: Tensor, filters: int) -> QuantParams | None:
    """The parameters of the first so many outputs; the others repeat them."""
    return tensor.qparams and tensor.qparams.of_channels(slice(filters))


def _constant(name: str, values: NDArray[np.generic], qparams: QuantParams | None) -> Tensor:
    content = memoryview(np.ascontiguousarray(values).tobytes())
    kind = values.dtype.name
    return Tensor(name, kind, values.shape, values.shape, qparams, -1, content)


def _add(tensors: list[Tensor], tensor: Tensor) -> int:
    tensors.append(tensor)
    return len(tensors) - 1
