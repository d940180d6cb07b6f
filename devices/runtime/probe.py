"""One inference through a delegate, in a process of its own: ``python -m`` this module.

The arguments are the delegate's library, a model, and the runtimes to try. What becomes of it is
one line of JSON on stdout: `stage` is ``done`` or where it ended, `error` the exception's type, and
`message` its text. A library that crashes leaves no line, only a signal.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tinyedge.devices.profile import RuntimeName

__all__ = ["main"]


def main(library: str, model: Path, runtimes: "list[RuntimeName]") -> dict[str, str]:
    """Load `library`, then `model` through it, and run one inference on zeros."""
    from tinyedge.devices.runtime.runtimes import find_runtime
    from tinyedge.system import native_output_hidden
    from tinyedge.tflite.model import read_tflite_bytes

    stage = "runtime"
    try:
        runtime = find_runtime(runtimes)
        stage = "library"
        with native_output_hidden():
            delegate = runtime.load_delegate(library)
        stage = "model"
        interpreter = runtime.load(read_tflite_bytes(model), threads=1, delegates=[delegate])
        stage = "inference"
        with native_output_hidden():
            interpreter.invoke()
    except Exception as error:  # whatever it is, the process that asks must hear of it
        text = " ".join(str(error).split())
        return {"stage": stage, "error": type(error).__name__, "message": text}
    return {"stage": "done", "error": "", "message": ""}


if __name__ == "__main__":
    named = cast("list[RuntimeName]", sys.argv[3:])
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), named), allow_nan=False), flush=True)
