"""How long an inference takes, measured apart from everything else."""

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

import numpy as np

from tinyedge.accuracy.model import ScoringModel
from tinyedge.errors import ImageError
from tinyedge.images.load import load_float_inputs

__all__ = ["median_milliseconds"]

_ROUNDS, _FEWEST_ROUNDS = 50, 5
_IMAGES = 10
_SECONDS = 10.0
"""Of all models together: slow ones run `_FEWEST_ROUNDS` times."""


def median_milliseconds(
    models: Sequence[ScoringModel], images: Sequence[Path]
) -> tuple[float | None, ...]:
    """The median time of one inference of each model, without reading and fitting the image.

    The models take turns, each going first as often as the others, so that what else the machine
    does and how warm it is counts for all. No worker may run meanwhile.

    Args:
        models: as they were opened, with their threads.
        images: that can be read; some of them, spread evenly, are used.

    Returns:
        Milliseconds; None where no image can be read any more.
    """
    inputs = []
    for place in np.linspace(0, len(images) - 1, min(_IMAGES, len(images))).astype(int):
        try:
            pixels = load_float_inputs(images[place], [model.spec for model in models])
        except ImageError:
            continue
        inputs.append(
            [
                model.spec.encode(each)[np.newaxis]
                for model, each in zip(models, pixels, strict=True)
            ]
        )
    if not inputs:
        return (None,) * len(models)
    for model, first in zip(models, inputs[0], strict=True):
        model.infer(first)  # the first inference of a file takes longer
    times: list[list[float]] = [[] for _ in models]
    begin = perf_counter()
    order = list(range(len(models)))
    for number, tensors in enumerate(islice(cycle(inputs), _ROUNDS)):
        if number >= _FEWEST_ROUNDS and perf_counter() - begin > _SECONDS:
            break
        for place in order:
            times[place].append(models[place].infer(tensors[place]).milliseconds)
        order.append(order.pop(0))
    return tuple(float(np.median(each)) for each in times)
