"""What is run of a model: which file, and through which library."""

from pathlib import Path
from typing import Literal, NamedTuple

from tinyedge.devices.profile import Profile
from tinyedge.errors import DeviceError
from tinyedge.modelcard import ModelCard, read_card

__all__ = ["DelegateUse", "RunnableFile", "runnable_file"]

_COMPILED_SUFFIX = "_edgetpu"

DelegateUse = Literal["preferred", "required", "exact"]


class RunnableFile(NamedTuple):
    """The file to run, and how.

    Attributes:
        path: of the file.
        delegate: the library to run it through; None for the CPU.
        card: for a compiled file, that of the file it was compiled from: the compiler drops it.
        note: what the user should know of the choice; None where it is as asked for.
    """

    path: Path
    delegate: str | None = None
    card: ModelCard | None = None
    note: str | None = None


def runnable_file(model: Path, profile: Profile, use: DelegateUse) -> RunnableFile:
    """What to run of `model` on a device; tries the delegate, if there is one, with one inference.

    Args:
        model: a .tflite.
        profile: of the device; where it has no delegate all runs on the CPU.
        use: ``preferred`` runs a compiled file through the delegate and, where that cannot be, a
            file for the CPU that lies beside it; ``required`` raises instead; ``exact`` runs the
            file that is named, a compiled one through the delegate and any other on the CPU.

    Raises:
        DeviceError: the delegate cannot be used, and has to be or no file stands in.
        ModelError: the device has a delegate, and the file is no .tflite.
        OSError: the file cannot be read.
    """
    if profile.delegate is None:
        if use == "required":
            raise DeviceError(
                f"--require-delegate: {profile.name} has no accelerator; use --device coral-usb"
            )
        return RunnableFile(model)
    if use == "exact" and not _is_compiled(model):
        return RunnableFile(model)
    return _with_delegate(model, profile, profile.delegate, require=use != "preferred")


def _with_delegate(model: Path, profile: Profile, delegate: str, *, require: bool) -> RunnableFile:
    from tinyedge.devices.runtime.delegate import why_not

    if _is_compiled(model):
        reason = why_not(delegate, model, profile.runtimes)
        if reason is None:
            return RunnableFile(model, delegate, _card(model))
    else:
        import shlex

        reason = (
            f"{model} is not compiled for the Edge TPU (on a Debian x86-64 machine with Coral's"
            f" package: {shlex.join(['edgetpu_compiler', model.name])})"
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


def _is_compiled(model: Path) -> bool:
    """Whether the file holds an operator that only an Edge TPU runs."""
    from tinyedge.tflite.check import check_named
    from tinyedge.tflite.model import COMPILED, read_tflite_bytes

    operators = check_named(read_tflite_bytes(model), model).subgraphs[0].operators
    return any(operator.custom and operator.name == COMPILED for operator in operators)


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
