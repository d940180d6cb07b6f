"""The roofline, by arithmetic done by hand, and what is said beside it."""

import json
from pathlib import Path

import pytest

from benchmarks.latency.__main__ import error_json, markdown
from benchmarks.latency.networks import NETWORKS
from benchmarks.latency.published import GROUPS, figures
from tests.support.commands import run_in_process
from tests.support.shipped import CFGS
from tinyedge.darknet.network import read_network
from tinyedge.devices.latency.error import LatencyError, latency_error
from tinyedge.devices.latency.roofline import (
    Work,
    cpu_latency,
    edge_tpu_latency,
    latency_text,
    no_estimate,
)
from tinyedge.devices.latency.work import network_work
from tinyedge.devices.profile import Profile, find_profile

ROOT = Path(__file__).parents[3]
VALID = ROOT / "tests" / "data" / "cfg" / "valid"
# 12e9 multiply-accumulates on few numbers: memory does not matter.
COMPUTE = Work(1000, 1000, 1000, 12_000_000_000)
DEPTHWISE = COMPUTE._replace(depthwise=True)
STREAM = 5.56 / 12.8


def on(name: str, work: Work, number_bytes: int, **changes: object) -> float:
    board: Profile = find_profile(name)._replace(**changes)  # type: ignore[arg-type]
    return cpu_latency([work], board, number_bytes=number_bytes)


@pytest.mark.parametrize(
    ("board", "work", "number_bytes", "macs_per_cycle"),
    [
        # 12 FMLA of 4 floats; an in-order core spends 3.5 cycles more to load their operands.
        ("pi3", COMPUTE, 4, 48 / 15.5),
        # 32 multiplications, 16 pairwise additions, 10 loads.
        ("pi3", COMPUTE, 1, 256 / 58),
        ("pi3", DEPTHWISE, 4, 4 / 3),
        # One FMLA of 4 floats a cycle hides all else; 8 products a cycle, SADALP on the other pipe.
        ("pi4", COMPUTE, 4, 4),
        ("pi4", COMPUTE, 1, 8),
        # Two loads for each vector.
        ("pi4", DEPTHWISE, 4, 2),
        ("pi4", DEPTHWISE, 1, 4),
        # Two FMLA of 4 floats; two SDOT of 16 products.
        ("pi5", COMPUTE, 4, 8),
        ("pi5", COMPUTE, 1, 32),
        ("pi5", DEPTHWISE, 4, 4),
    ],
)
def test_a_layer_of_arithmetic(
    board: str, work: Work, number_bytes: int, macs_per_cycle: float
) -> None:
    clock = {"pi3": 1.4e9, "pi4": 1.5e9, "pi5": 2.4e9}[board]
    expected = 12e9 / (4 * clock * macs_per_cycle)
    assert on(board, work, number_bytes) == pytest.approx(expected, rel=1e-9)


def test_what_a_board_lacks_costs_time() -> None:
    assert on("pi5", COMPUTE, 1, dot_product=False) == pytest.approx(4 * on("pi5", COMPUTE, 1))
    assert on("pi4", COMPUTE, 1, architecture="armv7l") == pytest.approx(2 * on("pi4", COMPUTE, 1))
    assert on("pi4", COMPUTE, 4, threads=1) == pytest.approx(4 * on("pi4", COMPUTE, 4))
    # No more threads are at work than there are cores.
    assert on("pi4", COMPUTE, 4, threads=8) == on("pi4", COMPUTE, 4)


def test_a_layer_of_memory() -> None:
    # A connected layer: 100 MB of weights, read once.
    weights = Work(1000, 100_000, 100_000_000, 100_000_000)
    assert on("pi4", weights, 1) == pytest.approx(100e6 / (12.8e9 * STREAM))
    assert on("pi4", weights, 4) == pytest.approx(400e6 / (12.8e9 * STREAM))
    # A copy of 3 million numbers, which no cache holds.
    copy = Work(3_000_000, 3_000_000)
    assert on("pi4", copy, 4) == pytest.approx(24e6 / (12.8e9 * STREAM))


def test_what_the_cache_holds_is_not_moved() -> None:
    # 1 MB of L2: 16 bytes a cycle and core go through the pipes.
    held = Work(2**19, 2**19)
    assert on("pi4", held, 1) == pytest.approx(2**20 / 16 / (4 * 1.5e9))
    assert on("pi4", held, 1, cache=2**20 - 1) == pytest.approx(2**20 / (12.8e9 * STREAM))


