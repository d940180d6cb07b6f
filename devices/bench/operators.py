"""What each operator of a model takes on this machine, by LiteRT's own profiler."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tinyedge import children
from tinyedge.darknet.layer_names import operator_layer
from tinyedge.devices.bench.profiler import Profile, ProfiledOperator
from tinyedge.devices.runtime.runtimes import RUNTIMES
from tinyedge.errors import DeviceError, ModelError
from tinyedge.system import INTERRUPTS
from tinyedge.tflite.model import Subgraph, file_for_programs, read_tflite

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classifier

__all__ = ["OperatorTimes", "TimedOperator", "check_has_profiler", "time_operators"]

_LIBRARY = "libLiteRt.so"
# Beginnings of XNNPACK's names of what may do the work of an operator of these names.
_SAME_WORK = (
    (
        ("Convolution", "Fully Connected"),
        ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
    ),
    (("Max Pooling",), ("MAX_POOL_2D",)),
    (("Average Pooling", "Mean"), ("AVERAGE_POOL_2D", "MEAN")),
    (("LeakyReLU",), ("LEAKY_RELU",)),
    (("Softmax",), ("SOFTMAX",)),
    (("Add",), ("ADD",)),
    (("Copy",), ("CONCATENATION",)),
    (("Slice",), ("SLICE", "STRIDED_SLICE")),
    (("Constant Pad",), ("PAD",)),
    (("Static Reshape",), ("RESHAPE",)),
)


class TimedOperator(NamedTuple):
    """An operator that ran, and the layer it is of.

    Attributes:
        profiled: what the profiler tells of it.
        layer: the number and kind of the Darknet layer; None where nobody can tell.
    """

    profiled: ProfiledOperator
    layer: tuple[int, str] | None


class OperatorTimes(NamedTuple):
    """What the operators of a model take.

    Attributes:
        runs: how many inferences were profiled, and as many not, in turn.
        inference: of a whole inference that was not profiled, the median in milliseconds.
        fastest: the shortest of these.
        operators: in the order in which they run.
    """

    runs: int
    inference: float
    fastest: float
    operators: tuple[TimedOperator, ...]

    @property
    def sum(self) -> float:
        """Of the operators' medians, milliseconds."""
        return sum(each.profiled.milliseconds for each in self.operators)


def check_has_profiler(classifier: "Classifier") -> None:
    """That the operators of a model that was loaded can be timed here.

    Raises:
        DeviceError: it runs through a delegate, or by a runtime without a profiler.
        ModelError: it is several graphs, of which the profiler tells of one.
    """
    if classifier.delegate is not None:
        raise DeviceError(
            f"{classifier.path} runs through {classifier.delegate}, and what its operators take"
            " there nobody tells: --operators is of the CPU, --device host"
        )
    if not _library(classifier).is_file():
        raise DeviceError(
            f"{classifier.runtime} has no profiler: --operators needs ai-edge-litert 2, with"
            f" {_LIBRARY} in its wheel, which there is for 64-bit systems"
        )
    graphs = len(read_tflite(classifier.path).subgraphs)
    if graphs != 1:
        raise ModelError(
            f"{classifier.path}: it has {graphs} graphs; --operators tells of files of one"
        )


def time_operators(classifier: "Classifier", runs: int) -> OperatorTimes:
    """Time the operators in a process of its own, `runs` times, on an input of zeros.

    Args:
        classifier: one that `check_has_profiler` lets pass.
        runs: at least 1.

    Raises:
        DeviceError: the profiler crashes or cannot be had.
    """
    model = classifier.path
    with file_for_programs(model) as file:
        words = (_library(classifier), file, classifier.threads, runs)
        done = children.run(children.own_module("tinyedge.devices.bench.profiler", *words))
    what = f"the operators of {model} cannot be timed by {classifier.runtime}"
    if -done.returncode in INTERRUPTS:
        name = signal.Signals(-done.returncode).name
        raise DeviceError(f"{what}: the profiler's process was ended by {name}")
    if done.returncode < 0:
        raise DeviceError(
            f"{what}: its profiler crashes (signal {-done.returncode}); try another version"
        )
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        if "error" in told:
            raise DeviceError(f"{what}: {told['error']}")
        found = [ProfiledOperator(*each) for each in told["operators"]]
        profile = Profile(told["inference"], told["fastest"], found)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        said = done.stderr.strip().splitlines()[-1:] or ["its process said nothing"]
        raise DeviceError(f"{what}: {said[0]}") from error
    layers = _layers(profile.operators, read_tflite(model).subgraphs[0])
    timed = map(TimedOperator, profile.operators, layers)
    return OperatorTimes(runs, profile.inference, profile.fastest, tuple(timed))


def _library(classifier: "Classifier") -> Path:
    package = sys.modules[RUNTIMES[classifier.runtime.name].partition(".")[0]]
    return Path(package.__path__[0], _LIBRARY)


def _layers(profiled: Sequence[ProfiledOperator], graph: Subgraph) -> list[tuple[int, str] | None]:
    """Of each operator that ran the layer.

    XNNPACK says of none which of the file's it is. It keeps the order of those that are delegated
    together: where as many of one work ran as the file has, each is the one in its place.
    """
    found: list[tuple[int, str] | None] = [None] * len(profiled)
    for place, each in enumerate(profiled):
        if not each.xnnpack and each.node < len(graph.operators):
            found[place] = operator_layer(graph, graph.operators[each.node])
    for beginnings, names in _SAME_WORK:
        places = [
            place
            for place, each in enumerate(profiled)
            if each.type.startswith(beginnings) or each.type in names
        ]
        of_file = [place for place, each in enumerate(graph.operators) if each.name in names]
        if len(places) == len(of_file) and _are_parted_alike(profiled, places, of_file):
            for place, node in zip(places, of_file, strict=True):
                found[place] = operator_layer(graph, graph.operators[node])
    return found


def _are_parted_alike(
    profiled: Sequence[ProfiledOperator], places: Sequence[int], of_file: Sequence[int]
) -> bool:
    """Whether as many of them stand before each operator of TFLite's own as in the file.

    TFLite runs first what does not wait for an operator of its own, wherever the file has it.
    """
    return all(
        sum(each < place for each in places) == sum(node < own.node for node in of_file)
        for place, own in enumerate(profiled)
        if not own.xnnpack
    )
