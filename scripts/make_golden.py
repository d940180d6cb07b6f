"""Ask Darknet's C engine (Debian's package darknet) for the numbers kept in tests/golden.

    python scripts/make_golden.py

For each cfg of tests/golden, with the weights and pixels of tests/golden/cases.py, it writes
beside the cfg what the engine answers: the tensor before the softmax and the network's output,
both flat and planar, with as many digits as tell every float32 from its neighbours.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support import c_engine
from tests.support.golden import CASES, FOLDER, last_layer, pixels, weights
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import write_weights
from tinyedge.files import file_sha256


def main() -> None:
    """Write the JSON file of every case."""
    version = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", "darknet"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for case in CASES:
        cfg = FOLDER / f"{case}.cfg"
        golden = {
            "made_by": "scripts/make_golden.py",
            "engine": f"Debian's darknet {version}",
            "cfg_sha256": file_sha256(cfg),
            **_answers(cfg),
        }
        cfg.with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
        print(f"{case}: {len(golden['logits'])} numbers")


def _answers(cfg: Path) -> dict[str, list[float]]:
    network = read_network(cfg)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.weights"
        write_weights(file, network, weights(network))
        image = pixels(network)
        return {
            "logits": _digits(c_engine.layer_output(cfg, file, image, last_layer(network))),
            "output": _digits(c_engine.predict(cfg, file, image)),
        }


def _digits(values: NDArray[np.float32]) -> list[float]:
    return [float(f"{value:.9g}") for value in values]


if __name__ == "__main__":
    main()
