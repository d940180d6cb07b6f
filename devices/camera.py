"""Images from a camera: of a Raspberry Pi by picamera2, of anything else by OpenCV."""

import contextlib
import importlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import DeviceError, MissingPackageError
from tinyedge.images.stream import ImageSource, SourceImage
from tinyedge.system import StopRequest, native_output_hidden
from tinyedge.text import shortened

__all__ = ["Camera", "CameraImages", "Frame", "open_camera"]

# The shorter side of what is asked of a Pi's camera, pixels: enough for any net, quick to make.
_SHORTER_SIDE = 720
# A Pi's camera needs this long to find its exposure and its white balance, seconds.
_SETTLING = 1.0
# RFC 3986, and FFmpeg's own form without slashes.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:)(//)?(\S*)")
# What FFmpeg reads over a network. Its others lead to files, pipes and addresses inside of theirs.
_NETWORK = frozenset(
    (
        *("http", "https", "rtsp", "rtsps", "rtmp", "rtmpe", "rtmps", "rtmpt", "rtmpte", "rtmpts"),
        *("rtp", "srtp", "srt", "rist", "tcp", "tls", "udp", "udplite", "mmsh", "mmst", "ftp"),
        *("sftp", "hls"),
    )
)
# Major number of Video4Linux's devices: Linux's devices.txt.
_VIDEO_DEVICES = 81
# How often who waits for a stream's next frame looks whether to stop, seconds.
_BETWEEN_LOOKS = 0.2


class Frame(NamedTuple):
    """An image, RGB, uint8, (height, width, 3), and when it was taken, or came in by a network."""

    pixels: NDArray[np.uint8]
    taken: datetime


class Camera(Protocol):
    """An open camera or video.

    Attributes:
        name: how it was opened, such as ``camera 0``.
        driver: the package and its version that reads it.
    """

    name: str
    driver: str

    def frame(self, stopped: Callable[[], bool]) -> Frame | None:
        """What it sees now; None after the end of a video, or once `stopped`.

        Raises:
            DeviceError: the camera gives no image.
        """

    def close(self) -> None:
        """Let others have the camera."""


class CameraImages(ImageSource):
    """What a camera sees, or a video holds, until the program is asked to stop."""

    ends = False

    def __init__(self, camera: Camera, stop: StopRequest, interval: float) -> None:
        """Take an image every `interval` seconds, at least 0."""
        self.announcement = f"{camera.name} by {camera.driver}"
        self._camera = camera
        self._stop = stop
        self._interval = interval

    def __iter__(self) -> Iterator[SourceImage]:
        """The images; those of a video one by one to its end.

        Raises:
            DeviceError: the camera gives no image, or the video holds none.
        """
        empty = True
        while not self._stop.made:
            frame = self._camera.frame(lambda: self._stop.made)
            if frame is None:
                if empty and not self._stop.made:
                    raise DeviceError(f"{self._camera.name} holds no image")
                return
            time_taken = frame.taken.isoformat(timespec="milliseconds")
            yield SourceImage(self._camera.name, frame.pixels, time=time_taken)
            empty = False
            self._stop.waited(self._interval)


def open_camera(source: str) -> Camera:
    """The camera of that number, or what OpenCV reads: a video file, a sequence, an address.

    Of an address (``http://``, ``rtsp://``) the newest frame is given and those before it are
    thrown away; a file or a sequence is given frame by frame.

    Raises:
        DeviceError: there is no such camera or video, or it is in use.
        MissingPackageError: neither picamera2 nor OpenCV is installed.
    """
    if re.fullmatch("[0-9]{10,}", source):  # more than the int that drivers take holds
        raise DeviceError(f"camera {shortened(source)} is none that there can be")
    number = int(source) if re.fullmatch("[0-9]+", source) else None
    picamera2 = _imported("picamera2") if number is not None else None
    if picamera2 and number is not None and number < len(picamera2.Picamera2.global_camera_info()):
        return _PiCamera(picamera2, number)
    cv2 = _imported("cv2")
    if cv2 is not None:
        # FFmpeg tells of each damaged frame, on stderr.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        if number is None:
            if _is_address(source):
                return _Stream(cv2, source)
            _check_file(source)
        return _OpenCvCamera(cv2, source, number)
    if picamera2 is not None:
        raise DeviceError(f"camera {source}: picamera2 finds no such camera")
    raise MissingPackageError(
        "no package reads a camera here. On a Raspberry Pi type: sudo apt install"
        " python3-picamera2, elsewhere on Debian python3-opencv (a virtual environment sees them if"
        " made with --system-site-packages); in a virtual environment also: pip install"
        " opencv-python-headless"
    )


