"""Int8 convolutions in other forms: the same integers, which a core computes in less.

XNNPACK begins its loop over channels anew for each tap of a kernel, and fills the channels up to
whole vectors. Of few channels most of that is lost, and two forms lose less:

``im2col`` lays the values that a pixel's window covers out as the channels of that pixel, so that
the kernel has one tap (Chellapilla et al., High Performance Convolutional Neural Networks for
Document Processing, 2006). Two rounds of concatenation, along rows and across them, copy vectors
and not values.

``space_to_depth`` takes several pixels beside each other for one, whose channels theirs are, as
MLPerf's first layers on TPUs do. A row of the image lies in memory as it is, so that this is a
reshape. A kernel of one column then computes the outputs beside each other that a group has all
pixels for, as channels of one; those between come from other parts: the same image, shifted. Where
a max pool follows and a part computes every second output or fewer, the pool is the greater of two
parts, which takes a tenth of a pool of few channels. Of an odd number of parts each is computed as
two, every second group of it, so that outputs that are pooled never stand in one.

Both sum the same products of the same integers and requantize them alike: the answers are those of
the plain file, bit for bit, which `tinyedge.export.check` proves of each file. What is less depends
on the core, by the table of `tinyedge.devices.latency.instructions`.
"""

import copy
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.darknet.layer_names import FormKind, form_name, named_layer, operator_form
from tinyedge.devices.latency.instructions import file_cost
from tinyedge.devices.profile import Profile
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.schema_types import OperatorT
from tinyedge.tflite.model import parse_tflite
from tinyedge.tflite.schema import same_padding

__all__ = [
    "IM2COL",
    "ChosenForm",
    "Form",
    "alone",
    "choose_forms",
    "forms_of",
    "in_forms",
    "written_forms",
]

_MOST_JOINED = 5
"""Tensors that XNNPACK concatenates in one operator."""
_MOST_OUTPUTS, _MOST_PARTS = 2, 4
_MOST_CHANNELS = 64
"""Of a group of pixels: with more, a plain convolution loses nothing."""
_WORTH = 0.02
"""Of a convolution's cycles. The table is a few percent off, and each form moves more memory."""


class Form(NamedTuple):
    """How a convolution is written.

    Attributes:
        kind: the form.
        outputs: of ``space_to_depth``, how many beside each other one part computes.
        parts: of ``space_to_depth``, how many times as many pixels a group has as it gives outputs.
    """

    kind: FormKind
    outputs: int = 1
    parts: int = 1


IM2COL = Form("im2col")


class ChosenForm(NamedTuple):
    """A form that a convolution gains by.

    Attributes:
        form: it.
        saved: cycles of an inference, on each of the boards it was chosen for; below 0 on one
            that it costs cycles.
    """

    form: Form
    saved: tuple[float, ...]


class _Convolution(NamedTuple):
    """A convolution of one group, without dilation, with what is written anew with it.

    Attributes:
        operator: itself.
        before: a PAD that nothing else reads, or None.
        pool: a MAX_POOL_2D of 2x2 pixels that alone reads it and halves both sides, or None.
        source: the tensor to be padded.
        top, bottom, left, right: by how many pixels, the padding of the convolution included.
        stride: in both directions.
    """

    operator: OperatorT
    before: OperatorT | None
    pool: OperatorT | None
    source: int
    top: int
    bottom: int
    left: int
    right: int
    stride: int


class _Parts(NamedTuple):
    """The parts of the outputs in ``space_to_depth``, of a convolution each.

    Attributes:
        number: how many there are.
        every: of so many groups beside each other a part computes one.
        groups: how many groups of a row a part computes.
        pool: what takes the greater of two parts in place of a pool behind; None of no such pool.
    """

    number: int
    every: int
    groups: int
    pool: OperatorT | None

    @property
    def groups_read(self) -> int:
        """From the first group of a row that a part computes to the last."""
        return (self.groups - 1) * self.every + 1


def choose_forms(content: bytes, boards: Sequence[Profile]) -> dict[str, ChosenForm]:
    """The forms of an integer file's convolutions that take the fewest cycles on boards.

    Of several boards, a cycle counts as a part of what the whole file takes there.

    Args:
        content: a full-integer file.
        boards: as of `tinyedge.devices.latency.instructions.counted_boards`.

    Returns:
        By the name of the convolution's output; of those whose plain form is the best, none.
    """
    if not boards:
        return {}
    weights = [1 / cost for cost in _cycles(content, boards)]
    editor = ModelEditor(content)
    found = {}
    # Networks repeat themselves.
    known: dict[tuple[object, ...], ChosenForm | None] = {}
    for operator in editor.operators:
        convolution = _read(editor, operator)
        if convolution is None:
            continue
        key = _shapes(editor, convolution)
        if key not in known:
            known[key] = _best(editor, convolution, boards, weights)
        chosen = known[key]
        if chosen is not None:
            found[editor.output_name(operator)] = chosen
    return found


