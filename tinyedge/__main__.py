"""The process of ``tinyedge``, or ``python -m tinyedge``; a worker imports this without running it.

On a board the first answer is what people wait for: Python's collector looks for cycles rarely, as
there is hardly any of them while modules load, modules that nobody may look at load when somebody
does, and a command that has nothing left to clear up ends without taking every object apart.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

# Objects that are made between two collections; Python's own 700 collect 80 times until an answer.
_SELDOM = 50_000
# Libraries import these, and commands have hardly a use for them: NumPy's texts on what it has in
# C, Pillow's names of tags and how it calls djpeg, the addresses in pathlib's URLs. Together they
# take a board half as long as an inference of Tiny Darknet.
_LOADED_WHEN_USED = (
    "numpy._core._add_newdocs",
    "numpy._core._add_newdocs_scalars",
    # NumPy 1's, which 32-bit boards have.
    "numpy.core._add_newdocs",
    "numpy.core._add_newdocs_scalars",
    "PIL.ExifTags",
    "PIL.TiffTags",
    "ipaddress",
    "subprocess",
)


class _LazyFinder:
    """Finds the modules `_LOADED_WHEN_USED`, as Python would, with a loader that waits."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What `importlib.abc.MetaPathFinder.find_spec` gives; None of any other module."""
        spec = PathFinder.find_spec(name, path, target) if name in _LOADED_WHEN_USED else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def main() -> None:
    """Run the command, and end the process as it says."""
    gc.set_threshold(_SELDOM)
    sys.meta_path.insert(0, _LazyFinder)
    # NumPy's OpenBLAS: its threads wait by spinning, and its sums hang on how many they are, and so
    # would a file's bytes on the machine's cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tinyedge.cli import main as command
    from tinyedge.exit_codes import NothingLeft

    try:
        command()
    except NothingLeft:
        # What cannot be written is told by the usual way out.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
