"""One classifier over every TFLite runtime: a photo in, class probabilities out."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinyedge.devices.runtime.runtimes import RUNTIMES, find_runtime
from tinyedge.errors import ModelError
from tinyedge.images.fit import fit_pixels
from tinyedge.images.labels import read_labels
from tinyedge.images.load import in_channels, load_input
from tinyedge.images.spec import Fit, InputSpec
from tinyedge.modelcard import ModelCard, read_card
from tinyedge.tflite.quantization import QuantParams

__all__ = ["Classifier", "Prediction"]

_TENSOR_TYPES = ("float32", "int8", "uint8")
# What TFLite fixes for the output of a quantized softmax or logistic, so that it spans [0, 1].
_PROBABILITY_SCALE = 1 / 256


class Prediction(NamedTuple):
    """One class of an answer; `probability` is in [0, 1] where the network ends in a softmax."""

    index: int  # type: ignore[assignment]  # a tuple's own index() gives way, as JSON wants it
    label: str
    probability: float


class Classifier:
    """A .tflite image classifier, ready to run.

    Attributes:
        path: the model's file.
        card: what the model says of itself (see `tinyedge.modelcard`).
        runtime: the TFLite runtime in use, with `name` and `version`.
        threads: how many threads the runtime was given.
        delegate: the shared library it runs through; None for the CPU alone.
        spec: its input, and how images are fitted to it.
        classes: how many scores an answer has.
    """

    def __init__(
        self,
        model: Path,
        *,
        threads: int = 1,
        runtimes: Sequence[str] = tuple(RUNTIMES),
        fit: Fit | None = None,
        labels: Path | None = None,
        ids: Path | None = None,
        delegate: str | None = None,
        card: ModelCard | None = None,
    ) -> None:
        """Load `model` and prepare it to run; `fit`, `labels` and `ids` override its card.

        `labels` and `ids` are text files with a line a class. `delegate` is a shared library to
        run it through, one that is known to work here. `card` stands in where the file has none.

        Raises:
            ModelError: the file is no TFLite model, no image classifier, a network without a
                head, or bears no card while `fit` is not given.
            DatasetError: `labels` or `ids` do not name every class.
            MissingPackageError: no TFLite runtime is installed.
            OSError: the file, or the delegate, cannot be read.
        """
        self.path = model
        self.delegate = delegate
        self.threads = threads
        content = model.read_bytes()
        if not content:
            raise ModelError(f"{model} is empty")
        self.bytes = len(content)
        card = read_card(model) or card
        _check_head(card, model)
        self.runtime = find_runtime(runtimes)
        try:
            delegates = [] if delegate is None else [self.runtime.load_delegate(delegate)]
            self._interpreter = self.runtime.load(content, threads=threads, delegates=delegates)
        except (ValueError, RuntimeError) as error:
            from tinyedge.devices.edgetpu.partition import COMPILED

            reason = " ".join(str(error).split()) or "no reason given"
            if COMPILED in reason:
                raise ModelError(
                    f"{model}: it was compiled for the Edge TPU and runs nowhere else: use"
                    " --device coral-usb, or the file it was compiled from"
                ) from error
            raise ModelError(
                f"{model}: {self.runtime.name} {self.runtime.version} cannot load it as a"
                f" TFLite model ({reason})"
            ) from error
        self._input = _only_tensor(self._interpreter.get_input_details(), "input", model)
        self._output = _only_tensor(self._interpreter.get_output_details(), "output", model)
        shape = _image_shape(self._input, model)
        self.classes = _class_count(self._output, model)
        fit = fit or (_no_fit(model) if card is None else card.fit)
        self.spec = InputSpec(*shape, fit, _quantization(self._input, own=card is not None))
        self.card = replace(card, fit=fit) if card is not None else self._inferred_card()
        self._check_card()
        if labels is not None:
            self.card = replace(self.card, labels=read_labels(labels, self.classes))
        if ids is not None:
            self.card = replace(self.card, ids=read_labels(ids, self.classes))

    def preprocess(self, path: Path) -> NDArray[np.generic]:
        """The photo at `path` as the input tensor: (1, height, width, channels), quantized.

        Raises:
            ImageError: the file is no image.
        """
        return load_input(path, self.spec)[np.newaxis]

    def preprocess_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """An RGB image, (h, w, 3), as `preprocess` gives a photo."""
        return fit_pixels(in_channels(pixels, self.spec.channels), self.spec)[np.newaxis]

    def logits(self, inputs: NDArray[np.generic]) -> NDArray[np.float64]:
        """The scores of one input tensor, dequantized: shape (classes,).

        They are the values before the softmax where ``card.softmax`` is true.
        """
        self._interpreter.set_tensor(self._input["index"], inputs)
        self._interpreter.invoke()
        scores = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
        if self._output["dtype"] == np.float32:
            return np.asarray(scores, np.float64)
        scale, zero_point = self._output["quantization"]
        return np.asarray((scores.astype(np.float64) - zero_point) * scale)

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The softmax of `logits` where the network ended in one, else `logits` unchanged."""
        if not self.card.softmax:
            return logits
        scaled = logits.reshape(self.card.softmax_groups, -1) / self.card.temperature
        exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True)).reshape(-1)

    def classify(self, path: Path, top: int = 5) -> list[Prediction]:
        """The `top` likeliest classes of the photo at `path`, likeliest first.

        Classes with equal scores come in the order of their index.

        Raises:
            ImageError: the file is no image.
        """
        return self.ranked(self.logits(self.preprocess(path)), top)

    def ranked(self, logits: NDArray[np.float64], top: int) -> list[Prediction]:
        """The `top` classes of one answer, highest probability first, ties by index."""
        probabilities = self.probabilities(logits)
        # The logits decide where rounding, or an underflow to 0, made probabilities equal.
        order = np.lexsort((-logits, -probabilities))[:top]
        return [Prediction(int(i), self.card.label(int(i)), float(probabilities[i])) for i in order]

    def _inferred_card(self) -> ModelCard:
        return ModelCard(
            name=self.path.stem,
            height=self.spec.height,
            width=self.spec.width,
            channels=self.spec.channels,
            classes=self.classes,
            fit=self.spec.fit,
            quantization=np.dtype(self._input["dtype"]).name,
            softmax_groups=0 if self._gives_probabilities() else 1,
        )

    def _gives_probabilities(self) -> bool:
        """Whether the output of a model without a card is already a softmax's."""
        if self._output["dtype"] != np.float32:
            scale, _ = self._output["quantization"]
            return bool(np.isclose(scale, _PROBABILITY_SCALE, rtol=1e-3))
        grey = np.full(self._input["shape"], 0.5, np.float32)
        scores = self.logits(self.spec.quantize(grey))
        return bool(scores.min() >= 0 and abs(scores.sum() - 1) < 1e-3)

    def _check_card(self) -> None:
        card, spec = self.card, self.spec
        said = (card.height, card.width, card.channels, card.classes)
        if said != (spec.height, spec.width, spec.channels, self.classes):
            raise ModelError(
                f"{self.path}: its card says {card.height}x{card.width}x{card.channels} and"
                f" {card.classes} classes, its tensors {spec.height}x{spec.width}x{spec.channels}"
                f" and {self.classes}; export the model again"
            )
        for name, texts in (("labels", card.labels), ("ids", card.ids)):
            if texts is not None and len(texts) != self.classes:
                raise ModelError(f"{self.path}: {len(texts)} {name} for {self.classes} classes")


