"""Darknet's C engine (Debian's package darknet): the oracle of these tests.

Every call runs in a process of its own, since the engine ends its process on bad input. Pixels
are (height, width, channels) float32 in [0, 1]; outputs are flat, planar, as the engine has them.
"""

import ctypes
import functools
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LIBRARY = Path("/usr/lib/darknet/libdarknet.so")
_COMMAND = Path("/usr/bin/darknet")
# What option_list.c prints between the parts of a table's line.
_CHATTER = re.compile(r"\w+: Using default '[^']*'\n|Unused field: '.*'\n")


def is_installed() -> bool:
    """Whether both the command and the library are there."""
    return _LIBRARY.is_file() and _COMMAND.is_file()


def layer_table(cfg: Path) -> list[str]:
    """The layer table the engine prints while it loads `cfg`: the heading and a line a layer."""
    lines = _CHATTER.sub("", _run_ops(cfg).stderr).splitlines()
    return [line for line in lines if re.match(r"layer |[ \d]{5} ", line)]


def operations(cfg: Path) -> int:
    """What ``darknet ops`` counts for `cfg`."""
    found = re.search(r"Floating Point Operations: (\d+)$", _run_ops(cfg).stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"darknet ops said nothing about {cfg}")
    return int(found[1])


def predict(cfg: Path, weights: Path, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The network's whole output for one image; a trailing softmax included, a cost not."""
    return np.asarray(predict_each(cfg, weights, pixels[np.newaxis])[0])


def predict_each(cfg: Path, weights: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """`predict` for each of the images, in one process: (n, outputs)."""
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder, "pixels.npy"), Path(folder, "output.npy")
        np.save(given, images)
        _run([sys.executable, __file__, cfg, weights, given, answer])
        output: NDArray[np.float32] = np.load(answer)
        return output


def layer_output(
    cfg: Path, weights: Path, pixels: NDArray[np.float32], index: int
) -> NDArray[np.float32]:
    """The output of layer `index` (from 0): that of the network cut off behind it."""
    return np.asarray(layer_outputs(cfg, weights, pixels[np.newaxis], index)[0])


def layer_outputs(
    cfg: Path, weights: Path, images: NDArray[np.float32], index: int
) -> NDArray[np.float32]:
    """`layer_output` for each of the images, in one process: (n, numbers)."""
    parts = re.split(r"^(?=\s*\[)", cfg.read_text(), flags=re.MULTILINE)
    sections = [part for part in parts if part.lstrip().startswith("[")]
    if not 0 <= index < len(sections) - 1:
        raise IndexError(f"{cfg} has no layer {index}")
    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder, "cut.cfg")
        cut.write_text("".join(sections[: index + 2]))
        return predict_each(cut, weights, images)


@functools.cache
def _run_ops(cfg: Path) -> subprocess.CompletedProcess[str]:
    return _run([_COMMAND, "ops", cfg])


def _run(words: list[str | Path]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done


def _predict_here(cfg: str, weights: str, given: str, answer: str) -> None:
    engine = ctypes.CDLL(str(_LIBRARY))
    engine.load_network.restype = ctypes.c_void_p
    engine.network_predict.restype = ctypes.POINTER(ctypes.c_float)
    network = ctypes.c_void_p(engine.load_network(cfg.encode(), weights.encode(), 0))
    engine.set_batch_network(network, 1)
    outputs = []
    for pixels in np.load(given):
        planar = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)
        pointer = planar.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        output = engine.network_predict(network, pointer)
        outputs.append(np.ctypeslib.as_array(output, (engine.network_outputs(network),)).copy())
    np.save(answer, outputs)


if __name__ == "__main__":
    _predict_here(*sys.argv[1:])
