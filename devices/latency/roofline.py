"""How long one inference should take by arithmetic: a roofline, an estimate and no measurement.

A layer takes the longer of its multiplications at the rate the processor's pipes allow, and of its
bytes at the rate memory allows (Williams, Waterman and Patterson, "Roofline", CACM 52, 2009); an
inference is the sum of its layers. Every parameter comes from how the hardware is built, none from
a measured inference, so that published inferences can say how far off it is
(`tinyedge.devices.latency.error`).

The CPU. `_CORES` holds what a core starts in a cycle, `_KERNELS` the instructions of the innermost
loop of each kind of layer. On an in-order core their cycles add up; on an out-of-order one the
busiest pipe decides. That loop is the efficiency a core can attain at best.

- Cortex-A53: in order; one 128-bit FMLA or one long multiplication a cycle; a load takes a cycle of
  its own (ncnn, developer guide, "arm-a53-a55-dual-issue").
- Cortex-A72: 3 instructions decoded; of its two 64-bit pipes F0 and F1 one 128-bit FMLA a cycle;
  long multiplications on F0, one a cycle; one 128-bit load (Arm, Cortex-A72 Software Optimization
  Guide, UAN 0016A, sections 2.1 and 3).
- Cortex-A76: 4 instructions decoded; two 128-bit pipes V0 and V1, each an FMLA or an SDOT a cycle;
  long multiplications on V0; two 128-bit loads (Arm, Cortex-A76 Software Optimization Guide,
  sections 2.1 and 3).

Memory. `_MEMORY_SHARE` of the data sheet's peak is what copying attains: STREAM on a Raspberry Pi 4
gives 5.56 of 12.8 GB/s (sci-pi.org.uk/bench/stream.html). Weights are read once an inference,
unless all of them fit the last cache; a layer's input and output move unless both together fit it.

The Edge TPU. 4e12 operations a second at peak, 8 MiB on the chip (Coral, USB Accelerator data
sheet), of which at least 6.5 MiB hold parameters; parameters beyond that cross the bus for each
inference, as the input and the output do. A bus gives `_USB_SHARE` of its rate: a disk at a
Raspberry Pi 3B+ reads 35.5 of 60 MB/s (jamesachambers.com, "Raspberry Pi 3B+ MicroSD / SSD Speed
Benchmarks"). Instructions, input, output and completion each wait for one interval of the bus, 125
microseconds (USB 2.0 and 3.0 specifications). A PCIe 2.0 lane gives 128 of 152 bytes of a packet
(PCI Express 2.0 specification: framing, sequence number, header of 16 bytes, checksum).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tinyedge.devices.profile import Profile

__all__ = [
    "LINE_BYTES",
    "EdgeTpuLatency",
    "Work",
    "cpu_latency",
    "cycles_of_a_line",
    "edge_tpu_latency",
    "latency_text",
    "no_estimate",
    "port_milliseconds",
    "ports_text",
    "usb_latencies",
]


class Work(NamedTuple):
    """What one layer does.

    Attributes:
        inputs: numbers read.
        outputs: numbers written.
        weights: its parameters, biases included, batch normalization folded.
        macs: multiply-accumulates; 0 of pools, copies and activations.
        depthwise: whether each filter sees one channel only.
    """

    inputs: int
    outputs: int
    weights: int = 0
    macs: int = 0
    depthwise: bool = False


@dataclass(frozen=True)
class _Core:
    """What a core starts in one cycle; `width` instructions in all."""

    in_order: bool
    width: int
    float_multiplies: int
    long_multiplies: int
    dot_products: int
    loads: int


@dataclass(frozen=True)
class _Kernel:
    """The instructions of one turn of an innermost loop, and the multiply-accumulates in it."""

    macs: int
    multiplies: int
    others: int
    loads: float


_CORES = {
    "Cortex-A53": _Core(True, 2, 1, 1, 0, 1),
    "Cortex-A72": _Core(False, 3, 1, 1, 0, 1),
    "Cortex-A76": _Core(False, 4, 2, 1, 2, 2),
}
# A tile is as large as the registers allow: 32 of 128 bits, on 32-bit ARM 16.
_KERNELS = {
    # 6 pixels x 8 filters: 12 FMLA of 4 floats; two vectors of weights, six quarters of pixels.
    ("float", "64"): _Kernel(48, 12, 0, 3.5),
    # 4 x 8: 8 VMLA; two vectors of weights, four quarters of pixels.
    ("float", "32"): _Kernel(32, 8, 0, 3),
    # 4 x 16, four channels: 16 SDOT of 16 products; four vectors of weights, one of pixels.
    ("dot", "64"): _Kernel(256, 16, 0, 5),
    # 2 x 8, 16 channels: SMULL, SMLAL2 and SADALP each; eight vectors of weights, two of pixels.
    ("int8", "64"): _Kernel(256, 32, 16, 10),
    # 4 x 8, eight channels: VMLAL of 4 products; bytes loaded in 12 halves, each widened by VMOVL.
    ("int8", "32"): _Kernel(256, 64, 12, 12),
    # One FMLA for a vector of pixels and one of weights.
    ("float", "depthwise"): _Kernel(4, 1, 0, 2),
    # Two taps of 8 channels: SMULL, SMLAL and two SADDW; each tap's pixels and weights.
    ("int8", "depthwise"): _Kernel(16, 2, 2, 4),
}
LINE_BYTES = 64
"""Of a line of the caches of all these cores."""
_VECTOR_BYTES = 16
_MEMORY_SHARE = 5.56e9 / 12.8e9

_EDGE_TPU_MACS = 4e12 / 2  # a second
_EDGE_TPU_PARAMETERS = int(6.5 * 2**20)  # bytes
_USB_SHARE = 35.5e6 / 60e6
# Bytes a second on the wire: 480 Mbit/s; 5 Gbit/s, of which 8b/10b coding takes a fifth.
_USB_RATES = {2: 480e6 / 8, 3: 5e9 / 10}
_PCIE_RATE = 5e9 / 10 * 128 / 152
_USB_INTERVAL = 125e-6
_USB_TRANSFERS = 4


def no_estimate(profile: Profile) -> str | None:
    """Why :func:`cpu_latency` cannot say anything of this device; None where it can."""
    if profile.cpu is None:
        return "the profile names no CPU"
    needed = ("cores", "clock", "dot_product", "cache", "memory_bandwidth")
    unknown = [name for name in needed if getattr(profile, name) is None]
    if unknown:
        return f"the profile does not say its {', '.join(unknown)}"
    if profile.cpu not in _CORES:
        return f"the pipes of a {profile.cpu} are not known, only of {', '.join(_CORES)}"
    return None


def cpu_latency(work: Sequence[Work], profile: Profile, *, number_bytes: int) -> float:
    """Seconds of one inference on the profile's CPU, all its threads at work: an estimate.

    Args:
        work: of each layer.
        profile: one of which :func:`no_estimate` says nothing.
        number_bytes: of every number, 4 in float32 and 1 in int8.
    """
    assert profile.cores is not None
    assert profile.clock is not None
    assert profile.memory_bandwidth is not None
    core = _CORES[profile.cpu or ""]
    cycles_per_second = min(profile.threads, profile.cores) * profile.clock
    memory = profile.memory_bandwidth * _MEMORY_SHARE
    cache = profile.cache or 0
    all_weights = number_bytes * sum(layer.weights for layer in work)
    seconds = 0.0
    for layer in work:
        moved = number_bytes * layer.weights if all_weights > cache else 0
        activations = number_bytes * (layer.inputs + layer.outputs)
        moved += activations if activations > cache else 0
        if layer.macs:
            cycles = layer.macs / _macs_per_cycle(core, profile, layer, number_bytes)
        else:
            cycles = activations / _VECTOR_BYTES / core.loads
        seconds += max(cycles / cycles_per_second, moved / memory)
    return seconds


def cycles_of_a_line(profile: Profile) -> float:
    """Cycles of the profile's core in which memory moves a cache line."""
    assert profile.clock is not None
    assert profile.memory_bandwidth is not None
    return LINE_BYTES * profile.clock / (profile.memory_bandwidth * _MEMORY_SHARE)


