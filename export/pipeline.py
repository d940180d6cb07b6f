"""The whole of ``tinyedge export``: Darknet's files in, checked .tflite files out.

`prepare` reads everything the user names and raises every error they can fix, without TensorFlow;
`convert` builds, quantizes and converts the network with TensorFlow (`observe` is what it does
before anything is chosen); `finish` verifies the files, runs each against what it was made of, puts
the cards into them and writes them, all or none. Equal requests give equal bytes. `check_photos` is
the check of the photos alone.
"""

import contextlib
import errno
import os
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import FormKind, layer_name
from tinyedge.darknet.layers import Connected, Convolutional, Softmax
from tinyedge.darknet.network import Network, read_network
from tinyedge.darknet.weights import Weights, read_weights
from tinyedge.devices.edgetpu.partition import Partition
from tinyedge.devices.memory import check_memory
from tinyedge.errors import ExportError, TinyedgeWarning
from tinyedge.export.build.fold import FoldedWeights, fold
from tinyedge.export.build.prune import prune
from tinyedge.export.calibrate.batch_norm import BatchNormStatistics, batch_norm_statistics
from tinyedge.export.calibrate.images import (
    ENOUGH_TO_SET_ASIDE,
    CalibrationSet,
    check_can_synthesize,
    read_calibration_set,
    set_aside,
)
from tinyedge.export.calibrate.report import PhotoCheck
from tinyedge.export.cards import (
    SourceFacts,
    coral_card,
    float_card,
    int8_card,
    mixed_card,
    probabilities_card,
    read_facts,
    versions,
)
from tinyedge.export.check import (
    FileCheck,
    Probe,
    answers_divergence,
    make_probe,
    run_before,
    run_behind,
    run_file,
)
from tinyedge.export.edgetpu.lower import EdgeTpuFile, edge_tpu_file, placed, shortfall
from tinyedge.export.request import ExportRequest, FileKind
from tinyedge.export.stages import Stage
from tinyedge.export.tensorflow import (
    check_tensorflow_is_installed,
    deep_models,
    require_tensorflow,
    tensorflow_hushed,
)
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.forms import Form, choose_forms, forms_of, in_forms, written_forms
from tinyedge.export.tflite.metadata import add_metadata
from tinyedge.export.tflite.probabilities import append_softmax
from tinyedge.export.tflite.verify import check_int8_supported, verify_lowered, verify_model
from tinyedge.files import Content, check_replaceable, check_writable, unlisted, write_together
from tinyedge.images.spec import Fit, InputSpec
from tinyedge.json_values import text
from tinyedge.memory import give_back_memory
from tinyedge.modelcard import (
    BatchNormFormula,
    Check,
    CheckImages,
    ModelCard,
    Precision,
    append_card,
)
from tinyedge.progress import Progress, no_progress
from tinyedge.temporary import OnDisk
from tinyedge.tflite.metadata import MOST_TEXT_BYTES

if TYPE_CHECKING:
    import keras

    from tinyedge.export.quantize.files import QuantizedFiles
    from tinyedge.export.quantize.precision import Mixed
    from tinyedge.export.quantize.quantizer import DefaultQuantizer, Quantizer

__all__ = [
    "Converted",
    "Divergence",
    "Exported",
    "Observed",
    "Prepared",
    "check_photos",
    "convert",
    "export",
    "finish",
    "observe",
    "prepare",
]


_BEST_FIRST: tuple[FileKind, ...] = ("mixed", "int8", "float")
_NOISE_IMAGES = 4  # to check a float file on, which needs no photos
_CURVE_POINTS = 12
_silent = no_progress("")


