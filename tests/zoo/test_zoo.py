"""The zoo against real files and a real web server on the loopback interface."""

import hashlib
import os
import pwd
import re
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import tinyedge
from tests.support import c_engine
from tests.support.shipped import CFGS
from tinyedge.darknet.layers import Layer
from tinyedge.darknet.network import read_network
from tinyedge.errors import FetchError, MissingPackageError, TinyedgeWarning
from tinyedge.progress import Advance, progress_shown
from tinyedge.zoo.cache import RemoteFile, cache_folder
from tinyedge.zoo.fetch import fetch, find_model, locate, network_cost
from tinyedge.zoo.models import MODELS, Cost, Model
from tinyedge.zoo.packaged import PackagedFile

CONTENT = bytes(range(256)) * 300
WRONG = b"<html>" + CONTENT[6:]
FASHION_CFG = PackagedFile("calib_data/fashion/fashion.cfg")


class Server(ThreadingHTTPServer):
    """Answers each request with the next status and body of `answers`; the last one stays."""

    daemon_threads = True
    answers: list[tuple[int, bytes, int]]
    requests: int

    def address(self, name: str = "net.weights") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def will_answer(self, *answers: tuple[int, bytes], announced: int | None = None) -> None:
        self.requests = 0
        self.answers = [
            (status, body, len(body) if announced is None else announced)
            for status, body in answers
        ]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        number = min(self.server.requests, len(self.server.answers) - 1)
        self.server.requests += 1
        status, body, announced = self.server.answers[number]
        self.send_response(status)
        self.send_header("Content-Length", str(announced))
        if status in (301, 302):
            self.send_header("Location", body.decode())
        self.end_headers()
        # A client may have enough.
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.will_answer((200, CONTENT))
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that does not exist yet."""
    path = tmp_path / "new" / "cache"
    monkeypatch.setenv("TINYEDGE_CACHE", str(path))
    # A proxy of the machine the tests run on is not asked for loopback addresses.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return path


@pytest.fixture
def closed_address() -> str:
    """An address of this machine where nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/net.weights"


def model_of(url: str | None) -> Model:
    """A model whose weights are CONTENT at `url` and whose .cfg ships with the package."""
    weights = RemoteFile(
        name="net/net.weights",
        url=url,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=(len(CONTENT),),
    )
    return Model("net", "a net", cfg=FASHION_CFG, weights=weights)


def unseen_model_of(url: str | None) -> Model:
    """The same, but nobody has seen the weights yet."""
    weights = RemoteFile("net/net.weights", url, None, (len(CONTENT) - 4, len(CONTENT)))
    return Model("net", "a net", cfg=FASHION_CFG, weights=weights)


def put(folder: Path, content: bytes) -> Path:
    path = folder / "net" / "net.weights"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_missing_file_is_downloaded_into_a_new_cache(server: Server, folder: Path) -> None:
    files = fetch(model_of(server.address()))
    assert files.weights == folder / "net" / "net.weights"
    assert files.weights.read_bytes() == CONTENT
    assert files.cfg.is_file()
    assert files.labels is None
    assert files_below(folder) == ["net/net.weights"]
    assert server.requests == 1


@pytest.mark.usefixtures("folder")
def test_a_downloaded_file_can_be_read_by_others(server: Server) -> None:
    weights = fetch(model_of(server.address())).weights
    assert stat.S_IMODE(weights.stat().st_mode) == 0o644


def test_what_is_there_is_not_downloaded_again(server: Server, folder: Path) -> None:
    put(folder, CONTENT)
    fetch(model_of(server.address()))
    assert server.requests == 0


def test_a_full_cache_may_be_read_only(closed_address: str, folder: Path) -> None:
    path = put(folder, CONTENT)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    folder.chmod(0o555)
    try:
        assert fetch(model_of(closed_address)).weights == path
        assert locate(model_of(closed_address)).weights == path
        assert files_below(folder) == ["net/net.weights"]
    finally:
        folder.chmod(0o755)
        path.parent.chmod(0o755)


