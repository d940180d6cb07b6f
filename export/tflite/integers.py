"""What TFLite cannot compute in int8."""

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.network import Network
from tinyedge.errors import ExportError

__all__ = ["check_integer"]


def check_integer(network: Network) -> None:
    """Refuse a network that can have no full-integer file; its float file can be made.

    Raises:
        ExportError: a layer needs an operation that TFLite has in float alone.
    """
    for layer in network.layers:
        activation = getattr(layer, "activation", "linear")
        float_only = ACTIVATIONS[activation].float_only
        if float_only is not None:
            raise ExportError(
                f"{network.source}:{layer.line}: layer {layer.index} [{layer.kind}]:"
                f" activation={activation} needs {float_only}, which TFLite"
                " has in float alone; make the float file with --float-only"
            )
