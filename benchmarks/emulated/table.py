"""The section of docs/boards.md that benchmarks/emulated measures."""

from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.emulated.cores import CORES

__all__ = ["markdown"]

_CPUS = {
    "cortex-a7": "Cortex-A7",
    "cortex-a53": "A53",
    "cortex-a72": "A72",
    "cortex-a76": "A76",
}
_FILES = {
    "tiny_float": "float",
    "tiny_default_int8": "int8, TFLiteConverter's (`--quantizer default`)",
    "tiny_int8": "int8, tinyedge's own with its rewrites",
}
_PLACES = ("here", "there")
_INTRODUCTION = """## Measured under emulation

No board was at hand. These are a board's own programs (Debian's arm64 and armhf builds, the wheels
pip brings) on qemu's Cortex-A53 (Zero 2 W, Pi 3), A72 (Pi 4) and A76 (Pi 5), which
[CONTRIBUTING](../CONTRIBUTING.md#an-emulated-raspberry-pi) sets up. Results are a board's;
instructions are what the CPU would execute, and say how the work compares, not how long it takes.
"""
_OUTPUTS = """### The same answers

Every number of the output tensor, compared with x86-64's: Tiny Darknet and SqueezeNet on 50 photos
of ImageNet's validation set, the built-in model on 50 of its test images. Input tensors are
{inputs}. bookworm and trixie run LiteRT, armhf tflite-runtime (x86-64: LiteRT).

| file | systems | equal numbers | logits differ by | probabilities differ by | same answer |
|---|---|---|---|---|---|
"""
_EXCEPTION = """
Where LiteRT's float numbers differ from x86-64's, it is in the last bits, as a sum in another order
makes them. Of single layers tried on random numbers, 1x1 convolutions of 64 to 8, 64, 128 and 1000
channels are the same to the bit, and 3x3 ones of 16 to 10 and 64 to 64; of 64 to 10 and 12 (1x1)
and 64 to 6 (3x3) they are not, nor is one of a single position or a fully connected layer. Sums of
integers have no order.
"""
_INSTRUCTIONS = """### Instructions per inference

Tiny Darknet, one thread, LiteRT on bookworm, in millions; a third of what four inferences take more
than one. Repeated, they differ by less than 0.2 %. These are files for any device; those that
`--device` makes for a board take less there
([export.md](export.md#convolutions-in-the-form-that-suits-a-core)).

| file | A53 | A72 | A76 |
|---|---|---|---|
"""
_STARTS = """### From the command to the first answer

`tinyedge run tiny_int8.tflite PHOTO --threads 1` on bookworm, the whole process from Python's start
to its end, in millions of instructions; bytecode is compiled, as pip leaves it. The larger photo is
the smaller one enlarged, a JPEG. In its place `benchmarks/emulated/smallest.py` is LiteRT, NumPy
and Pillow in a few lines that check nothing; it decodes a large photo whole.

| commit | photo | A53 | A72 | A76 |
|---|---|---|---|---|
"""


def markdown(results: dict[str, Any]) -> str:
    """The section, of what is measured so far."""
    parts: dict[str, Callable[[Any], str]] = {
        "outputs": _outputs,
        "instructions": _instructions,
        "start": _starts,
        "install": _install,
    }
    texts = [
        f"{write(results[part]['measured'])}\nMeasured {results[part]['date']}.\n"
        for part, write in parts.items()
        if part in results
    ]
    return "\n".join([_INTRODUCTION, *texts])


def _outputs(rows: list[dict[str, Any]]) -> str:
    groups: dict[tuple[Any, ...], list[str]] = {}
    for row in sorted(rows, key=_order):
        share = row["numbers_equal"] / row["numbers"]
        values = (
            f"`{row['model']}`",
            "all" if share == 1 else f"{min(share, 0.9999):.2%}",
            _small(row["logit_difference"]),
            _small(row["probability_difference"]),
            f"{row['same_answer']} of {row['photos']}",
        )
        groups.setdefault(values, []).append(f"{row['release']} {_CPUS[row['cpu']]}")
    lines = [
        _row([file, _systems(systems), *values]) for (file, *values), systems in groups.items()
    ]
    same = all(row["inputs_equal"] for row in rows)
    differing = {row["release"] for row in rows if not row["inputs_equal"]}
    inputs = "the same everywhere" if same else f"the same but on {', '.join(sorted(differing))}"
    return _OUTPUTS.format(inputs=inputs) + "\n".join(lines) + "\n" + _EXCEPTION


def _order(row: dict[str, Any]) -> tuple[str, bool, str, str]:
    return row["model"], row["release"] == "armhf", row["release"], row["cpu"]


def _systems(names: list[str]) -> str:
    """Such as ``bookworm A53, A72; trixie A53``."""
    cpus: dict[str, list[str]] = {}
    for name in names:
        release, cpu = name.split()
        cpus.setdefault(release, []).append(cpu)
    return "; ".join(f"{release} {', '.join(found)}" for release, found in cpus.items())


def _instructions(counts: dict[str, dict[str, int]]) -> str:
    lines = [_row([_FILES[stem], *_millions(taken)]) for stem, taken in counts.items()]
    return _INSTRUCTIONS + "\n".join(lines) + "\n"


def _starts(rows: list[dict[str, Any]]) -> str:
    lines = [_row([row["by"], row["photo"], *_millions(row["instructions"])]) for row in rows]
    return _STARTS + "\n".join(lines) + "\n"


def _install(measured: dict[str, Any]) -> str:
    packages = measured["packages"]
    total = sum(row["bytes"] for row in packages)
    rows = [*packages, {"name": "all", "version": "", "bytes": total}]
    table = "\n".join(
        ["| distribution | version | unpacked |", "|---|---|---|"]
        + [_row([row["name"], row["version"], f"{row['bytes'] / 1e6:.1f} MB"]) for row in rows]
    )
    peaks = "\n".join(
        _row([name] + [f"{peak[place] / 1e6:.1f} MB" for place in _PLACES])
        for name, peak in measured["peaks"].items()
    )
    return f"""### The board's install and its memory

What pip brings of the wheel to a 64-bit bookworm (Python 3.11), bytecode left out:

{table}

Peak memory (VmHWM) of `tinyedge run` with Tiny Darknet on one photo, two threads, and of
`smallest.py`, one. On the emulated Pi 4 the emulator's own memory is in it, so that a Pi's is less:

| file | x86-64 | Pi 4 with the emulator |
|---|---|---|
{peaks}
"""


def _millions(taken: dict[str, int]) -> list[str]:
    return [f"{taken[board] / 1e6:,.1f}" for board in CORES]


def _small(difference: float) -> str:
    return "0" if difference == 0 else f"{difference:.1e}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
