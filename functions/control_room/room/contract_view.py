"""How a file of a dataset looks, by example: its header line, a day, a number."""

from collections.abc import Mapping
from typing import Any

# The last second of a year but one: every part of it tells which one it is.
_MOMENT = {
    "%Y": "2024",
    "%m": "12",
    "%d": "31",
    "%H": "23",
    "%M": "59",
    "%S": "58",
    "%f": "250000",
    "%z": "+00:00",
}


def header_line(document: Mapping[str, Any]) -> str:
    """The first line of a file, as the dataset's dialect writes it; empty where files have no header."""
    source = document["source"]
    names = [str(column["header"]) for column in document["columns"]]
    return str(source["delimiter"]).join(_field(name, source) for name in names) if source["header"] else ""


def _field(name: str, source: Mapping[str, Any]) -> str:
    """A name, enclosed where it must be."""
    quote, escape = str(source["quote"]), source["escape"]
    if escape:
        name = name.replace(escape, escape * 2)
    special = (str(source["delimiter"]), quote, "\n", "\r")
    return f"{quote}{name.replace(quote, quote * 2)}{quote}" if any(one in name for one in special) else name


def example_moment(written: str) -> str:
    """A day or a time in that format."""
    for directive, text in _MOMENT.items():
        written = written.replace(directive, text)
    return written


def example_number(column: Mapping[str, Any]) -> str:
    """A number with the separators of the column; empty where it has none of its own."""
    rules = {str(one["rule"]): str(one["value"]) for one in column["written"]}
    decimal, group = rules.get("decimal_separator"), rules.get("group_separator", "")
    if decimal is None and not group:
        return ""
    whole = f"1{group}234{group}567"
    return whole if column["type"] == "INT64" else f"{whole}{decimal or '.'}89"


def count_personal(document: Mapping[str, Any]) -> int:
    """How many columns hold personal data."""
    return sum(column["protection"] is not None for column in document["columns"])
