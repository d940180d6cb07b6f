"""What an export checks: before it, that a network can be int8; after it, the finished file."""

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.layer_names import named_layer, operator_layer
from tinyedge.darknet.network import Network
from tinyedge.devices.edgetpu.partition import Partition
from tinyedge.devices.latency.instructions import operator_precision
from tinyedge.errors import ExportError
from tinyedge.modelcard import ModelCard
from tinyedge.system import native_output_hidden
from tinyedge.tflite.check import check_tflite
from tinyedge.tflite.flatbuffer import FlatbufferError
from tinyedge.tflite.model import Subgraph, parse_tflite
from tinyedge.tflite.schema import OPS_WITH_WEIGHTS, SHARED_SCALE_OPS

__all__ = ["check_int8_supported", "verify_lowered", "verify_model"]


def check_int8_supported(network: Network) -> None:
    """Refuse a network that can have no full-integer file; its float file can be made.

    Raises:
        ExportError: a layer needs an operation that TFLite has in float alone.
    """
    for layer in network.layers:
        activation = getattr(layer, "activation", "linear")
        float_only = ACTIVATIONS[activation].float_only
        if float_only is not None:
            raise ExportError(
                f"{network.source}:{layer.line}: layer {layer.index} [{layer.kind}]:"
                f" activation={activation} needs {float_only}, which TFLite"
                " has in float alone; make the float file with --float-only"
            )


def verify_model(content: bytes, card: ModelCard, *, input_type: str) -> None:
    """Hold a .tflite against its card.

    Any runtime may be given it, and it loads in LiteRT. The input is (1, height, width, channels)
    and the output (1, classes), or without a head the features, both of `input_type`; each of the
    classes has a label where there are labels; and in an integer model no tensor is of a floating
    type, so that no operator can compute in float, and what copies or compares integers has one
    scale for all of them. In a model of mixed precision the answer is float, and each layer is in
    the precision that its card names.

    Raises:
        ExportError: the file is not what was asked for; it must not be written.
    """
    try:
        model = check_tflite(content)
        _load(content)
    except FlatbufferError as error:
        layer = _layer_at(content, error.operator)
        raise ExportError(
            "the converted file is none that a runtime should be given:"
            f" {layer}{error}; are these the network's weights?"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise ExportError(f"the converted file does not load: {error}") from error
    graph = model.subgraphs[0]
    expected_input = (1, card.height, card.width, card.channels)
    _verify_interface("input", graph, graph.inputs, expected_input, input_type)
    output_type = "float32" if card.is_mixed else input_type
    _verify_interface("output", graph, graph.outputs, card.output_shape, output_type)
    for name, texts in (("labels", card.labels), ("ids", card.ids)):
        if texts is not None and not card.takes_names(len(texts)):
            raise ExportError(f"the file has {card.classes} classes and {len(texts)} {name}")
    if card.is_mixed:
        _verify_precision(graph, card)
    elif card.quantization == "int8":
        floating = [
            tensor.name
            for each in model.subgraphs
            for tensor in each.tensors
            if "float" in tensor.type
        ]
        if floating:
            raise ExportError(
                f"the converted file is not full-integer: {len(floating)} tensors are float,"
                f" the first is {floating[0]!r}"
            )
        _verify_shared_scales(graph)


def verify_lowered(partition: Partition) -> None:
    """Check that a file for the Edge TPU has no leaky activation left, which it does not know.

    Raises:
        ExportError: it has; nothing behind it would run on the Edge TPU.
    """
    left = sum(placed.operator == "LEAKY_RELU" for placed in partition.operators)
    if left:
        raise ExportError(f"the file for the Edge TPU has {left} LEAKY_RELU, which it cannot run")


def _layer_at(content: bytes, position: int | None) -> str:
    """``layer 3 [connected], ``, whose operator it is; nothing where none is known."""
    if position is None:
        return ""
    graph = parse_tflite(content).subgraphs[0]
    operator = graph.operators[position]
    # What it reads comes last: that bears the name of the layer before.
    indices = (*operator.outputs, *operator.inputs[1:], *operator.inputs[:1])
    names = (graph.tensors[n].name for n in indices if n >= 0)
    layer = next(filter(None, map(named_layer, names)), None)
    return "" if layer is None else f"layer {layer[0]} [{layer[1]}], "


def _load(content: bytes) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with native_output_hidden():
        # Without the delegate, so that each operator's own kernel is prepared.
        Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        ).allocate_tensors()


def _verify_precision(graph: Subgraph, card: ModelCard) -> None:
    """Each layer with weights computes in what the card says, and its weights are int8."""
    for operator in graph.operators:
        if operator.name not in OPS_WITH_WEIGHTS:
            continue
        named = operator_layer(graph, operator)
        name = graph.tensors[operator.outputs[0]].name
        layer = name if named is None else f"{named[0]}_{named[1]}"
        found, said = operator_precision(graph, operator), card.precision.get(layer, "int8")
        if found != said:
            raise ExportError(
                f"the converted file's layer {layer} computes in {found}, not in {said}"
            )
    _verify_shared_scales(graph)


def _verify_shared_scales(graph: Subgraph) -> None:
    """TFLite's kernels of some operators read no scale: each of their integers stands for itself.

    (TFLite's quantization specification: "Input and outputs must all have same scale/zero_point".)
    """
    for operator in graph.operators:
        tensors = (*graph.computed_inputs(operator), *operator.outputs)
        scales = {graph.tensors[index].qparams for index in tensors}
        if operator.name in SHARED_SCALE_OPS and len(scales - {None}) > 1:
            name = graph.tensors[operator.outputs[0]].name
            raise ExportError(
                f"the converted file is another function: {operator.name} in {name!r} has another"
                " scale at its input than at its output, which it does not convert"
            )


def _verify_interface(
    role: str, graph: Subgraph, indices: tuple[int, ...], shape: tuple[int, ...], kind: str
) -> None:
    tensors = [graph.tensors[index] for index in indices]
    found = [(tensor.shape, tensor.type) for tensor in tensors]
    if found != [(shape, kind)]:
        raise ExportError(f"the converted file's {role} is {found}, expected {[(shape, kind)]}")
