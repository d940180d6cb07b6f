"""Inferences on an emulated board, in a process with LiteRT and NumPy alone.

    python guest.py THREADS UNMARKED MARKED FILE...

Of each file, with random inputs: UNMARKED inferences, a call of getppid(), and MARKED more with
such a call behind each. Who counts the process's instructions sees the calls.
"""

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

threads, unmarked, marked = map(int, sys.argv[1:4])
for path in sys.argv[4:]:
    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        if details["dtype"] == np.float32:
            values = rng.normal(0, 1, details["shape"]).astype(np.float32)
        else:
            values = rng.integers(-128, 128, details["shape"]).astype(np.int8)
        interpreter.set_tensor(details["index"], values)
    for _ in range(unmarked):
        interpreter.invoke()
    os.getppid()
    for _ in range(marked):
        interpreter.invoke()
        os.getppid()
