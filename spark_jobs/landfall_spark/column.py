"""One column of the contract: its type, how its text is written, what its values must be, who may see it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from landfall_spark import temporal
from landfall_spark.documents import Node

NUMBER_TYPES = ("INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC")
DECIMAL_TYPES = ("NUMERIC", "BIGNUMERIC")
TEMPORAL_TYPES = ("DATE", "DATETIME", "TIMESTAMP")
TYPES = ("STRING", "BOOL", *NUMBER_TYPES, *TEMPORAL_TYPES)

# Arrow's 128-bit decimals have at most 38 digits; BigQuery's NUMERIC is DECIMAL(38, 9) where a contract does
# not narrow it.
MAX_PRECISION = 38
NUMERIC_SCALE = 9

METHODS = ("drop", "mask", "hash", "tokenise")

_ARROW_TYPES = {
    "STRING": pa.string(),
    "BOOL": pa.bool_(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}

Value = str | int | float | Decimal | date | datetime


@dataclass(frozen=True)
class Protection:
    """How a personal column is kept from view: one of METHODS. `keep_last` counts for `mask` only."""

    method: str
    keep_last: int = 0


@dataclass(frozen=True)
class Column:
    """One column of the contract. Bounds and valid values are of the column's type.

    `precision` and `scale` count for the decimal types only. Lengths are in characters.
    """

    name: str
    type: str
    required: bool = False
    header: str = ""
    formats: tuple[str, ...] = ()
    true_tokens: tuple[str, ...] = ()
    false_tokens: tuple[str, ...] = ()
    precision: int = MAX_PRECISION
    scale: int = NUMERIC_SCALE
    decimal_separator: str = "."
    group_separator: str = ""
    minimum: Value | None = None
    maximum: Value | None = None
    exclusive_minimum: Value | None = None
    exclusive_maximum: Value | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    valid_values: tuple[Value, ...] = ()
    protection: Protection | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type that holds the column's values."""
        if self.type in DECIMAL_TYPES:
            return pa.decimal128(self.precision, self.scale)
        return _ARROW_TYPES[self.type]

    @property
    def personal(self) -> bool:
        """Say whether no value of the column may be seen."""
        return self.protection is not None

    @property
    def dropped(self) -> bool:
        """Say whether the raw table goes without the column."""
        return self.protection is not None and self.protection.method == "drop"


def parse_column(node: Node) -> Column:
    """Parse one of `columns`; the document's error names the field that is wrong."""
    column = Column(
        name=node.take("name", str),
        type=node.take("type", str),
        required=node.take("required", bool, False),
        formats=node.strings("formats"),
        true_tokens=node.strings("true_tokens"),
        false_tokens=node.strings("false_tokens"),
        precision=node.take("precision", int, MAX_PRECISION),
        scale=node.take("scale", int, NUMERIC_SCALE),
        decimal_separator=node.take("decimal_separator", str, "."),
        group_separator=node.take("group_separator", str, ""),
        min_length=node.optional("min_length", int),
        max_length=node.optional("max_length", int),
        pattern=node.optional("pattern", str),
        protection=_parse_protection(node),
    )
    _check_type(node, column)
    _check_separators(node, column)
    _check_text_rules(node, column)
    _check_protection(node, column)
    column = replace(column, header=node.take("header", str, column.name))
    return _with_bounds(node, column)


def parse_value(text: str, column: Column) -> Value:
    """Parse a bound or a valid value from its canonical form, such as 12.5 or 2024-12-31T00:00:00Z.

    ValueError says what a value of the column looks like.
    """
    if column.type not in _PARSERS:
        raise ValueError(f"none: a {column.type} has neither bounds nor valid values")
    try:
        value = _PARSERS[column.type](text)
        pa.scalar(value, column.arrow_type)
    except (ValueError, OverflowError):
        raise ValueError(f"{_CANONICAL[column.type]}, such that the column can hold it") from None
    return value


def check_pattern(pattern: str) -> None:
    """Check that RE2 takes the pattern, alone and as the whole of a value; ValueError where it does not."""
    for one in (pattern, whole(pattern)):
        try:
            pc.match_substring_regex(pa.array([""]), one)
        except pa.ArrowInvalid:
            raise ValueError(
                "a regular expression that RE2 takes (no look-around, no back-reference)"
            ) from None


def whole(pattern: str) -> str:
    r"""Return the pattern that only a whole value matches. \z, for a line break is data."""
    return rf"\A(?:{pattern})\z"


def _parse_protection(node: Node) -> Protection | None:
    if not node.has("protection"):
        return None
    inner = node.node("protection")
    method, keep_last = inner.take("method", str), inner.take("keep_last", int, 0)
    if method not in METHODS:
        raise inner.complain("method", "one of " + ", ".join(METHODS), method)
    if keep_last < 0 or (keep_last and method != "mask"):
        raise inner.complain("keep_last", "0 or more, with method mask only", f"{keep_last} with {method}")
    return Protection(method, keep_last)


