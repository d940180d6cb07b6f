"""What `tinyedge.export.inspection.inspect` finds; free of TensorFlow."""

from dataclasses import dataclass

from tinyedge.modelcard import Precision

__all__ = ["Divergence", "InspectedLayer", "Inspection", "Requantization", "Sensitivity"]


@dataclass(frozen=True)
class Requantization:
    """One place where values become int8.

    Attributes:
        operator: in lower case, the operator whose output is rounded; ``input`` of the pixels.
        tensor: its output's name.
        int8_range: the lowest and the highest value the tensor's integers stand for.
        observed_range: the lowest and the highest value of the float network, in the same units.
        saturated: percent of the values that were clipped at an end of the int8 range.
    """

    operator: str
    tensor: str
    int8_range: tuple[float, float]
    observed_range: tuple[float, float]
    saturated: float


@dataclass(frozen=True)
class Sensitivity:
    """A layer's part in KL(float, int8), two ways; layers interact, so neither adds up.

    Attributes:
        gives_back: how much smaller the mean KL is with this layer alone in float, nats; may be
            negative. Even so small a change makes later layers round differently, so
            that on few images it is uncertain.
        standard_error: of `gives_back`; 0 for one image.
        alone: the mean KL with this layer alone in int8, nats. Far steadier.
        alone_standard_error: of `alone`, by its spread over images; 0 for one image.
    """

    gives_back: float
    standard_error: float
    alone: float
    alone_standard_error: float


@dataclass(frozen=True)
class InspectedLayer:
    """One layer with what follows it up to the next, and its part in the damage.

    Attributes:
        index: Darknet's number; None of the input, and of what has no number.
        kind: Darknet's name, such as ``convolutional``.
        snr: signal-to-noise ratio of what comes out, dB, all errors of earlier layers included;
            infinite where it is without error, minus infinite where an error is all there is.
        cosine: of what comes out, float against int8.
        weight_snr: the same ratio of the weights, dB; None of a layer without weights.
        equalization_range: the least and the greatest equalization scale of a channel.
        requantizations: in the order they happen.
        sensitivity: None where the answers are no softmax over all classes.
        worst: whether it is one of the few that do most damage alone, and does more than the other
            layers do on average beyond the spread over images (see
            `tinyedge.export.inspection.blame`).
        precision: what it computes in; None of what has no weights.
    """

    index: int | None
    kind: str
    snr: float
    cosine: float
    weight_snr: float | None
    equalization_range: tuple[float, float]
    requantizations: tuple[Requantization, ...]
    sensitivity: Sensitivity | None
    worst: bool
    precision: Precision | None = None

    @property
    def name(self) -> str:
        """Number and kind: ``12 convolutional``."""
        return self.kind if self.index is None else f"{self.index} {self.kind}"


@dataclass(frozen=True)
class Divergence:
    """Mean KL divergence of answers from the float file's, nats.

    Attributes:
        int8: of the int8 file's, as the runtime gives them.
        simulated: of the simulation's with every operator in int8.
        simulated_float: of the simulation's with none; not 0 by float32's rounding alone.
    """

    int8: float
    simulated: float
    simulated_float: float


@dataclass(frozen=True)
class Inspection:
    """The whole result: `layers` in the network's order, `divergence` of the answers.

    What is called int8 is the file's own way, whatever precision a layer has there.

    `agreement` is the percent of images on which both files name the same class;
    `divergence` is None where the answers are no softmax over all classes. The sha256 are those of
    the two files.
    """

    float_sha256: str
    int8_sha256: str
    images: int
    agreement: float
    divergence: Divergence | None
    layers: tuple[InspectedLayer, ...]

    @property
    def is_mixed(self) -> bool:
        """Whether some layers are not in int8."""
        return any(layer.precision not in (None, "int8") for layer in self.layers)
