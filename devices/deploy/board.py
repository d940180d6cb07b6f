"""One board: reached, installed, tested and measured."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from tinyedge.accuracy.statistics import Verdict
from tinyedge.devices.bundle.archive import tar_gz
from tinyedge.devices.bundle.assembly import Bundle
from tinyedge.devices.bundle.target import Target, glibc_minor
from tinyedge.devices.deploy import answers, scripts
from tinyedge.devices.deploy.answers import (
    BoardFacts,
    ComparisonJson,
    RollbackJson,
    SelftestJson,
    last_error,
)
from tinyedge.devices.deploy.images import PackedImages
from tinyedge.devices.deploy.ssh import Finished, Ssh
from tinyedge.devices.profile import Profile, system_architecture
from tinyedge.errors import DeployError, TinyedgeError
from tinyedge.modelcard import CardKind
from tinyedge.progress import Progress

__all__ = ["BoardReport", "Comparing", "Service", "Step", "deploy_to", "roll_back"]

_NOTE = "note: "
# In the time a board has for its first answer: installing unpacks 130 MB and may download them, a
# self-test starts Python once and each model, a comparison runs two models on each photo.
_INSTALLING, _TESTING, _COMPARING, _A_PHOTO = 30, 10, 10, 1 / 3

Step = Literal["connect", "bundle", "install", "self-test", "compare", "rollback"]


@dataclass(frozen=True)
class Service:
    """A folder of a board to watch, and whether root's login may have root's service do it."""

    folder: str
    as_root: bool = False


@dataclass(frozen=True)
class Comparing:
    """An accuracy check to make on the board: two models' file names and labelled images.

    `max_drop` is its budget, points of top-1, or None for no verdict; `kind` what the model is
    called that is not float.
    """

    float_model: str
    int8_model: str
    images: PackedImages
    max_drop: float | None = None
    kind: CardKind = "int8"


@dataclass
class BoardReport:
    """What became of one board.

    Attributes:
        host: as ssh takes it.
        device: the profile's name.
        error: what went wrong, or None.
        step: the last one that was begun; `failed_at` where it failed.
        board: what the machine says it is, or None where it does not.
        python, architecture: of the board.
        prefix: where tinyedge is installed there.
        already_installed: whether that very bundle was there before.
        selftest: ``tinyedge selftest --json``, as the board printed it.
        memory: how many bytes of its memory were free when it was asked, or None.
        comparison: ``tinyedge compare --json``, likewise.
        rolled_back: the versions that it went back to, and from, or None.
        seconds: from the first connection to the end.
        notes: what a person should know of the board though all went well.
        fault: what was raised that tinyedge did not expect, or None.
    """

    host: str
    device: str
    step: Step = "connect"
    error: str | None = None
    board: str | None = None
    python: str | None = None
    architecture: str | None = None
    prefix: str | None = None
    already_installed: bool = False
    selftest: SelftestJson | None = None
    memory: int | None = None
    comparison: ComparisonJson | None = None
    rolled_back: RollbackJson | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    fault: Exception | None = None

    @property
    def failed_at(self) -> Step | None:
        """The step where something went wrong."""
        return self.step if self.error is not None else None

    @property
    def verdict(self) -> Verdict | None:
        """On the budget for the drop; None where none was given."""
        return None if self.comparison is None else self.comparison["verdict"]


def deploy_to(
    ssh: Ssh,
    profile: Profile,
    bundle_for: Callable[[Target], Bundle],
    *,
    prefix: str,
    service: Service | None,
    comparing: Comparing | None,
    progress: Progress,
) -> BoardReport:
    """Install a bundle on the board at the other end of `ssh`; what fails stands in the report.

    Args:
        ssh: the way there.
        profile: the board's.
        bundle_for: makes the bundle for what the board runs.
        prefix: where to install, as the board's shell would take it.
        service: one to start there, or None.
        comparing: an accuracy check to make there, or None.
        progress: told what is done.
    """
    with _reporting(ssh.host, profile.name, progress) as report:
        progress("connecting")
        facts = _probe(ssh, prefix, comparing)
        target = _note_facts(report, facts, profile, service)
        report.step = "bundle"
        progress("choosing wheels")
        bundle = bundle_for(target)
        report.step = "install"
        report.already_installed = facts.installed == bundle.identity and service is None
        if not report.already_installed:
            _check_fits(bundle, facts)
        finished = _install(
            ssh, bundle, facts, service=service, already=report.already_installed, progress=progress
        )
        report.notes += _notes(finished)
        report.step = "self-test"
        report.selftest = answers.selftest(finished)
        if not report.selftest["passed"]:
            raise DeployError("the models answer otherwise there: see the self-test")
        if comparing is not None:
            report.step = "compare"
            report.comparison = _compare(ssh, bundle, facts, comparing, progress)
    return report


def roll_back(ssh: Ssh, device: str, *, prefix: str, progress: Progress) -> BoardReport:
    """Put the bundle before into use again on the board at the other end of `ssh`.

    It is tested before; what fails stands in the report, and nothing is changed then. `device` is
    for the report alone, and `prefix` as of `deploy_to`.
    """
    with _reporting(ssh.host, device, progress) as report:
        progress("connecting")
        _put_facts(report, _probe(ssh, prefix, None))
        report.step = "rollback"
        progress("rolling back")
        words = [scripts.ROLLBACK_PYTHON, prefix]
        finished = ssh.run(scripts.ROLLBACK, words, seconds=_TESTING * ssh.timeout)
        report.notes += _notes(finished)
        report.rolled_back = answers.rollback(finished)
        report.selftest = report.rolled_back["selftest"]
    return report


@contextlib.contextmanager
def _reporting(host: str, device: str, progress: Progress) -> Iterator[BoardReport]:
    """A report that takes in how long the block takes, and what goes wrong in it."""
    report = BoardReport(host, device)
    start = time.monotonic()
    try:
        yield report
    # An OSError is this computer's, such as a full disk: boards that are done keep their reports.
    except (TinyedgeError, OSError) as error:
        report.error = str(error)
    # A fault of ours that one board's answers bring out is nothing to the others.
    except Exception as error:
        report.error = f"unexpected {type(error).__name__}: {error}"
        report.fault = error
    progress("failed" if report.error else "done")()
    report.seconds = time.monotonic() - start


def _notes(finished: Finished) -> list[str]:
    """Said once by the installer, and perhaps again by the test that follows it."""
    said = [line for line in finished.stderr.splitlines() if line.startswith(_NOTE)]
    return [line.removeprefix(_NOTE) for line in dict.fromkeys(said)]


def _probe(ssh: Ssh, prefix: str, comparing: Comparing | None) -> BoardFacts:
    images = comparing.images.identity if comparing else "none"
    words = [scripts.PROBE_PYTHON, prefix, images]
    return answers.board_facts(ssh.run(scripts.PROBE, words, seconds=ssh.timeout))


def _note_facts(
    report: BoardReport, facts: BoardFacts, profile: Profile, service: Service | None
) -> Target:
    """Put the facts into the report; what the board runs, where an install can go well there.

    Raises:
        DeployError, DeviceError: it cannot, and why.
    """
    architecture = _put_facts(report, facts)
    expected = profile.device_tree_model
    if expected is not None and not (report.board or "").startswith(expected):
        found = report.board or architecture
        report.notes.append(f"this is no {profile.description}: {found}")
    if profile.delegate_warning is not None:
        report.notes.append(profile.delegate_warning)
    name, version = (*facts.libc, "", "")[:2]
    target = Target(architecture, facts.python, glibc_minor(name, version)).checked()
    if name != "glibc":
        raise DeployError(
            f"no TFLite runtime has a wheel for its C library, {name or 'which is no glibc'}"
            f"{version and ' '}{version}: put a system with glibc on it, such as Raspberry Pi OS"
        )
    if facts.problem is not None:
        raise DeployError(facts.problem)
    if service is not None and facts.is_root and not service.as_root:
        raise DeployError(
            "a service does not run as root unless asked: log in as the user it is for, or add"
            " --root"
        )
    return target


def _put_facts(report: BoardReport, facts: BoardFacts) -> str:
    """What the board is, into its report; its architecture."""
    report.board, report.prefix, report.memory = facts.board, facts.prefix, facts.memory
    report.python = facts.python
    report.architecture = architecture = system_architecture(facts.machine, facts.bits)
    return architecture


def _check_fits(bundle: Bundle, facts: BoardFacts) -> None:
    """Raise a DeployError where the board has no room, or lacks Debian's packages."""
    needed = bundle.bytes + bundle.installed_bytes
    if facts.free < needed:
        raise DeployError(
            f"No space left on device: {facts.prefix} has {facts.free / 1e6:,.0f} MB free, and an"
            f" install needs {needed / 1e6:,.0f} MB"
        )
    if bundle.debian_packages and len(set(facts.modules)) < len(bundle.debian_packages):
        names = " ".join(bundle.debian_packages)
        raise DeployError(f"there are no wheels of these for this board: sudo apt install {names}")


