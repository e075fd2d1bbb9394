"""What a value must be beyond its type: within bounds, of a length, of a pattern, one of a set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from landfall_spark import strings
from landfall_spark.column import Column, Value, whole
from landfall_spark.strings import Mask

OUT_OF_RANGE = "out_of_range"
NOT_IN_SET = "not_in_set"
PATTERN_MISMATCH = "pattern_mismatch"
TOO_LONG = "too_long"
TOO_SHORT = "too_short"

_MAX_DETAIL = 1000


def check(values: pa.Array, column: Column) -> Iterator[tuple[str, str, Mask]]:
    """Yield for each constraint that some value breaks its code, what was expected, and the values' places.

    A null breaks none.
    """
    for code, expected, broken in _find_broken(values, column):
        mask = strings.to_mask(broken)
        if mask.any():
            yield code, f"expected {expected}"[:_MAX_DETAIL], mask


def is_invalid(values: pa.Array, valid: Sequence[Value], pattern: str | None) -> pa.BooleanArray:
    """Tell which values are not among the valid ones, or do not match the pattern as a whole."""
    if pattern is not None:
        return pc.invert(pc.match_substring_regex(values, whole(pattern)))
    found = pc.is_in(values, value_set=pa.array(valid, values.type))
    return pc.and_(pc.invert(found), values.is_valid())


def _find_broken(values: pa.Array, column: Column) -> Iterator[tuple[str, str, pa.BooleanArray]]:
    yield from _find_out_of_range(values, column)
    if column.min_length is not None or column.max_length is not None:
        lengths = pc.utf8_length(values)
        if column.min_length is not None:
            yield TOO_SHORT, f"at least {column.min_length} characters", pc.less(lengths, column.min_length)
        if column.max_length is not None:
            yield TOO_LONG, f"at most {column.max_length} characters", pc.greater(lengths, column.max_length)
    if column.pattern is not None:
        expected = f"text that matches {column.pattern} as a whole"
        yield PATTERN_MISMATCH, expected, is_invalid(values, (), column.pattern)
    if column.valid_values:
        yield NOT_IN_SET, _expect_one_of(column), is_invalid(values, column.valid_values, None)


def _find_out_of_range(values: pa.Array, column: Column) -> Iterator[tuple[str, str, pa.BooleanArray]]:
    bounds = (
        (column.minimum, "at least", pc.less),
        (column.exclusive_minimum, "more than", pc.less_equal),
        (column.maximum, "at most", pc.greater),
        (column.exclusive_maximum, "less than", pc.greater_equal),
    )
    for bound, words, is_beyond in bounds:
        if bound is not None:
            yield OUT_OF_RANGE, f"{words} {_show(bound)}", is_beyond(values, pa.scalar(bound, values.type))


def _expect_one_of(column: Column) -> str:
    if column.personal:
        return f"one of the contract's {len(column.valid_values)} values"
    return "one of " + ", ".join(_show(value) for value in column.valid_values)


def _show(value: Value) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    return f"{value:f}" if isinstance(value, Decimal) else value.isoformat()
