"""Reads what a value must be beyond its type: `logicalTypeOptions` and `enum` of a column."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from open_data_contract_standard.model import SchemaProperty

from bigquery.renderer import custom_properties
from bigquery.renderer.column_type import ColumnType
from bigquery.renderer.model import Constraints
from bigquery.renderer.notation import NUMBERS, TIMES
from bigquery.renderer.problem import Problems

_LIMITS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_TEXTS = ("minLength", "maxLength", "pattern")

# Digits that a number in YAML keeps, for it is read as a float.
_YAML_DIGITS = 15

_INT64 = 2**63

_EXPECTED = {
    "INT64": "a whole number of 64 bits",
    "FLOAT64": f"a number of at most {_YAML_DIGITS} digits",
    "NUMERIC": f"a number that the column's type holds, of at most {_YAML_DIGITS} digits",
    "BIGNUMERIC": f"a number that the column's type holds, of at most {_YAML_DIGITS} digits",
    "DATE": "a day as text, such as '2024-12-31'",
    "DATETIME": "a date and time as text and without zone, such as '2024-12-31T23:59:59'",
    "TIMESTAMP": "a date and time as text with zone, such as '2024-12-31T23:59:59+00:00'",
}


def read(
    entry: SchemaProperty, kind: ColumnType, null_tokens: Sequence[str], path: str, problems: Problems
) -> Constraints:
    """The constraints of the column `entry` of that type; what is wrong with them is noted."""
    options = _options(entry, kind.name, f"{path}.logicalTypeOptions", problems)
    valid_values = _valid_values(entry, kind.name, null_tokens, f"{path}.enum", problems)
    if kind.name == "STRING":
        return _text_constraints(options, valid_values, f"{path}.logicalTypeOptions", problems)
    return _limits(options, kind, f"{path}.logicalTypeOptions", problems)


def check_pattern(pattern: object, path: str, problems: Problems) -> str | None:
    """The pattern, if RE2 takes it: the engine of BigQuery, and of the job that applies it."""
    expected = "a regular expression of RE2"
    if not isinstance(pattern, str) or not pattern:
        problems.add(path, expected, pattern, "write one for the whole value, such as [A-Z]{2}[0-9]+")
        return None
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        problems.add(path, f"{expected} ({error})", pattern, "mend it, or write it without that feature")
        return None
    return pattern


def _options(entry: SchemaProperty, kind: str, path: str, problems: Problems) -> Mapping[str, object]:
    """The options that the type takes; the others are noted, for they would be promised and not kept."""
    allowed = _TEXTS if kind == "STRING" else tuple(_LIMITS) if kind in NUMBERS + TIMES else ()
    sound = {}
    for name, value in (entry.logicalTypeOptions or {}).items():
        if name in allowed:
            sound[name] = value
        else:
            expected = f"one of {', '.join(allowed)}" if allowed else f"no options for a {kind}"
            problems.add(f"{path}.{name}", expected, name, f"remove {name}, which nothing checks")
    return sound


def _text_constraints(
    options: Mapping[str, object], valid_values: tuple[str, ...], path: str, problems: Problems
) -> Constraints:
    lengths = {}
    for name, least in (("minLength", 0), ("maxLength", 1)):
        expected = custom_properties.whole_number(least)(options[name]) if name in options else None
        if expected:
            problems.add(f"{path}.{name}", expected, options[name], "write a number of characters")
        elif name in options:
            lengths[name] = int(str(options[name]))
    shortest, longest = lengths.get("minLength"), lengths.get("maxLength")
    if shortest is not None and longest is not None and longest < shortest:
        problems.add(f"{path}.maxLength", f"minLength, {shortest}, or more", longest, "raise it")
    pattern = None
    if "pattern" in options:
        pattern = check_pattern(options["pattern"], f"{path}.pattern", problems)
    return Constraints(min_length=shortest, max_length=longest, pattern=pattern, valid_values=valid_values)


def _valid_values(
    entry: SchemaProperty, kind: str, null_tokens: Sequence[str], path: str, problems: Problems
) -> tuple[str, ...]:
    if entry.enum is None:
        return ()
    if kind != "STRING":
        problems.add(path, f"no enum for a {kind}", f"{len(entry.enum)} values", "write minimum and maximum")
        return ()
    values = [item.value for item in entry.enum]
    if not values:
        problems.add(path, "at least one value", values, "list the values, or remove enum")
    for index, value in enumerate(values):
        here = f"{path}[{index}].value"
        if not isinstance(value, str) or value in null_tokens:
            expected = "a text, other than those that mean null"
            problems.add(here, expected, value, "write it between quotes, or remove it")
        elif value in values[:index]:
            problems.add(here, "each value once", value, "remove the repeated value")
    return tuple(value for value in values if isinstance(value, str))


def _limits(options: Mapping[str, object], kind: ColumnType, path: str, problems: Problems) -> Constraints:
    limits: dict[str, Any] = {}
    for name, value in options.items():
        limit = _number(value, kind) if kind.name in NUMBERS else _time(value, kind.name)
        if limit is None:
            problems.add(f"{path}.{name}", _EXPECTED[kind.name], value, f"write such a value for {name}")
        else:
            limits[name] = limit
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if bound in limits and exclusive in limits:
            problems.add(
                f"{path}.{exclusive}", f"it or {bound}", f"{exclusive} and {bound}", "remove one of the two"
            )
    lowest = limits.get("minimum", limits.get("exclusiveMinimum"))
    highest = limits.get("maximum", limits.get("exclusiveMaximum"))
    if lowest is not None and highest is not None and highest < lowest:
        expected = f"an upper limit of {_canonical(lowest)} or more"
        problems.add(path, expected, _canonical(highest), "exchange the two, or mend one")
    written: dict[str, Any] = {_LIMITS[name]: _canonical(limit) for name, limit in limits.items()}
    return Constraints(**written)


def _number(value: object, kind: ColumnType) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    number = Decimal(repr(value))
    digits = len(number.as_tuple().digits)
    if kind.name == "INT64":
        return number if isinstance(value, int) and -_INT64 <= value < _INT64 else None
    if isinstance(value, float) and digits > _YAML_DIGITS:
        return None
    return number if kind.precision is None or _holds(kind, number) else None


def _holds(kind: ColumnType, number: Decimal) -> bool:
    whole, _, fraction = _canonical(abs(number)).partition(".")
    precision, scale = kind.precision or 0, kind.scale or 0
    return len(fraction) <= scale and len(whole.lstrip("0")) <= precision - scale


def _time(value: object, kind: str) -> date | None:
    if not isinstance(value, str):
        return None
    try:
        moment = date.fromisoformat(value) if kind == "DATE" else datetime.fromisoformat(value)
    except ValueError:
        return None
    if isinstance(moment, datetime) and (moment.tzinfo is None) == (kind == "TIMESTAMP"):
        return None
    return moment.astimezone(UTC) if isinstance(moment, datetime) and moment.tzinfo else moment


def _canonical(limit: Decimal | date) -> str:
    if isinstance(limit, date):
        return limit.isoformat()
    text = f"{limit:f}" if limit else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text
