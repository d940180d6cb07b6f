"""Darknet classifiers as checked int8 TFLite files for Raspberry Pi and Coral boards.

This is the Python API, described with examples in docs/api.md; the command line is a thin layer
over the same calls. Importing it takes next to nothing: each name is loaded when it is first used.
"""

import importlib
import os

# A constant of its own, as type checkers know it: the module typing takes longer than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from tinyedge.accuracy.compare import Comparisons, Workers
    from tinyedge.accuracy.result import Comparison
    from tinyedge.darknet.network import Network, read_network
    from tinyedge.devices.profile import InputType, Profile
    from tinyedge.devices.runtime.classifier import Classification, Classifier, Prediction
    from tinyedge.errors import (
        AnswerError,
        CfgError,
        DatasetError,
        DeployError,
        DeviceError,
        ExportError,
        FetchError,
        ImageError,
        MissingPackageError,
        ModelError,
        TinyedgeError,
        TinyedgeWarning,
        WeightsError,
        WorkerError,
    )
    from tinyedge.export.pipeline import Exported
    from tinyedge.export.request import FilePrecision
    from tinyedge.images.image_list import LabelledImage
    from tinyedge.images.spec import Fit
    from tinyedge.modelcard import BatchNormFormula, ModelCard, Quantizer, Rewrite, read_card
    from tinyedge.progress import Progress
    from tinyedge.zoo.source import Source

__version__ = "0.1.0"

__all__ = [
    "AnswerError",
    "CfgError",
    "Classification",
    "Classifier",
    "Comparison",
    "Comparisons",
    "DatasetError",
    "DeployError",
    "DeviceError",
    "ExportError",
    "Exported",
    "FetchError",
    "ImageError",
    "LabelledImage",
    "MissingPackageError",
    "ModelCard",
    "ModelError",
    "Network",
    "Prediction",
    "TinyedgeError",
    "TinyedgeWarning",
    "WeightsError",
    "WorkerError",
    "__version__",
    "compare",
    "compare_models",
    "export_model",
    "read_card",
    "read_network",
]

# Where each name that is not defined here comes from.
_MODULES = {
    "Classification": "tinyedge.devices.runtime.classifier",
    "Classifier": "tinyedge.devices.runtime.classifier",
    "Comparison": "tinyedge.accuracy.result",
    "Comparisons": "tinyedge.accuracy.compare",
    "Exported": "tinyedge.export.pipeline",
    "LabelledImage": "tinyedge.images.image_list",
    "ModelCard": "tinyedge.modelcard",
    "Network": "tinyedge.darknet.network",
    "Prediction": "tinyedge.devices.runtime.classifier",
    "read_card": "tinyedge.modelcard",
    "read_network": "tinyedge.darknet.network",
}


def compare(
    float_model: "str | os.PathLike[str] | Classifier",
    int8_model: "str | os.PathLike[str] | Classifier",
    images: "str | os.PathLike[str] | Sequence[LabelledImage] | Sequence[str | os.PathLike[str]]",
    *,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    max_kl: float | None = None,
    unlabelled: bool = False,
    device: "str | Profile" = "host",
    threads: int | None = None,
    fit: "Fit | None" = None,
    labels: "str | os.PathLike[str] | None" = None,
    ids: "str | os.PathLike[str] | None" = None,
    mean: "float | Sequence[float] | None" = None,
    std: "float | Sequence[float] | None" = None,
    threshold: float | None = None,
    fast_resize: bool = False,
    progress: "Progress | None" = None,
) -> "Comparison":
    """Measure on images what int8 cost, as ``tinyedge compare`` does.

    Both models see the same pixels. Images that calibrated either model are refused. Without labels
    the result holds how often both models answer alike, and no accuracy.

    Args:
        float_model: the reference: a .tflite, or a `Classifier` of one.
        int8_model: the model in question, likewise.
        images: a folder with a folder of images for each class, named by label, WordNet id or
            index; a manifest of ``path<TAB>label`` lines; a list or .data file as Darknet's
            training takes it, whose ``top`` counts; or images with their classes' indices.
            Without labels are a folder whose folders hold no image, a pattern, one image, a list of
            paths that hold no label, or a sequence of paths. Of a folder, files that are no images
            are left out, and the result says so.
        max_drop: a budget: how many points of top-1, 0 to 100, int8 may cost; it needs labels.
        min_agreement: a budget: on how many percent of the images, 0 to 100, both models must
            answer with one class.
        max_kl: a budget: how large the mean KL divergence may be, nats.
        unlabelled: take the images of a folder or list without labels, whatever they are called.
        device: what a model given by its path runs on: the name of a device profile, the path of
            its .toml, or a profile.
        threads: of the runtime for such a model, 1 to 1,024; the device's where not given.
        fit: how images are fitted to its input; overrides its card.
        labels: a text file of class names, one a line; overrides its card.
        ids: a text file of WordNet ids, one a line; overrides its card.
        mean: with `std`, what a pixel of 0 to 255 becomes, (pixel - mean) / std: one number, or
            one for each of red, green and blue; overrides what it says.
        std: above 0, likewise.
        threshold: of a model of one output, the probability of class 1, 0 to 1, above which that
            is the answer; 0.5 where not given.
        fast_resize: feed the int8 model photos that are resized as ``run --fast-resize`` does, and
            the float one exactly: the result is the cost of both.
        progress: is told of every image.

    Raises:
        ModelError: a file is no image classifier, the models differ in classes, labels, input or
            fit, are given in the wrong order, or answer with infinities or NaN.
        DatasetError: an image calibrated a model, a label is none of the classes, there is no
            image that can be read, or `max_drop` is given for images without labels.
        ImageError: an image that was named is none.
        DeviceError: there is no such device, or its accelerator cannot be used.
        MissingPackageError: no TFLite runtime is installed.
        ValueError: a budget or `threshold` is out of range.
        OSError: a file cannot be read.
    """
    (found,) = compare_models(
        (float_model, int8_model),
        images,
        max_drop=max_drop,
        min_agreement=min_agreement,
        max_kl=max_kl,
        unlabelled=unlabelled,
        device=device,
        threads=threads,
        fit=fit,
        labels=labels,
        ids=ids,
        mean=mean,
        std=std,
        threshold=threshold,
        fast_resize=fast_resize,
        progress=progress,
    ).each
    return found


