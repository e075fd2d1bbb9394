"""Numbers against an independent oracle: the same values, or none."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landfall_spark.casting import cast, describe
from landfall_spark.column import Column

INTEGER = Column("n", "INT64")
FLOAT = Column("x", "FLOAT64")
MONEY = Column("cost", "NUMERIC", precision=9, scale=2)
BRAZIL = {"decimal_separator": ",", "group_separator": "."}


def _cast(column: Column, *texts: str) -> list[Any]:
    found: list[Any] = cast(pa.array(texts, pa.string()), column).to_pylist()
    return found


def _expect(column: Column, text: str) -> int | float | Decimal | None:
    """Say, one character after another, what the text means."""
    text = _without_groups(text, column)
    if column.decimal_separator != "." and column.type != "INT64":
        text = text.replace(".", "?").replace(column.decimal_separator, ".")
    if column.type == "INT64":
        number = int(text) if re.fullmatch("[+-]?[0-9]+", text) else None
        return number if number is not None and -(2**63) <= number < 2**63 else None
    exponent = "([eE][+-]?[0-9]+)?" if column.type == "FLOAT64" else ""
    if not re.fullmatch(rf"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+){exponent}", text):
        return None
    if column.type == "FLOAT64":
        return float(text) if math.isfinite(float(text)) else None
    whole, _, part = text.lstrip("+-").partition(".")
    fits = len(whole.lstrip("0")) <= column.precision - column.scale and len(part.rstrip("0")) <= column.scale
    return Decimal(text) if fits else None


def _without_groups(text: str, column: Column) -> str:
    group = column.group_separator
    if not group or group not in text:
        return text
    whole, _, rest = text.lstrip("+-").partition(column.decimal_separator)
    if column.type == "FLOAT64":
        whole = re.sub("[eE].*", "", whole, flags=re.DOTALL)
    first, *others = whole.split(group)
    grouped = 1 <= len(first) <= 3 and all(len(one) == 3 for one in others)
    sound = grouped and re.fullmatch("[0-9]+", "".join(whole.split(group))) and group not in rest
    return text.replace(group, "") if sound and len(text) - len(text.lstrip("+-")) <= 1 else "?"


def _equal(found: Any, expected: Any) -> bool:
    return type(found) is type(expected) and found == expected


_DIGITS = st.text("0123456789", max_size=42)
_NUMBERS = st.builds(
    lambda sign, whole, mark, part, rest: sign + whole + mark + part + rest,
    st.sampled_from(["", "", "+", "-", "--", " "]),
    _DIGITS,
    st.sampled_from(["", ".", ",", ".."]),
    st.one_of(st.just(""), _DIGITS),
    st.sampled_from(["", "", "", "e3", "E-2", "e400", "\n", "\0", "d", "٣"]),
)
_LOCAL = st.builds(
    lambda sign, groups, rest: sign + ".".join(groups) + rest,
    st.sampled_from(["", "-", "+"]),
    st.lists(st.text("0123456789", min_size=1, max_size=4), min_size=1, max_size=5),
    st.sampled_from(["", ",", ",5", ",50", ",500", ",1.5", ",1,5", "e2"]),
)
_COLUMNS = [
    INTEGER,
    FLOAT,
    MONEY,
    Column("a", "BIGNUMERIC", precision=38, scale=18),
    Column("b", "BIGNUMERIC", precision=38, scale=38),
    Column("c", "BIGNUMERIC", precision=38, scale=0),
    Column("d", "NUMERIC", precision=18, scale=2, **BRAZIL),
    Column("e", "FLOAT64", decimal_separator=","),
    Column("f", "FLOAT64", **BRAZIL),
    Column("g", "INT64", **BRAZIL),
    Column("h", "NUMERIC", precision=18, scale=2, decimal_separator=",", group_separator="\u202f"),
]


@pytest.mark.parametrize("column", _COLUMNS, ids=lambda column: column.type + column.name)
@settings(max_examples=100)
@given(texts=st.lists(st.one_of(_NUMBERS, _LOCAL, st.integers().map(str)), min_size=1, max_size=8))
def test_every_number_is_what_the_oracle_says(column: Column, texts: list[str]) -> None:
    together = _cast(column, *texts)
    alone = [_cast(column, text)[0] for text in texts]
    expected = [_expect(column, text) for text in texts]
    for text, first, second, right in zip(texts, together, alone, expected, strict=True):
        assert _equal(first, right), (text, first, right)
        assert _equal(second, right), (text, second, right)


@pytest.mark.parametrize(
    "column", [Column("a", "BIGNUMERIC", precision=38, scale=scale) for scale in (0, 18, 38)]
)
@settings(max_examples=60)
@given(text=st.from_regex(r"\A-?[0-9]{10,38}(\.[0-9]{1,30})?\Z"))
def test_no_wide_decimal_becomes_another_number(column: Column, text: str) -> None:
    assert _cast(column, text) == [_expect(column, text)]


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        (INTEGER, "+7", 7),
        (INTEGER, "-9223372036854775808", -(2**63)),
        (INTEGER, "9223372036854775808", None),
        (INTEGER, "0000000000000000000000000000005", 5),
        (INTEGER, "0x10", None),
        (INTEGER, "1_000", None),
        (INTEGER, "١", None),
        (INTEGER, "", None),
        (INTEGER, "7\n", None),
        (FLOAT, "5.", 5.0),
        (FLOAT, "1e999", None),
        (FLOAT, "nan", None),
        (FLOAT, "-inf", None),
        (FLOAT, "0x1p3", None),
        (MONEY, "1.50000", Decimal("1.50")),
        (MONEY, "1.239", None),
        (MONEY, "1e2", None),
        (MONEY, "0" * 60 + "7." + "0" * 60, Decimal("7.00")),
        (MONEY, "9" * 39, None),
        (MONEY, "+.", None),
        (Column("v", "NUMERIC", precision=18, scale=2, **BRAZIL), "1.234.567,89", Decimal("1234567.89")),
        (Column("v", "NUMERIC", precision=18, scale=2, **BRAZIL), "1234567,89", Decimal("1234567.89")),
        (Column("v", "NUMERIC", precision=18, scale=2, **BRAZIL), "1.5", None),
        (Column("v", "NUMERIC", precision=18, scale=2, **BRAZIL), "1234.567", None),
        (Column("v", "NUMERIC", precision=18, scale=2, **BRAZIL), "12.34,50", None),
        (Column("v", "NUMERIC", precision=18, scale=2, **BRAZIL), ".123,50", None),
        (Column("v", "NUMERIC", precision=18, scale=2, decimal_separator=","), "1.5", None),
    ],
)
@pytest.mark.parametrize("company", [(), ("1",), ("x",)])
def test_one_number_in_any_company(
    column: Column, text: str, value: object, company: tuple[str, ...]
) -> None:
    assert _cast(column, text, *company)[0] == value


def test_an_empty_column_has_no_values() -> None:
    assert [_cast(column) for column in _COLUMNS] == [[]] * len(_COLUMNS)


def test_what_a_column_takes_is_told() -> None:
    assert describe(MONEY) == "expected NUMERIC: at most 7 digits and 2 decimals, without an exponent"
    assert describe(_COLUMNS[6]) == (
        "expected NUMERIC: at most 16 digits and 2 decimals, without an exponent, after ',', "
        "in groups of three by '.' or in none"
    )