def _macs_per_cycle(core: _Core, profile: Profile, layer: Work, number_bytes: int) -> float:
    """What one core attains in the innermost loop of such a layer."""
    kind = "float" if number_bytes == 4 else "int8"
    rate = core.float_multiplies if kind == "float" else core.long_multiplies
    if layer.depthwise:
        kernel = _KERNELS[kind, "depthwise"]
    elif kind == "int8" and profile.dot_product and core.dot_products:
        kernel, rate = _KERNELS["dot", "64"], core.dot_products
    else:
        kernel = _KERNELS[kind, "32" if profile.architecture == "armv7l" else "64"]
    multiplying, loading = kernel.multiplies / rate, kernel.loads / core.loads
    if core.in_order:
        return kernel.macs / (multiplying + kernel.others + loading)
    issuing = (kernel.multiplies + kernel.others + kernel.loads) / core.width
    return kernel.macs / max(multiplying, loading, issuing)


class EdgeTpuLatency(NamedTuple):
    """The parts of one inference on an Edge TPU, seconds: an estimate.

    Attributes:
        compute: of the multiplications.
        transfer: of the input and the output over the bus.
        streaming: of the parameters that do not fit on the chip, over the bus.
        waiting: for the bus.
        streamed_bytes: those parameters, bytes.
    """

    compute: float
    transfer: float
    streaming: float
    waiting: float
    streamed_bytes: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.compute + self.transfer + self.streaming + self.waiting