@dataclass
class Prepared:
    """The inputs of an export, read and checked by `prepare`.

    Attributes:
        request: what was asked for.
        network: the .cfg's, without layers that nothing reads.
        facts: for the cards.
        calibration: the images to calibrate with; None where none are read.
        batch_norm: the formula that its batch norms are computed by.
        weights: the .weights'; None once they were taken.
    """

    request: ExportRequest
    network: Network
    facts: SourceFacts
    calibration: CalibrationSet | None
    batch_norm: BatchNormFormula
    weights: Weights | None

    def take_weights(self) -> Weights:
        """The weights, to which this then holds on no longer: VGG-16's are half a gigabyte.

        Raises:
            ValueError: they were taken before.
        """
        weights, self.weights = self.weights, None
        if weights is None:
            raise ValueError("the weights were taken before: prepare the request again")
        return weights


@dataclass(frozen=True, eq=False)
class Observed:
    """A network in Keras and float, and where int8 is wanted what its quantized files come from.

    Attributes:
        model: in Keras; None where it is not to be saved.
        float_tflite: the float file, out of the way of what takes most of the memory.
        probe: what files are to be run on, and what the Keras model makes of it.
        files: what makes the others.
        shift: how far the calibration set is off; see `Converted`.
    """

    model: "keras.Model | None"
    float_tflite: OnDisk
    probe: Probe
    files: "QuantizedFiles | None" = None
    shift: float | None = None


