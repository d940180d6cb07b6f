"""How TensorFlow is imported."""

import subprocess
import sys


def test_no_search_for_cycles_looks_at_what_tensorflow_holds() -> None:
    program = """
import gc
from tinyedge.export.tensorflow import require_tensorflow
require_tensorflow()
searched, modules = len(gc.get_objects()), gc.get_freeze_count()
require_tensorflow()
print(searched, modules, gc.get_freeze_count())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    searched, modules, later = map(int, done.stdout.split())
    assert searched < 0.01 * modules
    # A caller's own are searched, whatever it makes before the second export.
    assert later <= modules
