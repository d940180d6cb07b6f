"""``tinyedge check``."""

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import output_width, show
from tinyedge.cli.parameters import DEVICE, PATH, json_option
from tinyedge.errors import DeviceError, ModelError, TinyedgeWarning
from tinyedge.exit_codes import ExitCode
from tinyedge.json_values import as_object

if TYPE_CHECKING:
    from tinyedge.devices.profile import Profile
    from tinyedge.tflite.metadata import Metadata


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--device",
    type=DEVICE,
    default="coral-usb",
    show_default=True,
    metavar="NAME",
    help="Device profile with an Edge TPU, or of a microcontroller: a name or a .toml file.",
)
@click.option(
    "--runtime",
    type=click.IntRange(10, 14),
    help="The oldest runtime of the Edge TPU it shall run with [default: 14, the newest].",
)
@click.option(
    "--log",
    type=PATH,
    metavar="FILE",
    help="Where edgetpu_compiler's log goes [default: beside the model].",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    model: Path,
    device: str,
    runtime: int | None,
    log: Path | None,
    as_json: bool,
) -> None:
    """Say which operations of a .tflite file an accelerator or a microcontroller takes.

    MODEL is read as it is, without a runtime, and held against the published rules of the Edge
    TPU's compiler. Where edgetpu_compiler is on the PATH, it is run as well, and has the last word.

    With --device tflm it is held against the kernels of TFLite Micro, and its arena is told: by
    the package tflite-micro where that is installed, which has the last word, else by a rule.
    """
    from tinyedge.devices.edgetpu import report
    from tinyedge.devices.edgetpu.compiler import find_compiler, run_compiler
    from tinyedge.devices.edgetpu.partition import NEWEST_RUNTIME, partition
    from tinyedge.devices.edgetpu.rules import edgetpu_rules
    from tinyedge.devices.profile import find_profile
    from tinyedge.files import check_output_file
    from tinyedge.tflite.metadata import sound_metadata
    from tinyedge.tflite.model import read_tflite, read_tflite_bytes

    if log is not None:
        check_output_file(log, model)
    profile = find_profile(device)
    if profile.microcontroller:
        if runtime is not None or log is not None:
            raise click.UsageError(
                f"--runtime and --log are of the Edge TPU, which {device} is not"
            )
        context.exit(_check_microcontroller(model, profile, as_json=as_json))
    if profile.delegate is None or "edgetpu" not in profile.delegate:
        raise DeviceError(
            f"{device} has no Edge TPU and is no microcontroller, and check knows the rules of"
            " nothing else; use --device coral-usb or --device tflm"
        )
    rules = edgetpu_rules()
    found = partition(read_tflite(model), rules, runtime=runtime or NEWEST_RUNTIME)
    metadata = sound_metadata(read_tflite_bytes(model), model)
    compiler = find_compiler()
    compiled, text = None, ""
    if compiler is not None and not found.compiled:
        compiled, text = run_compiler(compiler, model, runtime=runtime)
    show(
        as_json,
        lambda: report.as_text(
            model,
            found,
            rules,
            compiled,
            metadata=metadata,
            mixed=_is_mixed(model),
            width=output_width(),
        ),
        lambda: {
            **_file_json(model, profile, metadata),
            **report.as_json(found, rules, compiled),
        },
    )
    whole = found.whole
    if compiled is not None and compiled.ran:
        _keep_log(text, log, model)
        whole = compiled.whole
    context.exit(ExitCode.DONE if whole else ExitCode.FAILED)


def _file_json(model: Path, profile: "Profile", metadata: "Metadata | None") -> dict[str, object]:
    """What the JSON of every device begins with."""
    return {
        "schema": "tinyedge.check/1",
        "model": str(model),
        "metadata": None if metadata is None else as_object(metadata),
        "device": profile.name,
    }


def _is_mixed(model: Path) -> bool:
    from tinyedge.modelcard import read_card

    # A damaged card is nothing to the Edge TPU.
    with contextlib.suppress(ModelError):
        card = read_card(model)
        return card is not None and card.is_mixed
    return False


def _check_microcontroller(model: Path, profile: "Profile", *, as_json: bool) -> ExitCode:
    from tinyedge.devices.tflm import report
    from tinyedge.devices.tflm.interpreter import is_installed, try_file
    from tinyedge.devices.tflm.kernels import find_kernels, tensor_arena_bytes
    from tinyedge.devices.tflm.rules import tflm_rules
    from tinyedge.tflite.check import check_named
    from tinyedge.tflite.metadata import sound_metadata
    from tinyedge.tflite.model import read_tflite_bytes

    content = read_tflite_bytes(model)
    parsed = check_named(content, model)
    tensor_bytes = tensor_arena_bytes(parsed.subgraphs[0])
    findings = report.Findings(
        operators=find_kernels(parsed, tflm_rules()),
        tensor_bytes=tensor_bytes,
        file_bytes=len(content),
        memory=profile.memory,
        trial=try_file(model, tensor_bytes=tensor_bytes) if is_installed() else None,
    )
    metadata = sound_metadata(content, model)
    show(
        as_json,
        lambda: report.as_text(model, findings, metadata=metadata, width=output_width()),
        lambda: {**_file_json(model, profile, metadata), **report.as_json(findings)},
    )
    return ExitCode.DONE if findings.runs else ExitCode.FAILED


def _keep_log(text: str, log: Path | None, model: Path) -> None:
    from tinyedge.files import write_together

    target = log or model.with_name(f"{model.stem}_edgetpu_compiler.log")
    try:
        write_together({target: text.encode()})
    except OSError as error:
        if log is not None:
            raise
        warnings.warn(
            f"{target}: the compiler's log cannot be kept ({error.strerror}); name another place"
            " with --log FILE",
            TinyedgeWarning,
            stacklevel=2,
        )