@pytest.mark.parametrize("content", [WRONG, CONTENT[:-1], b""])
def test_fetch_replaces_a_wrong_file(server: Server, folder: Path, content: bytes) -> None:
    path = put(folder, content)
    fetch(model_of(server.address()))
    assert path.read_bytes() == CONTENT


@pytest.mark.usefixtures("folder")
def test_a_download_that_failed_is_tried_again(server: Server) -> None:
    server.will_answer((503, b"busy"), (200, CONTENT))
    weights = fetch(model_of(server.address()), retries=1).weights
    assert weights.read_bytes() == CONTENT
    assert server.requests == 2


@pytest.mark.parametrize(
    ("answer", "announced", "reason"),
    [
        ((404, b"no such file"), None, "the server answered 404 Not Found"),
        ((200, b"<html>sign in</html>"), None, "what came has 20 bytes, expected 76800"),
        ((200, WRONG), None, f"what came has sha256 {hashlib.sha256(WRONG).hexdigest()}"),
        ((200, CONTENT[:1000]), len(CONTENT), "the connection broke off"),
    ],
    ids=["404", "another page", "wrong content", "truncated"],
)
def test_a_failed_download_leaves_the_cache_as_it_was(
    server: Server, folder: Path, answer: tuple[int, bytes], announced: int | None, reason: str
) -> None:
    server.will_answer(answer, announced=announced)
    path = put(folder, b"older")
    with pytest.raises(FetchError) as caught:
        fetch(model_of(server.address()), retries=0)
    message = str(caught.value)
    assert message.startswith(f"cannot download {server.address()}: {reason}")
    assert message.endswith(f"put that file at {path}")
    assert "\n" not in message
    assert path.read_bytes() == b"older"
    assert files_below(folder) == ["net/net.weights"]


def test_offline_one_line_names_the_address_and_the_place(
    closed_address: str, folder: Path
) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(model_of(closed_address), retries=0)
    assert str(caught.value) == (
        f"cannot download {closed_address}: no connection;"
        f" try again, or put that file at {folder}/net/net.weights"
    )


