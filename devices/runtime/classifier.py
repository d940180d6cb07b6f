"""One classifier over every TFLite runtime: an image in, class probabilities out."""

import math
import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self, cast, get_args, overload

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy.model import (
    EVEN,
    Inference,
    check_finite,
    is_probability,
    probabilities,
)
from tinyedge.devices.profile import Profile, check_runs_models, find_profile
from tinyedge.devices.runtime.model_file import DelegateUse, RunnableFile, runnable_file
from tinyedge.devices.runtime.pixels import (
    PixelEncoding,
    SaidBy,
    encode_as_said,
    encode_unsaid,
    named_normalization,
)
from tinyedge.devices.runtime.runtimes import (
    RUNTIME_ERRORS,
    Interpreter,
    Runtime,
    TensorDetails,
    find_runtime,
    runs_int8_without_xnnpack,
)
from tinyedge.errors import AnswerError, ModelError, TinyedgeWarning
from tinyedge.files import is_own_stream
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.labels import class_names, labels_in_metadata, read_labels
from tinyedge.images.load import ImageLike, load_input
from tinyedge.images.spec import Fit, InputSpec
from tinyedge.json_values import argument, integer, one_of, optional, real
from tinyedge.modelcard import ModelCard, TensorType, read_card
from tinyedge.system import MOST_THREADS
from tinyedge.tflite.flatbuffer import FlatbufferError
from tinyedge.tflite.head import Head, output_head
from tinyedge.tflite.metadata import (
    UNIT_PIXELS,
    Metadata,
    Normalization,
    sound_metadata,
)
from tinyedge.tflite.model import COMPILED, parse_tflite, read_tflite_bytes
from tinyedge.tflite.quantization import QuantParams

if TYPE_CHECKING:
    from tinyedge.images.spec import Resize

__all__ = ["Classification", "Classifier", "Prediction", "open_models"]

_TENSOR_TYPES = get_args(TensorType)
# What TFLite fixes for the output of a quantized softmax or logistic, so that it spans [0, 1]; it
# tells where the operator itself is inside what was compiled for the Edge TPU.
_PROBABILITY_SCALE = 1 / 256
_MOST_OF_A_REASON = 300
_CONSTANT = "{}: it ends in a softmax over one score, which is 1 whatever it sees"

StrPath = str | os.PathLike[str]


class Prediction(NamedTuple):
    """One class of an answer; `probability` is in [0, 1] where the network ends in a softmax.

    A model of one output has one prediction, its output as it stands, but where two labels name
    what 0 and 1 stand for, or a threshold is given: then it has both, with the output as the
    probability of class 1, and the one that the threshold decides for comes first.
    """

    index: int  # type: ignore[assignment]  # a tuple's own index() gives way, as JSON wants it
    label: str
    probability: float


class Classification(Sequence[Prediction]):
    """What a classifier says of one image: its predictions, likeliest first, and more.

    Attributes:
        predictions: as many as were asked for; the value is also a sequence of these.
        scores: float64 (classes,), dequantized; before the softmax where the card has one.
        milliseconds: of the inference alone, without reading and fitting the image.
    """

    def __init__(
        self,
        predictions: tuple[Prediction, ...],
        scores: NDArray[np.float64],
        milliseconds: float,
    ) -> None:
        """An answer that nobody changes."""
        self.predictions = predictions
        self.scores = scores
        self.milliseconds = milliseconds

    @overload
    def __getitem__(self, place: int) -> Prediction: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Prediction, ...]: ...

    def __getitem__(self, place: int | slice) -> Prediction | tuple[Prediction, ...]:
        return self.predictions[place]

    def __len__(self) -> int:
        return len(self.predictions)

    def reaching(self, least: float) -> "Classification":
        """The same answer with those of its predictions whose probability is at least that.

        Raises:
            ValueError: `least` is no number.
        """
        argument("least", least, real())
        kept = tuple(found for found in self.predictions if found.probability >= least)
        return Classification(kept, self.scores, self.milliseconds)


