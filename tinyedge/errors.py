"""What tinyedge raises when the input, not the program, is wrong.

::

    TinyedgeError             anything a user can mend; the command line prints it and exits with 2
    ├── CfgError              a .cfg that cannot be read or built; says file:line and section
    ├── WeightsError          a .weights that does not belong to its cfg; says the layer
    ├── ImageError            a file that is no image
    │   └── AnswerError       or one that a model answers with scores that are no numbers
    ├── DatasetError          a folder or manifest that does not hold what was asked of it
    ├── ModelError            a .tflite that is not what the command needs
    ├── ExportError           a network that cannot become the file that was asked for
    ├── FetchError            a download that failed, or did not match its checksum
    ├── DeviceError           an unknown device, or a profile that cannot be read
    ├── DeployError           a board that cannot be reached, or on which something went wrong
    ├── WorkerError           a process or machine that shares the work and cannot do its part
    └── MissingPackageError   a package this command needs is not installed; says what brings it

    TinyedgeWarning           something a user should know though the work goes on
"""

__all__ = [
    "AnswerError",
    "CfgError",
    "DatasetError",
    "DeployError",
    "DeviceError",
    "ExportError",
    "FetchError",
    "ImageError",
    "MissingPackageError",
    "ModelError",
    "TinyedgeError",
    "TinyedgeWarning",
    "WeightsError",
    "WorkerError",
]


class TinyedgeError(Exception):
    """Base of every error that names something a user can mend."""


class CfgError(TinyedgeError):
    """A .cfg that cannot be read, or describes a network that cannot be built."""


class WeightsError(TinyedgeError):
    """A .weights file that does not hold exactly the floats its network needs."""


class ImageError(TinyedgeError):
    """A file that cannot be decoded as an image."""


class AnswerError(ImageError):
    """An image that a model answers with infinite scores or NaN; the fault may be either's."""


class DatasetError(TinyedgeError):
    """A folder or manifest of images that does not hold what was asked of it."""


class ModelError(TinyedgeError):
    """A .tflite file that is unreadable or not of the kind the command needs."""


class ExportError(TinyedgeError):
    """A network that cannot become the file that was asked for."""


class FetchError(TinyedgeError):
    """A download that failed or whose size or sha256 is not the expected one."""


class DeviceError(TinyedgeError):
    """An unknown device name, or a device profile that cannot be read."""


class DeployError(TinyedgeError):
    """A board that cannot be reached, or on which an install or a test failed."""


class WorkerError(TinyedgeError):
    """A worker that has ended or is no such one, or a scheduler that does not answer."""


class MissingPackageError(TinyedgeError):
    """A package that this command needs is not installed."""


class TinyedgeWarning(UserWarning):
    """Something a user should know about the input although the work goes on."""
