"""One board: reached, installed, tested and measured."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypedDict, cast

from tinyedge.devices.bundle.archive import tar_gz
from tinyedge.devices.bundle.assembly import Bundle
from tinyedge.devices.bundle.target import Target, glibc_minor
from tinyedge.devices.deploy import scripts
from tinyedge.devices.deploy.images import PackedImages
from tinyedge.devices.deploy.ssh import Finished, Ssh
from tinyedge.devices.profile import Profile
from tinyedge.errors import DeployError, TinyedgeError
from tinyedge.progress import Progress

__all__ = ["BoardReport", "Comparing", "ComparisonJson", "SelftestJson", "Step", "deploy_to"]

_WHOLE_COMMAND_FAILED = 126
_NOTE = "note: "


class _BoardFacts(TypedDict):
    """What `scripts.PROBE` says of a board.

    ``libc`` is its C library's name and version, ``board`` what the device tree says or None,
    ``installed`` the identity of the bundle there or None.
    """

    prefix: str
    python: str
    machine: str
    bits: int
    libc: tuple[str, str]
    board: str | None
    installed: str | None
    has_images: bool


class _Tested(TypedDict):
    passed: bool


class SelftestJson(TypedDict):
    """What is read of ``tinyedge selftest --json``, which says more."""

    passed: bool
    models: list[_Tested]


class _Accuracy(TypedDict):
    top1: float


class _Drop(TypedDict):
    top1: float
    interval: list[float]


class ComparisonJson(TypedDict):
    """What is read of ``tinyedge compare --json``, which says more."""

    float: _Accuracy
    int8: _Accuracy
    drop: _Drop


Step = Literal["connect", "bundle", "install", "self-test", "compare"]


@dataclass(frozen=True)
class Comparing:
    """An accuracy check to make on the board: two models' file names and labelled images."""

    float_model: str
    int8_model: str
    images: PackedImages


@dataclass
class BoardReport:
    """What became of one board.

    Attributes:
        host: as ssh takes it.
        device: the profile's name.
        error: what went wrong, or None.
        failed_at: the step where it did.
        board: what the machine says it is, or None where it does not.
        python, architecture: of the board.
        prefix: where tinyedge is installed there.
        already_installed: whether that very bundle was there before.
        selftest: ``tinyedge selftest --json``, as the board printed it.
        comparison: ``tinyedge compare --json``, likewise.
        seconds: from the first connection to the end.
        notes: what a person should know of the board though all went well.
    """

    host: str
    device: str
    error: str | None = None
    failed_at: Step | None = None
    board: str | None = None
    python: str | None = None
    architecture: str | None = None
    prefix: str | None = None
    already_installed: bool = False
    selftest: SelftestJson | None = None
    comparison: ComparisonJson | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def deploy_to(
    ssh: Ssh,
    profile: Profile,
    bundle_for: Callable[[Target], Bundle],
    *,
    prefix: str,
    service: str | None,
    comparing: Comparing | None,
    progress: Progress,
) -> BoardReport:
    """Install a bundle on the board at the other end of `ssh`; what fails stands in the report.

    Args:
        ssh: the way there.
        profile: the board's.
        bundle_for: makes the bundle for what the board runs.
        prefix: where to install, as the board's shell would take it.
        service: a folder of the board to watch, or None.
        comparing: an accuracy check to make there, or None.
        progress: told what is done.
    """
    report = BoardReport(ssh.host, profile.name)
    start = time.monotonic()
    step: Step = "connect"
    try:
        progress("connecting")
        facts = _probe(ssh, prefix, comparing)
        target = _note_facts(report, facts, profile)
        step = "bundle"
        progress("choosing wheels")
        bundle = bundle_for(target)
        step = "install"
        report.already_installed = facts["installed"] == bundle.identity and service is None
        finished = _install(
            ssh, bundle, facts, service=service, already=report.already_installed, progress=progress
        )
        # Said once by the installer, and perhaps again by the test that follows it.
        said = [line for line in finished.stderr.splitlines() if line.startswith(_NOTE)]
        report.notes += [line.removeprefix(_NOTE) for line in dict.fromkeys(said)]
        step = "self-test"
        report.selftest = cast("SelftestJson", _json(finished, "the self-test"))
        if not report.selftest["passed"]:
            raise DeployError("the models answer otherwise there: see the self-test")
        if comparing is not None:
            step = "compare"
            report.comparison = _compare(ssh, bundle, facts, comparing, progress)
    # An OSError is this computer's, such as a full disk: boards that are done keep their reports.
    except (TinyedgeError, OSError) as error:
        report.error, report.failed_at = str(error), step
    progress("failed" if report.error else "done")()
    report.seconds = time.monotonic() - start
    return report