@dataclass(frozen=True)
class Converted:
    """The files that `convert` made, as TensorFlow and the quantizer leave them, without a card.

    Attributes:
        float_tflite: the float file.
        int8_tflite: the int8 file, of which a mixed one is made, too; None where none is wanted,
            as of those that follow.
        mixed: the file in mixed precision.
        forms: by the names of their outputs, those that convolutions of the file for the boards
            are to have; here all are plain.
        curve: where it is asked for, what divergence there is at which cost, the cheapest first.
        keras: the .keras file.
        saved_model: the files of the SavedModel, by their paths inside it.
        made_by: the versions of the packages that made them.
        probe: what the files are to be run on, and what the Keras model makes of it.
        calibration_shift: as in the int8 file's card.
    """

    float_tflite: bytes
    int8_tflite: bytes | None
    mixed: "Mixed | None"
    forms: Mapping[str, Form]
    curve: "Sequence[Mixed]"
    keras: bytes | None
    saved_model: Mapping[str, bytes] | None
    made_by: Mapping[str, str]
    probe: Probe
    calibration_shift: float | None


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        files: where each file is, by kind: ``float``, then as asked for ``int8``, ``coral`` (for
            the Edge TPU), ``keras`` and ``saved_model``, which is a folder.
        card: the int8 file's, or where there is none the float file's.
        checks: how close each .tflite is to what it was made of.
        partition: of the file for the Edge TPU, where one was made.
        curve: as in `Converted`.
        boards: the names of those that the file was made for, where what they take was weighed.
        forms: by layers' numbers, those of the convolutions of the file for the boards that are
            not plain.
    """

    files: Mapping[FileKind, Path]
    card: ModelCard
    checks: Mapping[FileKind, Check]
    partition: Partition | None = None
    curve: "Sequence[Mixed]" = ()
    boards: tuple[str, ...] = ()
    forms: Mapping[int, FormKind] = field(default_factory=dict)


def export(request: ExportRequest, *, workers: int | None = 1, progress: Progress) -> Exported:
    """Make the files: all of them, or none where anything fails.

    `workers` are as of `read_calibration_set`; their number changes no byte.

    Raises:
        CfgError, WeightsError, DatasetError: an input is not what it should be.
        ExportError: the network cannot be exported as asked.
        MissingPackageError: TensorFlow is not installed.
        OSError: a file cannot be read or written.
    """
    prepared = prepare(request, workers=workers, progress=progress)
    return finish(prepared, convert(prepared, progress=progress), progress=progress)


def prepare(request: ExportRequest, *, workers: int | None = 1, progress: Progress) -> Prepared:
    """Read what the request names; imports no TensorFlow, and writes nothing.

    `workers` are as of `read_calibration_set`.

    Warns (TinyedgeWarning) of a device whose memory is too small, and of what `read_network`,
    `read_labels`, `read_weights` and `read_calibration_set` warn of.

    Raises:
        CfgError, WeightsError, DatasetError, ExportError, MissingPackageError, OSError: as
            `export`; what is left to fail later is TensorFlow's converter and a full disk.
    """
    _check_output(request)
    _check_texts(request)
    _check_asked(request)
    check_tensorflow_is_installed()
    if request.files.weights is None:
        raise ExportError(f"{request.files.cfg} needs its weights: name them with --weights")
    done = Stage.READ_NETWORK.begin(progress, total=_total_weight(request))
    described = read_network(request.files.cfg, size=request.size)
    network = prune(described)
    if request.probabilities and network.softmax is None:
        raise ExportError(
            f"{request.files.cfg}: it ends in no softmax, and its outputs are as they are: export"
            " it without --probabilities"
        )
    if not request.float_only:
        _check_int8(request, network)
    if request.device is not None:
        check_memory(network, request.device)
    facts = read_facts(request, network, request.files.weights)
    weights = read_weights(request.files.weights, described, batch_norm=request.batch_norm)
    done()
    calibration = _calibration_set(request, network, workers, progress)
    return Prepared(request, network, facts, calibration, weights.batch_norm, weights)


def convert(prepared: Prepared, *, progress: Progress) -> Converted:
    """Make the files' contents; takes the weights of `prepared`.

    Warns (TinyedgeWarning) of images that do not look like those the network was trained on, and
    where there are none.

    Raises:
        ExportError: TensorFlow's converter refuses the network, or the disk is full that temporary
            files are on.
        MissingPackageError: TensorFlow is not installed as it should be.
    """
    done = Stage.START_TENSORFLOW.begin(progress)
    require_tensorflow()
    done()
    with deep_models(len(prepared.network.layers)), _full_disks_told():
        return _converted(prepared, progress)


def observe(prepared: Prepared, progress: Progress) -> Observed:
    """Build the network and its float file, and learn what its quantized files are made of.

    Takes the weights of `prepared`. TensorFlow has to be there; see `convert`.

    Warns (TinyedgeWarning), and raises, as `convert`.
    """
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.quantize.files import QuantizedFiles

    request, network, weights = prepared.request, prepared.network, prepared.take_weights()
    folded, statistics = fold(network, weights), batch_norm_statistics(network, weights)
    # What is folded has them all, and so has the model below.
    del weights
    with tensorflow_hushed():
        model = build_keras_model(network, folded)
    saved = model if request.keras or request.saved_model else None
    if request.float_only:
        del folded
        float_tflite = OnDisk(_float_file(model, progress))
        return Observed(saved, float_tflite, _probe(prepared, model, None))
    images, shift = _calibration_images(prepared, model, statistics, progress)
    # All that the model is good for comes first: the quantizer builds another one.
    float_tflite = OnDisk(_float_file(model, progress))
    probe = _probe(prepared, model, images)
    quantizer: Quantizer | DefaultQuantizer
    if request.quantizer == "tuned":
        del model
        quantizer = _tuned_quantizer(prepared, folded, images, progress)
    else:
        quantizer = _default_quantizer(prepared, model, images)
    del folded
    aside = set_aside(len(images)) if _sets_aside(request) else None
    first = quantizer.integer_file(progress, None if aside is None else ~aside)

    def judge(chosen: NDArray[np.float32]) -> Divergence:
        return Divergence(float_tflite.read(), chosen, network.softmax)

    files = QuantizedFiles(network, quantizer, first, judge=judge, images=images, aside=aside)
    return Observed(saved, float_tflite, probe, files, shift)


def _converted(prepared: Prepared, progress: Progress) -> Converted:
    request, observed = prepared.request, observe(prepared, progress)
    int8_tflite, mixed, forms, curve = _quantized_files(request, observed.files, progress)
    model, float_tflite = observed.model, observed.float_tflite
    probe, shift = observed.probe, observed.shift
    # What the quantizer knows of a large network is gigabytes.
    del observed
    return Converted(
        float_tflite=float_tflite.read(),
        int8_tflite=int8_tflite,
        mixed=mixed,
        forms=forms,
        curve=curve,
        keras=_keras_file(model, progress) if model and request.keras else None,
        saved_model=_saved_model_files(model, progress) if model and request.saved_model else None,
        made_by=versions(),
        probe=probe,
        calibration_shift=shift,
    )


def _quantized_files(
    request: ExportRequest, files: "QuantizedFiles | None", progress: Progress
) -> "tuple[bytes | None, Mixed | None, Mapping[str, Form], Sequence[Mixed]]":
    """The int8 file, the mixed one, the forms of their convolutions and the curve."""
    if files is None:
        return None, None, {}, ()
    if not request.makes_mixed:
        int8 = files.integer(progress)
        return int8, None, forms_of(choose_forms(int8, request.boards)), ()
    precisions = files.precisions(request.boards, progress)
    curve = precisions.curve(_CURVE_POINTS) if request.pareto else ()
    int8, mixed = files.fitted(precisions.choose(request.latency_budget), progress)
    return int8, mixed, precisions.forms, curve


def finish(prepared: Prepared, converted: Converted, *, progress: Progress) -> Exported:
    """Verify the files, run each against what it was made of, and write them, all or none.

    Warns (TinyedgeWarning) of what the Edge TPU leaves to the CPU, and where int8 costs much.

    Raises:
        ExportError: a file is not what was asked for, or far from what it was made of.
        OSError: a file cannot be written.
    """
    request = prepared.request
    card = float_card(
        request, prepared.network, prepared.facts, converted.made_by, prepared.batch_norm
    )
    files: dict[FileKind, bytes] = {"float": converted.float_tflite}
    cards: dict[FileKind, ModelCard] = {"float": card}
    verify_model(converted.float_tflite, card, input_type="float32")
    partition = None
    if converted.int8_tflite is not None:
        calibration = prepared.calibration
        card = int8_card(
            request,
            card,
            calibration.sha256 if calibration is not None else (),
            converted.calibration_shift,
        )
        files["int8"], cards["int8"] = converted.int8_tflite, card
        verify_model(converted.int8_tflite, card, input_type=request.input_type)
        if converted.mixed is not None:
            files["mixed"] = converted.mixed.content
            cards["mixed"] = mixed_card(card, _named_precision(prepared.network, converted.mixed))
            verify_model(files["mixed"], cards["mixed"], input_type=request.input_type)
        if request.makes_coral:
            lowered = _coral_file(request, converted.int8_tflite, card)
            files["coral"], partition = lowered.content, lowered.partition
            cards["coral"] = coral_card(card, lowered.lowered)
    checks, finished = _checked(prepared, converted, files, cards, progress)
    done = Stage.FINISH.begin(progress)
    cards = {kind: each._replace(check=checks[kind]) for kind, each in cards.items()}
    if request.probabilities:
        cards = {kind: probabilities_card(each) for kind, each in cards.items()}
        if "coral" in finished:
            partition = placed(finished["coral"])
    contents: dict[FileKind, Content] = {
        kind: _with_card(request, content, cards[kind]) for kind, content in finished.items()
    }
    if converted.keras is not None:
        contents["keras"] = converted.keras
    if converted.saved_model is not None:
        contents["saved_model"] = converted.saved_model
    targets = request.targets()
    contents = {kind: content for kind, content in contents.items() if kind in targets}
    checks = {kind: check for kind, check in checks.items() if kind in targets}
    write_together({targets[kind]: content for kind, content in contents.items()})
    done()
    made: FileKind = next(kind for kind in _BEST_FIRST if kind in cards)
    return Exported(
        targets,
        cards[made],
        checks,
        partition,
        converted.curve,
        boards=tuple(board.name for board in request.boards),
        forms=written_forms(finished[made]),
    )


def _with_card(request: ExportRequest, content: bytes, card: ModelCard) -> bytes:
    described = add_metadata(content, card, author=request.author, license=request.license)
    return append_card(described, card)


def check_photos(
    photos: Path,
    cfg: Path,
    weights: Path,
    *,
    count: int,
    fit: Fit,
    batch_norm: BatchNormFormula | None,
    workers: int | None = 1,
    progress: Progress,
) -> PhotoCheck:
    """Measure how far photos are from what a network was trained on, by its batch norms.

    Args:
        photos: a folder, pattern, image or manifest.
        cfg: the network's.
        weights: likewise.
        count: how many of the photos to use, spread evenly, at least 1.
        fit: how they are fitted to the network's input.
        batch_norm: see `tinyedge.export.request.ExportRequest`.
        workers: as of `read_calibration_set`.
        progress: is told how far the work is.

    Warns (TinyedgeWarning) of what `read_network`, `read_weights` and `read_calibration_set` warn
    of.

    Raises:
        CfgError, WeightsError, DatasetError: an input is not what it should be.
        MissingPackageError: TensorFlow is not installed as it should be.
        OSError: a file cannot be read.
    """
    stages = (Stage.READ_NETWORK, Stage.READ_IMAGES, Stage.START_TENSORFLOW, Stage.CHECK_IMAGES)
    done = Stage.READ_NETWORK.begin(progress, total=sum(stage.weight for stage in stages))
    described = read_network(cfg)
    network = prune(described)
    learned = read_weights(weights, described, batch_norm=batch_norm)
    done()
    spec = InputSpec(*network.input, fit)
    images = read_calibration_set(
        photos, count=count, spec=spec, workers=workers, progress=progress
    )
    done = Stage.START_TENSORFLOW.begin(progress)
    require_tensorflow()
    done()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.calibrate.check import judge_calibration

    done = Stage.CHECK_IMAGES.begin(progress)
    with deep_models(len(network.layers)):
        with tensorflow_hushed():
            model = build_keras_model(network, fold(network, learned))
        statistics = batch_norm_statistics(network, learned)
        found = judge_calibration(model, statistics, images.inputs)
    done()
    return PhotoCheck(photos, weights, found)


@contextlib.contextmanager
def _full_disks_told() -> Iterator[None]:
    """Say where a full disk is: of TensorFlow's own errors, and the system's, few name a file."""
    try:
        yield
    except Exception as error:
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            if os.strerror(number) in str(error):
                raise ExportError(
                    f"{tempfile.gettempdir()}: {os.strerror(number)}; the network is kept there for"
                    " a while: make room, or name another folder in the environment variable TMPDIR"
                ) from error
        raise


def _check_output(request: ExportRequest) -> None:
    """Refuse before the work what could not be written after it."""
    if request.output.exists() and not request.output.is_dir():
        raise ExportError(f"{request.output} is a file; -o names a folder")
    check_writable(request.output)
    for kind, target in request.targets().items():
        check_replaceable(target, folder=kind == "saved_model")
        if kind == "saved_model":
            _check_saved_model(target)


def _check_texts(request: ExportRequest) -> None:
    """Refuse what no file can say of itself: a .cfg's name may be any bytes, a text any length."""
    for what, said in (("author", request.author), ("license", request.license)):
        if said is not None and len(said.encode()) > MOST_TEXT_BYTES:
            raise ExportError(
                f"the {what} has more than {MOST_TEXT_BYTES:,} bytes, the most that is read of a"
                " file's metadata; give a name or an address in place of the whole text"
            )
    try:
        text(request.name)
    except ValueError as error:
        raise ExportError(
            f"{request.files.cfg}: its name, which is the network's, is no UTF-8 text, as the files"
            " are to hold it; rename it"
        ) from error


