"""What each form of a file's convolutions takes on emulated cores, and what export would choose.

    python -m benchmarks.emulated.forms FILE.tflite

FILE is a full-integer file in plain form, as ``tinyedge export --device host`` writes it. Each of
its convolutions of more than one tap is counted alone, with the pool behind it, in every form of
`tinyedge.export.tflite.forms` that may suit it; then the whole file in the forms chosen for each
board, and for all of them. Equal convolutions are counted once.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import run
from benchmarks.emulated.cores import CORES
from benchmarks.emulated.costs import count_contents
from tinyedge.darknet.layer_names import named_layer
from tinyedge.devices.profile import find_profile
from tinyedge.export.tflite.forms import ChosenForm, Form, alone, choose_forms, forms_of, in_forms
from tinyedge.tflite.model import parse_tflite

__all__: list[str] = []


def main() -> None:
    """Count and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    content = parser.parse_args().file.read_bytes()
    chosen = {board: choose_forms(content, [find_profile(board)]) for board in CORES}
    everywhere = choose_forms(content, [find_profile(board) for board in CORES])
    layers = _distinct(alone(content))
    wholes = {"plain": content}
    wholes |= {f"for {board}": _written(content, forms) for board, forms in chosen.items()}
    wholes["for pi"] = _written(content, everywhere)
    singles = [each for _, files in layers for each in files.values()]
    counted = _counted([*singles, *wholes.values()])
    rows = iter(counted)
    print(f"| layers | convolution | form | {' | '.join(CORES.values())} |")
    print(f"|---|---|---|{'---:|' * len(CORES)}")
    for names, files in layers:
        for form in files:
            found = [chosen[board].get(names[0]) for board in CORES]
            best = [form == (None if each is None else each.form) for each in found]
            cells = [
                f"**{count / 1e6:.2f}**" if marked else f"{count / 1e6:.2f}"
                for count, marked in zip(next(rows), best, strict=True)
            ]
            said = (_numbers(names), _shapes(files[None])) if form is None else ("", "")
            print(f"| {' | '.join((*said, _named(form), *cells))} |")
    print(f"\n| file | {' | '.join(CORES.values())} |\n|---|{'---:|' * len(CORES)}")
    for name in wholes:
        print(f"| {name} | {' | '.join(f'{count / 1e6:.1f}' for count in next(rows))} |")


def _distinct(
    layers: Mapping[str, Mapping[Form | None, bytes]],
) -> list[tuple[list[str], Mapping[Form | None, bytes]]]:
    """Layers whose files differ in no shape, together."""
    found: dict[str, tuple[list[str], Mapping[Form | None, bytes]]] = {}
    for name, files in layers.items():
        graph = parse_tflite(files[None]).subgraphs[0]
        shapes = str([tensor.shape for tensor in graph.tensors])
        found.setdefault(shapes, ([], files))[0].append(name)
    return list(found.values())


def _written(content: bytes, forms: Mapping[str, ChosenForm]) -> bytes:
    return in_forms(content, forms_of(forms))


def _counted(contents: Sequence[bytes]) -> list[tuple[int, ...]]:
    """Of each file, its instructions on each board."""
    columns = []
    for board in CORES:
        columns.append([marks.instructions for marks in count_contents(board, contents)])
        print(f"{board}: {len(contents)} files", file=sys.stderr, flush=True)
    return list(zip(*columns, strict=True))


def _numbers(names: Sequence[str]) -> str:
    layers = (named_layer(name) for name in names)
    return ", ".join(str(layer[0]) if layer else "?" for layer in layers)


def _shapes(content: bytes) -> str:
    graph = parse_tflite(content).subgraphs[0]
    convolution = next(each for each in graph.operators if each.name == "CONV_2D")
    _, height, width, channels = graph.tensors[graph.inputs[0]].shape
    filters, rows, columns, _ = graph.tensors[convolution.inputs[1]].shape
    return f"{rows}x{columns} of {height}x{width}x{channels} to {filters}"


def _named(form: Form | None) -> str:
    if form is None:
        return "plain"
    return form.kind if form.kind == "im2col" else f"{form.kind} {form.outputs} x {form.parts}"


if __name__ == "__main__":
    run(main)