def forms_of(chosen: Mapping[str, ChosenForm]) -> dict[str, Form]:
    """What `in_forms` takes of what `choose_forms` gives."""
    return {name: each.form for name, each in chosen.items()}


def alone(content: bytes) -> dict[str, dict[Form | None, bytes]]:
    """Each convolution that has other forms in a file of its own, by the name of its output.

    The file of None has it in plain form; the PAD before it and the pool behind it are in all of
    them. To see what forms cost: `choose_forms` chooses by the same files.
    """
    editor = ModelEditor(content)
    return {
        editor.output_name(operator): _alone(editor, convolution)
        for operator in editor.operators
        if (convolution := _read(editor, operator)) is not None
    }


def in_forms(content: bytes, forms: Mapping[str, Form]) -> bytes:
    """The file with convolutions in these forms.

    Args:
        content: a .tflite.
        forms: as `choose_forms` chooses them for an integer file of the same network; what computes
            in float, as in a file of mixed precision, stays as it is, and so does what a form does
            not fit.
    """
    if not forms:
        return content
    editor = ModelEditor(content)
    written: dict[int, list[OperatorT]] = {}
    for operator in editor.operators:
        form = forms.get(editor.output_name(operator))
        convolution = None if form is None else _read(editor, operator)
        if form is None or convolution is None or not _fits(editor, convolution, form):
            continue
        last = convolution.operator
        if form.kind == "im2col":
            operators = _im2col(editor, convolution)
        else:
            operators = _space_to_depth(editor, convolution, form)
            last = _divided(editor, convolution, form).pool or last
        replaced = (convolution.before, convolution.operator)
        written |= {id(each): [] for each in replaced if each is not None}
        written[id(last)] = operators
    editor.operators = [new for each in editor.operators for new in written.get(id(each), [each])]
    editor.drop_unused()
    return editor.content(aligned=True)


def written_forms(content: bytes) -> dict[int, FormKind]:
    """The forms that a file's convolutions have, by their layers' numbers; plain ones are left out.

    Args:
        content: as `in_forms` returns it.
    """
    graph = parse_tflite(content).subgraphs[0]
    found = {}
    for operator in graph.operators:
        if operator.name != "CONV_2D":
            continue
        written = operator_form(graph, operator)
        layer = None if written is None else named_layer(written[0])
        if written is not None and layer is not None:
            found[layer[0]] = written[1]
    return found


def _cycles(content: bytes, boards: Sequence[Profile]) -> list[float]:
    graph = parse_tflite(content).subgraphs[0]
    return [file_cost(graph, board).cycles for board in boards]


def _shapes(editor: ModelEditor, convolution: _Convolution) -> tuple[object, ...]:
    """What its cost depends on."""
    kernel = editor.shape(convolution.operator.inputs[1])
    pooled = convolution.pool is not None
    border = convolution[-5:]
    return (editor.shape(convolution.source), kernel, *border, pooled, convolution.before is None)


def _best(
    editor: ModelEditor,
    convolution: _Convolution,
    boards: Sequence[Profile],
    weights: Sequence[float],
) -> ChosenForm | None:
    """The form that takes the least, of those worth it."""
    costs = {form: _cycles(each, boards) for form, each in _alone(editor, convolution).items()}
    plain = costs.pop(None)
    found = [
        ChosenForm(form, tuple(before - after for before, after in zip(plain, cycles, strict=True)))
        for form, cycles in costs.items()
        if form is not None
    ]

    def weighed(cycles: Sequence[float]) -> float:
        return sum(w * c for w, c in zip(weights, cycles, strict=True))

    best = max(found, key=lambda each: weighed(each.saved), default=None)
    if best is None or weighed(best.saved) < _WORTH * weighed(plain):
        return None
    return best


def _alone(editor: ModelEditor, convolution: _Convolution) -> dict[Form | None, bytes]:
    own = (convolution.before, convolution.operator, convolution.pool)
    plain = editor.extract([each for each in own if each is not None])
    name = editor.output_name(convolution.operator)
    found: dict[Form | None, bytes] = {None: plain}
    for form in _candidates(editor, convolution):
        found[form] = in_forms(plain, {name: form})
    return found