def _check_type(node: Node, column: Column) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", column.name):
        expected = "a letter, then letters, digits and _ (names with _ first are lineage)"
        raise node.complain("name", expected, column.name)
    if column.type not in TYPES:
        raise node.complain("type", "one of " + ", ".join(TYPES), column.type)
    if column.type in TEMPORAL_TYPES:
        _check_formats(node, column)
    if column.type == "BOOL":
        if not column.true_tokens or not column.false_tokens:
            raise node.complain("true_tokens, false_tokens", "at least one of each", "none")
        if set(column.true_tokens) & set(column.false_tokens):
            raise node.complain("true_tokens, false_tokens", "no token in both", "one in both")
    if column.type in DECIMAL_TYPES and not 0 <= column.scale <= column.precision <= MAX_PRECISION:
        expected = f"0 <= scale <= precision <= {MAX_PRECISION}"
        raise node.complain("precision, scale", expected, f"{column.precision}, {column.scale}")


def _check_formats(node: Node, column: Column) -> None:
    if not column.formats:
        raise node.complain("formats", "at least one format such as %Y-%m-%d", "none")
    for text in column.formats:
        try:
            temporal.translate(text, column.type)
        except ValueError as problem:
            raise node.complain("formats", str(problem), repr(text)) from problem


def _check_separators(node: Node, column: Column) -> None:
    given = [name for name in ("decimal_separator", "group_separator") if node.has(name)]
    if given and column.type not in NUMBER_TYPES:
        raise node.complain(given[0], f"one of {', '.join(NUMBER_TYPES)}", column.type)
    for name, text in (
        ("decimal_separator", column.decimal_separator),
        ("group_separator", column.group_separator),
    ):
        if node.has(name) and (len(text) != 1 or text.isalnum() or text in "+-\r\n\0"):
            raise node.complain(name, "one character, no letter, digit, sign or line break", repr(text))
    if column.decimal_separator == column.group_separator:
        raise node.complain("group_separator", "another character than decimal_separator", "the same")


def _check_text_rules(node: Node, column: Column) -> None:
    given = [name for name in ("min_length", "max_length", "pattern") if node.has(name)]
    if given and column.type != "STRING":
        raise node.complain(given[0], "a column of type STRING", column.type)
    shortest, longest = column.min_length or 0, column.max_length
    if shortest < 0 or (longest is not None and longest < max(shortest, 1)):
        raise node.complain(
            "min_length, max_length", "0 <= min_length <= max_length, from 1", f"{shortest}, {longest}"
        )
    if column.pattern is not None:
        try:
            check_pattern(column.pattern)
        except ValueError as problem:
            raise node.complain("pattern", str(problem), repr(column.pattern)) from None


def _check_protection(node: Node, column: Column) -> None:
    if column.personal and not column.dropped and column.type != "STRING":
        raise node.complain("protection", "type STRING (method drop takes any)", column.type)


def _with_bounds(node: Node, column: Column) -> Column:
    def take(name: str) -> Value | None:
        text = node.optional(name, str)
        if text is None:
            return None
        if column.type == "STRING":
            raise node.complain(name, "a number or time (a STRING has lengths)", column.type)
        return _value(node, name, text, column)

    return replace(
        column,
        minimum=take("minimum"),
        maximum=take("maximum"),
        exclusive_minimum=take("exclusive_minimum"),
        exclusive_maximum=take("exclusive_maximum"),
        valid_values=tuple(
            _value(node, "valid_values", text, column) for text in node.strings("valid_values")
        ),
    )


def _value(node: Node, name: str, text: str, column: Column) -> Value:
    try:
        return parse_value(text, column)
    except ValueError as problem:
        raise node.complain(name, str(problem), repr(text)) from None


def _parse_integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]+", text):
        raise ValueError
    return int(text)


def _parse_decimal(text: str) -> Decimal:
    if not re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", text):
        raise ValueError
    return Decimal(text)


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _parse_datetime(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo:
        raise ValueError
    return value


def _parse_timestamp(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if not value.tzinfo:
        raise ValueError
    return value


_PARSERS: Mapping[str, Callable[[str], Value]] = {
    "STRING": str,
    "INT64": _parse_integer,
    "FLOAT64": _parse_float,
    "NUMERIC": _parse_decimal,
    "BIGNUMERIC": _parse_decimal,
    "DATE": date.fromisoformat,
    "DATETIME": _parse_datetime,
    "TIMESTAMP": _parse_timestamp,
}
_CANONICAL = {
    "STRING": "text",
    "INT64": "an integer such as 12",
    "FLOAT64": "a number such as 12.5",
    "NUMERIC": "a number such as 12.5",
    "BIGNUMERIC": "a number such as 12.5",
    "DATE": "a date such as 2024-12-31",
    "DATETIME": "a time such as 2024-12-31T23:59:59, without a zone",
    "TIMESTAMP": "a time such as 2024-12-31T23:59:59Z, with its zone",
}