def _check_asked(request: ExportRequest) -> None:
    """Refuse to pass over what is asked of a file that is not made, or tell of it."""
    if not request.makes_mixed and (request.pareto or request.latency_budget != 1):
        raise ExportError(
            "a latency budget and a Pareto curve are of a file in mixed precision, and none is"
            " made: add --precision mixed, or leave them out"
        )
    if request.is_for_coral and not request.makes_coral:
        assert request.device is not None
        warnings.warn(
            f"{request.device.name} is for a file for the Edge TPU, which the float file alone"
            " cannot be made into: none is written",
            TinyedgeWarning,
            stacklevel=3,
        )


def _check_saved_model(folder: Path) -> None:
    foreign = unlisted(folder) if folder.is_dir() else []
    if foreign:
        raise ExportError(
            f"{folder} would be replaced, and holds what tinyedge did not write, such as"
            f" {foreign[0]}; move it out of the way"
        )


def _check_int8(request: ExportRequest, network: Network) -> None:
    """Refuse a network that has no int8 form, or nothing to be calibrated with."""
    check_int8_supported(network)
    if request.makes_mixed:
        _check_mixed(request)
    if request.data_free:
        check_can_synthesize(network)
    elif request.files.calibration is None:
        raise ExportError(
            "an int8 file needs photos to calibrate with: name a folder of them with --calib,"
            " do without and lose accuracy with --calib none, or make the float file alone with"
            " --float-only"
        )