def _no_fit(model: Path) -> NoReturn:
    raise ModelError(
        f"{model}: it carries no model card, so how photos are fitted to it is unknown; say so"
        " with --fit crop, letterbox or stretch (and --labels NAMES)"
    )


def _check_head(card: ModelCard | None, model: Path) -> None:
    if card is not None and card.features is not None:
        height, width, channels = card.features
        raise ModelError(
            f"{model}: it classifies nothing: its network ends without a head, and its output is"
            f" a picture of features, {height} high, {width} wide, with {channels} channels;"
            " run and compare need a classifier"
        )


def _only_tensor(details: list[dict[str, Any]], role: str, model: Path) -> dict[str, Any]:
    if len(details) != 1:
        raise ModelError(
            f"{model}: an image classifier has one {role} tensor, this model has {len(details)}"
        )
    kind = np.dtype(details[0]["dtype"]).name
    if kind not in _TENSOR_TYPES:
        raise ModelError(f"{model}: its {role} is {kind}; tinyedge runs {', '.join(_TENSOR_TYPES)}")
    return details[0]


def _image_shape(tensor: dict[str, Any], model: Path) -> tuple[int, int, int]:
    shape = tuple(int(side) for side in tensor["shape"])
    if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
        raise ModelError(
            f"{model}: its input has shape {shape}; an image classifier takes one photo,"
            " (1, height, width, 1 or 3)"
        )
    if min(tensor["shape_signature"][1:3]) < 1:
        raise ModelError(
            f"{model}: the size of its input is left open; tinyedge runs models of a fixed one:"
            " convert it again with a height and a width"
        )
    return shape[1:]


def _class_count(tensor: dict[str, Any], model: Path) -> int:
    shape = tuple(int(side) for side in tensor["shape"])
    classes = math.prod(shape)
    # (1, classes) or (1, 1, 1, classes), but no grid of boxes.
    if classes < 1 or max(shape, default=1) != classes:
        raise ModelError(
            f"{model}: its output has shape {shape}; an image classifier gives one score a"
            " class, (1, classes)"
        )
    return classes


def _quantization(tensor: dict[str, Any], *, own: bool) -> QuantParams | None:
    """How a pixel in [0, 1] becomes the input's type; None where that is float."""
    kind = tensor["dtype"]
    if kind == np.float32:
        return None
    if own:
        scale, zero_point = tensor["quantization"]
        return QuantParams.per_tensor(float(scale), int(zero_point), kind)
    # A stranger's integer model takes the pixel's own byte, whatever value it stands for.
    return QuantParams.per_tensor(1 / 255, int(np.iinfo(kind).min), kind)
