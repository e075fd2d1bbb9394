r"""Numbers: exactly or not at all.

A cheap look at the bytes of a whole column tells whether Arrow's own cast can be trusted with it; else every
value must match a shape first. Arrow alone takes 0x10, 1e2 and nan, and where a decimal leaves 128 bits it
returns another number without a word.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from landfall_spark import strings
from landfall_spark.column import DECIMAL_TYPES, MAX_PRECISION, Column
from landfall_spark.strings import Mask

_INTEGER = r"\A[+-]?[0-9]+\z"
# Neither NaN nor Infinity: no number that a CSV could mean by them can be added up.
_FLOAT = r"\A[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z"
_STARTS_WITH_DIGIT = r"\A[+-]?\.?[0-9]"
_INTEGER_DIGITS = 19
_INTEGER_LIMITS = np.iinfo(np.int64)


def cast(array: pa.StringArray, column: Column) -> pa.Array:
    """Cast strings, none of them null; null where one is no number of the column without loss."""
    plain, sound = _to_plain(array, column)
    if sound is None:
        values = _cast_whole(plain, column)
        if values is not None:
            return values
    fits = strings.to_mask(_match(plain, column))
    if sound is not None:
        fits &= sound
    return strings.scatter(_cast_shaped(plain.filter(pa.array(fits)), column), fits)


def _to_plain(array: pa.StringArray, column: Column) -> tuple[pa.StringArray, Mask | None]:
    """Return the text with a decimal point and no groups, and where it was well written; None: everywhere."""
    decimal, group, sound = column.decimal_separator, column.group_separator, None
    if group and strings.contains(array, group):
        answers = strings.to_mask(pc.match_substring_regex(array, _grouped(column)))
        sound = None if answers.all() else answers
        array = pc.replace_substring(array, group, "")
    if decimal != "." and column.type != "INT64":
        if strings.contains(array, "."):
            # No number may hold this.
            array = pc.replace_substring(array, ".", "?")
        array = pc.replace_substring(array, decimal, ".")
    return array, sound


def _grouped(column: Column) -> str:
    group, decimal = re.escape(column.group_separator), re.escape(column.decimal_separator)
    rest = "" if column.type == "INT64" else rf"(?:{decimal}[0-9]*)?"
    exponent = "(?:[eE][+-]?[0-9]+)?" if column.type == "FLOAT64" else ""
    return rf"\A[+-]?(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+)?{rest}{exponent}\z"


def _cast_whole(array: pa.StringArray, column: Column) -> pa.Array | None:
    """Cast the column at once; None where some value does not fit or the cast could go wrong."""
    text = strings.view(array)
    # Arrow checks the digits that it reads and the digits that it returns, not those in between.
    if column.type in DECIMAL_TYPES and text.longest + column.scale > MAX_PRECISION:
        return None
    if not _is_plain(text.region):
        return None
    try:
        values = pc.cast(array, column.arrow_type)
    except pa.ArrowInvalid:
        return None
    return values if column.type != "FLOAT64" or np.isfinite(values.to_numpy()).all() else None


def _is_plain(content: NDArray[np.uint8]) -> bool:
    """Tell whether there are only digits, signs and points: all from + to 9 but comma and slash."""
    inside = (content - np.uint8(ord("+")) <= ord("9") - ord("+")).all()
    return bool(inside and not (content == ord(",")).any() and not (content == ord("/")).any())


def _match(array: pa.StringArray, column: Column) -> pa.BooleanArray:
    if column.type == "INT64":
        return pc.match_substring_regex(array, _INTEGER)
    if column.type == "FLOAT64":
        return pc.match_substring_regex(array, _FLOAT)
    starts = pc.match_substring_regex(array, _STARTS_WITH_DIGIT)
    return pc.and_(starts, pc.match_substring_regex(array, _decimal_shape(column)))


def _decimal_shape(column: Column) -> str:
    # Zeros in front and at the end say nothing; any other digit beyond precision or scale would be lost.
    whole, part = column.precision - column.scale, column.scale
    return rf"\A([+-]?)0*([0-9]{{0,{whole}}})(?:(\.[0-9]{{0,{part}}})0*)?\z"


def _cast_shaped(array: pa.StringArray, column: Column) -> pa.Array:
    """Cast strings that have the shape of the column's type; null where a value leaves the type's range."""
    if column.type == "INT64":
        return _cast_integers(array)
    if column.type == "FLOAT64":
        values = pc.cast(array, pa.float64())
        return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
    # A zero in front, for there may be no digit before the point.
    short = pc.replace_substring_regex(array, _decimal_shape(column), r"\10\2\3")
    return pc.cast(short, column.arrow_type)


def _cast_integers(array: pa.StringArray) -> pa.Array:
    short = pc.replace_substring_regex(array, r"\A(?:\+|(-))?0*([0-9])", r"\1\2")
    small = pc.less_equal(pc.binary_length(pc.utf8_ltrim(short, "-")), _INTEGER_DIGITS)
    wide = pc.cast(pc.if_else(small, short, None), pa.decimal128(_INTEGER_DIGITS, 0))
    within = pc.and_(
        pc.greater_equal(wide, int(_INTEGER_LIMITS.min)),
        pc.less_equal(wide, int(_INTEGER_LIMITS.max)),
    )
    return pc.cast(pc.if_else(within, wide, None), pa.int64())
