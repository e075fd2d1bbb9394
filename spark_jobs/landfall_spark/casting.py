"""Cast text to the contract's types: exactly or not at all."""

from __future__ import annotations

import pyarrow as pa

from landfall_spark import numbers, strings, temporal
from landfall_spark.column import DECIMAL_TYPES, NUMBER_TYPES, TEMPORAL_TYPES, Column


def cast(array: pa.StringArray, column: Column) -> pa.Array:
    """Cast strings, none of them null, to the column's type; null where one does not fit without loss."""
    if column.type in NUMBER_TYPES:
        return numbers.cast(array, column)
    if column.type in TEMPORAL_TYPES:
        return temporal.parse(array, column.formats, column.type)
    return _cast_bool(array, column) if column.type == "BOOL" else array


def describe(column: Column) -> str:
    """Say what text the column takes, for a reader of rejected rows."""
    if column.type == "BOOL":
        return "expected BOOL: " + " or ".join((*column.true_tokens, *column.false_tokens))
    if column.type in TEMPORAL_TYPES:
        return f"expected {column.type} as " + " or ".join(column.formats)
    groups = (
        f", in groups of three by {column.group_separator!r} or in none" if column.group_separator else ""
    )
    if column.type == "INT64":
        return f"expected INT64: digits, within 64 bits{groups}"
    if column.type in DECIMAL_TYPES:
        whole, part = column.precision - column.scale, column.scale
        number = f"at most {whole} digits and {part} decimals, without an exponent"
        point = "" if column.decimal_separator == "." else f", after {column.decimal_separator!r}"
        return f"expected {column.type}: {number}{point}{groups}"
    point = (
        "a decimal point"
        if column.decimal_separator == "."
        else f"decimals after {column.decimal_separator!r}"
    )
    return f"expected {column.type}: a finite number with {point}{groups}"


def _cast_bool(array: pa.StringArray, column: Column) -> pa.Array:
    text = strings.view(array)
    true, false = text.equals_any(column.true_tokens), text.equals_any(column.false_tokens)
    fits = true | false
    return pa.array(true, mask=None if fits.all() else ~fits)
