"""What a user asks ``tinyedge export`` for."""

from dataclasses import dataclass
from pathlib import Path

from tinyedge.devices.profile import Profile
from tinyedge.errors import ExportError
from tinyedge.export.quantize.reorder import REWRITES
from tinyedge.images.spec import Fit
from tinyedge.zoo.source import SourceFiles

__all__ = ["ExportRequest"]


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and how.

    Attributes:
        name: begins the names of the files.
        files: Darknet's, the classes', and what to calibrate with: photos, needed but with
            `float_only` or `data_free`.
        calibration_count: how many of them to use, at least 1.
        data_free: calibrate on images made of the weights' batch norm statistics, not on photos.
        size: (width, height) of the input in place of the cfg's, or None.
        fit: how photos are fitted to the input: crop, letterbox or stretch.
        input_type: of the int8 file's input and output, ``int8`` or ``uint8``.
        quantizer: ``tuned``, tinyedge's own, or ``default``, TFLiteConverter's.
        rewrites: names of `tinyedge.export.quantize.reorder.REWRITES`, for ``tuned``.
        seed: of what ``tuned`` draws at random.
        float_only: make no int8 file.
        keras: save the Keras model too.
        saved_model: save a TensorFlow SavedModel too.
        device: the device it is for; a TinyedgeWarning says where its memory is too small.
    """

    name: str
    files: SourceFiles
    calibration_count: int = 200
    data_free: bool = False
    size: tuple[int, int] | None = None
    fit: Fit = "crop"
    input_type: str = "int8"
    quantizer: str = "tuned"
    rewrites: tuple[str, ...] = REWRITES
    seed: int = 0
    float_only: bool = False
    keras: bool = False
    saved_model: bool = False
    device: Profile | None = None

    @property
    def weights(self) -> Path:
        """The .weights.

        Raises:
            ExportError: the files have none.
        """
        if self.files.weights is None:
            raise ExportError(f"{self.files.cfg} needs its weights: name them with --weights")
        return self.files.weights
