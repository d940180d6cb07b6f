"""What loading a photo takes on an emulated board, before its inference: guest instructions.

    python -m benchmarks.emulated.loading BOARD PHOTO

A line a stage, millions, of the third time it runs in its process: Pillow's decoding alone, the
pixels of the crop in NumPy alone, the whole fit behind the decoding, exactly and fast, and all that
`tinyedge.images.load.load_input` does for a network of 224x224 pixels in int8, likewise.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks import run
from benchmarks.emulated.cores import CORES
from benchmarks.emulated.instruction_counter import marked
from benchmarks.emulated.measures import install_alone, site_packages
from tests.emulated_pi import emulated_pi

__all__ = ["STAGES", "loading_instructions"]

STAGES = (
    "Pillow's decoding",
    "the crop's pixels",
    "fit, pixels included",
    "fast fit",
    "fit of an array",
    "all",
    "all, fast",
)
"""In the order of loading_guest.py."""

_ROOT = Path(__file__).resolve().parents[2]
_GUEST = Path(__file__).with_name("loading_guest.py")
_MARKS = 4


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("board", choices=CORES)
    parser.add_argument("photo", type=Path)
    arguments = parser.parse_args()
    found = loading_instructions(arguments.board, arguments.photo.resolve())
    for stage, instructions in found.items():
        print(f"{stage:<18}{instructions / 1e6:>6.1f}")


def loading_instructions(board: str, photo: Path) -> dict[str, int]:
    """Of each stage, on bookworm.

    Raises:
        RuntimeError: the photo is not loaded there.
    """
    with tempfile.TemporaryDirectory() as folder:
        install_alone(_ROOT, Path(folder))
        pi = emulated_pi("bookworm", board)
        marks = marked(
            pi,
            ["/usr/bin/python3", _GUEST, photo],
            cache_bytes=1 << 20,
            environment={"PYTHONPATH": f"{folder}:{site_packages(pi)}"},
        )
    counts = [mark.instructions for mark in marks]
    ends = range(_MARKS - 1, len(counts), _MARKS)
    return {stage: counts[end] - counts[end - 1] for stage, end in zip(STAGES, ends, strict=True)}


if __name__ == "__main__":
    run(main)
