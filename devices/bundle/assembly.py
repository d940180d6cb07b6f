"""A bundle's files: the models, what runs them, and what installs and tests both."""

import io
import json
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tinyedge
from tinyedge.devices.bundle.board_wheel import board_wheel
from tinyedge.devices.bundle.reference import Reference, reference
from tinyedge.devices.bundle.target import Target
from tinyedge.devices.bundle.wheels import BoardWheels, download_wheels, requirement_lines
from tinyedge.devices.profile import check_runs_models, find_profile, profile_file
from tinyedge.devices.selftest import FORMAT, MANIFEST, BundledModel
from tinyedge.errors import DatasetError, DeviceError
from tinyedge.files import bytes_sha256, read_bytes
from tinyedge.text import is_plain_name
from tinyedge.tflite.model import read_tflite_bytes
from tinyedge.toml import MOST_BYTES

__all__ = ["CHECKSUMS", "INSTALLER", "Bundle", "answer", "assemble"]

CHECKSUMS = "SHA256SUMS"
INSTALLER = "install.sh"


@dataclass(frozen=True)
class Bundle:
    """What goes to a board.

    Attributes:
        name: of its folder, such as ``tinyedge-pi4``.
        profile: the path of the device's profile inside it.
        files: path inside it -> content, by path; `INSTALLER` alone is to be executable.
        debian_packages: what the board must have of its own.
        delegate: the shared library that the profile has the board load, or None.
    """

    name: str
    profile: str
    files: Mapping[str, bytes]
    debian_packages: tuple[str, ...] = ()
    delegate: str | None = None

    @property
    def identity(self) -> str:
        """The sha256 of its checksums: equal where all files are."""
        return bytes_sha256(self.files[CHECKSUMS])

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(map(len, self.files.values()))

    @property
    def installed_bytes(self) -> int:
        """Of all that an install puts on the disk beside the bundle; less than it takes there."""
        installed = 0
        for name, content in self.files.items():
            if not name.startswith("wheels/"):
                installed += len(content)
            elif not name.startswith("wheels/pip-"):
                with zipfile.ZipFile(io.BytesIO(content)) as wheel:
                    installed += sum(member.file_size for member in wheel.infolist())
        return installed


def answer(models: Sequence[Path], device: str) -> dict[Path, Reference]:
    """What each of `models` says here of an image, to be compared with `device`'s answer.

    Raises:
        DatasetError: two models have the same name, or one with anything but A-Z a-z 0-9 . _ -.
        DeviceError: there is no such device, or no model runs by it.
        MissingPackageError, ModelError, OSError: see `reference`.
    """
    _check_names(models)
    profile = find_profile(device)
    check_runs_models(profile)
    return {model: reference(model, profile) for model in models}


def assemble(
    answers: Mapping[Path, Reference], device: str, target: Target, *, online: bool = False
) -> Bundle:
    """Put together what `device` needs to run models; equal inputs give equal files.

    Args:
        answers: of the models, as `answer` gives them.
        device: a profile's name or file.
        target: what the board runs.
        online: leave the wheels out, for the board to download; their versions and hashes stay.

    Raises:
        DeviceError: there is no such device.
        FetchError: there are no wheels for the target, or they cannot be downloaded.
        MissingPackageError: this Python has no pip.
    """
    profile = find_profile(device)
    files: dict[str, bytes] = {}
    entries: list[BundledModel] = []
    for model, said in answers.items():
        entry: BundledModel = {
            "file": f"models/{model.name}",
            "picture": f"selftest/{model.name}.png",
            "runtime": [said.runtime, said.version],
            "quantized": said.quantized,
            "scores": list(said.scores),
        }
        entries.append(entry)
        files[f"models/{model.name}"] = read_tflite_bytes(model)
        files[f"selftest/{model.name}.png"] = said.image
    wheels = download_wheels(target)
    files |= _packages(wheels, online=online)
    profile_name = f"profile/{profile.name}.toml"
    files[profile_name] = read_bytes(
        profile_file(device), limit=MOST_BYTES, what="a device profile", error=DeviceError
    )
    # int8 is what a board is for; a float model beside it is there to be compared with.
    preferred = next((entry["file"] for entry in entries if entry["quantized"]), entries[0]["file"])
    manifest = {
        "format": FORMAT,
        "tinyedge": tinyedge.__version__,
        "device": profile.name,
        "profile": profile_name,
        "python": target.python,
        "architecture": target.architecture,
        "online": online,
        "debian_packages": wheels.debian_packages,
        "model": preferred,
        "models": entries,
    }
    files[MANIFEST] = (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode()
    installer = _installer(
        target,
        device=profile.name,
        model=preferred,
        debian_packages=wheels.debian_packages,
        online=online,
    )
    files[INSTALLER] = installer.encode()
    files = dict(sorted(files.items()))
    sums = [f"{bytes_sha256(content)}  {name}\n" for name, content in files.items()]
    files[CHECKSUMS] = "".join(sums).encode()
    return Bundle(
        f"tinyedge-{profile.name}", profile_name, files, wheels.debian_packages, profile.delegate
    )


def _check_names(models: Sequence[Path]) -> None:
    names = set()
    for model in models:
        if model.name in names:
            raise DatasetError(f"{model}: two models are called {model.name}; rename one")
        if not is_plain_name(model.name):
            raise DatasetError(
                f"{model}: on a board a file's name is letters, digits, . _ and - alone: rename it"
            )
        names.add(model.name)


def _packages(wheels: BoardWheels, *, online: bool) -> dict[str, bytes]:
    """The wheels and the requirements file that admits them alone."""
    own, content = board_wheel()
    pip = {name: wheel for name, wheel in wheels.files.items() if name.startswith("pip-")}
    others = {name: wheel for name, wheel in wheels.files.items() if name not in pip}
    # pip installs the others out of its own wheel, and is not installed itself.
    carried = {own: content, **pip, **({} if online else others)}
    files = {f"wheels/{name}": wheel for name, wheel in carried.items()}
    files["requirements.txt"] = requirement_lines({own: content, **others}).encode()
    return files


def _installer(
    target: Target, *, device: str, model: str, debian_packages: Sequence[str], online: bool
) -> str:
    # A 64-bit kernel may run a 32-bit system.
    machines = ("armv7l", "armv8l", "aarch64") if target.bits == 32 else (target.architecture,)
    accepted = [shlex.quote(f"{target.python} {name} {target.bits}") for name in machines]
    values = {
        "ACCEPTED": " | ".join(accepted),
        "ARCHITECTURE": shlex.quote(target.architecture),
        "DEBIAN_PACKAGES": shlex.quote(" ".join(debian_packages)),
        "DEVICE": shlex.quote(device),
        "INDEX_OPTIONS": "" if online else "--no-index",
        "MODEL": shlex.quote(model),
        "PYTHON": shlex.quote(target.python),
        "VENV_OPTIONS": "--system-site-packages" if debian_packages else "",
    }
    text = Path(__file__).with_name("install.sh").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
