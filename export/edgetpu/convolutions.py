"""Layers with weights that compiler 16.0 of the Edge TPU cannot read, as convolutions it can."""

import copy
from functools import partial

from ai_edge_litert import schema_py_generated as schema

from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.schema_types import OperatorT

__all__ = ["dense_as_convolution", "groups_as_convolutions"]


def groups_as_convolutions(graph: ModelEditor) -> bool:
    """A CONV_2D in groups as SPLIT, a CONV_2D for each group, and CONCATENATION.

    Weights keep their per-channel scales, and all groups' outputs share one scale.
    """
    if not graph.replace("CONV_2D", partial(_ungrouped, graph)):
        return False
    # All convolutions of a file share an operator code, whose version one in groups has raised.
    for operator in graph.operators:
        if graph.op_name(operator) == "CONV_2D":
            graph.set_op(operator, "CONV_2D")
    return True


def dense_as_convolution(graph: ModelEditor) -> bool:
    """A FULLY_CONNECTED with per-channel weights as a CONV_2D of one pixel.

    TFLite quantizes dense layers per-channel since 2024, years after compiler 16.0. Code older
    than that uses the first scale for all (github.com/tensorflow/tflite-micro/pull/2602).
    """
    return graph.replace("FULLY_CONNECTED", partial(_convolution, graph))


def _ungrouped(graph: ModelEditor, operator: OperatorT) -> list[OperatorT] | None:
    source, kernel, bias = map(int, operator.inputs)
    channels = graph.shape(source)[-1]
    groups = channels // graph.shape(kernel)[-1]
    weights, biases = graph.constant(kernel), graph.constant(bias)
    if groups < 2 or weights is None or biases is None:
        return None
    name, shape = graph.output_name(operator), graph.shape(source)
    outputs = list(map(int, operator.outputs))
    size = graph.shape(outputs[0])
    width = len(weights) // groups
    group_inputs, group_outputs, convolutions = [], [], []
    for group in range(groups):
        part = slice(group * width, (group + 1) * width)
        group_inputs.append(
            graph.add_like(source, (*shape[:-1], channels // groups), f"{name}/in_{group}")
        )
        group_outputs.append(graph.add_like(outputs[0], (*size[:-1], width), f"{name}/out_{group}"))
        constants = [
            graph.add_channels(index, part, values[part], f"{name}/{role}_{group}")
            for role, index, values in (("kernel", kernel, weights), ("bias", bias, biases))
        ]
        options = copy.deepcopy(operator.builtinOptions)
        convolutions.append(
            graph.new_operator(
                "CONV_2D", [group_inputs[-1], *constants], [group_outputs[-1]], options
            )
        )
    split, concatenation = schema.SplitOptionsT(), schema.ConcatenationOptionsT()
    split.numSplits, concatenation.axis = groups, len(size) - 1
    axis = graph.add_indices(len(shape) - 1, f"{name}/axis")
    return [
        graph.new_operator("SPLIT", [axis, source], group_inputs, split),
        *convolutions,
        graph.new_operator("CONCATENATION", group_outputs, outputs, concatenation),
    ]


def _convolution(graph: ModelEditor, operator: OperatorT) -> list[OperatorT] | None:
    source, kernel, *bias = map(int, operator.inputs)
    weights, qparams = graph.constant(kernel), graph.qparams(kernel)
    dense, target = operator.builtinOptions, int(operator.outputs[0])
    per_channel = qparams is not None and not qparams.is_per_tensor
    if weights is None or not per_channel or graph.shape(target)[:-1] != (1,):
        return None
    name, (outputs, inputs) = graph.output_name(operator), weights.shape
    pixel = graph.add_like(source, (1, 1, 1, inputs), f"{name}/pixel")
    output = graph.add_like(target, (1, 1, 1, outputs), f"{name}/made")
    # A dense kernel has the memory layout of a 1x1 convolution's.
    laid_out = graph.add_constant(
        weights.reshape(outputs, 1, 1, inputs), qparams, graph.tensor_name(kernel)
    )
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = 1
    options.fusedActivationFunction = dense.fusedActivationFunction
    return [
        _reshape(graph, source, pixel),
        graph.new_operator("CONV_2D", [pixel, laid_out, *bias], [output], options),
        _reshape(graph, output, target),
    ]


def _reshape(graph: ModelEditor, source: int, target: int) -> OperatorT:
    shape = graph.add_indices(graph.shape(target), f"shape of {target}")
    return graph.new_operator("RESHAPE", [source, shape], [target], schema.ReshapeOptionsT())