def _probe(ssh: Ssh, prefix: str, comparing: Comparing | None) -> _BoardFacts:
    images = comparing.images.identity if comparing else "none"
    finished = ssh.run(["python3", "-c", scripts.PROBE, prefix, images])
    if finished.code >= _WHOLE_COMMAND_FAILED:
        raise DeployError("it has no python3: sudo apt install python3 python3-venv")
    return cast("_BoardFacts", _json(finished, "Python there"))


def _note_facts(report: BoardReport, facts: _BoardFacts, profile: Profile) -> Target:
    # A 64-bit kernel may run a 32-bit system.
    machine = "armv7l" if facts["bits"] == 32 else facts["machine"]
    report.board, report.prefix = facts["board"], facts["prefix"]
    report.python, report.architecture = facts["python"], machine
    expected = profile.device_tree_model
    if expected is not None and not (report.board or "").startswith(expected):
        report.notes.append(f"this is no {profile.description}: {report.board or machine}")
    return Target(machine, facts["python"], glibc_minor(*facts["libc"])).checked()


def _install(
    ssh: Ssh,
    bundle: Bundle,
    facts: _BoardFacts,
    *,
    service: str | None,
    already: bool,
    progress: Progress,
) -> Finished:
    prefix = facts["prefix"]
    if already:
        progress("self-test")
        return ssh.run(["sh", "-c", scripts.SELFTEST, "tinyedge", prefix])
    options = [] if service is None else ["--service", service]
    finished = _send(
        ssh,
        scripts.INSTALL,
        [prefix, *options],
        tar_gz(bundle),
        progress=progress,
        doing="copying",
        then="installing",
    )
    # 1 is the self-test's, whose outcome the installer shows.
    if finished.code != 0:
        raise DeployError(_last_error(finished))
    return finished


def _compare(
    ssh: Ssh, bundle: Bundle, facts: _BoardFacts, comparing: Comparing, progress: Progress
) -> ComparisonJson:
    prefix, images = facts["prefix"], comparing.images
    if not facts["has_images"]:
        words = [prefix, images.identity]
        finished = _send(
            ssh, scripts.IMAGES, words, images.archive, progress=progress, doing="copying photos"
        )
        if finished.code != 0:
            raise DeployError(_last_error(finished))
    progress(f"comparing on {images.count} photos")
    models = [comparing.float_model, comparing.int8_model]
    words = [prefix, *models, images.identity, bundle.profile]
    finished = ssh.run(["sh", "-c", scripts.COMPARE, "tinyedge", *words])
    return cast("ComparisonJson", _json(finished, "compare"))


def _send(
    ssh: Ssh,
    script: str,
    words: list[str],
    content: bytes,
    *,
    progress: Progress,
    doing: str,
    then: str | None = None,
) -> Finished:
    """Run a script that takes `content` in; once all has gone the stage is `then`."""
    advance = progress(doing, len(content), unit="B")
    gone = 0

    def sent(count: int) -> None:
        nonlocal gone
        gone += count
        advance(count)
        if gone == len(content) and then is not None:
            progress(then)

    return ssh.run(["sh", "-c", script, "tinyedge", *words], send=content, sent=sent)


def _json(finished: Finished, what: str) -> dict[str, object]:
    """What a program of tinyedge's printed; an exit code of its own says more than 0 and 1."""
    try:
        # Some login scripts print a greeting first.
        found = json.loads(finished.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise DeployError(f"{what}: {_last_error(finished)}") from None
    if not isinstance(found, dict):
        raise DeployError(f"{what}: printed {finished.stdout.strip()!r}")
    return found


def _last_error(finished: Finished) -> str:
    """The line that says most: the error's, or a self-test's that failed, or the last."""
    lines = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
    lines += [line.strip() for line in finished.stdout.splitlines() if line.strip()]
    for sign in ("FAILED", "No space left", "error: ", "ERROR: "):
        found = [line for line in lines if sign in line]
        if found:
            return found[0].removeprefix("error: ")
    return lines[-1] if lines else f"ended with exit code {finished.code} and without a word"