def edge_tpu_latency(
    *, macs: int, parameter_bytes: int, input_bytes: int, output_bytes: int, usb: int | None
) -> EdgeTpuLatency:
    """One inference of an int8 network that maps whole to an Edge TPU: an estimate.

    Args:
        macs: multiply-accumulates.
        parameter_bytes: of all weights.
        input_bytes: that cross to the accelerator.
        output_bytes: that come back.
        usb: version of the accelerator's port, 2 or 3; None of a chip at a PCIe 2.0 lane, as the
            Coral Dev Board's.
    """
    rate = _PCIE_RATE if usb is None else _USB_RATES[usb] * _USB_SHARE
    streamed = max(0, parameter_bytes - _EDGE_TPU_PARAMETERS)
    return EdgeTpuLatency(
        compute=macs / _EDGE_TPU_MACS,
        transfer=(input_bytes + output_bytes) / rate,
        streaming=streamed / rate,
        waiting=0.0 if usb is None else _USB_TRANSFERS * _USB_INTERVAL,
        streamed_bytes=streamed,
    )


def usb_latencies(
    *, macs: int, parameter_bytes: int, input_bytes: int, output_bytes: int
) -> dict[int, EdgeTpuLatency]:
    """`edge_tpu_latency` by version of the accelerator's port, for each that there is."""
    return {
        usb: edge_tpu_latency(
            macs=macs,
            parameter_bytes=parameter_bytes,
            input_bytes=input_bytes,
            output_bytes=output_bytes,
            usb=usb,
        )
        for usb in _USB_RATES
    }


def latency_text(seconds: float) -> str:
    """Milliseconds with three digits that count, such as ``0.513 ms`` and ``1,220 ms``."""
    return f"{float(f'{1000 * seconds:.3g}'):,.15g} ms"


def ports_text(latencies: Mapping[int, EdgeTpuLatency]) -> str:
    """The Edge TPU's latencies, by the version of its USB port, in one phrase."""
    return ", ".join(
        f"{latency_text(latency.seconds)} at USB {usb}" for usb, latency in latencies.items()
    )


def port_milliseconds(latencies: Mapping[int, EdgeTpuLatency]) -> dict[str, float]:
    """The same as plain data: ``usb2`` or ``usb3`` -> milliseconds."""
    return {f"usb{usb}": 1000 * latency.seconds for usb, latency in latencies.items()}
