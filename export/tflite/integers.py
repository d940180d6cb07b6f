"""What TFLite cannot compute in int8."""

from tinyedge.darknet.network import Network
from tinyedge.errors import ExportError

__all__ = ["check_integer"]

# TFLite's kernel of the operation each needs takes floats alone.
_FLOAT_ACTIVATIONS = {"stair": "FLOOR"}


def check_integer(network: Network) -> None:
    """Refuse a network that can have no full-integer file; its float file can be made.

    Raises:
        ExportError: a layer needs an operation that TFLite has in float alone.
    """
    for layer in network.layers:
        activation = getattr(layer, "activation", None)
        if activation in _FLOAT_ACTIVATIONS:
            raise ExportError(
                f"{network.source}:{layer.line}: layer {layer.index} [{layer.kind}]:"
                f" activation={activation} needs {_FLOAT_ACTIVATIONS[activation]}, which TFLite"
                " has in float alone; make the float file with --float-only"
            )
