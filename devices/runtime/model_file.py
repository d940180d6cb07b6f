"""What is run of a model: which file, and through which library."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinyedge.devices.profile import Profile
from tinyedge.errors import DeviceError
from tinyedge.modelcard import ModelCard

__all__ = ["DelegateUse", "RunnableFile", "runnable_file"]

DelegateUse = Literal["preferred", "required", "exact"]


@dataclass(frozen=True)
class RunnableFile:
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
    from tinyedge.devices.edgetpu.delegate import choose_file, is_compiled

    if use == "exact" and not is_compiled(model):
        return RunnableFile(model)
    return choose_file(model, profile, require=use != "preferred")
