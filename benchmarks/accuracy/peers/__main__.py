"""One step of the benchmark in a process of its own, in the peers' environment.

``python -m benchmarks.accuracy.peers make ROW NETWORK``, ``scores ROW NETWORK`` and
``latency NETWORK ROW...``; NETWORK is the folder `benchmarks.accuracy.networks` prepared. What
they find they write into it.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy.peers.rows import BASELINE, GRAPH, ROWS, Row
from benchmarks.accuracy.peers.session import PackageMissingError, Session

_ROWS = {row.name: row for row in (*ROWS, GRAPH)}
_WARM_UP_SECONDS = 0.5


def main() -> None:
    """Do one step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("make", "scores"):
        step = steps.add_parser(name)
        step.add_argument("row", choices=_ROWS)
        step.add_argument("network", type=Path)
    step = steps.add_parser("latency")
    step.add_argument("network", type=Path)
    step.add_argument("rows", nargs="+", choices=_ROWS)
    step.add_argument("--rounds", type=int, required=True)
    arguments = parser.parse_args()
    # NNCF and OpenVINO send statistics home unless they believe themselves tested.
    os.environ["NNCF_CI"] = "1"
    try:
        if arguments.step == "make":
            _make(_ROWS[arguments.row], arguments.network)
        elif arguments.step == "scores":
            _score(_ROWS[arguments.row], arguments.network)
        else:
            _time([_ROWS[name] for name in arguments.rows], arguments.network, arguments.rounds)
    except PackageMissingError as error:
        sys.exit(str(error))


def _make(row: Row, network: Path) -> None:
    """The row's model into its folder."""
    folder = network / row.name
    calibration = np.load(network / "calibration.npy", mmap_mode="r")
    match row.tool:
        case "onnx":
            from benchmarks.accuracy.peers import onnx_graph
            from tinyedge.darknet.network import read_network
            from tinyedge.darknet.weights import read_weights

            source = json.loads((network / "network.json").read_text(encoding="utf-8"))
            darknet = read_network(Path(source["cfg"]))
            weights = read_weights(Path(source["weights"]), darknet)
            graph = onnx_graph.build_graph(darknet, weights)
            (folder / "model.onnx").write_bytes(graph.SerializeToString())
        case "ai-edge-quantizer":
            from benchmarks.accuracy.peers import litert

            litert.quantize(network, calibration, folder, **row.options)
        case "onnxruntime":
            from benchmarks.accuracy.peers import onnx_runtime

            onnx_runtime.quantize(network, calibration, folder, **row.options)
        case "nncf":
            from benchmarks.accuracy.peers import openvino_nncf

            openvino_nncf.quantize(network, calibration, folder, **row.options)
        case "ncnn":
            from benchmarks.accuracy.peers import ncnn_int8

            ncnn_int8.quantize(network, calibration, folder)


def _load(row: Row, network: Path) -> Session:
    folder = network / row.name
    match row.engine:
        case "litert":
            from benchmarks.accuracy.peers.litert import LiteRTSession

            return LiteRTSession(folder)
        case "onnxruntime":
            from benchmarks.accuracy.peers.onnx_runtime import ONNXRuntimeSession

            return ONNXRuntimeSession(folder)
        case "openvino":
            from benchmarks.accuracy.peers.openvino_nncf import OpenVINOSession

            return OpenVINOSession(folder)
        case _:
            raise PackageMissingError(f"no session for {row.engine}")


def _score(row: Row, network: Path) -> None:
    """The logits of every evaluation image, and of whose versions they are."""
    session = _load(row, network)
    scores = []
    for image in np.load(network / "evaluation.npy", mmap_mode="r"):
        session.feed(image)
        session.run()
        scores.append(session.scores())
    np.save(network / row.name / "scores.npy", np.stack(scores))
    versions = {name: importlib.metadata.version(name) for name in row.packages}
    (network / row.name / "versions.json").write_text(json.dumps(versions), encoding="utf-8")


def _time(rows: Sequence[Row], network: Path, rounds: int) -> None:
    """The median of each row's runs, milliseconds, call by call in turn.

    Noise of other work on the machine then hits all alike. Before each timed run goes one that
    is not, so that the others' weights are not still in the nearest caches.
    """
    sessions = [_load(row, network) for row in rows]
    image = np.array(np.load(network / "evaluation.npy", mmap_mode="r")[0])
    for session in sessions:
        session.feed(image)
        end = time.perf_counter() + _WARM_UP_SECONDS
        while time.perf_counter() < end:
            session.run()
    times = np.empty((rounds, len(sessions)))
    for turn in range(rounds):
        # Another one first each time.
        for place in np.roll(np.arange(len(sessions)), turn):
            session = sessions[place]
            session.run()
            start = time.perf_counter_ns()
            session.run()
            times[turn, place] = (time.perf_counter_ns() - start) / 1e6
    medians = np.median(times, axis=0)
    base = [row.name for row in rows].index(BASELINE.name)
    result = {
        row.name: {"milliseconds": milliseconds, "ratio": milliseconds / medians[base]}
        for row, milliseconds in zip(rows, medians.tolist(), strict=True)
    }
    content = {"rounds": rounds, "load": os.getloadavg()[0], "rows": result}
    (network / "latency.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