def _check_mixed(request: ExportRequest) -> None:
    """Refuse what a file in mixed precision cannot be."""
    integer = "make the integer file: --precision integer"
    if request.makes_coral:
        raise ExportError(f"the Edge TPU computes in integers alone; {integer}")
    if request.input_type == "uint8":
        raise ExportError(f"a file in mixed precision takes int8, not uint8; {integer}")
    if not request.boards:
        raise ValueError("a file in mixed precision is for boards: name them")


def _total_weight(request: ExportRequest) -> float:
    """The weight of all stages that an export goes through, with as many photos as are wanted."""
    stages = [Stage.READ_NETWORK, Stage.START_TENSORFLOW, Stage.CONVERT_TO_FLOAT]
    stages += [Stage.CHECK_FILES, Stage.FINISH]
    if not request.float_only:
        if request.data_free:
            stages.append(Stage.SYNTHESIZE_IMAGES)
        else:
            stages += [Stage.READ_IMAGES, Stage.CHECK_IMAGES]
        if request.quantizer == "tuned":
            stages += [Stage.OBSERVE, Stage.LEARN_SCALES]
            stages += [Stage.CONVERT_TO_INT8, Stage.QUANTIZE_WEIGHTS]
        else:
            stages.append(Stage.QUANTIZE_BY_DEFAULT)
        aside = _sets_aside(request) and request.calibration_count >= ENOUGH_TO_SET_ASIDE
        stages += [Stage.CHOOSE_PRECISIONS] if request.makes_mixed else []
        stages += [Stage.CHOOSE_RANGES] if aside else []
        stages += [Stage.CALIBRATE_ON_ALL] if aside or request.makes_mixed else []
    if request.keras:
        stages.append(Stage.SAVE_KERAS)
    if request.saved_model:
        stages.append(Stage.SAVE_SAVED_MODEL)
    return sum(stage.weight for stage in stages)


