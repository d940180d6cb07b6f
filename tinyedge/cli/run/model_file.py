"""Which file ``tinyedge run`` runs, where the device has an accelerator."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.errors import DeviceError

if TYPE_CHECKING:
    from tinyedge.devices.profile import Profile
    from tinyedge.devices.runtime.model_file import RunnableFile

__all__ = ["file_to_run"]


def file_to_run(model: Path, profile: "Profile", *, require_delegate: bool) -> "RunnableFile":
    """`model` itself, or what stands in for it on the CPU, with a note on stderr.

    Raises:
        DeviceError: the accelerator cannot be used, and is required or no file stands in.
        ModelError: there is one, and the file is no .tflite.
        OSError: the file cannot be read.
    """
    from tinyedge.devices.runtime.model_file import RunnableFile

    if profile.delegate is not None:
        from tinyedge.devices.edgetpu.delegate import choose_file

        file = choose_file(model, profile, require=require_delegate)
        if file.note is not None:
            click.echo(f"note: {file.note}", err=True)
        return file
    if require_delegate:
        raise DeviceError(
            f"--require-delegate: {profile.name} has no accelerator; use --device coral-usb"
        )
    return RunnableFile(model)
