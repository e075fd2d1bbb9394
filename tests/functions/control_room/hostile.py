"""Pages as a browser takes them apart, and what no stranger's text may have brought into one."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Seen:
    """What is in a page: its text without scripts, the tags, and their attributes."""

    text: str = ""
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen = Seen()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.tags.append(tag)
        self.seen.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.seen.text += data


def read_html(page: str) -> Seen:
    """The page, taken apart."""
    reader = _Reader()
    reader.feed(page)
    return reader.seen


def unspelt(text: str) -> str:
    """The text of a page in which codes of characters that cannot be seen are these characters again."""
    text = re.sub(r"U\+([0-9A-F]{4,6})", lambda found: chr(int(found[1], 16)), text)
    return text.replace("\N{RETURN SYMBOL}\n", "\n")


def assert_inert(seen: Seen) -> None:
    """No script, no handler, no address that runs something, nothing that hides or turns the text."""
    assert "script" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name == "style"]
    addresses = [value for name, value in seen.attributes if name in ("href", "src", "action")]
    assert [one for one in addresses if not re.match("(/|#|data:image|https://[a-z]+[.]example/)", one)] == []
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", seen.text)
