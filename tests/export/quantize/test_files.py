"""The quantized files of a network: what is chosen on which images, and what is made of it.

Of a quantizer that says what it was asked for.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.int8_chain import integer_file
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.devices.profile import find_profile
from tinyedge.export.calibrate.images import set_aside
from tinyedge.export.quantize.blocks import Block
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.modelcard import Precision
from tinyedge.progress import no_progress
from tinyedge.tflite.model import parse_tflite
from tinyedge.tflite.quantization import QuantParams

require_tensorflow()

from tinyedge.export.quantize.files import QuantizedFiles  # noqa: E402

FIRST = integer_file()
CONVOLUTION = "[convolutional]\nfilters={}\nsize=3\npad=1\nactivation=leaky\n"
PI4, PI5 = find_profile("pi4"), find_profile("pi5")


def network(side: int, filters: int) -> Network:
    text = f"[net]\nheight={side}\nwidth={side}\nchannels=3\n"
    return build_network(parse_cfg(text + 2 * CONVOLUTION.format(filters), "n.cfg"))


def of_all() -> bytes:
    """The integer file with other weights in layer 0."""
    editor = ModelEditor(FIRST)
    kernel, qparams = np.ones((1, 1, 3, 6), np.int8), QuantParams.symmetric(np.ones(6), axis=-1)
    operator = editor.layer_operators()[0]
    editor.set_weights(operator, kernel, qparams, np.zeros(6, np.float32))
    return editor.content()


@dataclass
class Quantizer:
    """Makes one file, and keeps what it was asked for."""

    blocks: Sequence[Block] = ()
    alone: frozenset[int] = frozenset()
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def rounded_layers(self, int8: bytes, mixed: bytes) -> frozenset[int]:
        del int8, mixed
        return frozenset()

    def file_for(
        self,
        int8: bytes,
        mixed: bytes | None = None,
        precision: Mapping[int, Precision] = {},
        widened: Mapping[int, float] = {},
    ) -> bytes:
        self.asked.append((int8, mixed, precision, widened))
        return of_all()


@dataclass
class Judge:
    """Counts what is int8, and keeps which images it was given and how many files it ran."""

    given: list[list[int]] = field(default_factory=list)
    behind_layers: list[tuple[bytes, list[int]]] = field(default_factory=list)
    ran: int = 0

    def __call__(self, images: NDArray[np.float32]) -> "Divergence":
        self.given.append(images[:, 0, 0, 0].astype(int).tolist())
        return Divergence(self)


@dataclass
class Divergence:
    """Of files, as `Judge` says."""

    judge: Judge

    def __call__(self, content: bytes) -> float:
        self.judge.ran += 1
        tensors = parse_tflite(content).subgraphs[0].tensors
        return 1 + sum(each.type == "int8" and not each.constant for each in tensors)

    def behind(self, content: bytes, layers: Collection[int]) -> "Divergence":
        self.judge.behind_layers.append((content, list(layers)))
        return self


def files(count: int, of: Network) -> tuple[QuantizedFiles, Quantizer, Judge]:
    """Of images that are their own number."""
    quantizer, judge = Quantizer(), Judge()
    images = np.arange(count, dtype=np.float32).reshape(count, 1, 1, 1)
    aside = set_aside(count)
    return (
        QuantizedFiles(of, quantizer, FIRST, judge=judge, images=images, aside=aside),
        quantizer,
        judge,
    )


def test_of_few_images_the_first_integer_file_is_the_last() -> None:
    made, quantizer, judge = files(99, network(8, 4))
    assert made.integer(no_progress) == FIRST
    assert not quantizer.asked
    assert not judge.given


def test_of_many_the_integer_file_is_judged_on_those_set_aside_and_made_of_all() -> None:
    made, quantizer, judge = files(120, network(8, 4))
    assert made.integer(no_progress) == of_all()
    assert quantizer.asked == [(FIRST, None, {}, {})]
    assert judge.given == [list(range(0, 120, 3))]
    # Of no blocks there are no last layers.
    assert judge.behind_layers == [(FIRST, [])]


@pytest.mark.parametrize(("count", "judged"), [(30, range(30)), (120, range(0, 120, 3))])
def test_a_mixed_file_is_chosen_on_those_set_aside_and_made_of_all(
    count: int, judged: range
) -> None:
    """Of few, on those that there are."""
    made, quantizer, judge = files(count, network(8, 4))
    chosen = made.precisions([PI4], no_progress).choose(2.0)
    assert judge.given == [list(judged)]
    int8, mixed = made.fitted(chosen, no_progress)
    assert quantizer.asked == [(FIRST, chosen.content, chosen.precision, {})]
    assert int8 == of_all()
    assert mixed == chosen.of(int8)
    assert mixed.content != chosen.content


def test_roundings_are_measured_once_for_all_boards() -> None:
    made, _, judge = files(120, network(8, 4))
    made.precisions([PI4], no_progress)
    ran = judge.ran
    made.precisions([PI5], no_progress)
    assert judge.ran == ran > 0
    assert len(judge.given) == 1


def test_a_large_network_is_judged_on_few_images() -> None:
    made, _, judge = files(120, network(224, 512))
    made.integer(no_progress)
    (given,) = judge.given
    assert (len(given), given[0], given[-1]) == (8, 0, 117)