def compare_models(
    models: "Sequence[str | os.PathLike[str] | Classifier]",
    images: "str | os.PathLike[str] | Sequence[LabelledImage] | Sequence[str | os.PathLike[str]]",
    *,
    max_drop: float | None = None,
    min_agreement: float | None = None,
    max_kl: float | None = None,
    unlabelled: bool = False,
    device: "str | Profile" = "host",
    threads: int | None = None,
    fit: "Fit | None" = None,
    labels: "str | os.PathLike[str] | None" = None,
    ids: "str | os.PathLike[str] | None" = None,
    mean: "float | Sequence[float] | None" = None,
    std: "float | Sequence[float] | None" = None,
    threshold: float | None = None,
    fast_resize: bool = False,
    workers: "int | Executor | None" = 1,
    scheduler: str | None = None,
    ship: bool = False,
    journal: "str | os.PathLike[str] | None" = None,
    resume: bool = False,
    started: "Callable[[Workers | None], None] | None" = None,
    so_far: "Callable[[Comparisons], None] | None" = None,
    progress: "Progress | None" = None,
) -> "Comparisons":
    """Measure on images what each of several models lost, as ``tinyedge compare`` does.

    Args:
        models: the float model, then one or more to compare with it; see `compare`.
        images: see `compare`.
        max_drop: see `compare`; a budget is for each of the other models.
        min_agreement: likewise.
        max_kl: likewise.
        unlabelled: likewise.
        device: likewise.
        threads: likewise; of each worker, too.
        fit: likewise.
        labels: likewise.
        ids: likewise.
        mean: likewise.
        std: likewise.
        threshold: likewise.
        fast_resize: likewise, of all but the first.
        workers: how many processes share the work, no more than there are cores for; None for as
            many as are of use; or an executor of processes that have tinyedge, such as Dask's. The
            program's main module must be one that can be imported without running.
        scheduler: the address of a Dask scheduler whose workers share the work, in place of
            `workers`; see docs/cluster.md.
        ship: send models and images to workers that have not the files.
        journal: a file that keeps what was found, so that `resume` can go on with it.
        resume: go on with what the journal holds, if it is of the same comparison.
        started: is told who does the work when it begins: workers, or None for this thread.
        so_far: is told what is known when the comparison is interrupted.
        progress: see `compare`.

    Raises:
        ModelError, ImageError, DeviceError, MissingPackageError: as `compare` raises.
        WorkerError: a worker ended, or has another tinyedge.
        DatasetError: as `compare` raises; or the journal is of another comparison.
        ValueError: as `compare` raises; or there are fewer than two models, or more workers than
            cores; or `resume` without a journal, or `ship` without a scheduler.
        OSError: a file cannot be read, or the journal cannot be written.
    """
    import contextlib
    from pathlib import Path

    from tinyedge.accuracy.budgets import Budgets
    from tinyedge.accuracy.compare import Workers
    from tinyedge.accuracy.compare import compare_models as compare_opened
    from tinyedge.accuracy.sharing import share, share_with_cluster
    from tinyedge.devices.profile import Profile, find_profile
    from tinyedge.devices.runtime.classifier import open_models
    from tinyedge.images.data_file import is_data_file, read_data_file
    from tinyedge.images.find import read_images
    from tinyedge.images.image_list import LabelledImage
    from tinyedge.progress import no_progress

    if isinstance(models, str | os.PathLike):
        raise ValueError(f"models is {models!r}, not the float model and those to compare with it")
    if len(models) < 2:
        raise ValueError(f"{len(models)} models: a comparison is of two at least")
    if resume and journal is None:
        raise ValueError("resume goes on with a journal: name it")
    if ship and scheduler is None:
        raise ValueError("ship sends files to a scheduler's workers: name the scheduler")
    profile = device if isinstance(device, Profile) else find_profile(device)
    opened = open_models(
        models,
        device=profile,
        threads=threads,
        fit=fit,
        labels=labels,
        ids=ids,
        mean=mean,
        std=std,
        threshold=threshold,
        fast_resize=fast_resize,
    )
    in_folder, top_k = False, None
    found: Sequence[LabelledImage | Path]
    if isinstance(images, str | os.PathLike):
        source = Path(images)
        # What does not exist is a pattern, which `read_images` found files of.
        in_folder = os.path.isdir(source) or not os.path.exists(source)
        found = read_images(
            source,
            labels=next((model.card.labels for model in opened if model.card.labels), None),
            ids=next((model.card.ids for model in opened if model.card.ids), None),
            classes=opened[0].classes,
            unlabelled=unlabelled,
        )
        if is_data_file(source):
            top_k = read_data_file(source).top()
    else:
        found = [each if isinstance(each, LabelledImage) else Path(each) for each in images]
    with contextlib.ExitStack() as stack:
        sharing: contextlib.AbstractContextManager[Workers | None]
        if scheduler is not None:
            sharing = share_with_cluster(opened, len(found), scheduler, ship=ship, threads=threads)
        else:
            sharing = share(
                opened,
                len(found),
                workers=workers,
                threads=threads,
                most_threads=profile.usable_threads(),
                only_here=next((model.only_here for model in opened if model.only_here), None),
            )
        shared = stack.enter_context(sharing)
        if started is not None:
            started(shared)
        return compare_opened(
            opened[0],
            opened[1:],
            found,
            budgets=Budgets(max_drop, min_agreement, max_kl),
            top_k=top_k or 5,
            # A manifest names its files one by one; a folder may hold anything.
            skip_unreadable=in_folder,
            workers=shared,
            journal=None if journal is None else Path(journal),
            resume=resume,
            so_far=so_far,
            progress=progress or no_progress,
        )


