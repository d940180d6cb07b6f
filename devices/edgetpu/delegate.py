"""The Edge TPU through its delegate: tried before it is trusted, and the CPU where it fails."""

import json
import subprocess
import sys
from pathlib import Path

from tinyedge.devices.edgetpu.partition import COMPILED
from tinyedge.devices.edgetpu.usb import Accelerator, find_accelerators
from tinyedge.devices.profile import Profile
from tinyedge.devices.runtime.model_file import RunnableFile
from tinyedge.errors import DeviceError
from tinyedge.modelcard import ModelCard, read_card
from tinyedge.tflite.model import read_tflite

__all__ = ["choose_file", "is_compiled", "why_not"]

# The first inference sends the firmware and all parameters over USB; a Raspberry Pi Zero takes
# seconds to import a runtime.
_PATIENCE = 120
_COMPILED_SUFFIX = "_edgetpu"
_PACKAGE = "Coral's package libedgetpu1-std (coral.ai/docs/accelerator/get-started)"


def choose_file(model: Path, profile: Profile, *, require: bool = False) -> RunnableFile:
    """What to run of `model` by a profile with an Edge TPU; tries the delegate with one inference.

    A file that was not compiled for the Edge TPU runs on the CPU, and so does one that was where
    the delegate is of no use: then the int8 file beside it stands in.

    Raises:
        DeviceError: `require`, and the Edge TPU cannot be used; or no other file stands in.
        ModelError: the file is no .tflite.
        OSError: it cannot be read.
    """
    assert profile.delegate is not None
    if is_compiled(model):
        reason = why_not(profile.delegate, model, profile.runtimes)
        if reason is None:
            return RunnableFile(model, profile.delegate, _card(model))
    else:
        reason = (
            f"{model} is not compiled for the Edge TPU (on a Debian x86-64 machine with Coral's"
            f" package: edgetpu_compiler {model.name})"
        )
    if require:
        raise DeviceError(reason)
    stand_in = _stand_in(model)
    if stand_in == model:
        return RunnableFile(model, note=f"{reason}; running it on the CPU")
    if stand_in is None:
        names = " or ".join(_cpu_names(model))
        raise DeviceError(f"{reason}; put {names} beside it to run on the CPU instead")
    return RunnableFile(stand_in, note=f"{reason}; running {stand_in} on the CPU instead")


def is_compiled(model: Path) -> bool:
    """Whether the file holds an operator that only an Edge TPU runs.

    Raises:
        ModelError: it is no .tflite.
        OSError: it cannot be read.
    """
    operators = read_tflite(model).subgraphs[0].operators
    return any(operator.custom and operator.name == COMPILED for operator in operators)


def why_not(library: str, model: Path, runtimes: tuple[str, ...]) -> str | None:
    """Why `model` cannot run through `library` here, and what to do; None where it did.

    It is tried in a process of its own, for a library built against another TFLite crashes.
    """
    command = [sys.executable, "-m", "tinyedge.devices.edgetpu.probe", library, str(model)]
    try:
        done = subprocess.run(
            [*command, *runtimes],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return (
            f"{library} did not finish one inference within {_PATIENCE} seconds; unplug the"
            " accelerator, plug it in again, and see that no other program uses it"
        )
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
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
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


def _cpu_names(model: Path) -> list[str]:
    """The files that a CPU can run in place of `model`, best first."""
    stem = model.stem.removesuffix(_COMPILED_SUFFIX)
    names = [stem.removesuffix("_coral") + "_int8"] if stem.endswith("_coral") else []
    return [f"{name}.tflite" for name in (*names, stem)]


def _stand_in(model: Path) -> Path | None:
    """The first of them that is there; a coral file itself is slow on a CPU, for its PReLU."""
    for name in _cpu_names(model):
        path = model.with_name(name)
        if path.is_file():
            return path
    return None


def _card(model: Path) -> ModelCard | None:
    """A compiled file's own card, or that of a file it may have been compiled from."""
    for path in (model, *(model.with_name(name) for name in reversed(_cpu_names(model)))):
        if path.is_file() and (card := read_card(path)) is not None:
            return card
    return None
