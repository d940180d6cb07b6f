"""The stages of an export, as progress tells them, and how long each is likely to take."""

from enum import Enum

from tinyedge.progress import Advance, Progress

__all__ = ["Stage"]


class Stage(Enum):
    """A stage: its description, for people, and its weight.

    Weights are about the seconds that Tiny Darknet takes with 200 images on two cores; their ratios
    count.
    """

    READ_NETWORK = "Reading the network", 0.1
    READ_IMAGES = "Reading calibration images", 1.0
    START_TENSORFLOW = "Starting TensorFlow", 3.0
    CHECK_IMAGES = "Checking the calibration images", 1.5
    SYNTHESIZE_IMAGES = "Making images of the batch norms", 60.0
    OBSERVE = "Observing the float network", 9.0
    LEARN_SCALES = "Learning scales", 8.0
    CONVERT_TO_INT8 = "Converting to int8 .tflite", 2.0
    QUANTIZE_WEIGHTS = "Quantizing weights", 0.5
    CHOOSE_PRECISIONS = "Choosing precisions", 30.0
    CHOOSE_RANGES = "Choosing ranges", 3.0
    CALIBRATE_ON_ALL = "Calibrating on all photos", 9.0
    QUANTIZE_BY_DEFAULT = "Quantizing to int8 .tflite", 8.0
    CONVERT_TO_FLOAT = "Converting to float .tflite", 1.0
    SAVE_KERAS = "Saving the Keras model", 0.3
    SAVE_SAVED_MODEL = "Saving the SavedModel", 0.5
    CHECK_FILES = "Checking the files", 2.0
    FINISH = "Writing the files", 0.5

    def __init__(self, description: str, weight: float) -> None:
        self.description = description
        self.weight = weight

    def begin(self, progress: Progress, steps: int = 1, *, total: float | None = None) -> Advance:
        """Begin the stage; `total` is of the first one alone: the weights of all together."""
        return progress(self.description, steps, weight=self.weight, total=total)
