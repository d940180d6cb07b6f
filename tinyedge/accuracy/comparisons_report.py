"""`Comparisons` for people and for programs: of one file as `report` has it, of several a table."""

from tinyedge.accuracy.answers_table import names_of_files
from tinyedge.accuracy.compare import Agreement, Comparisons
from tinyedge.accuracy.report import as_json as one_as_json
from tinyedge.accuracy.report import as_text as one_as_text
from tinyedge.accuracy.report import points, said_of_gates
from tinyedge.accuracy.result import Comparison
from tinyedge.table import Column, folded, table
from tinyedge.text import size_text

__all__ = ["as_json", "as_text"]

_FILE = Column("file", fit="wrap", least=16)
_PAIR = Column("files", fit="wrap", least=16)


def as_text(found: Comparisons, *, pairwise: bool, width: int) -> str:
    """The report of one file; of several a table with a line each, and what their gates say.

    Args:
        found: what was measured.
        pairwise: show also how the files compare with one another.
        width: of a line, characters.
    """
    if len(found.each) == 1:
        return one_as_text(found.each[0])
    names = names_of_files([each.int8_model.path for each in found.each])
    blocks = [_first_lines(found, width), _table(found, names, width)]
    if pairwise:
        blocks.append(_pairs_table(found.pairs, names, width))
    verdicts = [
        folded(f"{name}: {said}", width=width)
        for name, each in zip(names, found.each, strict=True)
        for said in said_of_gates(each)
    ]
    blocks.append("\n".join(verdicts) or "verdict: none, for no budget is named")
    troubled = [name for name, each in zip(names, found.each, strict=True) if each.next_steps]
    if troubled:
        what = f"next: compare {' and '.join(troubled)} alone, which says what to do"
        blocks.append(folded(what, width=width))
    if found.each[0].left:
        blocks[-1] = "verdict: none before all images are done: a partial result decides nothing"
    return "\n\n".join(blocks)


def as_json(found: Comparisons) -> dict[str, object]:
    """The first file's report, and in ``models`` that of each; the verdict is the worst of all."""
    first = one_as_json(found.each[0])
    of_float = found.each[0].float_model
    return {
        **first,
        "verdict": found.verdict,
        "float_file": {"file": str(of_float.path), "sha256": found.sha256[0]},
        "models": [
            {"file": str(each.int8_model.path), "sha256": digest, **_own(one_as_json(each))}
            for each, digest in zip(found.each, found.sha256[1:], strict=True)
        ],
        "pairs": [
            {
                "models": [number - 1 for number in pair.models],
                "agreement": pair.agreement,
                "flips": {"right_to_wrong": pair.lost, "wrong_to_right": pair.gained},
                "drop_interval": None if pair.interval is None else list(pair.interval),
            }
            for pair in found.pairs
        ],
    }


_OF_ONE = (
    *("drop", "agreement", "agreement_interval", "kl", "verdict", "float_worse", "gates"),
    *("flips", "mcnemar_p", "worst_classes", "changed_classes", "flipped", "next"),
)
_OF_INT8 = ("ties", "bytes", "milliseconds")


def _own(report: dict[str, object]) -> dict[str, object]:
    """What is one file's own of its report."""
    found: dict[str, object] = {}
    accuracy = report["int8"]
    assert isinstance(accuracy, dict)
    found.update(accuracy)
    for name in _OF_INT8:
        both = report[name]
        assert isinstance(both, dict)
        found[name] = both["int8"]
    reliability = report["reliability"]
    assert isinstance(reliability, dict)
    found["reliability"] = reliability["int8"]
    return found | {name: report[name] for name in _OF_ONE}


def _first_lines(found: Comparisons, width: int) -> str:
    first = found.each[0]
    of_float = first.float_model
    text = f"{first.images} images"
    if first.left:
        text += f" so far, {first.left} are left"
    if first.skipped:
        text += f", {len(first.skipped)} skipped as unreadable"
    if first.duplicates:
        text += f", {first.duplicates} of them copies of others"
    parts = [f"float: {of_float.path.name}"]
    if of_float.top1 is not None:
        parts.append(f"top-1 {of_float.top1:.2f} %")
    if of_float.milliseconds is not None:
        parts.append(f"{of_float.milliseconds:.2f} ms")
    parts.append(size_text(of_float.bytes))
    return folded(f"{text}\n{', '.join(parts)}", width=width)


def _table(found: Comparisons, names: tuple[str, ...], width: int) -> str:
    first = found.each[0]
    columns = [_FILE]
    if first.labelled:
        columns += [Column("top-1 %", "right"), Column("drop, 95 %", "right")]
    columns += [Column("agree %", "right"), Column("KL", "right")]
    columns += [Column("time", "right"), Column("size", "right", leave_out=1), Column("verdict")]
    return table(
        columns,
        [_cells(name, each) for name, each in zip(names, found.each, strict=True)],
        width=width,
    )


def _cells(name: str, each: Comparison) -> list[str]:
    cells = [name]
    if each.interval is not None:
        cells += [f"{each.int8_model.top1:.2f}", f"{each.drop:.2f} ({points(*each.interval)})"]
    time = each.int8_model.milliseconds
    return [
        *cells,
        f"{each.agreement:.2f}",
        "-" if each.divergence is None else f"{each.divergence.mean:.3g}",
        "-" if time is None else f"{time:.2f} ms",
        size_text(each.int8_model.bytes),
        each.verdict or "-",
    ]


def _pairs_table(pairs: tuple[Agreement, ...], names: tuple[str, ...], width: int) -> str:
    columns = [_PAIR, Column("agree %", "right"), Column("drop, 95 %", "right")]
    rows = []
    for pair in pairs:
        one, other = (names[number - 1] for number in pair.models)
        drop = "-" if pair.interval is None else points(*pair.interval)
        rows.append([f"{one} to {other}", f"{pair.agreement:.2f}", drop])
    return table(columns, rows, width=width)