def _sets_aside(request: ExportRequest) -> bool:
    """Whether something is chosen, for which photos are set aside if there are enough.

    Of synthesized images none are: they show no more of what photos are like than the others.
    """
    return not request.data_free and (request.quantizer == "tuned" or request.makes_mixed)


def _calibration_set(
    request: ExportRequest, network: Network, workers: int | None, progress: Progress
) -> CalibrationSet | None:
    """The images to calibrate with, or None where none are to be read."""
    if request.float_only or request.data_free or request.files.calibration is None:
        return None
    return read_calibration_set(
        request.files.calibration,
        count=request.calibration_count,
        spec=InputSpec(*network.input, request.fit),
        workers=workers,
        progress=progress,
    )


def _calibration_images(
    prepared: Prepared,
    model: "keras.Model",
    statistics: Sequence[BatchNormStatistics],
    progress: Progress,
) -> tuple[NDArray[np.float32], float | None]:
    """The images that were read, and how far off they are; else synthesized.

    Images are (n, height, width, channels).
    """
    network, calibration = prepared.network, prepared.calibration
    if calibration is not None:
        from tinyedge.export.calibrate.check import check_calibration

        done = Stage.CHECK_IMAGES.begin(progress)
        shift = check_calibration(model, statistics, calibration.inputs)
        give_back_memory()
        done()
        return calibration.inputs, shift
    from tinyedge.export.calibrate.synthesize import synthesize_images

    with tensorflow_hushed():
        images = synthesize_images(
            network, model, statistics, seed=prepared.request.seed, progress=progress
        )
    warnings.warn(
        "--calib none: the int8 file is calibrated without photos, on images made of the batch"
        " norm statistics in the weights; photos such as the network will see keep more of the"
        " float file's answers",
        TinyedgeWarning,
        stacklevel=3,
    )
    return images, None