def _imported(name: str) -> ModuleType | None:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise MissingPackageError(f"{name} does not import ({error})") from error
        return None
    except ImportError as error:
        raise MissingPackageError(f"{name} does not import ({error})") from error


class _PiCamera:
    def __init__(self, picamera2: ModuleType, number: int) -> None:
        self.name = f"camera {number}"
        self.driver = "picamera2"
        try:
            with native_output_hidden():
                self._camera = picamera2.Picamera2(number)
                self._start()
        except (RuntimeError, IndexError) as error:
            raise DeviceError(f"{self.name} cannot be opened by picamera2 ({error})") from error
        time.sleep(_SETTLING)

    def _start(self) -> None:
        width, height = self._camera.sensor_resolution
        scale = _SHORTER_SIDE / min(width, height)
        size = (round(width * scale / 2) * 2, round(height * scale / 2) * 2)
        # picamera2 names a format by its bytes in a word: BGR888 is R, G, B in memory. Without
        # a queue an image is taken after it was asked for, not before.
        configuration = self._camera.create_still_configuration(
            main={"format": "BGR888", "size": size}, queue=False
        )
        self._camera.configure(configuration)
        self._camera.start()

    def frame(self, stopped: Callable[[], bool]) -> Frame | None:
        del stopped
        taken = datetime.now(UTC)
        try:
            return Frame(np.asarray(self._camera.capture_array("main"), np.uint8), taken)
        except RuntimeError as error:
            raise DeviceError(f"{self.name} gives no image ({error})") from error

    def close(self) -> None:
        self._camera.close()


class _OpenCvCamera:
    """A camera by its number, or a video file or sequence, frame by frame."""

    def __init__(self, cv2: ModuleType, source: str, number: int | None) -> None:
        self.name = _shown(source) if number is None else f"camera {number}"
        self.driver = f"OpenCV {cv2.__version__}"
        self._live = number is not None
        self._capture = _opened(cv2, source if number is None else number, self.name, self.driver)
        # Of a sequence how many files there are; of a video an estimate, and so is not taken.
        sequence = "%" in os.path.basename(source)
        self._frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if sequence else 0
        self._taken = 0
        # A driver keeps images it took before anyone asked for them.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def frame(self, stopped: Callable[[], bool]) -> Frame | None:
        del stopped
        if self._live:
            self._capture.grab()
        grabbed, taken = self._capture.grab(), datetime.now(UTC)
        if grabbed:
            came, blue_first = self._capture.retrieve()
            if came:
                self._taken += 1
                return Frame(np.asarray(blue_first[:, :, ::-1]), taken)
        if self._live:
            raise DeviceError(f"{self.name} gives no image any more")
        # A damaged frame ends OpenCV's reading as the end does.
        if self._taken < self._frames:
            raise DeviceError(
                f"{self.name}: frame {self._taken + 1} of {self._frames} cannot be read, nor those"
                " behind it"
            )
        return None

    def close(self) -> None:
        self._capture.release()


