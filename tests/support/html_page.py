"""A page parsed strictly enough to find what is not closed, and what would be fetched or run."""

from html.parser import HTMLParser

__all__ = ["ParsedPage"]

_CELLS = {"td", "th", "dt", "dd", "li"}
_VOID = {"meta", "link", "img", "br", "hr", "rect", "line", "circle"}


class ParsedPage(HTMLParser):
    """The elements and the text of a page.

    Attributes:
        elements: name and attributes of each, in their order.
        text: all that is read.
        faults: elements that are closed in the wrong order.
    """

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.faults: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page.decode())
        self.close()
        self.faults += [f"<{name}> stays open" for name in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:]}, at {self.getpos()}")
        else:
            self._open.pop()
        if tag in _CELLS:
            self.text += " "

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        """The values of an attribute, of whatever elements."""
        return [each[name] for _, each in self.elements if name in each]

    def headings(self) -> list[int]:
        """The levels of the headings in their order."""
        return [int(tag[1]) for tag, _ in self.elements if tag in ("h1", "h2", "h3", "h4")]
