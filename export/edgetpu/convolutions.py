"""Layers with weights that compiler 16.0 of the Edge TPU cannot read, as convolutions it can."""

import copy
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.export.tflite.editor import EditableGraph

__all__ = ["dense_as_convolution", "groups_as_convolutions"]

# Of CONV_2D with int8 weights that have a scale for each output channel; 6 is one in groups.
_CONV_VERSION = 3


def groups_as_convolutions(graph: EditableGraph) -> bool:
    """A CONV_2D in groups as SPLIT, a CONV_2D for each group, and CONCATENATION.

    Every output keeps its own scale, and all groups' outputs have the same steps.
    """
    if not graph.replace("CONV_2D", partial(_ungrouped, graph)):
        return False
    # One convolution in groups gives all of the file its version.
    for operator in graph.operators:
        if graph.is_a(operator, "CONV_2D"):
            graph.set_version(operator, "CONV_2D", _CONV_VERSION)
    return True


def dense_as_convolution(graph: EditableGraph) -> bool:
    """A FULLY_CONNECTED with a scale for each output as a CONV_2D of one pixel.

    TFLite gives dense layers a scale for each output since 2024, years after compiler 16.0. Who
    does not know of it takes the first for all (github.com/tensorflow/tflite-micro/pull/2602).
    """
    return graph.replace("FULLY_CONNECTED", partial(_convolution, graph))


def _ungrouped(graph: EditableGraph, operator: Any) -> list[Any] | None:
    source, kernel, bias = map(int, operator.inputs)
    channels = graph.shape(source)[-1]
    groups = channels // graph.shape(kernel)[-1]
    weights, biases = graph.constant(kernel), graph.constant(bias)
    if groups < 2 or weights is None or biases is None:
        return None
    name, shape = graph.name(operator), graph.shape(source)
    size = graph.shape(operator.outputs[0])
    each = len(weights) // groups
    pieces, made, convolutions = [], [], []
    for group in range(groups):
        mine = slice(group * each, (group + 1) * each)
        pieces.append(
            graph.add_like(source, (*shape[:-1], channels // groups), f"{name}/in_{group}")
        )
        made.append(graph.add_like(operator.outputs[0], (*size[:-1], each), f"{name}/out_{group}"))
        constants = [
            graph.add_constant(
                values[mine],
                graph.tensor(number).type,
                _steps_of(graph.tensor(number).quantization, mine),
                f"{name}/{role}_{group}",
            )
            for role, number, values in (("kernel", kernel, weights), ("bias", bias, biases))
        ]
        options = copy.deepcopy(operator.builtinOptions)
        convolutions.append(
            graph.operator("CONV_2D", _CONV_VERSION, [pieces[-1], *constants], [made[-1]], options)
        )
    split, joined = schema.SplitOptionsT(), schema.ConcatenationOptionsT()
    split.numSplits, joined.axis = groups, len(size) - 1
    axis = graph.add_indices(len(shape) - 1, f"{name}/axis")
    return [
        graph.operator("SPLIT", 2, [axis, source], pieces, split),
        *convolutions,
        graph.operator("CONCATENATION", 2, made, operator.outputs, joined),
    ]


def _steps_of(quantization: Any, outputs: slice) -> Any:
    """The scales of some outputs; one scale stands for all."""
    steps = copy.deepcopy(quantization)
    if len(steps.scale) > 1:
        steps.scale, steps.zeroPoint = steps.scale[outputs], steps.zeroPoint[outputs]
    return steps


def _convolution(graph: EditableGraph, operator: Any) -> list[Any] | None:
    source, kernel, *bias = map(int, operator.inputs)
    weights = graph.constant(kernel)
    dense, target = operator.builtinOptions, int(operator.outputs[0])
    one_scale = len(graph.tensor(kernel).quantization.scale) == 1
    if weights is None or one_scale or graph.shape(target)[:-1] != (1,):
        return None
    name, (outputs, inputs) = graph.name(operator), weights.shape
    pixel = graph.add_like(source, (1, 1, 1, inputs), f"{name}/pixel")
    made = graph.add_like(target, (1, 1, 1, outputs), f"{name}/made")
    # The kernel's bytes lie as those of a convolution of one pixel do.
    laid_out = graph.add_constant(
        weights.reshape(outputs, 1, 1, inputs),
        graph.tensor(kernel).type,
        copy.deepcopy(graph.tensor(kernel).quantization),
        str(graph.tensor(kernel).name.decode()),
    )
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = 1
    options.fusedActivationFunction = dense.fusedActivationFunction
    return [
        _reshape(graph, source, pixel),
        graph.operator("CONV_2D", _CONV_VERSION, [pixel, laid_out, *bias], [made], options),
        _reshape(graph, made, target),
    ]


def _reshape(graph: EditableGraph, source: int, target: int) -> Any:
    shape = graph.add_indices(np.array(graph.shape(target)), f"shape of {target}")
    return graph.operator("RESHAPE", 1, [source, shape], [target], schema.ReshapeOptionsT())
