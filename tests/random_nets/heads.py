"""The ends of networks: from the body's last layer to the answer."""

from collections.abc import Callable, Mapping

from tests.random_nets.sections import Draft, section

__all__ = ["HEADS"]


def _averaged(draft: Draft, activation: str = "linear", outputs: int | None = None) -> None:
    """A 1x1 convolution to the classes and their average; behind what is no image, connected."""
    if draft.layers and not draft.layers[-1].is_image:
        return _connected(draft, activation, outputs)
    filters = outputs or _classes(draft)
    draft.add(section("convolutional", filters=filters, size=1, activation=activation))
    return draft.add(section("avgpool"))


def _connected(draft: Draft, activation: str | None = "linear", outputs: int | None = None) -> None:
    draft.add(section("connected", output=outputs or _classes(draft), activation=activation))


def _either(draft: Draft, activation: str = "linear", outputs: int | None = None) -> None:
    (_averaged if draft.chance(0.5) else _connected)(draft, activation, outputs)


def _classes(draft: Draft) -> int:
    return int(draft.rng.integers(2, 13))


def _softmax(draft: Draft) -> None:
    _averaged(draft)
    draft.add(section("softmax"))


def _dense_softmax(draft: Draft) -> None:
    _connected(draft)
    draft.add(section("softmax"))


def _softmax_in_groups(draft: Draft) -> None:
    groups = draft.one_of([2, 3])
    _either(draft, outputs=groups * draft.one_of([2, 3, 5]))
    draft.add(section("softmax", groups=groups))


def _softmax_with_temperature(draft: Draft) -> None:
    _either(draft)
    draft.add(section("softmax", temperature=draft.one_of([0.5, 2, 3])))


def _cost(draft: Draft) -> None:
    _either(draft)
    draft.add(section("softmax"))
    draft.add(section("cost", type="sse"))


def _dropout(draft: Draft) -> None:
    if draft.layers[-1].is_image:
        draft.add(section("dropout", probability=0.5))
    _connected(draft)
    draft.add(section("softmax"))


def _logistic_outputs(draft: Draft) -> None:
    """What Darknet takes where the activation is left out."""
    _connected(draft, draft.one_of([None, "logistic"]))


def _averaged_logistic(draft: Draft) -> None:
    _averaged(draft, "logistic")


def _logistic_layer(draft: Draft) -> None:
    _either(draft)
    draft.add(section("logistic"))


def _linear(draft: Draft) -> None:
    _either(draft)


def _tanh(draft: Draft) -> None:
    _either(draft, "tanh")


def _any_activation(draft: Draft) -> None:
    _either(draft, draft.activation("connected"))


def _one_output(draft: Draft) -> None:
    _either(draft, draft.one_of(["logistic", "linear", "tanh", "leaky"]), 1)


def _average_alone(draft: Draft) -> None:
    if draft.layers[-1].is_image:
        draft.add(section("avgpool"))


def _features(_: Draft) -> None:
    """None at all: the body's output."""


HEADS: Mapping[str, Callable[[Draft], None]] = {
    "softmax": _softmax,
    "dense softmax": _dense_softmax,
    "softmax in groups": _softmax_in_groups,
    "softmax with a temperature": _softmax_with_temperature,
    "cost": _cost,
    "dropout": _dropout,
    "logistic outputs": _logistic_outputs,
    "averaged logistic": _averaged_logistic,
    "logistic layer": _logistic_layer,
    "linear": _linear,
    "tanh": _tanh,
    "any activation": _any_activation,
    "one output": _one_output,
    "average alone": _average_alone,
    "features": _features,
}
"""By name, what puts the head behind the body."""
