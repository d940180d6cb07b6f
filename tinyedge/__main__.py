"""The process of ``tinyedge``, or ``python -m tinyedge``; a worker imports this without running it.

On a board the first answer is what people wait for: Python's collector looks for cycles rarely, as
there is hardly any of them while modules load, and a command that has nothing left to clear up ends
without taking every object apart.
"""

import gc
import os
import sys

# Objects that are made between two collections; Python's own 700 collect 80 times until an answer.
_SELDOM = 50_000


def main() -> None:
    """Run the command, and end the process as it says."""
    gc.set_threshold(_SELDOM)
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
