"""Every classifier Darknet ships, through the check that makes docs/fidelity.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fidelity.check import Fidelity
from tests.support.shipped import CFGS, DARKNETS

pytestmark = pytest.mark.c_engine

# What runs every time: a small one, the page's reference, one with shortcuts, one of one channel.
SAMPLE = ("cifar", "darknet", "resnet18", "writing")
# These end in one channel, which the tuned quantizer once refused: no other may stand in for it.
ONE_CHANNEL = ("go", "writing")


@pytest.mark.parametrize(
    "name",
    [
        name if name in SAMPLE else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(DARKNETS)
    ],
)
def test_it_is_the_engines_network(name: str) -> None:
    # In a process of its own, so that the next one finds the memory free again.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fidelity.check", CFGS / f"{name}.cfg"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = Fidelity(**json.loads(done.stdout))
    assert found.shortcoming == ""
    assert found.quantizer == "tuned" or name not in ONE_CHANNEL
