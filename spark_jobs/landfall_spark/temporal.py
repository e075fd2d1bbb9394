"""Date and time formats: strptime-like in a contract, a pattern and a shape for Spark.

Strict on purpose: every directive has its full number of digits and nothing may stand before or after.
Spark's patterns alone are laxer (signs, more digits), hence the shape, a regular expression that the text
must match first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# directive -> (Spark's pattern letters, shape)
_DIRECTIVES = {
    "%Y": ("yyyy", "(?!0000)[0-9]{4}"),
    "%m": ("MM", "[0-9]{2}"),
    "%d": ("dd", "[0-9]{2}"),
    "%H": ("HH", "[0-9]{2}"),
    "%M": ("mm", "[0-9]{2}"),
    "%S": ("ss", "[0-9]{2}"),
    "%f": ("SSSSSS", "[0-9]{1,6}"),
}
# %z is two Spark patterns: with and without the colon; both take Z.
_ZONES = (("XXX", "(?:Z|[+-][0-9]{2}:[0-9]{2})"), ("XX", "[+-][0-9]{4}"))

_DATE = ("%Y", "%m", "%d")
_TIME = ("%H", "%M", "%S", "%f")
_ALLOWED = {"DATE": _DATE, "DATETIME": _DATE + _TIME, "TIMESTAMP": (*_DATE, *_TIME, "%z")}


@dataclass(frozen=True)
class Layout:
    """One way to write a date or time: Spark's pattern, and the shape that the whole text must have."""

    pattern: str
    shape: str


def translate(text: str, kind: str) -> list[Layout]:
    """Translate a strptime-like format for a DATE, DATETIME or TIMESTAMP into Spark's layouts.

    ValueError says what a format of that type may hold.
    """
    parts = re.findall(r"%.|[^%]+|%$", text, re.DOTALL)
    directives = [part for part in parts if part.startswith("%") and part != "%%"]
    allowed = _ALLOWED[kind]
    if len(set(directives)) != len(directives) or not set(_DATE) <= set(directives) <= set(allowed):
        raise ValueError(f"a {kind} format with %Y, %m and %d, and each of {', '.join(allowed)} at most once")
    zones = _ZONES if "%z" in directives else (("", ""),)
    return [_layout(parts, {**_DIRECTIVES, "%z": zone}) for zone in zones]


def _layout(parts: list[str], directives: dict[str, tuple[str, str]]) -> Layout:
    pattern, shape, literal = "", "^", ""
    for part in parts:
        if part not in directives:
            literal += "%" if part == "%%" else part
            continue
        letters, digits = directives[part]
        pattern, shape, literal = (
            pattern + _quoted(literal) + letters,
            shape + re.escape(literal) + digits,
            "",
        )
    # \z, for Java's $ would let a final line break pass.
    return Layout(pattern + _quoted(literal), shape + re.escape(literal) + r"\z")


def _quoted(literal: str) -> str:
    return "'" + literal.replace("'", "''") + "'" if literal else ""