def test_layers_add_up() -> None:
    board = find_profile("pi4")
    layers = [COMPUTE, DEPTHWISE, Work(3_000_000, 3_000_000)]
    alone = [cpu_latency([layer], board, number_bytes=4) for layer in layers]
    assert cpu_latency(layers, board, number_bytes=4) == pytest.approx(sum(alone))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"cpu": None, "clock": None}, "the profile names no CPU"),
        ({"clock": None, "cache": None}, "the profile does not say its clock, cache"),
        (
            {"cpu": "Cortex-A7"},
            "the pipes of a Cortex-A7 are not known, only of Cortex-A53, Cortex-A72, Cortex-A76",
        ),
    ],
)
def test_what_no_estimate_can_be_made_of(changes: dict[str, object], reason: str | None) -> None:
    board: Profile = find_profile("pi4")._replace(**changes)  # type: ignore[arg-type]
    assert no_estimate(board) == reason


def test_the_edge_tpu() -> None:
    fits = edge_tpu_latency(
        macs=2_000_000_000, parameter_bytes=6_815_744, input_bytes=150_528, output_bytes=1000, usb=3
    )
    assert fits.compute == pytest.approx(1e-3)
    assert fits.transfer == pytest.approx(151_528 / (500e6 * 35.5 / 60))
    assert (fits.streaming, fits.streamed_bytes) == (0, 0)
    assert fits.seconds == pytest.approx(1e-3 + fits.transfer + 4 * 125e-6)
    more = edge_tpu_latency(
        macs=2_000_000_000, parameter_bytes=7_815_744, input_bytes=150_528, output_bytes=1000, usb=2
    )
    assert more.streamed_bytes == 1_000_000
    assert more.streaming == pytest.approx(1e6 / 35.5e6)
    assert more.transfer == pytest.approx(151_528 / 35.5e6)
    on_board = edge_tpu_latency(
        macs=0, parameter_bytes=0, input_bytes=421_000, output_bytes=53, usb=None
    )
    assert on_board.seconds == pytest.approx(421_053 / (500e6 * 128 / 152))


@pytest.mark.parametrize("cfg", sorted(VALID.glob("*.cfg")), ids=lambda path: path.stem)
def test_the_work_is_the_networks(cfg: Path) -> None:
    network = read_network(cfg)
    work = network_work(network)
    local = sum(
        layer.size**2 * layer.input.channels * layer.output.elements
        for layer in network.layers
        if layer.kind == "local"
    )
    assert 2 * sum(layer.macs for layer in work) == network.operations + 2 * local
    assert sum(layer.weights for layer in work) <= network.parameters


def test_a_leaky_layer_is_another_pass_and_relu_is_not() -> None:
    network = read_network(VALID / "depthwise.cfg")
    leaky = sum(getattr(layer, "activation", "") == "leaky" for layer in network.layers)
    copies = [layer for layer in network_work(network) if not layer.macs]
    others = [layer for layer in network.layers if layer.kind not in ("convolutional", "connected")]
    assert leaky
    assert len(copies) == leaky + len(others)


@pytest.mark.c_engine
def test_a_route_of_one_layer_and_dropout_cost_nothing() -> None:
    network = read_network(CFGS / "alexnet.cfg")
    dropouts = sum(layer.kind in ("dropout", "cost") for layer in network.layers)
    assert dropouts
    activations = sum(
        getattr(layer, "activation", "") not in ("", "relu", "linear") for layer in network.layers
    )
    assert len(network_work(network)) == len(network.layers) - dropouts + activations


@pytest.mark.parametrize(
    ("name", "macs", "parameters"),
    [
        # Millions: MobileNets, table 8; MobileNetV2, table 4; SqueezeNet, table 2 (4.8 MB of
        # floats); Darknet's page: 7.3 million floats; Going Deeper, table 1, rounded there.
        ("MobileNetV1", 569, 4.2),
        ("MobileNetV2", 300, 3.4),
        ("SqueezeNet 1.0", None, 1.2),
        ("Inception v1", 1502, 6.8),
        ("Darknet Reference", None, 7.3),
    ],
)
def test_the_networks_are_the_papers(name: str, macs: int | None, parameters: float) -> None:
    work = NETWORKS[name]()
    assert sum(layer.weights for layer in work) / 1e6 == pytest.approx(parameters, rel=0.05)
    if macs is not None:
        assert sum(layer.macs for layer in work) / 1e6 == pytest.approx(macs, rel=0.06)