def test_a_cache_that_cannot_be_made_is_named(server: Server, folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("in the way")
    with pytest.raises(FetchError, match=r"cannot write .*/net\.weights .*TINYEDGE_CACHE"):
        fetch(model_of(server.address()))


def test_a_folder_in_the_files_place_is_left_alone(server: Server, folder: Path) -> None:
    (folder / "net" / "net.weights").mkdir(parents=True)
    with pytest.raises(FetchError, match=r"net\.weights is not a file: delete it"):
        fetch(model_of(server.address()))
    assert files_below(folder) == []


def test_a_file_without_an_address_must_be_put_there(folder: Path) -> None:
    with pytest.raises(FetchError, match=r"is missing; it has no public address: put the file"):
        fetch(model_of(None))
    put(folder, CONTENT)
    assert fetch(model_of(None)).weights.read_bytes() == CONTENT


def test_locate_downloads_nothing(server: Server, folder: Path) -> None:
    with pytest.raises(FetchError) as caught:
        locate(model_of(server.address()))
    assert str(caught.value) == (
        f"{folder}/net/net.weights is missing: run `tinyedge fetch net`,"
        f" or put there {server.address()}"
    )
    assert server.requests == 0
    assert not folder.exists()


def test_locate_names_expected_and_found(folder: Path) -> None:
    put(folder, b"short")
    with pytest.raises(FetchError, match=r"has 5 bytes, expected 76800: delete it, then run"):
        locate(model_of("http://127.0.0.1/"))
    put(folder, WRONG)
    expected = (
        f"has sha256 {hashlib.sha256(WRONG).hexdigest()},"
        f" expected {hashlib.sha256(CONTENT).hexdigest()}: delete it"
    )
    with pytest.raises(FetchError, match=re.escape(expected)):
        locate(model_of("http://127.0.0.1/"))


@pytest.mark.usefixtures("folder")
def test_every_missing_file_is_named() -> None:
    with pytest.raises(FetchError) as caught:
        locate(MODELS["tiny"])
    assert str(caught.value).count("run `tinyedge fetch tiny`") == 3
    assert "\n" not in str(caught.value)
    assert "https://pjreddie.com/media/files/tiny.weights" in str(caught.value)


def test_a_download_stops_at_the_size_that_the_file_has(server: Server, folder: Path) -> None:
    server.will_answer((200, CONTENT + bytes(5_000_000)))
    progress = Counted()
    for model in (model_of(server.address()), unseen_model_of(server.address())):
        with pytest.raises(
            FetchError, match="what came has more than 76800 bytes, all that it can"
        ):
            fetch(model, progress=progress, retries=0)
    assert max(progress.counts) <= len(CONTENT)
    assert files_below(folder) == []


@pytest.mark.usefixtures("folder")
class TestRedirects:
    """From one address to another, and never away from TLS."""

    @pytest.fixture
    def secure(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
        """A server that speaks TLS, by a certificate made for it."""
        key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
        subprocess.run(
            [
                *(*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", key, "-out", certificate),
            ],
            check=True,
            capture_output=True,
        )
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with Server(("127.0.0.1", 0), Handler) as running:
            running.socket = context.wrap_socket(running.socket, server_side=True)
            thread = threading.Thread(target=running.serve_forever, args=(0.01,))
            thread.start()
            yield running
            running.shutdown()
            thread.join()

    def test_from_tls_to_tls(self, secure: Server) -> None:
        address = secure.address().replace("http:", "https:")
        secure.will_answer((302, b"/elsewhere"), (301, address.encode()), (200, CONTENT))
        assert fetch(model_of(address)).weights.read_bytes() == CONTENT
        assert secure.requests == 3

    def test_from_tls_to_plain(self, secure: Server, server: Server, folder: Path) -> None:
        address = secure.address().replace("http:", "https:")
        secure.will_answer((302, server.address().encode()))
        with pytest.raises(FetchError) as caught:
            fetch(model_of(address), retries=0)
        assert str(caught.value).startswith(
            f"cannot download {address}: it is redirected from https to {server.address()},"
        )
        assert files_below(folder) == []

    def test_from_plain_to_plain(self, server: Server) -> None:
        server.will_answer((302, server.address("other").encode()), (200, CONTENT))
        assert fetch(model_of(server.address())).weights.read_bytes() == CONTENT

    def test_in_circles(self, server: Server) -> None:
        server.will_answer((302, b"/net.weights"))
        with pytest.raises(FetchError, match="it is redirected more than 10 times"):
            fetch(model_of(server.address()), retries=0)
        assert server.requests == 10


def test_progress_counts_the_bytes(server: Server, folder: Path) -> None:
    progress = Counted()
    fetch(model_of(server.address()), progress=progress)
    assert progress.stages == [("net/net.weights", len(CONTENT), "B")]
    assert progress.counts == [len(CONTENT)]
    assert files_below(folder) == ["net/net.weights"]


def test_progress_begins_again_at_a_retry(server: Server, folder: Path) -> None:
    server.will_answer((200, WRONG), (200, CONTENT))
    progress = Counted()
    fetch(model_of(server.address()), progress=progress, retries=1)
    assert progress.counts == [len(WRONG), len(CONTENT)]
    assert files_below(folder) == ["net/net.weights"]


def test_nothing_is_shown_without(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(model_of(server.address()))
    assert capsys.readouterr() == ("", "")
    assert files_below(folder) == ["net/net.weights"]


class Counted:
    """A `Progress` that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None, str]] = []
        self.counts: list[int] = []

    def __call__(
        self,
        description: str,
        steps: int | None = 1,
        *,
        weight: float = 1.0,
        total: float | None = None,
        unit: str = "",
    ) -> Advance:
        del weight, total
        self.stages.append((description, steps, unit))
        self.counts.append(0)

        def advance(count: int = 1, /) -> None:
            self.counts[-1] += count

        return advance


def test_a_missing_package_says_what_to_install(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pooch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(
        MissingPackageError, match=r"pooch, which tinyedge-darknet\[export\] brings"
    ):
        fetch(model_of(server.address()))
    put(folder, CONTENT)
    assert fetch(model_of(server.address())).weights is not None


def test_without_rich_a_download_is_a_line(
    server: Server,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with progress_shown(on_terminal=True) as progress:
        fetch(model_of(server.address()), progress=progress)
    assert capsys.readouterr() == ("", "net/net.weights\n")
    assert files_below(folder) == ["net/net.weights"]


def test_the_platforms_cache_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("TINYEDGE_CACHE", raising=False)
        else:
            monkeypatch.setenv("TINYEDGE_CACHE", unset)
        monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
        assert cache_folder() == Path("/somewhere/tinyedge")


@pytest.mark.parametrize("caches", ["/somewhere", "", None])
def test_without_platformdirs_the_cache_is_where_that_would_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caches: str | None
) -> None:
    monkeypatch.delenv("TINYEDGE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if caches is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", caches)
    said = cache_folder()
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert cache_folder() == said


@pytest.mark.parametrize("packages", [{}, {"platformdirs": None}])
def test_a_cache_in_a_home_that_nobody_knows_is_an_error(
    monkeypatch: pytest.MonkeyPatch, packages: dict[str, None]
) -> None:
    """As of a service's user; a folder called ~ would be made else."""
    for name, module in packages.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])
    for named in ("~nobody-of-that-name/cache", "~/cache", ""):
        monkeypatch.setenv("TINYEDGE_CACHE", named)
        with pytest.raises(FetchError, match="there is no folder for the cache"):
            cache_folder()


def test_the_zoo_imports_nothing_of_the_export_extra() -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:]));"
    names = ["pooch", "requests", "rich", "platformdirs", "tensorflow", "keras", "numpy"]
    subprocess.run(
        [sys.executable, "-c", f"{blocked} import tinyedge.zoo.fetch", *names],
        check=True,
        cwd=Path(tinyedge.__file__).parents[1],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_models_are_found_by_name() -> None:
    assert [model.name for model in MODELS.values()] == list(MODELS)
    assert {"fashion", "tiny", "darknet", "alexnet", "squeezenet"} <= set(MODELS)
    assert find_model("tiny") is MODELS["tiny"]
    assert find_model("tiny.cfg") is None


def test_the_packaged_model_needs_no_cache(folder: Path) -> None:
    files = locate(MODELS["fashion"])
    assert fetch(MODELS["fashion"]) == files
    for path in (files.cfg, files.weights, files.labels):
        assert path is not None
        assert path.is_file()
    for path in (files.calibration, files.test):
        assert path is not None
        assert path.is_dir()
    assert not folder.exists()


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["tiny", "squeezenet"])
def test_the_real_files_are_the_expected_ones(cache: Path, name: str) -> None:
    files = locate(MODELS[name])
    assert files.weights == cache / name / f"{name}.weights"
    assert files.ids is not None
    assert files.ids.read_text().splitlines()[0] == "n02119789"