class Divergence:
    """The divergence of a file's answers from the float file's, the mean over some images."""

    def __init__(
        self, float_tflite: bytes, images: NDArray[np.float32], softmax: Softmax | None
    ) -> None:
        """Run the float file.

        Args:
            float_tflite: the file.
            images: (n, height, width, channels) in [0, 1].
            softmax: what the network ends in.
        """
        self._images, self._softmax = images, softmax
        self._reference = run_file(float_tflite, images, _silent).answers

    def __call__(self, content: bytes) -> float:
        """Of a file; see `answers_divergence`."""
        return self._of(run_file(content, self._images, _silent).answers)

    def behind(self, content: bytes, layers: Collection[int]) -> Callable[[bytes], float]:
        """The same, of files that mostly differ from `content` in these layers alone.

        What is before the first of them is run once.
        """
        parts = ModelEditor(content).split(layers)
        if parts is None:
            return self
        before = parts.before
        given = run_before(before, self._images)

        def divergence(content: bytes) -> float:
            parts = ModelEditor(content).split(layers)
            if parts is None or parts.before != before:
                return self(content)
            return self._of(run_behind(parts.behind, given, _silent).answers)

        return divergence

    def _of(self, answers: NDArray[np.float64]) -> float:
        return answers_divergence(self._reference, answers, self._softmax)


def _tuned_quantizer(
    prepared: Prepared, weights: FoldedWeights, images: NDArray[np.float32], progress: Progress
) -> "Quantizer":
    from tinyedge.export.quantize.quantizer import Quantizer

    request = prepared.request
    return Quantizer(
        prepared.network,
        weights,
        images,
        rewrites=request.rewrites,
        input_type=request.input_type,
        seed=request.seed,
        progress=progress,
    )


def _default_quantizer(
    prepared: Prepared, model: "keras.Model", images: NDArray[np.float32]
) -> "DefaultQuantizer":
    from tinyedge.export.quantize.quantizer import DefaultQuantizer

    return DefaultQuantizer(model, images, prepared.request.input_type)


def _named_precision(network: Network, mixed: "Mixed") -> dict[str, Precision]:
    """By the layer's name, as in a card: the head's layers are in float.

    Where the head has no weights, and all layers are in int8, the ``output`` is float all the same.
    """
    names = {
        layer.index: layer_name(layer)
        for layer in network.layers
        if isinstance(layer, Convolutional | Connected)
    }
    found: dict[str, Precision] = {
        name: kind
        for number, name in names.items()
        if (kind := mixed.precision.get(number, "int8")) != "int8"
    }
    return found or {"output": "float32"}


