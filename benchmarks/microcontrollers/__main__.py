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

from benchmarks.microcontrollers.interpreters import MicroInterpreter, leaky, reference, steps
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.tflm.interpreter import try_file
from tinyedge.devices.tflm.kernels import tensor_arena_bytes
from tinyedge.images.find import read_images
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
    found = read_images(data, labels=None, ids=None, classes=classifier.classes, unlabelled=True)
    paths = [each if isinstance(each, Path) else each.path for each in found]
    if count is not None:
        paths = [paths[index * len(paths) // count] for index in range(count)]
    graph = read_tflite(model).subgraphs[0]
    micro, whole, alone = MicroInterpreter(model), reference(model.read_bytes()), list(steps(model))
    wanted_in, wanted_out = (
        details[0]["index"] for details in (whole.get_input_details(), whole.get_output_details())
    )
    answers, rules = Compared(), {np.float64: Compared(), np.float32: Compared()}
    equal = same_as_reference = same_as_runtime = 0
    by_kind: dict[str, Compared] = defaultdict(Compared)
    for number, path in enumerate(paths):
        inputs = classifier.preprocess(path)
        answer = micro.answer(inputs)
        whole.set_tensor(wanted_in, inputs)
        whole.invoke()
        wanted = whole.get_tensor(wanted_out)
        equal += not answers.add(answer, wanted)
        same_as_reference += int(answer.argmax() == wanted.argmax())
        same_as_runtime += int(answer.argmax() == classifier.logits(inputs).argmax())
        if number >= _STEPS_OF:
            continue
        for step in alone:
            given = [micro.tensor(each) for each in step.inputs]
            made, theirs = micro.tensor(step.output), step.answer(given)
            by_kind[step.operator].add(made, theirs)
            if step.operator == "LEAKY_RELU":
                rules[np.float64].add(made, leaky(graph, step, given[0], np.float64))
                rules[np.float32].add(theirs, leaky(graph, step, given[0], np.float32))
    n = len(paths)
    print(
        f"answers | {model.name} | {n} | {same_as_reference} | {same_as_runtime} | {equal} |"
        f" {answers.unequal:,} of {answers.numbers:,} | {answers.most} |"
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