class TestPinning:
    """A file nobody has seen: the first fetch keeps its sha256."""

    def test_the_first_fetch_pins_and_says_so(self, server: Server, folder: Path) -> None:
        digest = hashlib.sha256(CONTENT).hexdigest()
        with pytest.warns(TinyedgeWarning) as said:
            fetch(unseen_model_of(server.address()))
        assert [str(warning.message) for warning in said] == [
            f"{folder}/net/net.weights: trusted as it came, for nobody has vouched for this file;"
            f" its sha256, {digest}, is kept in net.weights.sha256 and must be the same from now on"
        ]
        assert (folder / "net" / "net.weights.sha256").read_text() == f"{digest}\n"

    def test_the_second_is_silent_and_downloads_nothing(self, server: Server, folder: Path) -> None:
        model = unseen_model_of(server.address())
        with pytest.warns(TinyedgeWarning):
            fetch(model)
        fetch(model)
        assert locate(model).weights == folder / "net" / "net.weights"
        assert server.requests == 1

    def test_a_pinned_file_that_changed_is_named(self, server: Server, folder: Path) -> None:
        model = unseen_model_of(server.address())
        with pytest.warns(TinyedgeWarning):
            fetch(model)
        put(folder, WRONG)
        with pytest.raises(FetchError, match=r"delete it and net\.weights\.sha256, then run"):
            locate(model)
        fetch(model)
        assert (folder / "net" / "net.weights").read_bytes() == CONTENT

    def test_a_changed_download_is_refused(self, server: Server, folder: Path) -> None:
        model = unseen_model_of(server.address())
        with pytest.warns(TinyedgeWarning):
            fetch(model)
        (folder / "net" / "net.weights").unlink()
        server.will_answer((200, WRONG))
        with pytest.raises(FetchError, match="what came has sha256"):
            fetch(model, retries=0)
        assert files_below(folder) == ["net/net.weights.sha256"]

    @pytest.mark.parametrize("content", [CONTENT[:-8], b"<html>sign in</html>"])
    def test_the_floats_must_be_as_many_as_the_cfg_takes(
        self, server: Server, folder: Path, content: bytes
    ) -> None:
        server.will_answer((200, content))
        expected = f"what came has {len(content)} bytes, expected 76796 or 76800;"
        with pytest.raises(FetchError, match=expected):
            fetch(unseen_model_of(server.address()), retries=0)
        assert files_below(folder) == []

    def test_a_file_put_there_is_pinned_or_refused_by_its_size(
        self, server: Server, folder: Path
    ) -> None:
        put(folder, CONTENT[:-1])
        with pytest.raises(FetchError, match="has 76799 bytes, expected 76796 or 76800: delete it"):
            fetch(unseen_model_of(server.address()))
        put(folder, WRONG)
        with pytest.warns(TinyedgeWarning, match=hashlib.sha256(WRONG).hexdigest()):
            fetch(unseen_model_of(server.address()))
        assert server.requests == 0

    def test_where_no_pin_can_be_written_the_work_goes_on(
        self, server: Server, folder: Path
    ) -> None:
        path = put(folder, CONTENT)
        (folder / "net" / "net.weights.sha256").mkdir()
        digest = hashlib.sha256(CONTENT).hexdigest()
        with pytest.warns(TinyedgeWarning, match=f"{digest}, cannot be kept beside it"):
            assert fetch(unseen_model_of(server.address())).weights == path


