"""Our integer files in TFLite Micro: the tables of docs/microcontrollers.md.

    python -m benchmarks.microcontrollers out/tiny_int8.tflite --data val [--count 200]

Prints a row of each table. Needs the extra `microcontroller`; the reference kernels of Tiny Darknet
take a second an image, in LiteRT as in TFLite Micro.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.microcontrollers.interpreters import MicroInterpreter, leaky, reference, steps
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.tflm.interpreter import try_file
from tinyedge.devices.tflm.kernels import tensor_arena_bytes
from tinyedge.images.find import read_images
from tinyedge.images.image_list import LabelledImage
from tinyedge.tflite.model import read_tflite

_STEPS_OF = 20


@dataclass
class Compared:
    """Integers held against others: how many, how many differ, and by how much at most."""

    numbers: int = 0
    unequal: int = 0
    most: int = 0

    def add(self, found: np.ndarray, wanted: np.ndarray) -> int:
        """Count them in; says how many of these differ."""
        apart = np.abs(found.astype(np.int64) - wanted.astype(np.int64))
        unequal = int(np.count_nonzero(apart))
        self.numbers += apart.size
        self.unequal += unequal
        self.most = max(self.most, int(apart.max(initial=0)))
        return unequal


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, help="how many of the photos, spread evenly")
    options = parser.parse_args()
    model: Path = options.model
    graph = read_tflite(model).subgraphs[0]
    least = tensor_arena_bytes(graph)
    arena = try_file(model, tensor_bytes=least).arena
    assert arena is not None
    kinds = sorted({operator.name for operator in graph.operators})
    print(
        f"arena | {model.name} | {model.stat().st_size:,} | {least:,} | {arena.tensors:,} |"
        f" {arena.structures:,} | {arena.total:,} | {arena.least:,} | {len(graph.operators)}:"
        f" {', '.join(kinds)} |"
    )
    _answers(model, options.data, options.count)


def _answers(model: Path, data: Path, count: int | None) -> None:
    classifier = Classifier(model)
    card = classifier.card
    found = read_images(data, labels=card.labels, ids=card.ids, classes=classifier.classes)
    photos = [each for each in found if isinstance(each, LabelledImage)]
    if count is not None:
        photos = [photos[index * len(photos) // count] for index in range(count)]
    graph = read_tflite(model).subgraphs[0]
    micro, whole, alone = MicroInterpreter(model), reference(model.read_bytes()), list(steps(model))
    wanted_in, wanted_out = (
        details[0]["index"] for details in (whole.get_input_details(), whole.get_output_details())
    )
    answers, rules = Compared(), {np.float64: Compared(), np.float32: Compared()}
    equal = 0
    classes: list[tuple[int, ...]] = []
    by_kind: dict[str, Compared] = defaultdict(Compared)
    for number, photo in enumerate(photos):
        inputs = classifier.preprocess(photo.path)
        answer = micro.answer(inputs)
        whole.set_tensor(wanted_in, inputs)
        whole.invoke()
        wanted = whole.get_tensor(wanted_out)
        equal += not answers.add(answer, wanted)
        named = (answer, wanted, classifier.logits(inputs))
        classes.append((photo.index, *(int(each.argmax()) for each in named)))
        if number >= _STEPS_OF:
            continue
        for step in alone:
            given = [micro.tensor(each) for each in step.inputs]
            made, theirs = micro.tensor(step.output), step.answer(given)
            by_kind[step.operator].add(made, theirs)
            if step.operator == "LEAKY_RELU":
                rules[np.float64].add(made, leaky(graph, step, given[0], np.float64))
                rules[np.float32].add(theirs, leaky(graph, step, given[0], np.float32))
    n = len(photos)
    right, micro_class, reference_class, runtime_class = np.array(classes).T

    def same(one: NDArray[np.int64], other: NDArray[np.int64]) -> str:
        return f"{np.mean(one == other):.2%}"

    print(
        f"answers | {model.name} | {n} | {same(micro_class, reference_class)} |"
        f" {same(micro_class, runtime_class)} | {same(reference_class, runtime_class)} |"
        f" {equal} | {answers.unequal / answers.numbers:.1%} | {answers.most} |"
        f" {same(micro_class, right)} | {same(reference_class, right)} |"
        f" {same(runtime_class, right)} |"
    )
    print(f"operators, each alone, {min(n, _STEPS_OF)} images:")
    for kind, each in by_kind.items():
        print(f"| {kind} | {each.numbers:,} | {each.unequal:,} | {each.most} |")
    for kind, each in (
        ("double, TFLite Micro", rules[np.float64]),
        ("float, LiteRT", rules[np.float32]),
    ):
        row = f"{each.numbers:,} | {each.unequal:,} | {each.most}"
        print(f"| LEAKY_RELU by its definition in {kind} | {row} |")


if __name__ == "__main__":
    main()