class Classifier:
    """A .tflite image classifier, ready to run.

    Attributes:
        path: the file that is run.
        bytes: its size, model card included.
        card: what the model says of itself (see `tinyedge.modelcard`).
        spec: its input, and how images are fitted to it and become its numbers.
        pixels_known: whether the file, or the user, says what pixels become.
        classes: how many scores an answer has; one alone tells two classes apart.
        threshold: above which one score alone stands for class 1.
        runtime: the TFLite runtime in use, with `name` and `version`.
        threads: how many threads the runtime was given.
        delegate: the shared library it runs through; None for the CPU alone.
        without_xnnpack: whether it is an integer model that TFLite's own kernels run.
        load_milliseconds: from the file to a model ready to run, the runtime's import with it.
    """

    def __init__(
        self,
        model: StrPath,
        *,
        device: str | Profile = "host",
        threads: int | None = None,
        fit: Fit | None = None,
        labels: StrPath | None = None,
        ids: StrPath | None = None,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        threshold: float | None = None,
        like: Self | None = None,
        delegate: DelegateUse = "preferred",
        fast_resize: bool = False,
    ) -> None:
        """Load `model` and prepare it to run; what is given overrides what it says of itself.

        A file without a model card is read by its TFLite Metadata, if it has any, and by its
        graph; a TinyedgeWarning says what is taken for granted.

        Args:
            model: a .tflite that tinyedge exported; any other image classifier needs `fit`.
            device: what it runs on: a profile, its name such as ``pi4``, or its .toml file.
            threads: of the runtime, 1 to 1,024 [default: the device's].
            fit: how images are fitted to the input.
            labels: a text file of class names, one per line.
            ids: the same with WordNet ids.
            mean: with `std`, what a pixel of 0 to 255 becomes, (pixel - mean) / std: one number,
                or one for each of red, green and blue.
            std: above 0, likewise.
            threshold: of a model of one output, the probability of class 1, 0 to 1, above which
                that is the answer [default: 0.5]; given, both classes are told even without labels.
            like: another file of the same network: where this one does not say what its pixels
                are, they are as in that one, if it does.
            delegate: how a device's accelerator is used; see
                `tinyedge.devices.runtime.model_file.runnable_file`. Where another file stands in
                for `model` a TinyedgeWarning says so.
            fast_resize: have the runtime resize photos, in whole numbers: faster, each sample at
                most one level of 255 from Darknet's. Where it is not faster a TinyedgeWarning says
                so, and photos are resized exactly.

        Raises:
            ModelError: the file is no TFLite model, no image classifier, a network without a
                head, or bears no card while `fit` is not given; or `mean` and `std` are none; or a
                `threshold` is given for a model of several outputs.
            DatasetError: `labels` or `ids` do not name every class.
            DeviceError: there is no such device, no model runs by it, or its accelerator cannot be
                used.
            MissingPackageError: no TFLite runtime is installed.
            OSError: the file, or the delegate, cannot be read.
            ValueError: `fit`, `threads`, `threshold` or `delegate` is none of those it may be.
        """
        _check_arguments(fit, threads, threshold, delegate)
        profile = device if isinstance(device, Profile) else find_profile(device)
        check_runs_models(profile)
        file = runnable_file(Path(model), profile, delegate)
        if file.note is not None:
            warnings.warn(file.note, TinyedgeWarning, stacklevel=2)
        start = perf_counter()
        self.path = file.path
        self.delegate = file.delegate
        self.threads = threads or profile.usable_threads()
        content = read_tflite_bytes(file.path)
        self.bytes = len(content)
        card = read_card(file.path) or file.card
        _check_head(card, file.path)
        self.runtime = find_runtime(profile.runtimes)
        self._interpreter = _interpreter(self.runtime, content, file, self.threads)
        self.without_xnnpack = runs_int8_without_xnnpack(self.runtime, self._interpreter)
        self._input = _only_tensor(self._interpreter.get_input_details(), "input", file.path)
        self._output = _only_tensor(self._interpreter.get_output_details(), "output", file.path)
        shape = _image_shape(self._input, file.path)
        self.classes = _class_count(self._output, file.path)
        fit = fit or (_no_fit(file.path) if card is None else card.fit)
        metadata = Metadata()
        if card is None:
            metadata = sound_metadata(content, file.path) or metadata
        encoding = self._encoding(card, metadata, named_normalization(mean, std), like)
        if encoding.note is not None:
            warnings.warn(encoding.note, TinyedgeWarning, stacklevel=2)
        self.pixels_known = encoding.known
        self.spec = InputSpec(
            *shape,
            fit,
            encoding.quantization,
            normalization=encoding.normalization,
            resize=_resize(self.runtime) if fast_resize else None,
        )
        if card is not None:
            self.card = card._replace(fit=fit)
        else:
            self.card = self._inferred_card(content, metadata, labels=labels is None)
        self._check_card()
        self.threshold = self._checked_threshold(threshold)
        if labels is not None:
            self.card = self.card._replace(labels=read_labels(Path(labels), self.classes))
        if ids is not None:
            self.card = self.card._replace(ids=read_labels(Path(ids), self.classes))
        if self.card.softmax and self.classes == 1:
            warnings.warn(_CONSTANT.format(self.path), TinyedgeWarning, stacklevel=2)
        # What one output is told as; several are told as they are.
        self._both = self._both_classes(told=threshold is not None)
        self._how: dict[str, Any] = {
            "device": profile,
            "fit": fit,
            "threshold": threshold,
            "delegate": delegate,
            "fast_resize": fast_resize,
        }
        self.load_milliseconds = 1000 * (perf_counter() - start)

    def _checked_threshold(self, threshold: float | None) -> float:
        if threshold is not None and self.classes != 1:
            raise ModelError(
                f"{self.path}: it has {self.classes} outputs, the answer is the highest of them:"
                " a threshold is for one output"
            )
        return EVEN if threshold is None else threshold

    @property
    def only_here(self) -> str | None:
        """Why workers cannot run it, in words that go on after "workers"; None where they can."""
        if self.delegate is not None:
            return "cannot share one accelerator"
        if is_own_stream(self.path):
            return f"cannot read {self.path}, which is another file for each"
        return None

    def opener(
        self, threads: int, find: Callable[[], Path] | None = None, *, named: bool = False
    ) -> Callable[[], "Classifier"]:
        """What another process calls to have the same model, with so many threads; picklable.

        Args:
            threads: of the runtime there.
            find: says where its file is there; where not given it is where it is here.
            named: whether it shall have the class names that were given here, too.
        """
        where = partial(_path, os.path.abspath(self.path)) if find is None else find
        labels = self.card.labels if named else None
        return partial(_open_again, where, self.spec, labels, threads=threads, **self._how)

    def name_classes(self, labels: tuple[str, ...]) -> None:
        """Have answers bear these names, one a class, in place of its own."""
        self.card = self.card._replace(labels=labels)
        self._both = self._both_classes(told=self._how["threshold"] is not None)

    def classify(self, image: ImageLike, top: int = 5) -> Classification:
        """The `top` likeliest classes of an image, likeliest first.

        Classes with equal scores come in the order of their index.

        Args:
            image: a path, an array of uint8 (height, width, 3), or a PIL image; see
                `tinyedge.images.load.load_input`.
            top: how many classes at most, at least 1.

        Raises:
            ImageError: the file is no image, or the array none.
            AnswerError: the model answers it with infinite scores or NaN.
            ModelError: the runtime cannot run the model; or see `ranked`.
            TypeError: `image` is nothing of that.
            ValueError: `top` is no integer of at least 1.
        """
        argument("top", top, integer(1))
        inputs = self.preprocess(image)
        try:
            scores, milliseconds = self.infer(inputs)
        except AnswerError as error:
            raise AnswerError(f"{_called(image)}: {error}") from error
        return Classification(tuple(self.ranked(scores, top)), scores, milliseconds)

    def preprocess(self, image: ImageLike) -> NDArray[np.generic]:
        """An image as the input tensor: (1, height, width, channels), quantized.

        Raises:
            ImageError: see `classify`.
            TypeError: likewise.
        """
        return load_input(image, self.spec)[np.newaxis]

    def infer(self, inputs: NDArray[np.generic]) -> Inference:
        """Run the model on one input tensor, and time that.

        The scores are those before the softmax where ``card.softmax`` is true.

        Raises:
            AnswerError: some are infinite or NaN; see `check_finite`.
            ModelError: the runtime cannot run the model.
        """
        found = self._answer(inputs)
        check_finite(found.scores, self.path)
        return found

    def _answer(self, inputs: NDArray[np.generic]) -> Inference:
        """What `infer` gives, whatever the scores are."""
        start = perf_counter()
        try:
            self._interpreter.set_tensor(self._input["index"], inputs)
            self._interpreter.invoke()
            found = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
        except RUNTIME_ERRORS as error:
            raise ModelError(
                f"{self.path}: {self.runtime} cannot run it ({_reason(error)})"
            ) from error
        scores = np.asarray(found, np.float64)
        if self._output["dtype"] != np.float32:
            scale, zero_point = _scale(self._output)
            scores = (scores - zero_point) * scale
        return Inference(scores, 1000 * (perf_counter() - start))

    def logits(self, inputs: NDArray[np.generic]) -> NDArray[np.float64]:
        """The scores that `infer` gives: (classes,); raises as it does."""
        return self.infer(inputs).scores

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The softmax of `logits` where the network ended in one, else `logits` unchanged."""
        return probabilities(logits, self.card)

    def ranked(self, logits: NDArray[np.float64], top: int) -> list[Prediction]:
        """The `top` classes of one answer, highest probability first, ties by index.

        Of one output the class that the threshold decides for comes first.

        Raises:
            ModelError: both classes of the one output are told, and it is no probability.
        """
        probabilities = self.probabilities(logits)
        if self._both is not None:
            return self._decided(float(probabilities[0]), self._both)[:top]
        # The logits decide where rounding, or an underflow to 0, made probabilities equal.
        order = np.lexsort((-logits, -probabilities))[:top]
        return [Prediction(int(i), self.card.label(int(i)), float(probabilities[i])) for i in order]

    def _both_classes(self, *, told: bool) -> tuple[str, str] | None:
        """The names of the two classes of one output where both are `told` or have labels."""
        labels = self.card.labels
        if self.classes != 1 or not (told or (labels is not None and len(labels) == 2)):
            return None
        zero, one = class_names(labels, 1) or ("0", "1")
        return zero, one

    def _decided(self, probability: float, names: tuple[str, str]) -> list[Prediction]:
        """Both classes, by the probability of the second, the answer first."""
        if not is_probability(probability):
            raise ModelError(
                f"{self.path} answers with {probability:.6g}, no probability, so neither two labels"
                " nor a threshold tell what its one output means: give it one label"
            )
        kept = min(max(probability, 0.0), 1.0)
        below, above = Prediction(0, names[0], 1 - kept), Prediction(1, names[1], kept)
        return [above, below] if probability > self.threshold else [below, above]

    def _encoding(
        self,
        card: ModelCard | None,
        metadata: Metadata,
        said: Normalization | None,
        like: Self | None,
    ) -> PixelEncoding:
        """What its input makes of pixels."""
        quantization = _quantization(self._input)
        by: SaidBy = "user"
        if said is None and card is not None:
            by, said = "card", card.normalization or UNIT_PIXELS
        elif said is None:
            by, said = "metadata", metadata.normalization
        if said is None:
            known = like is not None and like.pixels_known
            other = (like.path, like.spec.normalization) if like is not None and known else None
            return encode_unsaid(quantization, self.path, other)
        channels = int(self._input["shape"][3])
        if not said.fits(channels):
            raise ModelError(
                f"{self.path}: its pixels have {channels} channels, and a mean and a std are given"
                f" of {max(len(said.mean), len(said.std))}"
            )
        return encode_as_said(said, quantization, self.path, by=by)

    def _inferred_card(self, content: bytes, metadata: Metadata, *, labels: bool) -> ModelCard:
        """Of a file that bears none, by its metadata, with their `labels` or without, and graph."""
        head = output_head(parse_tflite(content).subgraphs[0])
        if head == "scores" and self.classes == 1:
            warnings.warn(
                f"{self.path}: its one output is made by no sigmoid: it is told as it is, and is no"
                " probability",
                TinyedgeWarning,
                stacklevel=3,
            )
        if head == "softmax" and self.classes == 1:
            warnings.warn(_CONSTANT.format(self.path), TinyedgeWarning, stacklevel=3)
        return ModelCard(
            name=self.path.stem,
            height=self.spec.height,
            width=self.spec.width,
            channels=self.spec.channels,
            classes=self.classes,
            fit=self.spec.fit,
            quantization=cast("TensorType", np.dtype(self._input["dtype"]).name),
            softmax_groups=0 if self._gives_probabilities(head) else 1,
            labels=labels_in_metadata(content, metadata, self.classes, self.path)
            if labels
            else None,
            normalization=self.spec.normalization.for_channels(self.spec.channels),
        )

    def _gives_probabilities(self, head: Head | None) -> bool:
        """Whether no softmax is to be applied to the output of a model without a card."""
        if head is None:
            scale, _ = self._output["quantization"]
            return self.classes == 1 or bool(np.isclose(scale, _PROBABILITY_SCALE, rtol=1e-3))
        return head != "scores" or self.classes == 1

    def _check_card(self) -> None:
        card, spec = self.card, self.spec
        said = (card.height, card.width, card.channels, card.classes)
        if said != (spec.height, spec.width, spec.channels, self.classes):
            raise ModelError(
                f"{self.path}: its card says {card.height}x{card.width}x{card.channels} and"
                f" {card.classes} classes, its tensors {spec.height}x{spec.width}x{spec.channels}"
                f" and {self.classes}; export the model again"
            )


def open_models(
    models: Sequence[StrPath | Classifier],
    *,
    device: str | Profile = "host",
    threads: int | None = None,
    fit: Fit | None = None,
    labels: StrPath | None = None,
    ids: StrPath | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    threshold: float | None = None,
    fast_resize: bool = False,
) -> tuple[Classifier, ...]:
    """Forms of one network, to be compared, the float file first; those given by a path are opened.

    Where the float file does not say what its pixels are, they are as the scale of the next file's
    input has them. `fast_resize` is for the others alone: the float file is fed exactly. All else
    is as for a `Classifier`, and so is what is raised.
    """

    def opened(model: StrPath | Classifier, like: Classifier | None, *, fast: bool) -> Classifier:
        if isinstance(model, Classifier):
            return model
        return Classifier(
            model,
            device=device,
            threads=threads,
            fit=fit,
            labels=labels,
            ids=ids,
            mean=mean,
            std=std,
            threshold=threshold,
            like=like,
            delegate="exact",
            fast_resize=fast,
        )

    others = [opened(model, None, fast=fast_resize) for model in models[1:]]
    return opened(models[0], others[0], fast=False), *others


def _check_arguments(
    fit: str | None, threads: int | None, threshold: float | None, delegate: str
) -> None:
    argument("fit", fit, optional(one_of(Fit)))
    argument("delegate", delegate, one_of(DelegateUse))
    argument("threads", threads, optional(integer(1, MOST_THREADS)))
    argument("threshold", threshold, optional(real(0, 1)))


def _path(name: str) -> Path:
    """Of this module, which every Python can name: Path itself stands elsewhere in 3.13."""
    return Path(name)


def _open_again(
    find: Callable[[], Path], spec: InputSpec, labels: tuple[str, ...] | None, **how: Any
) -> Classifier:
    """The classifier that another process opened so, feeds by that spec and names classes by.

    Raises:
        ModelError: it is another one by now.
    """
    path = find()
    model = Classifier(path, **how)
    found = model.spec
    if (found.in_pixels, found.dtype) != (spec.in_pixels, spec.dtype):
        raise ModelError(
            f"{path}: it takes photos as {found}, {found.dtype}, and took them as {spec}"
        )
    model.spec = spec
    if labels is not None:
        model.name_classes(labels)
    return model


def _interpreter(runtime: Runtime, content: bytes, file: RunnableFile, threads: int) -> Interpreter:
    try:
        delegates = [] if file.delegate is None else [runtime.load_delegate(file.delegate)]
        return runtime.load(content, threads=threads, delegates=delegates)
    except FlatbufferError as error:
        raise ModelError(f"{file.path}: no .tflite file that can be run: {error}") from error
    except RUNTIME_ERRORS as error:
        reason = _reason(error)
        if COMPILED in reason:
            raise ModelError(
                f"{file.path}: it was compiled for the Edge TPU and runs nowhere else: use"
                " --device coral-usb, or the file it was compiled from"
            ) from error
        raise ModelError(
            f"{file.path}: {runtime} cannot load it as a TFLite model ({reason})"
        ) from error


def _reason(error: Exception) -> str:
    """What a runtime says, in one line."""
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    reason = " ".join(str(error).split()) or "no reason given"
    return reason if len(reason) <= _MOST_OF_A_REASON else f"{reason[:_MOST_OF_A_REASON]}..."


def _called(image: ImageLike) -> str:
    named = isinstance(image, str | os.PathLike | EncodedImage)
    return str(image) if named else "the image"


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
            f" an image of features, {height} high, {width} wide, with {channels} channels;"
            " run and compare need a classifier"
        )


def _only_tensor(details: list[TensorDetails], role: str, model: Path) -> TensorDetails:
    if len(details) != 1:
        raise ModelError(
            f"{model}: an image classifier has one {role} tensor, this model has {len(details)}"
        )
    kind = np.dtype(details[0]["dtype"]).name
    if kind not in _TENSOR_TYPES:
        raise ModelError(f"{model}: its {role} is {kind}; tinyedge runs {', '.join(_TENSOR_TYPES)}")
    return details[0]


def _image_shape(tensor: TensorDetails, model: Path) -> tuple[int, int, int]:
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


def _class_count(tensor: TensorDetails, model: Path) -> int:
    shape = tuple(int(side) for side in tensor["shape"])
    classes = math.prod(shape)
    # (1, classes) or (1, 1, 1, classes), but no grid of boxes.
    if classes < 1 or max(shape, default=1) != classes:
        raise ModelError(
            f"{model}: its output has shape {shape}; an image classifier gives one score a"
            " class, (1, classes)"
        )
    return classes


def _resize(runtime: Runtime) -> "Resize | None":
    """What resizes photos fast by this runtime; None where nothing does."""
    from tinyedge.devices.runtime.fast_resize import fast_resize

    return fast_resize(runtime)


def _quantization(tensor: TensorDetails) -> QuantParams | None:
    """Of an integer input; None of a float one."""
    kind = tensor["dtype"]
    return None if kind == np.float32 else QuantParams.per_tensor(*_scale(tensor), kind)


def _scale(tensor: TensorDetails) -> tuple[float, int]:
    """The scale and zero point of integers; without a scale they are numbers themselves."""
    scale, zero_point = tensor["quantization"]
    return float(scale) or 1.0, int(zero_point)
