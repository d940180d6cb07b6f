"""Downloads into the cache: retried, checked, and in place only when whole.

No more is written than the file can have, and what begins on TLS is never led away from it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.errors import FetchError
from tinyedge.installation import export_package_missing
from tinyedge.progress import Progress
from tinyedge.temporary import put_into_place, temporary_folder
from tinyedge.zoo.cache import RemoteFile, mismatch

if TYPE_CHECKING:
    from requests import Response

__all__ = ["RETRIES", "download"]

RETRIES = 2
"""How often a failed download is tried again, after 1 s, 2 s, ..."""

_TIMEOUT_SECONDS = 20
_CHUNK_BYTES = 1 << 15
# Of a file whose size is not known, a list of labels or a .cfg.
_MOST_BYTES = 1 << 24
_MOST_REDIRECTS = 10


def download(files: Sequence[RemoteFile], *, progress: Progress, retries: int = RETRIES) -> None:
    """Download every file into the cache, replacing what stands in its place.

    A file goes into a temporary folder beside its target and is renamed only after its size and
    sha256 were checked.

    Args:
        files: what to download; each has a public address.
        progress: told of each file and its bytes.
        retries: how often a failed download is tried again.

    Raises:
        FetchError: a download failed or the cache cannot be written; it says which address and
            where to put the file. Files downloaded before that one stay.
        MissingPackageError: pooch is not installed.
    """
    try:
        import pooch  # noqa: F401
    except ModuleNotFoundError as error:
        raise export_package_missing("downloading", "pooch") from error
    for file in files:
        _download(file, retries, progress)


def _download(file: RemoteFile, retries: int, progress: Progress) -> None:
    import pooch
    import requests

    # pooch reports each attempt on stderr; what matters comes back as an exception.
    pooch.get_logger().setLevel("ERROR")
    name = file.path.name
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(file.path.parent) as folder:
            registry = pooch.create(
                path=folder,
                base_url="",
                registry={name: _known_hash(file)},
                urls={name: file.url},
                retry_if_failed=retries,
            )
            registry.fetch(name, downloader=_downloader(file, progress))
            # Temporary files are their owner's alone; a cache may be shared.
            (folder / name).chmod(0o644)
            put_into_place({folder: [(name, name)]})
    except (requests.exceptions.RequestException, ValueError) as error:
        raise FetchError(
            f"cannot download {file.url}: {_reason(error)};"
            f" try again, or put that file at {file.path}"
        ) from error
    except OSError as error:
        raise FetchError(
            f"cannot write {file.path} ({error.strerror or error}):"
            " name a folder that can be written in TINYEDGE_CACHE"
        ) from error


def _known_hash(file: RemoteFile) -> str | None:
    expected = file.expected_sha256
    return None if expected is None else f"sha256:{expected}"


def _downloader(file: RemoteFile, progress: Progress) -> Callable[[str, str, object], None]:
    """One attempt at `file`, as pooch calls it: ``(url, output_file, registry)``.

    pooch's own leaves the connection open when the server answers with an error, and checks the
    hash alone; the size tells another page in the file's place from a damaged file.
    """
    most = max(file.bytes, default=_MOST_BYTES)

    def attempt(url: str, output_file: str, registry: object) -> None:
        del registry
        advance = progress(file.name, max(file.bytes, default=None), unit="B")
        with _answer(url) as response, Path(output_file).open("wb") as stream:
            response.raise_for_status()
            left = most
            for chunk in response.iter_content(_CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    raise ValueError(f"what came has more than {most} bytes, all that it can have")
                stream.write(chunk)
                advance(len(chunk))
        if problem := mismatch(file, Path(output_file)):
            raise ValueError(f"what came {problem}")

    return attempt


def _answer(url: str) -> "Response":
    """The answer to a request, or to the last of those it is redirected to; to be closed.

    Raises:
        ValueError: https is redirected to something else, or there is no end of it.
        requests.exceptions.RequestException: there is no answer.
    """
    from urllib.parse import urljoin, urlsplit

    import requests

    for _ in range(_MOST_REDIRECTS):
        response = requests.get(url, stream=True, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
        if not response.is_redirect:
            return response
        response.close()
        before, url = url, urljoin(url, response.headers["location"])
        if urlsplit(before).scheme == "https" and urlsplit(url).scheme != "https":
            raise ValueError(f"it is redirected from https to {url}, which anybody could change")
    raise ValueError(f"it is redirected more than {_MOST_REDIRECTS} times")


def _reason(error: Exception) -> str:
    """A failed download in a few words; requests' own text prints its connection pool."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    # Each before what it is a kind of.
    reasons = {
        exceptions.Timeout: f"no answer in {_TIMEOUT_SECONDS} seconds",
        exceptions.ChunkedEncodingError: "the connection broke off",
        exceptions.SSLError: "the server's certificate is not trusted",
        exceptions.ConnectionError: "no connection",
        exceptions.RequestException: type(error).__name__,
    }
    return next((words for kind, words in reasons.items() if isinstance(error, kind)), str(error))
