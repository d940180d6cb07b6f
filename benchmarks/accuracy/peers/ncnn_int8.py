"""ncnn: whether its int8 tools are here."""

import importlib.metadata
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.peers.session import PackageMissingError

__all__ = ["quantize"]

_TOOLS = ("ncnn2table", "ncnn2int8")


def quantize(network: Path, calibration: NDArray[np.float32], folder: Path) -> None:
    """Refuse: ncnn's wheel runs int8 models, but has no tool that makes one.

    Raises:
        PackageMissingError: always; it says which tools are missing, or unknown to this script.
    """
    del network, calibration, folder
    version = importlib.metadata.version("ncnn")
    files = {Path(str(file)).stem for file in importlib.metadata.files("ncnn") or ()}
    missing = [tool for tool in _TOOLS if tool not in files and shutil.which(tool) is None]
    if not missing:
        raise PackageMissingError("ncnn's int8 tools are here, but no use is made of them yet")
    raise PackageMissingError(
        f"the package ncnn {version} runs int8 models but brings no {' or '.join(missing)},"
        " the tools that calibrate and write one, and none is on the PATH; of release 1.0.20261020"
        " the source archive on PyPI leaves tools/ out, the package pnnx converts only, and Debian"
        " 12 has no package of ncnn"
    )
