"""Mutations of a .tflite that leave it a FlatBuffer, so that what reads it gets beyond the frame.

Bytes changed at random mostly break an offset. Here the objects of the schema are changed and
packed again, or one aligned word is replaced in place.
"""

import random
import struct
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

_WORDS: tuple[int, ...] = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    2**15,
    2**16,
    2**30,
    2**31 - 1,
    2**31,
)
_WORDS = (*_WORDS, 2**32 - 1, 2**32 - 2, 2**32 - 128)
_SMALL = (-(2**31), -129, -128, -2, -1, 0, 1, 2, 3, 4, 5, 8, 100, 127, 128, 1 << 16, 2**31 - 1)
_SCALES = (0.0, -1.0, 1e-30, 1e-7, 1 / 256, 0.0625, 1.0, 1e30, float("inf"), float("nan"))
_MOST_CHANGES = 3


def mutate(content: bytes, most: int, seed: int) -> bytes:
    """Another file of at most `most` bytes."""
    import atheris  # type: ignore[import-untyped]

    chance = random.Random(seed)
    kind = chance.random()
    if kind < 0.35:
        return bytes(atheris.Mutate(content, most))
    changed = _with_words(content, chance) if kind < 0.6 else _with_fields(content, chance)
    return changed if len(changed) <= most else bytes(atheris.Mutate(content, most))


def _with_words(content: bytes, chance: random.Random) -> bytes:
    found = bytearray(content)
    if len(found) < 12:
        return content
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        position = 4 * chance.randrange(2, len(found) // 4)
        word = chance.choice(_WORDS)
        if chance.random() < 0.3:
            old = struct.unpack_from("<I", found, position)[0]
            word = (old + chance.choice((-4, -1, 1, 4))) % 2**32
        struct.pack_into("<I", found, position, word)
    return bytes(found)


def _with_fields(content: bytes, chance: random.Random) -> bytes:
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        for _ in range(chance.randint(1, _MOST_CHANGES)):
            _change(model, chance)
        builder = flatbuffers.Builder(len(content))
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
    except Exception:  # no longer a model at all
        return _with_words(content, chance)


def _change(model: Any, chance: random.Random) -> None:
    graph = chance.choice(model.subgraphs)
    changes = (_tensor, _tensor, _operator, _operator, _options, _ends, _buffer, _code, _copy)
    chance.choice(changes)(model, graph, chance)


def _tensor(model: Any, graph: Any, chance: random.Random) -> None:
    tensor = chance.choice(graph.tensors)
    match chance.randrange(7):
        case 0:
            tensor.shape = _changed(tensor.shape, chance, _SMALL)
        case 1:
            tensor.type = chance.randrange(20)
        case 2:
            tensor.buffer = chance.randrange(len(model.buffers) + 1)
        case 3:
            tensor.shapeSignature = _changed(tensor.shape, chance, (-1, 0, 1, 5))
        case 4:
            tensor.isVariable = not tensor.isVariable
        case 5:
            tensor.name = chance.choice((None, b"", b"\xff\xfe", b"a\x00b", b"x" * 300))
        case _:
            _quantization(tensor, chance)


def _quantization(tensor: Any, chance: random.Random) -> None:
    found = tensor.quantization
    if found is None or chance.random() < 0.2:
        found = schema.QuantizationParametersT() if found is None else None
        tensor.quantization = found
    elif chance.random() < 0.5:
        found.scale = _changed(found.scale, chance, _SCALES)
    elif chance.random() < 0.6:
        found.zeroPoint = _changed(found.zeroPoint, chance, _SMALL)
    else:
        found.quantizedDimension = chance.choice(_SMALL)


def _operator(model: Any, graph: Any, chance: random.Random) -> None:
    operator = chance.choice(graph.operators)
    indices = (-1, *range(len(graph.tensors) + 1))
    match chance.randrange(4):
        case 0 | 1:
            operator.inputs = _changed(operator.inputs, chance, indices)
        case 2:
            operator.outputs = _changed(operator.outputs, chance, indices)
        case _:
            operator.opcodeIndex = chance.randrange(len(model.operatorCodes) + 1)


def _options(model: Any, graph: Any, chance: random.Random) -> None:
    del model
    operator = chance.choice(graph.operators)
    options = operator.builtinOptions
    if options is None or not vars(options) or chance.random() < 0.15:
        operator.builtinOptionsType, operator.builtinOptions = 0, None
        return
    name = chance.choice(sorted(vars(options)))
    value = getattr(options, name)
    if isinstance(value, bool):
        setattr(options, name, not value)
    elif isinstance(value, int):
        setattr(options, name, chance.choice((-1, 0, 1, 2, 3, 4, 100, 127)))
    elif isinstance(value, float):
        setattr(options, name, chance.choice(_SCALES))
    elif value is not None:
        setattr(options, name, _changed(value, chance, _SMALL))


def _ends(model: Any, graph: Any, chance: random.Random) -> None:
    del model
    name = chance.choice(("inputs", "outputs"))
    setattr(graph, name, _changed(getattr(graph, name), chance, range(-1, len(graph.tensors) + 1)))


def _buffer(model: Any, graph: Any, chance: random.Random) -> None:
    del graph
    buffer = chance.choice(model.buffers)
    data = [] if buffer.data is None else list(buffer.data)
    if chance.random() < 0.5:
        buffer.data = data[: chance.randrange(len(data) + 1)]
    elif data:
        data[chance.randrange(len(data))] = chance.choice((0, 1, 2, 127, 128, 255))
        buffer.data = data


def _code(model: Any, graph: Any, chance: random.Random) -> None:
    del graph
    code = chance.choice(model.operatorCodes)
    if chance.random() < 0.8:
        code.builtinCode = chance.randrange(210)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    else:
        code.version = chance.choice((0, 1, 2, 3, 4, 7, 100, -1))


def _copy(model: Any, graph: Any, chance: random.Random) -> None:
    del model
    kind = chance.choice((graph.operators, graph.tensors))
    if chance.random() < 0.5:
        kind.append(chance.choice(kind))
    elif len(kind) > 1:
        kind.pop(chance.randrange(len(kind)))


def _changed(numbers: Any, chance: random.Random, values: Any) -> list[Any]:
    """A vector with an item replaced, left out or added; None counts as an empty one."""
    found = [] if numbers is None else list(numbers)
    if not found or chance.random() < 0.2:
        found.insert(chance.randint(0, len(found)), chance.choice(values))
    elif chance.random() < 0.2:
        found.pop(chance.randrange(len(found)))
    else:
        found[chance.randrange(len(found))] = chance.choice(values)
    return found
