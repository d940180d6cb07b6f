"""Latencies that others measured and published, and the estimate of the same."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.latency.networks import NETWORKS
from tinyedge.devices.latency.roofline import cpu_latency, edge_tpu_latency
from tinyedge.devices.profile import Profile, read_profile

__all__ = ["GROUPS", "STATED", "Figure", "figures"]

_PROFILES = Path(__file__).parents[2] / "tinyedge" / "devices"
_XNNPACK = "XNNPACK's README"
_ARM = "Arm, SqueezeNet with XNNPACK through ExecuTorch"
_CORAL = "Coral, Edge TPU performance benchmarks"
_NNPACK = "Darknet with NNPACK"

GROUPS = {
    "cpu": "CPU, with XNNPACK, as LiteRT runs it",
    "edge_tpu": "Coral USB Accelerator",
    "pcie": "Edge TPU of a Coral Dev Board, at no USB port: no part of the stated error",
    "other": "CPU, with other engines: no part of the stated error",
}
"""What is compared apart."""

STATED = ("cpu", "edge_tpu")
"""What tinyedge runs and states an error of: keys of devices/latency/error.json."""


@dataclass(frozen=True)
class Figure:
    """One published latency.

    Attributes:
        group: one of GROUPS.
        board: where it was measured.
        network: one of NETWORKS.
        kind: ``float`` or ``int8``.
        published: milliseconds.
        estimate: milliseconds.
        source: who published it.
    """

    group: str
    board: str
    network: str
    kind: str
    published: float
    estimate: float
    source: str

    @property
    def ratio(self) -> float:
        """How many times the estimate the published latency is."""
        return self.published / self.estimate


def figures() -> list[Figure]:
    """All of them, with their estimates by the profiles that ship."""
    pi3, pi4, pi5 = (read_profile(_PROFILES / f"{name}.toml") for name in ("pi3", "pi4", "pi5"))
    pi3_32, pi4_32 = (board._replace(architecture="armv7l") for board in (pi3, pi4))
    # The NXP i.MX 8M: Cortex-A53 at 1.5 GHz, 1 MB of L2, LPDDR4 of 32 bits at 3,200 MT/s.
    dev_board = pi3._replace(
        clock=1_500_000_000,
        cache=2**20,
        memory_bandwidth=12_800_000_000,
        threads=1,
    )
    pi3b = pi3._replace(clock=1_200_000_000)
    on_cpu: list[tuple[str, str, Profile, str, dict[str, float], str]] = [
        ("cpu", "Pi 3B+, 32-bit", pi3_32, "MobileNetV1", {"float": 114, "int8": 46}, _XNNPACK),
        ("cpu", "Pi 4, 32-bit", pi4_32, "MobileNetV1", {"float": 72, "int8": 29}, _XNNPACK),
        ("cpu", "Pi 4, 64-bit", pi4, "MobileNetV1", {"float": 77, "int8": 24}, _XNNPACK),
        ("cpu", "Pi 5", pi5, "SqueezeNet 1.0", {"float": 20.2, "int8": 5.1}, _ARM),
        ("other", "Pi 3", pi3b, "Darknet Reference", {"float": 770}, _NNPACK),
        ("other", "Coral Dev Board", dev_board, "MobileNetV1", {"int8": 164}, _CORAL),
        ("other", "Coral Dev Board", dev_board, "MobileNetV2", {"int8": 122}, _CORAL),
        ("other", "Coral Dev Board", dev_board, "SqueezeNet 1.0", {"int8": 232}, _CORAL),
        ("other", "Coral Dev Board", dev_board, "Inception v1", {"int8": 392}, _CORAL),
    ]
    on_edge_tpu: list[tuple[str, str, int | None, dict[str, float]]] = [
        (
            *("edge_tpu", "desktop, USB 3", 3),
            {"MobileNetV1": 2.4, "MobileNetV2": 2.6, "SqueezeNet 1.0": 2.1, "Inception v1": 3.4},
        ),
        (
            *("edge_tpu", "Pi 4, USB 3", 3),
            {"MobileNetV1": 4.2, "MobileNetV2": 4.5, "Inception v1": 6.2},
        ),
        (
            *("edge_tpu", "Pi 3B+, USB 2", 2),
            {"MobileNetV1": 9.0, "MobileNetV2": 10.6, "Inception v1": 18.9},
        ),
        (
            *("pcie", "Coral Dev Board", None),
            {"MobileNetV1": 2.4, "MobileNetV2": 2.6, "SqueezeNet 1.0": 2.0, "Inception v1": 4.1},
        ),
    ]
    found = [
        Figure(
            *(group, board, network, kind, published),
            1000 * cpu_latency(NETWORKS[network](), profile, number_bytes=_BYTES[kind]),
            source,
        )
        for group, board, profile, network, latencies, source in on_cpu
        for kind, published in latencies.items()
    ]
    found += [
        Figure(group, board, network, "int8", published, _on_edge_tpu(network, usb), _CORAL)
        for group, board, usb, latencies in on_edge_tpu
        for network, published in latencies.items()
    ]
    return found


_BYTES = {"float": 4, "int8": 1}


def _on_edge_tpu(network: str, usb: int | None) -> float:
    """Milliseconds by the estimate."""
    work = NETWORKS[network]()
    latency = edge_tpu_latency(
        macs=sum(layer.macs for layer in work),
        parameter_bytes=sum(layer.weights for layer in work),
        input_bytes=work[0].inputs,
        output_bytes=work[-1].outputs,
        usb=usb,
    )
    return 1000 * latency.seconds