def _float_file(model: "keras.Model", progress: Progress) -> bytes:
    from tinyedge.export.tflite.convert import convert_float

    done = Stage.CONVERT_TO_FLOAT.begin(progress)
    content = convert_float(model)
    give_back_memory()
    done()
    return content


def _keras_file(model: "keras.Model", progress: Progress) -> bytes:
    from tinyedge.export.build.save import keras_file

    done = Stage.SAVE_KERAS.begin(progress)
    content = keras_file(model)
    done()
    return content


def _saved_model_files(model: "keras.Model", progress: Progress) -> dict[str, bytes]:
    from tinyedge.export.build.saved_model import saved_model_files

    done = Stage.SAVE_SAVED_MODEL.begin(progress)
    contents = saved_model_files(model)
    done()
    return contents


def _probe(prepared: Prepared, model: "keras.Model", images: NDArray[np.float32] | None) -> Probe:
    """What the files are to be run on: the images they were calibrated on, if there are any."""
    network, request = prepared.network, prepared.request
    with tensorflow_hushed():
        if images is None:
            from tinyedge.export.calibrate.synthesize import smooth_noise

            images = smooth_noise(network.input, _NOISE_IMAGES, seed=request.seed)
        source: CheckImages = "synthesized" if prepared.calibration is None else "photos"
        return make_probe(network, model, images, source)


def _checked(
    prepared: Prepared,
    converted: Converted,
    files: Mapping[FileKind, bytes],
    cards: Mapping[FileKind, ModelCard],
    progress: Progress,
) -> tuple[dict[FileKind, Check], dict[FileKind, bytes]]:
    """Each .tflite run against what it was made of; and the files as they are to be written.

    In them convolutions have the forms chosen for the boards, and where it is asked for a softmax
    follows.
    """
    request, probe = prepared.request, converted.probe
    softmax = prepared.network.softmax if request.probabilities else None
    of_boards: Literal["int8", "mixed"] = "mixed" if "mixed" in files else "int8"
    runs = len(files) * (1 if softmax is None else 3) + bool(converted.forms)
    advance = Stage.CHECK_FILES.begin(progress, runs * len(probe.images))
    check = FileCheck(prepared.network, probe, cards["float"], advance)
    found: dict[FileKind, Check] = {"float": check.float_file(files["float"])}
    if "int8" in files:
        found["int8"] = check.int8_file(
            files["int8"], request.quantizer, is_written="mixed" not in files
        )
    if "mixed" in files:
        found["mixed"] = check.mixed_file(files["mixed"], request.quantizer)
    if "coral" in files:
        found["coral"] = check.coral_file(files["coral"], cards["coral"].lowerings)
    made = dict(files)
    if converted.forms:
        made[of_boards] = in_forms(files[of_boards], converted.forms)
        verify_model(made[of_boards], cards[of_boards], input_type=request.input_type)
        check.rewritten_file(made[of_boards], of_boards)
    if softmax is not None:
        for kind, content in list(made.items()):
            made[kind] = append_softmax(content, softmax)
            input_type = "float32" if kind == "float" else request.input_type
            verify_model(made[kind], cards[kind], input_type=input_type)
            check.probabilities(content, made[kind], softmax)
    return found, made


def _coral_file(request: ExportRequest, int8: bytes, card: ModelCard) -> EdgeTpuFile:
    """The file for the Edge TPU, made of the int8 file."""
    made = edge_tpu_file(int8)
    verify_model(made.content, coral_card(card, made.lowered), input_type=request.input_type)
    verify_lowered(made.partition)
    found = shortfall(made.partition, request.targets()["coral"].name)
    if found is not None:
        warnings.warn(found, TinyedgeWarning, stacklevel=3)
    return made