def _install(
    ssh: Ssh,
    bundle: Bundle,
    facts: BoardFacts,
    *,
    service: Service | None,
    already: bool,
    progress: Progress,
) -> Finished:
    if already:
        progress("self-test")
        return ssh.run(scripts.SELFTEST, [facts.prefix], seconds=_TESTING * ssh.timeout)
    options = [] if service is None else ["--service", service.folder]
    options += ["--root"] if service is not None and service.as_root else []
    finished = _send(
        ssh,
        scripts.INSTALL,
        [facts.prefix, *options],
        tar_gz(bundle),
        seconds=(_INSTALLING + _TESTING) * ssh.timeout,
        progress=progress,
        doing="copying",
        then="installing",
    )
    # 1 is the self-test's, whose outcome the installer shows.
    if finished.code != 0:
        raise DeployError(last_error(finished))
    return finished


def _compare(
    ssh: Ssh, bundle: Bundle, facts: BoardFacts, comparing: Comparing, progress: Progress
) -> ComparisonJson:
    prefix, images = facts.prefix, comparing.images
    if not facts.has_images:
        finished = _send(
            ssh,
            scripts.IMAGES,
            [prefix, images.identity],
            images.archive,
            seconds=_TESTING * ssh.timeout,
            progress=progress,
            doing="copying photos",
        )
        if finished.code != 0:
            raise DeployError(last_error(finished))
    progress(f"comparing on {images.count} photos")
    models = [comparing.float_model, comparing.int8_model]
    words = [prefix, *models, images.identity, bundle.profile]
    if comparing.max_drop is not None:
        words += ["--max-drop", str(comparing.max_drop)]
    seconds = (_COMPARING + _A_PHOTO * images.count) * ssh.timeout
    return answers.comparison(ssh.run(scripts.COMPARE, words, seconds=seconds))


def _send(
    ssh: Ssh,
    script: str,
    words: list[str],
    content: bytes,
    *,
    seconds: float,
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

    return ssh.run(script, words, seconds=seconds, send=content, sent=sent)
