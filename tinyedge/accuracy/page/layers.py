"""What ``tinyedge inspect --json`` found layer by layer, read again for a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tinyedge.errors import DatasetError, ModelError
from tinyedge.files import read_text
from tinyedge.json_values import (
    ValueCheck,
    field,
    integer,
    optional,
    parse_json,
    real,
    several,
    sha256,
    text,
    truth,
)
from tinyedge.text import shortened

__all__ = ["LayerNoise", "Layers", "read_layers"]

_SCHEMA = "tinyedge.inspect/1"
_LIMIT = 64 << 20
"""Bytes; a network of a thousand layers takes one million."""
_KINDS = ("float", "int8")
_MOST = 1e9
_ANY, _ERROR = real(-_MOST, _MOST), real(0, _MOST)


class LayerNoise(NamedTuple):
    """One layer; see `tinyedge.export.inspection.result.InspectedLayer`.

    Attributes:
        name: number and kind.
        snr: dB; None where there is no error.
        weight_snr: dB; None of a layer without weights, or where there is no error.
        alone, alone_error: mean KL with this layer alone in int8 and its standard error, nats;
            None where the answers are no softmax over all classes.
        gives_back, gives_back_error: likewise, how much less with it alone in float.
        saturated: percent, the most of what is rounded in the layer.
        worst: whether it is blamed.
    """

    name: str
    snr: float | None
    weight_snr: float | None
    alone: float | None
    alone_error: float | None
    gives_back: float | None
    gives_back_error: float | None
    saturated: float
    worst: bool


@dataclass(frozen=True)
class Layers:
    """A file of ``inspect --json``.

    Attributes:
        path: the file.
        images: how many it was measured on.
        float_sha256, int8_sha256: of the models.
        layers: in the network's order.
    """

    path: Path
    images: int
    float_sha256: str
    int8_sha256: str
    layers: tuple[LayerNoise, ...]

    def check_is_of(self, float_sha256: str, int8_sha256s: Sequence[str]) -> None:
        """Refuse what was measured of other files.

        Raises:
            ModelError: the float file is another, or the int8 file is none of those.
        """
        for found, wanted, which in (
            (self.float_sha256, (float_sha256,), "float"),
            (self.int8_sha256, int8_sha256s, "int8"),
        ):
            if found not in wanted:
                raise ModelError(
                    f"{self.path} is of other models: its {which} file has the sha256"
                    f" {found[:12]}..., and the one compared here {wanted[0][:12]}...;"
                    " inspect these: tinyedge inspect FLOAT INT8 --data DIR --json"
                )


def read_layers(path: Path) -> Layers:
    """Read a file that ``tinyedge inspect --json`` wrote.

    Raises:
        DatasetError: it is no such file.
        OSError: it cannot be read.
    """
    what = "what `tinyedge inspect --json` writes"
    content = read_text(path, limit=_LIMIT, what=what, error=DatasetError)
    try:
        found = parse_json(content)
        schema = field(found, "schema", text)
        if schema != _SCHEMA:
            raise ValueError(f"its schema is {shortened(schema)}, not {_SCHEMA}")
        if isinstance(found, dict) and "sha256" not in found:
            raise ValueError("it does not say of which files; an older tinyedge made it")
        hashes = field(found, "sha256", lambda each: [field(each, kind, sha256) for kind in _KINDS])
        return Layers(
            path,
            field(found, "images", integer(1, 2**63)),
            hashes[0],
            hashes[1],
            field(found, "layers", several(_layer)),
        )
    except ValueError as error:
        wrong = "it is no object" if str(error) == "an object" else str(error)
        raise DatasetError(f"{path} is not {what}: {wrong}") from None


def _layer(value: object) -> LayerNoise:
    number = field(value, "layer", optional(integer(0, 2**31)))
    kind = field(value, "kind", text)

    def amount(name: str, check: ValueCheck = _ANY) -> float | None:
        found: float | None = field(value, name, optional(check))
        return found

    return LayerNoise(
        kind if number is None else f"{number} {kind}",
        amount("snr"),
        amount("weight_snr"),
        amount("alone"),
        amount("alone_standard_error", _ERROR),
        amount("gives_back"),
        amount("gives_back_standard_error", _ERROR),
        max(field(value, "roundings", several(_saturated)), default=0.0),
        field(value, "worst", truth),
    )


def _saturated(value: object) -> float:
    found: float = field(value, "saturated", real(0, 100))
    return found