class TestModels:
    """What the zoo says of its models."""

    @pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
    def test_a_cfg_that_ships_is_read_without_a_word(self, model: Model) -> None:
        if isinstance(model.cfg, RemoteFile):
            assert model.cost is not None
            return
        network = read_network(model.cfg.path)
        assert network_cost(model) == Cost(network.operations, network.parameters)
        assert f" {network.input.width}x{network.input.height} " in model.title
        assert f" {network.output.elements} " in model.title

    @pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
    def test_the_weights_have_the_size_their_cfg_takes(self, model: Model) -> None:
        if isinstance(model.weights, RemoteFile):
            floats = network_cost(model).weight_bytes
            assert {16 + floats, 20 + floats} >= set(model.weights.bytes)

    @pytest.mark.c_engine
    @pytest.mark.parametrize("name", sorted(MODELS.keys() - {"fashion", "squeezenet"}))
    def test_what_is_said_is_true_of_darknets_cfg(self, name: str) -> None:
        model = MODELS[name]
        theirs = CFGS / f"{name}.cfg"
        network = read_network(theirs)
        assert network_cost(model) == Cost(c_engine.operations(theirs), network.parameters)
        assert f" {network.input.width}x{network.input.height} " in model.title
        assert network.output.elements == 1000
        if isinstance(model.cfg, PackagedFile):
            assert c_engine.layer_table(model.cfg.path) == c_engine.layer_table(theirs)
            assert layers_of(model.cfg.path) == layers_of(theirs)

    @pytest.mark.real_data
    def test_squeezenets_cfg_is_that_of_the_weights(self, cache: Path) -> None:
        theirs = cache / "squeezenet" / "squeezenet.cfg"
        assert layers_of(MODELS["squeezenet"].cfg.path) == layers_of(theirs)


def layers_of(cfg: Path) -> list[Layer]:
    """The network's layers, wherever in the file they stand."""
    return [replace(layer, line=0) for layer in read_network(cfg).layers]
