"""An accelerator's delegate, tried before it is used: why it cannot be used here, if so."""

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tinyedge import children
from tinyedge.devices.edgetpu.usb import Accelerator, find_accelerators
from tinyedge.devices.profile import RuntimeName
from tinyedge.system import INTERRUPTS
from tinyedge.tflite.model import file_for_programs

__all__ = ["why_not"]

# The first inference sends the firmware and all parameters over USB; a Raspberry Pi Zero takes
# seconds to import a runtime.
_PATIENCE = 120
_PACKAGE = "Coral's package libedgetpu1-std (coral.ai/docs/accelerator/get-started)"


def why_not(library: str, model: Path, runtimes: Sequence[RuntimeName]) -> str | None:
    """Why `model` cannot run through `library` here, and what to do; None where it did.

    It is tried in a process of its own, for a library built against another TFLite crashes.
    """
    probe = children.own_module("tinyedge.devices.runtime.probe", library)
    try:
        with file_for_programs(model) as file:
            done = children.run([*probe, str(file), *runtimes], timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return (
            f"{library} did not finish one inference within {_PATIENCE} seconds; unplug the"
            " accelerator, plug it in again, and see that no other program uses it"
        )
    if -done.returncode in INTERRUPTS:
        name = signal.Signals(-done.returncode).name
        return f"{library} was not tried to the end: its process was ended by {name}"
    if done.returncode < 0:
        return (
            f"{library} crashes with the TFLite runtime that is installed (signal"
            f" {-done.returncode}); Coral's libedgetpu 16.0 does with every tflite-runtime from"
            " 2.12 on (github.com/google-coral/edgetpu/issues/812): install one that was built for"
            " this runtime"
        )
    try:
        outcome = json.loads(done.stdout.splitlines()[-1])
        stage, error, message = outcome["stage"], outcome["error"], outcome["message"]
    except (IndexError, KeyError, TypeError, ValueError):
        said = done.stderr.strip().splitlines()[-1:]
        return f"{library} cannot be tried: {(said or ['its process said nothing'])[0]}"
    return _reason(library, stage, error, message, find_accelerators())


def _reason(
    library: str, stage: str, error: str, message: str, accelerators: list[Accelerator]
) -> str | None:
    """What an outcome of the probe means."""
    match stage, error:
        case "done", _:
            reason = None
        case "runtime", _:
            reason = message
        case "library", "OSError" if "No such file" in message:
            reason = f"{library} is not installed: install {_PACKAGE}"
        case "library", "OSError":
            reason = f"{library} cannot be loaded on this machine ({message}): install {_PACKAGE}"
        case "library", "AttributeError":
            reason = f"{library} is no TFLite delegate ({message}): install {_PACKAGE}"
        case "library", _:
            # The runtime's own words, before the library's.
            said = message.removeprefix(f"Failed to load delegate from {library}").strip()
            reason = f"{library} refuses: {_refusal(said, accelerators)}"
        case _:
            reason = f"{library} loads, but the {stage} fails through it: {message or error}"
    return reason


def _refusal(message: str, accelerators: list[Accelerator]) -> str:
    """Why a delegate that loads gives no access to an Edge TPU."""
    said = f" (it says: {message})" if message else ""
    if not accelerators:
        return (
            f"no Coral accelerator is plugged in{said}; see `lsusb`, and try another cable or port"
        )
    forbidden = [accelerator.node for accelerator in accelerators if not accelerator.usable]
    if len(forbidden) == len(accelerators):
        return (
            f"{forbidden[0]} may not be opened by this user{said}; type: sudo usermod -aG plugdev"
            " $USER, log in again, and plug the accelerator in anew"
        )
    return (
        f"the accelerator is plugged in but does not answer{said}; unplug it, plug it in again, and"
        " see that no other program uses it"
    )