def _candidates(editor: ModelEditor, convolution: _Convolution) -> list[Form]:
    """The forms that a convolution may gain by."""
    _, size, _, channels = editor.shape(convolution.operator.inputs[1])
    found = [IM2COL] if _fits(editor, convolution, IM2COL) else []
    for outputs, parts in product(range(1, _MOST_OUTPUTS + 1), range(2, _MOST_PARTS + 1)):
        form = Form("space_to_depth", outputs, parts)
        step = outputs * convolution.stride
        spanned = step - convolution.stride + size
        needless = (parts - 1) * step >= spanned
        if needless and _divided(editor, convolution, form).pool is None:
            continue
        if parts * step * channels <= _MOST_CHANNELS and _fits(editor, convolution, form):
            found.append(form)
    return found


def _fits(editor: ModelEditor, convolution: _Convolution, form: Form) -> bool:
    """Whether a convolution can be written so."""
    size, stride = editor.shape(convolution.operator.inputs[1])[1], convolution.stride
    if form.kind == "im2col":
        return stride == 1 and size <= _MOST_JOINED
    spanned = (form.outputs - 1) * stride + size
    enough = form.outputs * form.parts * stride >= spanned
    return enough and _pixels_right(editor, convolution, form) >= 0


def _read(editor: ModelEditor, operator: OperatorT) -> _Convolution | None:
    """The int8 convolution of more than one tap that an operator is; None of others."""
    if editor.op_name(operator) != "CONV_2D" or len(operator.inputs) != 3:
        return None
    source, kernel, bias = map(int, operator.inputs)
    options, shape = operator.builtinOptions, editor.shape(kernel)
    quantized = (source, kernel, int(operator.outputs[0]))
    stored = (editor.constant(kernel), editor.constant(bias))
    if any(editor.qparams(index) is None for index in quantized):
        return None
    if any(each is None for each in stored):
        return None
    undilated = options.dilationHFactor == options.dilationWFactor == 1
    # Darknet's kernels are square, and so are their strides.
    square = shape[1] == shape[2] > 1 and options.strideH == options.strideW
    if not (undilated and square) or editor.shape(source)[-1] != shape[-1]:
        return None
    (top, bottom), (left, right) = _borders(editor, operator)
    before = _padding_before(editor, source)
    if before is not None:
        widths = editor.constant(before.inputs[1])
        assert widths is not None
        (above, below), (first, last) = widths[1:3].tolist()
        top, bottom, left, right = top + above, bottom + below, left + first, right + last
        source = int(before.inputs[0])
    pool = _pool_behind(editor, operator)
    return _Convolution(operator, before, pool, source, top, bottom, left, right, options.strideH)


def _borders(editor: ModelEditor, operator: OperatorT) -> list[tuple[int, int]]:
    """By how many pixels a convolution pads rows and columns, before and behind."""
    options = operator.builtinOptions
    if options.padding != schema.Padding.SAME:
        return [(0, 0), (0, 0)]
    sides, sizes = (editor.shape(index)[1:3] for index in operator.inputs[:2])
    return [
        same_padding(side, size, options.strideH) for side, size in zip(sides, sizes, strict=True)
    ]


def _padding_before(editor: ModelEditor, index: int) -> OperatorT | None:
    """The PAD of rows and columns that gives a tensor that one operator reads, or None."""
    for operator in editor.producers([index]):
        if editor.op_name(operator) != "PAD" or len(editor.consumers(index)) != 1:
            continue
        widths = editor.constant(operator.inputs[1])
        if widths is not None and widths.shape == (4, 2) and not widths[[0, 3]].any():
            return None if editor.is_output(index) else operator
    return None


def _pool_behind(editor: ModelEditor, operator: OperatorT) -> OperatorT | None:
    output = int(operator.outputs[0])
    readers = editor.consumers(output)
    if len(readers) != 1 or editor.is_output(output):
        return None
    (pool,) = readers
    options = pool.builtinOptions
    if editor.op_name(pool) != "MAX_POOL_2D" or options.fusedActivationFunction:
        return None
    sides = {options.filterHeight, options.filterWidth, options.strideH, options.strideW}
    halved = [2 * side for side in editor.shape(pool.outputs[0])[1:3]]
    return pool if sides == {2} and halved == list(editor.shape(output)[1:3]) else None