def test_the_page_and_the_stated_errors_are_what_the_command_writes() -> None:
    found = figures()
    assert (ROOT / "docs" / "latency_estimate.md").read_text() == markdown(found)
    assert (ROOT / "devices" / "latency" / "error.json").read_text() == error_json(found)


def test_every_published_figure_is_compared() -> None:
    found = figures()
    published = {
        group: sorted(figure.published for figure in found if figure.group == group)
        for group in GROUPS
    }
    assert published == {
        "cpu": [5.1, 20.2, 24, 29, 46, 72, 77, 114],
        "edge_tpu": [2.1, 2.4, 2.6, 3.4, 4.2, 4.5, 6.2, 9.0, 10.6, 18.9],
        "pcie": [2.0, 2.4, 2.6, 4.1],
        "other": [122, 164, 232, 392, 770],
    }


def test_the_error_is_told_rounded_outward() -> None:
    error = LatencyError(figures=3, lowest=1.29, median=1.5, highest=2.01, within_factor_2=2)
    assert str(error) == (
        "3 published latencies are 1.2 to 2.1 times their estimates, 2 of them within a factor of 2"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.000_512_9, "0.513 ms"),
        (0.704_4, "704 ms"),
        (0.999_6, "1,000 ms"),
        (1.218, "1,220 ms"),
        (3718.4, "3,720,000 ms"),
    ],
)
def test_a_latency_is_told_with_three_digits(seconds: float, text: str) -> None:
    assert latency_text(seconds) == text


def test_summary_estimates_and_says_how_far_off(tmp_path: Path) -> None:
    lines = run_in_process("summary", "fashion", "--device", "pi4").stdout.splitlines()
    (estimate,) = [line for line in lines if "latency" in line and "estimate:" in line]
    assert estimate.startswith("  latency, an estimate: float ")
    assert estimate.endswith(" ms on 4 threads")
    assert lines[lines.index(estimate) + 1] == f"    {latency_error('cpu')}"
    printed = json.loads(run_in_process("summary", "fashion", "--device", "pi4", "--json").stdout)
    found = printed["latency_estimate"]
    assert found["edge_tpu"] is None
    assert found["threads"] == 4
    assert found["cpu"]["error"] == vars(latency_error("cpu"))
    float_ms, int8_ms = (found["cpu"]["milliseconds"][name] for name in ("float", "int8"))
    assert estimate == (
        f"  latency, an estimate: float {float_ms:.3g} ms, int8 {int8_ms:.3g} ms on 4 threads"
    )
    assert float_ms > int8_ms > 0
    other = tmp_path / "other.toml"
    other.write_text('description = "x"\nthreads = 2\ncpu = "Cortex-A72"\ncores = 2\n')
    text = run_in_process("summary", "fashion", "--device", other).stdout
    assert (
        "latency on the CPU: no estimate, the profile does not say its clock, dot_product,"
        " cache, memory_bandwidth"
    ) in " ".join(text.split())


def test_summary_estimates_the_accelerator() -> None:
    words = ("summary", "fashion", "--device", "coral-usb")
    found = json.loads(run_in_process(*words, "--json").stdout)["latency_estimate"]["edge_tpu"]
    assert found["error"] == vars(latency_error("edge_tpu"))
    assert found["streamed_bytes"] == 0
    assert found["milliseconds"]["usb2"] > found["milliseconds"]["usb3"] > 0.5
    told = " ".join(run_in_process(*words).stdout.split())
    assert str(latency_error("edge_tpu")) in told


@pytest.mark.c_engine
def test_summary_says_what_does_not_fit_the_accelerator() -> None:
    text = run_in_process("summary", CFGS / "vgg-16.cfg", "--device", "coral-usb").stdout
    # 138,344,128 weights and 13,416 biases less 6.5 * 2**20.
    assert "    131.5 MB of parameters cross the bus each time\n" in text
