"""A page as its reader finds it: elements, their texts, tables as rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Element:
    """An element of a page; `children` are elements and texts in their order."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text within, blanks folded; what is drawn for sighted readers alone is left out."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.attributes.get("aria-hidden") != "true":
                yield from child._texts()
                yield " " if child.tag not in ("a", "span", "bdi", "code", "small", "b", "strong") else ""

    def __iter__(self) -> Iterator["Element"]:
        """Every element within, in the order of the page."""
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child

    def all(self, tag: str, **attributes: str) -> list["Element"]:
        """The elements of this tag with these attributes; `class_` is one of an element's classes."""
        wanted = attributes.pop("class_", None)
        return [
            one
            for one in self
            if one.tag == tag
            and (wanted is None or wanted in one.attributes.get("class", "").split())
            and all(one.attributes.get(name.replace("_", "-")) == value for name, value in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> "Element":
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"expected one <{tag}> with {attributes}, found {len(found)}"
        return found[0]

    def links(self) -> dict[str, str]:
        """The addresses of all links, by their texts."""
        return {link.text: link.attributes["href"] for link in self.all("a")}

    def rows(self) -> list[list[str]]:
        """The texts of a table's body."""
        return [
            [cell.text for cell in row if cell.tag in ("th", "td")]
            for body in self.all("tbody")
            for row in body.all("tr")
        ]

    def facts(self) -> dict[str, str]:
        """A list of terms with what is said of each."""
        pairs: dict[str, str] = {}
        term = ""
        for one in self:
            if one.tag == "dt":
                term = one.text
            elif one.tag == "dd":
                pairs[term] = one.text
        return pairs


def read(html: str) -> Element:
    """Parse a page; an element that is not closed where it must be fails."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"not closed: {[one.tag for one in reader.open[1:]]}"
    return reader.open[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("page")]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attributes})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"expected </{self.open[-1].tag}>, found </{tag}> {self.getpos()}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)
