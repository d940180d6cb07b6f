"""Why int8 is slower than float on a machine, where it was measured to be, and what boards do."""

import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.devices.profile import running_board
from tinyedge.errors import TinyedgeError
from tinyedge.modelcard import read_card
from tinyedge.tflite.model import read_tflite

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classifier

__all__ = ["float_beside", "has_dot_product", "slower_than_float"]

_CPUINFO = Path("/proc/cpuinfo")
# The kernel's names of instructions that sum products of int8, as XNNPACK uses them: VNNI of x86,
# SDOT of Armv8.2.
_DOT_PRODUCTS = {
    "x86_64": ("avx_vnni", "avx512_vnni"),
    "aarch64": ("asimddp",),
    "armv7l": ("asimddp",),
}
# Of two medians: less is noise, or nobody's concern.
_NOTABLE, _LEAST_MILLISECONDS = 1.05, 0.2
# Times of XNNPACK's README (MobileNetV1, 32-bit 3B+ and 64-bit 4) and of Arm's (SqueezeNet, 5):
# docs/latency_estimate.md.
_BOARDS = (
    "a Raspberry Pi is faster in int8 all the same, 2.5 times (3B+), 3.2 times (4) and 4 times (5)"
    " in published times"
)
_CHOSEN = "its layers' precisions are chosen for a board's CPU, and not for this one"


def slower_than_float(
    int8: "Classifier", int8_milliseconds: float, float_milliseconds: float
) -> str | None:
    """Why the int8 file is slower here, and what a board does, in a sentence.

    None where it is not notably slower, is no integer model or runs through a delegate.

    Args:
        int8: the file, as it was measured.
        int8_milliseconds: its median inference.
        float_milliseconds: that of the float file of the same network, on the same threads.
    """
    if int8.delegate is not None or int8.card.quantization == "float32":
        return None
    least = max(_NOTABLE * float_milliseconds, float_milliseconds + _LEAST_MILLISECONDS)
    if int8_milliseconds < least:
        return None
    reason, is_the_machines = _reason(int8)
    boards = ""
    if is_the_machines and running_board() is None:
        boards = f"; {_CHOSEN if int8.card.is_mixed else _BOARDS}"
    what = "the mixed file" if int8.card.is_mixed else "int8"
    times = f"{what} takes {int8_milliseconds:.2f} ms here, float {float_milliseconds:.2f} ms"
    return f"{times}: {reason}{boards}"


def float_beside(int8: "Classifier") -> Path | None:
    """The float file that was exported with an int8 one, where it lies beside it; else None.

    None too where the int8 file runs through an accelerator's library.
    """
    if int8.delegate is not None or int8.card.quantization == "float32":
        return None
    stem, _, kind = int8.path.stem.rpartition("_")
    beside = int8.path.with_name(f"{stem}_float.tflite")
    if not stem or kind == "float" or not beside.is_file():
        return None
    try:
        card = read_card(beside)
    except (TinyedgeError, OSError):
        return None
    made_from = int8.card.weights_sha256
    return beside if card is not None and made_from and card.weights_sha256 == made_from else None


def has_dot_product(cpuinfo: str, machine: str) -> bool | None:
    """Whether the CPU has int8 dot products, by ``/proc/cpuinfo``; None where it does not tell.

    Of cores of two kinds the lesser count.
    """
    names = _DOT_PRODUCTS.get(machine)
    cores = re.findall(r"^(?:flags|Features)\s*: (.*)$", cpuinfo, re.MULTILINE)
    if names is None or not cores:
        return None
    return all(not set(names).isdisjoint(core.split()) for core in cores)


def _reason(int8: "Classifier") -> tuple[str, bool]:
    """Why, as far as it can be known, and whether that is this machine's and no file's."""
    if int8.without_xnnpack:
        return f"{int8.runtime} runs int8 without XNNPACK, which runs float", False
    if any(each.name == "PRELU" for each in read_tflite(int8.path).subgraphs[0].operators):
        return (
            "XNNPACK has no int8 PRELU, which this file has for the Edge TPU and runs in TFLite's"
            " own kernel: on a CPU take the file without it (_int8.tflite)",
            False,
        )
    try:
        found = has_dot_product(_CPUINFO.read_text(), platform.machine())
    except OSError:
        found = None
    if found is False and platform.machine() == "x86_64":
        return (
            "this CPU has no instructions for int8 dot products (VNNI), and without them XNNPACK"
            " needs about as many for int8 as for float",
            True,
        )
    by_its_cpu = "" if found is None else "by its CPU it should not be: "
    return (
        f"{by_its_cpu}the machine was busy, or the network is so small that calling it takes most"
        " of the time; measure again with --threads 1",
        True,
    )
