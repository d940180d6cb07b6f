# ruff: noqa: N815
"""Types of the objects that TFLite's schema unpacks a .tflite into: the fields used here.

The classes are generated from schema.fbs and carry no types; ai-edge-litert ships them. Names of
the fields are the schema's.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BufferT",
    "ModelT",
    "OperatorCodeT",
    "OperatorT",
    "OptionsT",
    "QuantizationT",
    "SubGraphT",
    "TensorT",
]

Indices = NDArray[np.int32]


class QuantizationT(Protocol):
    """A tensor's scales and zero points, along a dimension."""

    min: NDArray[np.float32] | None
    max: NDArray[np.float32] | None
    scale: NDArray[np.float32]
    zeroPoint: NDArray[np.int64] | None
    quantizedDimension: int


class TensorT(Protocol):
    """A tensor; one whose buffer has no bytes is computed."""

    name: bytes
    shape: Indices
    type: int
    buffer: int
    quantization: QuantizationT | None
    hasRank: bool


class BufferT(Protocol):
    """The bytes of a constant, or none."""

    data: NDArray[np.uint8] | None


class OptionsT(Protocol):
    """An operator's options: each field is one of some operators alone."""

    alpha: float
    beginMask: int
    dilationHFactor: int
    dilationWFactor: int
    ellipsisMask: int
    endMask: int
    filterHeight: int
    filterWidth: int
    fusedActivationFunction: int
    mode: int
    newAxisMask: int
    padding: int
    shrinkAxisMask: int
    strideH: int
    strideW: int


class OperatorT(Protocol):
    """An operator, its tensors by index."""

    opcodeIndex: int
    inputs: Indices
    outputs: Indices
    builtinOptionsType: int
    builtinOptions: OptionsT


class OperatorCodeT(Protocol):
    """A kind of operator, of one version."""

    builtinCode: int
    deprecatedBuiltinCode: int
    version: int


class SubGraphT(Protocol):
    """A graph, its operators in the order they run."""

    tensors: list[TensorT]
    operators: list[OperatorT]
    inputs: Indices
    outputs: Indices


class _TensorMapT(Protocol):
    tensorIndex: int


class _SignatureDefT(Protocol):
    inputs: Sequence[_TensorMapT]
    outputs: Sequence[_TensorMapT]


class _MetadataT(Protocol):
    buffer: int


class ModelT(Protocol):
    """A whole file."""

    subgraphs: list[SubGraphT]
    operatorCodes: list[OperatorCodeT]
    buffers: list[BufferT]
    signatureDefs: list[_SignatureDefT] | None
    metadata: list[_MetadataT] | None

    def Pack(self, builder: object) -> int:  # noqa: N802
        """Write it with a flatbuffers.Builder, and give the offset of its root."""