class _Stream:
    """A stream by its address, whose frames a thread takes as they come, and throws away.

    What is asked for is the next that comes in, so that nothing waits in a queue. The address is
    named without the user and the password that may stand in it.
    """

    def __init__(self, cv2: ModuleType, source: str) -> None:
        self.name = _shown(source)
        self.driver = f"OpenCV {cv2.__version__}"
        self._capture = _opened(cv2, source, self.name, self.driver)
        self._wanted = threading.Event()
        self._came = threading.Event()
        self._closed = self._ended = False
        self._frame: Frame | None = None
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        try:
            while not self._closed and self._capture.grab():
                taken = datetime.now(UTC)
                if not self._wanted.is_set():
                    continue
                came, blue_first = self._capture.retrieve()
                if came:
                    self._wanted.clear()
                    self._frame = Frame(np.asarray(blue_first[:, :, ::-1]), taken)
                    self._came.set()
        finally:
            self._ended = True
            self._came.set()

    def frame(self, stopped: Callable[[], bool]) -> Frame | None:
        self._wanted.set()
        while not self._came.wait(_BETWEEN_LOOKS):
            if stopped():
                return None
        frame, self._frame = self._frame, None
        if frame is None:
            raise DeviceError(f"{self.name}: the stream has ended")
        self._came.clear()
        # The end that came just before would be waited for without an end.
        if self._ended:
            self._came.set()
        return frame

    def close(self) -> None:
        self._closed = True
        # A stream that gives nothing keeps the thread for as long as OpenCV waits; it ends with
        # the process then.
        self._thread.join(2 * _BETWEEN_LOOKS)
        if not self._thread.is_alive():
            self._capture.release()


def _opened(cv2: ModuleType, source: str | int, name: str, driver: str) -> Any:
    """OpenCV's capture of it.

    Raises:
        DeviceError: it cannot be opened.
    """
    try:
        with native_output_hidden():
            capture = cv2.VideoCapture(source)
    except cv2.error as error:
        raise DeviceError(f"{name} cannot be opened by {driver} ({error})") from error
    if not capture.isOpened():
        raise DeviceError(
            f"{name} cannot be opened by {driver}: is it there, may you read it, and does no other"
            " program use it?"
        )
    return capture


def _is_address(source: str) -> bool:
    """Whether it is read over a network; else it is a file, a sequence or a pipeline of GStreamer.

    Raises:
        DeviceError: it is neither, or no text.
    """
    try:
        source.encode()
    except UnicodeEncodeError as error:
        text = f"{_shown(source)}: OpenCV takes no name that is not UTF-8: rename it"
        raise DeviceError(text) from error
    found = _ADDRESS.match(source)
    kind = found[1][:-1].lower() if found else "file"
    if kind in _NETWORK:
        return True
    if kind != "file" and not os.path.exists(source):
        raise DeviceError(f"{_shown(source)} is no camera: {kind}: is not read over a network")
    return False


def _check_file(source: str) -> None:
    """Refuse what is there and OpenCV would wait at, before it is opened.

    Raises:
        DeviceError: a pipe, socket, folder or device that is no camera's, or in a sequence.
    """
    path = _path(source)
    for each in (path, *_frames(path)):
        try:
            status = os.stat(each)
        except (OSError, ValueError):
            continue  # the pattern of a sequence, or nothing
        camera = stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == _VIDEO_DEVICES
        if not (stat.S_ISREG(status.st_mode) or camera):
            name = _shown(source) if each == path else each
            raise DeviceError(f"{name} is no camera, video file or sequence: it is not opened")


def _path(source: str) -> str:
    return re.sub("^file:(//)?", "", source, flags=re.IGNORECASE)


def _frames(path: str) -> list[str]:
    """The files of the sequence that OpenCV makes of a name, by its %d or its digits."""
    folder, name = os.path.split(path)
    parts = re.split("%[0-9]*d|[0-9]+", name)
    if len(parts) == 1:
        return []
    numbered = re.compile("[0-9]+".join(map(re.escape, parts)))
    with contextlib.suppress(OSError):
        found = sorted(each for each in os.listdir(folder or ".") if numbered.fullmatch(each))
        return [os.path.join(folder, each) for each in found]
    return []


def _shown(source: str) -> str:
    """The source without what may be secret of its addresses: for whom they are, what they ask."""
    if os.path.exists(_path(source)):
        return source

    def without_secrets(address: re.Match[str]) -> str:
        kind, slashes, rest = address[1], address[2] or "", address[3]
        place, asks, secret = re.split(r"([?#]|$)", rest, maxsplit=1)
        # A password may have any character.
        place = "" if "@" in secret else place.rpartition("@")[2]
        return f"{kind}{slashes}{place}{'?...' if asks == '?' or '@' in secret else ''}"

    return _ADDRESS.sub(without_secrets, source)
