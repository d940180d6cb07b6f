"""Images from a camera: of a Raspberry Pi by picamera2, of anything else by OpenCV."""

import importlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import DeviceError, MissingPackageError
from tinyedge.images.stream import ImageSource, SourceImage
from tinyedge.system import StopRequest, native_output_hidden

__all__ = ["Camera", "CameraImages", "open_camera"]

# The shorter side of what is asked of a Pi's camera, pixels: enough for any net, quick to make.
_SHORTER_SIDE = 720
# A Pi's camera needs this long to find its exposure and its white balance, seconds.
_SETTLING = 1.0


class Camera(Protocol):
    """An open camera or video.

    Attributes:
        name: how it was opened, such as ``camera 0``.
        driver: the package and its version that reads it.
    """

    name: str
    driver: str

    def image(self) -> NDArray[np.uint8] | None:
        """What it sees now, RGB, (height, width, 3); None after the end of a video.

        Raises:
            DeviceError: the camera gives no image.
        """

    def close(self) -> None:
        """Let others have the camera."""


class CameraImages(ImageSource):
    """What a camera sees, or a video holds, until the program is asked to stop."""

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
            time_taken = datetime.now(UTC).isoformat(timespec="milliseconds")
            pixels = self._camera.image()
            if pixels is None:
                if empty:
                    raise DeviceError(f"{self._camera.name} holds no image")
                return
            yield SourceImage(self._camera.name, pixels, time=time_taken)
            empty = False
            self._stop.waited(self._interval)


def open_camera(source: str) -> Camera:
    """The camera of that number, or a video that OpenCV reads: a file, an address, a sequence.

    Raises:
        DeviceError: there is no such camera or video, or it is in use.
        MissingPackageError: neither picamera2 nor OpenCV is installed.
    """
    number = int(source) if source.isdecimal() else None
    picamera2 = _imported("picamera2") if number is not None else None
    if picamera2 and number is not None and number < len(picamera2.Picamera2.global_camera_info()):
        return _PiCamera(picamera2, number)
    cv2 = _imported("cv2")
    if cv2 is not None:
        return _OpenCvCamera(cv2, source, number)
    if picamera2 is not None:
        raise DeviceError(f"camera {source}: picamera2 finds no such camera")
    raise MissingPackageError(
        "no package reads a camera here. On a Raspberry Pi type: sudo apt install"
        " python3-picamera2 (a virtual environment sees it if made with --system-site-packages);"
        " elsewhere: pip install opencv-python-headless"
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

    def image(self) -> NDArray[np.uint8] | None:
        try:
            return np.asarray(self._camera.capture_array("main"), np.uint8)
        except RuntimeError as error:
            raise DeviceError(f"{self.name} gives no image ({error})") from error

    def close(self) -> None:
        self._camera.close()


class _OpenCvCamera:
    def __init__(self, cv2: ModuleType, source: str, number: int | None) -> None:
        self.name = source if number is None else f"camera {number}"
        self.driver = f"OpenCV {cv2.__version__}"
        self._live = number is not None
        try:
            with native_output_hidden():
                self._capture = cv2.VideoCapture(source if number is None else number)
        except cv2.error as error:  # a number beyond a C int
            raise DeviceError(f"{self.name} is none that {self.driver} can have") from error
        if not self._capture.isOpened():
            raise DeviceError(
                f"{self.name} cannot be opened by {self.driver}: is it there, may you read it,"
                " and does no other program use it?"
            )
        # A driver keeps images it took before anyone asked for them.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def image(self) -> NDArray[np.uint8] | None:
        if self._live:
            self._capture.grab()
        came, blue_first = self._capture.read()
        if came:
            return np.asarray(blue_first[:, :, ::-1])
        if self._live:
            raise DeviceError(f"{self.name} gives no image any more")
        return None

    def close(self) -> None:
        self._capture.release()
