"""Files in mixed precision, of int8 files that were exported."""

from collections.abc import Mapping
from pathlib import Path

from tests.support.exports import Models
from tinyedge.darknet.layer_names import operator_layer
from tinyedge.devices.latency.instructions import operator_precision
from tinyedge.export.tflite.mixed import mixed_file
from tinyedge.modelcard import Precision, append_card, read_card
from tinyedge.tflite.model import parse_tflite
from tinyedge.tflite.schema import OPS_WITH_WEIGHTS

__all__ = ["mixed_models"]


def mixed_models(
    models: Models, folder: Path, precision: Mapping[int, Precision], rounded: tuple[int, ...] = ()
) -> Models:
    """The same float file, and the int8 file with these layers, and the head, in precisions."""
    content = mixed_file(models.int8_model.read_bytes(), precision, rounded)
    graph, kinds = parse_tflite(content).subgraphs[0], {}
    for operator in graph.operators:
        layer = operator_layer(graph, operator)
        if operator.name in OPS_WITH_WEIGHTS and layer is not None:
            kinds[f"{layer[0]}_{layer[1]}"] = operator_precision(graph, operator)
    card = read_card(models.int8_model)
    assert card is not None
    others = {name: kind for name, kind in kinds.items() if kind != "int8"}
    path = folder / f"{models.int8_model.stem.removesuffix('_int8')}_mixed.tflite"
    path.write_bytes(append_card(content, card._replace(precision=others)))
    return Models(models.float_model, path)
