"""The rules that docs/coral.md lists are those that ship."""

from pathlib import Path

from tinyedge.devices.edgetpu.constraints import CONSTRAINTS
from tinyedge.devices.edgetpu.rules import edgetpu_rules

_PAGE = Path(__file__).parents[2] / "docs" / "coral.md"


def rows() -> list[str]:
    """The page's tables: constraints of every operator, operators, versions, sources."""
    rules = edgetpu_rules()
    lines = [
        f"| {_said(constraint)} | {', '.join(source)} |"
        for constraint, source in rules.every.items()
    ]
    for name, rule in rules.operators.items():
        notes = [_said(constraint) for constraint in rule.constraints]
        if rule.runtime:
            notes.append(f"runtime {rule.runtime} or newer")
        if rule.doubt is not None:
            notes.append(rule.doubt.reason)
        lines.append(f"| {name} | {'; '.join(notes)} | {', '.join(rule.source)} |")
    for name, version in rules.unreadable.items():
        lines.append(f"| {name} | {version} | {', '.join(rules.unreadable_source[name])} |")
    return lines + [f"| {name} | {text} |" for name, text in rules.sources.items()]


def _said(constraint: str) -> str:
    sentence = CONSTRAINTS[constraint].__doc__ or ""
    return sentence[0].lower() + sentence[1:].rstrip(".")


def test_the_page_lists_every_rule_and_no_other() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    listed = page.split("## The rules", 1)[1].split("\n## ", 1)[0].splitlines()
    headings = ("| what", "| operator", "| source", "|---")
    table = [line for line in listed if line.startswith("|") and not line.startswith(headings)]
    assert table == rows()