def export_model(
    source: "str | os.PathLike[str] | Source",
    output: "str | os.PathLike[str]",
    *,
    weights: "str | os.PathLike[str] | None" = None,
    labels: "str | os.PathLike[str] | None" = None,
    ids: "str | os.PathLike[str] | None" = None,
    calibration: "str | os.PathLike[str] | None" = None,
    calibration_count: int = 200,
    data_free: bool = False,
    size: tuple[int, int] | None = None,
    fit: "Fit" = "crop",
    batch_norm: "BatchNormFormula | None" = None,
    device: "str | Profile" = "host",
    input_type: "InputType | None" = None,
    probabilities: bool = False,
    author: str = "",
    license: str = "",  # noqa: A002  # the metadata's word
    precision: "FilePrecision | None" = None,
    latency_budget: float = 1.0,
    pareto: bool = False,
    quantizer: "Quantizer" = "tuned",
    rewrites: "tuple[Rewrite, ...] | None" = None,
    seed: int = 0,
    float_only: bool = False,
    keras: bool = False,
    saved_model: bool = False,
    workers: int | None = 1,
    progress: "Progress | None" = None,
) -> "Exported":
    """Make float and int8 .tflite files of a Darknet network, as ``tinyedge export`` does.

    All files are written, or none where anything fails. Equal arguments give equal bytes. Where it
    is the first to import TensorFlow, what the program holds then is frozen, as by `gc.freeze`.

    Args:
        source: the name of a model of the zoo, or the path of a .cfg; of a `Source`, its files.
        output: the folder for the files; it is made where there is none.
        weights: Darknet's .weights; the zoo's where not given.
        labels: a text file of class names, one a line; the zoo's where not given.
        ids: a text file of WordNet ids, one a line; the zoo's where not given.
        calibration: a folder, pattern or manifest of photos to calibrate the int8 file with, such
            as the network will see; the zoo's where not given.
        calibration_count: how many of them to use, spread evenly, at least 1.
        data_free: calibrate without photos, at a loss, by the statistics in the weights.
        size: (width, height), pixels, to build the network for in place of the cfg's.
        fit: how photos are fitted to the input.
        batch_norm: where the epsilon of batch norms stands: ``inside`` the square root, as in
            AlexeyAB's Darknet, or ``outside``, as in the original; where not given, what the
            header of the weights hints at.
        device: the name of a device profile, the path of its .toml, or a profile.
        input_type: of the int8 file's input and output; the device's where not given.
        probabilities: have the .tflite files answer with probabilities in place of logits; int8
            ones then have steps of 1/256.
        author: of the network, for the files' metadata.
        license: of the network, likewise.
        precision: ``integer`` for an int8 file; ``mixed`` for one for the device's CPU, whose
            layers are each in int8, hybrid or float. Where not given, ``mixed`` for a Raspberry Pi
            of 64 bits by name, and ``integer`` for all else and where the input is uint8.
        latency_budget: the most cycles of a mixed file, as a part of the integer file's.
        pareto: find, with a mixed file, what divergence there is at which cost: `Exported.curve`.
        quantizer: ``tuned``, tinyedge's own, or ``default``, TFLiteConverter's.
        rewrites: the exact rewrites ``tuned`` may apply, of ``pool-before-leaky`` and
            ``average-before-linear``; both where not given.
        seed: of what is drawn at random, 0 to 2**32 - 1.
        float_only: make no int8 file; needs no photos.
        keras: save the Keras model too.
        saved_model: save a TensorFlow SavedModel too.
        workers: how many processes decode the photos, no more than there are cores for; None for
            as many as are of use. The program's main module must be one that can be imported
            without running.
        progress: is told how far the work is.

    Raises:
        CfgError: `source` is neither a model of the zoo nor a .cfg that can be built.
        WeightsError: the weights do not belong to the network.
        DatasetError: labels, ids or photos are not what they should be.
        ExportError: the network cannot be exported as asked.
        DeviceError: there is no such device.
        FetchError: a file of the zoo cannot be had.
        MissingPackageError: what ``tinyedge-darknet[export]`` brings is not installed.
        WorkerError: a worker ended.
        ValueError: an argument is none of those it may be, or more workers than cores.
        OSError: a file cannot be read or written.
    """
    try:
        from tinyedge.export.pipeline import export
        from tinyedge.export.quantize.reorder import REWRITES
        from tinyedge.export.request import ExportRequest
    except ModuleNotFoundError as error:
        from tinyedge.installation import export_package_missing

        raise export_package_missing("export_model", error.name) from error
    from dataclasses import replace
    from pathlib import Path

    from tinyedge.devices.latency.instructions import costs_are_known, counted_boards
    from tinyedge.devices.profile import Profile, find_profile
    from tinyedge.progress import no_progress
    from tinyedge.zoo.source import Source, find_source

    profile = device if isinstance(device, Profile) else find_profile(device)
    if not isinstance(source, Source):
        source = find_source(os.fspath(source), progress=progress or no_progress)
    costs_known = costs_are_known(profile)
    if precision is None:
        precision = "mixed" if costs_known and input_type != "uint8" else "integer"
    given = {"weights": weights, "labels": labels, "ids": ids, "calibration": calibration}
    request = ExportRequest(
        name=source.name,
        files=replace(
            source.files, **{key: Path(path) for key, path in given.items() if path is not None}
        ),
        output=Path(output),
        calibration_count=calibration_count,
        data_free=data_free,
        size=size,
        fit=fit,
        batch_norm=batch_norm,
        input_type=input_type or profile.input_type,
        probabilities=probabilities,
        author=author,
        license=license,
        precision=precision,
        latency_budget=latency_budget,
        pareto=pareto,
        boards=counted_boards(profile) if precision == "mixed" or costs_known else (),
        quantizer=quantizer,
        rewrites=REWRITES if rewrites is None else rewrites,
        seed=seed,
        float_only=float_only,
        keras=keras,
        saved_model=saved_model,
        device=profile,
    )
    return export(request, workers=workers, progress=progress or no_progress)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        module = _MODULES.get(name, "tinyedge.errors" if name in __all__ else None)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(module), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