def _divided(editor: ModelEditor, convolution: _Convolution, form: Form) -> _Parts:
    """How ``space_to_depth`` divides the outputs."""
    pool = convolution.pool if form.outputs == 1 else None
    every = 2 if pool is not None and form.parts % 2 else 1
    width = editor.shape(convolution.operator.outputs[0])[2]
    number = every * form.parts
    return _Parts(number, every, -(-width // (number * form.outputs)), pool)


def _pixels_right(editor: ModelEditor, convolution: _Convolution, form: Form) -> int:
    """By how many pixels rows are padded at their end, for the last part's last group."""
    parts = _divided(editor, convolution, form)
    step = form.outputs * convolution.stride
    pixels = (parts.number - 1 + parts.groups_read * form.parts) * step
    return pixels - convolution.left - editor.shape(convolution.source)[2]


def _im2col(editor: ModelEditor, convolution: _Convolution) -> list[OperatorT]:
    operator = convolution.operator
    filters, height, width, channels = editor.shape(operator.inputs[1])
    _, rows, columns, _ = editor.shape(operator.outputs[0])
    writer = _Writer(editor, operator, "im2col")
    padded = (1, rows + height - 1, columns + width - 1, channels)
    image = writer.reshape(writer.padded_rows(convolution, convolution.right), padded)
    beside = [
        writer.cut(image, (0, 0, place, 0), (*padded[:2], columns, channels))
        for place in range(width)
    ]
    across = writer.concatenate(beside, "columns")
    above = [
        writer.cut(across, (0, place, 0, 0), (1, rows, columns, width * channels))
        for place in range(height)
    ]
    patches = writer.concatenate(above, "patches")
    kernel = editor.constant(operator.inputs[1])
    assert kernel is not None
    flat = kernel.reshape(filters, 1, 1, height * width * channels)
    constant = editor.add_constant(
        flat, editor.qparams(operator.inputs[1]), f"{writer.prefix}/kernel"
    )
    inputs = [patches, constant, int(operator.inputs[2])]
    writer.convolve(operator, inputs, [int(operator.outputs[0])], stride=(1, 1))
    return writer.operators


def _space_to_depth(editor: ModelEditor, convolution: _Convolution, form: Form) -> list[OperatorT]:
    operator, stride = convolution.operator, convolution.stride
    divided = _divided(editor, convolution, form)
    filters, _, _, channels = editor.shape(operator.inputs[1])
    output = int(operator.outputs[0])
    rows = editor.shape(output)[1]
    step = form.outputs * stride * channels
    values = form.parts * step
    writer = _Writer(editor, operator, "space_to_depth")
    image = writer.padded_rows(convolution, _pixels_right(editor, convolution, form))
    padded = editor.shape(image)[1]
    constants = _beside(editor, convolution, form, writer.prefix)
    parts = []
    for part in range(divided.number):
        begin = (0, 0, part * step)
        cut = writer.cut(image, begin, (1, padded, divided.groups_read * values))
        grouped = writer.reshape(cut, (1, padded, divided.groups_read, values))
        shape = (1, rows, divided.groups, form.outputs * filters)
        made = editor.add_like(output, shape, f"{writer.prefix}/part_{part}")
        inputs = [grouped, *constants]
        writer.convolve(operator, inputs, [made], stride=(stride, divided.every))
        parts.append(made)
    target, across = output, divided.groups * divided.number * form.outputs
    if divided.pool is not None:
        beside = [writer.maximum(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
        parts = [writer.maximum_of_rows(each) for each in beside]
        target, across = int(divided.pool.outputs[0]), across // 2
    joined = writer.concatenate(parts, "parts")
    _, rows, columns, _ = editor.shape(target)
    if across > columns:
        single = writer.reshape(joined, (1, rows, across, filters))
        writer.cut(single, (0, 0, 0, 0), (1, rows, columns, filters), target)
    else:
        writer.reshape(joined, editor.shape(target), target)
    return writer.operators


def _beside(editor: ModelEditor, convolution: _Convolution, form: Form, prefix: str) -> list[int]:
    """Kernel and bias of the outputs of a part, over the pixels of a group as channels."""
    kernel, bias = map(int, convolution.operator.inputs[1:])
    weights, biases = editor.constant(kernel), editor.constant(bias)
    assert weights is not None
    assert biases is not None
    filters, size, _, channels = weights.shape
    pixels = form.outputs * form.parts * convolution.stride
    wide = np.zeros((form.outputs, filters, size, pixels, channels), np.int8)
    for place in range(form.outputs):
        first = place * convolution.stride
        wide[place, :, :, first : first + size] = weights
    repeated = np.tile(np.arange(filters), form.outputs)
    kernels = wide.reshape(form.outputs * filters, size, 1, pixels * channels)
    return [
        editor.add_channels(index, repeated, values, f"{prefix}/{role}")
        for role, index, values in (
            ("kernel", kernel, kernels),
            ("bias", bias, biases[repeated]),
        )
    ]


def _renewed(operator: OperatorT, inputs: Sequence[int], outputs: Sequence[int]) -> OperatorT:
    """The same operator of other tensors."""
    made = copy.copy(operator)
    made.inputs, made.outputs = (np.asarray(each, np.int32) for each in (inputs, outputs))
    return made


class _Writer:
    """Writes the operators of one convolution.

    Attributes:
        prefix: the names of their tensors begin with it.
        operators: in the order they run.
    """

    def __init__(self, editor: ModelEditor, convolution: OperatorT, kind: FormKind) -> None:
        self.prefix = form_name(editor.output_name(convolution), kind)
        self.operators: list[OperatorT] = []
        self._editor = editor
        self._constants: dict[bytes, int] = {}

    def padded_rows(self, convolution: _Convolution, right: int) -> int:
        """The image with its border, each row one vector: (1, rows, pixels times channels)."""
        editor, source = self._editor, convolution.source
        _, height, width, channels = editor.shape(source)
        rows = self.reshape(source, (1, height, width * channels))
        border = (convolution.top, convolution.bottom, convolution.left, right)
        if not any(border):
            return rows
        top, bottom, left, right = border
        shape = (1, top + height + bottom, (left + width + right) * channels)
        widths = ((0, 0), (top, bottom), (left * channels, right * channels))
        target = self._tensor(source, shape, "padded")
        inputs = [rows, self._indices(widths)]
        self._add("PAD", inputs, target, schema.PadOptionsT())
        return target

    def cut(
        self, index: int, begin: Sequence[int], size: Sequence[int], target: int | None = None
    ) -> int:
        """A part of a tensor."""
        if tuple(size) == self._editor.shape(index):
            return index
        if target is None:
            target = self._tensor(index, size, "cut")
        inputs = [index, self._indices(begin), self._indices(size)]
        self._add("SLICE", inputs, target, schema.SliceOptionsT())
        return target

    def reshape(self, index: int, shape: Sequence[int], target: int | None = None) -> int:
        """The same values of another shape."""
        if target is None and tuple(shape) == self._editor.shape(index):
            return index
        if target is None:
            target = self._tensor(index, shape, "reshaped")
        options = schema.ReshapeOptionsT()
        options.newShape = np.asarray(shape, np.int32)
        self._add("RESHAPE", [index, self._indices(shape)], target, options)
        return target

    def concatenate(self, indices: Sequence[int], name: str) -> int:
        """Tensors beside each other along the channels."""
        if len(indices) == 1:
            return indices[0]
        shapes = [self._editor.shape(index) for index in indices]
        shape = (*shapes[0][:-1], sum(each[-1] for each in shapes))
        target = self._editor.add_like(indices[0], shape, f"{self.prefix}/{name}")
        options = schema.ConcatenationOptionsT()
        options.axis = 3
        self._add("CONCATENATION", indices, target, options)
        return target

    def maximum(self, one: int, other: int) -> int:
        """The greater of two tensors, number by number."""
        target = self._tensor(one, self._editor.shape(one), "greater")
        self._add("MAXIMUM", [one, other], target, schema.MaximumMinimumOptionsT())
        return target

    def maximum_of_rows(self, index: int) -> int:
        """The greater of each two rows of an image."""
        _, rows, columns, channels = self._editor.shape(index)
        row = columns * channels
        pairs = self.reshape(index, (1, rows // 2, 2 * row))
        upper, lower = (self.cut(pairs, (0, 0, begin), (1, rows // 2, row)) for begin in (0, row))
        return self.reshape(self.maximum(upper, lower), (1, rows // 2, columns, channels))

    def convolve(
        self,
        operator: OperatorT,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        stride: tuple[int, int],
    ) -> None:
        """A convolution without padding, its activation that of another."""
        made = _renewed(operator, inputs, outputs)
        options = made.builtinOptions = copy.copy(operator.builtinOptions)
        options.strideH, options.strideW = stride
        options.padding = schema.Padding.VALID
        self.operators.append(made)

    def _tensor(self, like: int, shape: Sequence[int], name: str) -> int:
        return self._editor.add_like(like, shape, f"{self.prefix}/{name}_{len(self.operators)}")

    def _indices(self, values: Sequence[int] | Sequence[Sequence[int]]) -> int:
        array = np.asarray(values, np.int32)
        key = bytes(array.ndim) + array.tobytes()
        if key not in self._constants:
            name = f"{self.prefix}/indices_{len(self._constants)}"
            self._constants[key] = self._editor.add_indices(array, name)
        return self._constants[key]

    def _add(self, name: str, inputs: Sequence[int], output: int, options: object) -> None:
        self.operators.append(self._editor.new_operator(name, inputs, [output], options))
