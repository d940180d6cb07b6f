"""The file for the Edge TPU: the int8 file lowered to operators that the chip supports.

Scales and weights stay those of the int8 file; `LOWERINGS` lists what is replaced, each operator
by others of the same function.
"""

from dataclasses import dataclass

from tinyedge.devices.edgetpu.partition import Partition, partition
from tinyedge.devices.edgetpu.rules import edgetpu_rules
from tinyedge.export.edgetpu.lowerings import LOWERINGS
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.tflite.model import parse_tflite

__all__ = ["EdgeTpuFile", "edge_tpu_file", "placed", "shortfall"]


@dataclass(frozen=True)
class EdgeTpuFile:
    """A .tflite for the Edge TPU, and how it was made.

    Attributes:
        content: the .tflite, to be given to Coral's compiler.
        lowered: names of `tinyedge.export.edgetpu.lowerings.LOWERINGS` that changed something.
        partition: where its operators run, by the published rules.
    """

    content: bytes
    lowered: tuple[str, ...]
    partition: Partition


def edge_tpu_file(int8: bytes) -> EdgeTpuFile:
    """A full-integer .tflite for the Edge TPU, of one for the CPU.

    Args:
        int8: as export makes it, without a card.
    """
    graph = ModelEditor(int8)
    lowered = tuple(name for name, lower in LOWERINGS.items() if lower(graph))
    content = int8
    if lowered:
        graph.drop_unused()
        content = graph.content()
    return EdgeTpuFile(content, lowered, placed(content))


def placed(content: bytes) -> Partition:
    """Where the operators of a .tflite run, by the published rules."""
    return partition(parse_tflite(content), edgetpu_rules())


def shortfall(partition: Partition, name: str) -> str | None:
    """What stays on the CPU of the file called `name`, and why; None where nothing does."""
    if partition.whole:
        return None
    reasons = dict.fromkeys(
        f"{placed.operator}: {placed.reason}" for placed in partition.operators if not placed.maps
    )
    told = partition.refusal or "; ".join(reasons)
    total, left = len(partition.operators), partition.on_cpu
    stay = "operation stays" if total == 1 else f"operations stay{'s' if left == 1 else ''}"
    takes = "it" if left == 1 else "them"
    return (
        f"{name}: {left} of {total} {stay} on the CPU, for the Edge TPU does not take {takes}"
        f" ({told}); `tinyedge check` says where"
    )
