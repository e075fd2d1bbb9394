"""Each record is accepted or rejected, with every reason, whatever the company it comes in."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from landfall_spark.judge import Reason
from tests.spark_jobs.judging import contract, run

ID = {"name": "id", "type": "STRING", "required": True}
COUNT = {"name": "n", "type": "INT64"}
DAY = {"name": "day", "type": "DATE", "required": True, "formats": ["%d/%m/%Y", "%Y-%m-%d"]}
PAID = {"name": "paid", "type": "BOOL", "true_tokens": ["Sim", "S"], "false_tokens": ["Não"]}


def test_a_row_has_every_reason_in_the_order_of_the_columns() -> None:
    outcome = run(contract(ID, COUNT, DAY, PAID), "1,2,31/12/2024,Sim", ",x,2024-02-30,sim", "3,NA,NA,")
    assert outcome.accepted == {1: ["1", 2, date(2024, 12, 31), True]}
    assert outcome.rejected[2] == (
        ",x,2024-02-30,sim",
        [
            Reason("null_in_required", "id", "", "expected a value, found none"),
            Reason("bad_type", "n", "x", "expected INT64: digits, within 64 bits"),
            Reason("bad_type", "day", "2024-02-30", "expected DATE as %d/%m/%Y or %Y-%m-%d"),
            Reason("bad_type", "paid", "sim", "expected BOOL: Sim or S or Não"),
        ],
    )
    assert outcome.codes(3) == [("null_in_required", "day")]


def test_every_row_is_in_one_place() -> None:
    lines = [f"{number},{number if number % 3 else 'x'},2024-01-01,S" for number in range(1, 100)]
    lines[49] = "50,1"
    lines[60] = '61,"1'
    outcome = run(contract(ID, COUNT, DAY, PAID), *lines)
    assert sorted([*outcome.accepted, *outcome.rejected]) == list(
        range(1, len(outcome.accepted) + len(outcome.rejected) + 1)
    )
    assert outcome.codes(50) == [("ragged_row", None)]
    assert outcome.codes(61) == [("unterminated_quote", None)]


def test_nulls_are_tokens_exactly() -> None:
    outcome = run(
        contract(COUNT, DAY, null_tokens=["-", "NULO"]),
        "-,2024-01-01",
        "NULO,2024-01-01",
        ",2024-01-01",
        "--,2024-01-01",
    )
    assert outcome.accepted == {1: [None, date(2024, 1, 1)], 2: [None, date(2024, 1, 1)]}
    assert [reason.value for _, (reason,) in outcome.rejected.values()] == ["", "--"]


@pytest.mark.parametrize(
    ("column", "fine", "broken", "reasons"),
    [
        (
            {"type": "INT64", "minimum": "0", "maximum": "10"},
            ["0", "10", "NA"],
            "-1",
            [("out_of_range", "expected at least 0")],
        ),
        (
            {"type": "INT64", "maximum": "9223372036854775807"},
            ["9223372036854775807"],
            "x",
            [("bad_type", "expected INT64: digits, within 64 bits")],
        ),
        (
            {"type": "NUMERIC", "precision": 9, "scale": 2, "exclusive_minimum": "0"},
            ["0.01"],
            "0",
            [("out_of_range", "expected more than 0")],
        ),
        (
            {"type": "FLOAT64", "exclusive_maximum": "1.5"},
            ["1.4"],
            "1.5",
            [("out_of_range", "expected less than 1.5")],
        ),
        (
            {"type": "DATE", "formats": ["%d/%m/%Y"], "maximum": "2024-12-31"},
            ["31/12/2024"],
            "01/01/2025",
            [("out_of_range", "expected at most 2024-12-31")],
        ),
        (
            {"type": "TIMESTAMP", "formats": ["%Y-%m-%dT%H:%M%z"], "minimum": "2024-01-01T00:00:00Z"},
            ["2024-01-01T00:00Z"],
            "2024-01-01T00:00+00:01",
            [("out_of_range", "expected at least 2024-01-01T00:00:00+00:00")],
        ),
        (
            {"type": "DATETIME", "formats": ["%Y-%m-%d"], "minimum": "2024-01-01T00:00:00"},
            ["2024-01-01"],
            "2023-12-31",
            [("out_of_range", "expected at least 2024-01-01T00:00:00")],
        ),
        (
            {"type": "STRING", "min_length": 2, "max_length": 3},
            ["ab", "ção", "😀😀😀"],
            "a",
            [("too_short", "expected at least 2 characters")],
        ),
        (
            {"type": "STRING", "max_length": 3},
            ["", "ção"],
            "çãos",
            [("too_long", "expected at most 3 characters")],
        ),
        (
            {"type": "STRING", "pattern": "[A-Z]+|[0-9]{2}", "max_length": 3},
            ["AB", "12"],
            "AB12",
            [
                ("too_long", "expected at most 3 characters"),
                ("pattern_mismatch", "expected text that matches [A-Z]+|[0-9]{2} as a whole"),
            ],
        ),
        (
            {"type": "STRING", "pattern": "a"},
            ["a"],
            '"a\n"',
            [("pattern_mismatch", "expected text that matches a as a whole")],
        ),
        (
            {"type": "STRING", "valid_values": ["PIX", "TED"]},
            ["PIX", "NA"],
            "pix",
            [("not_in_set", "expected one of PIX, TED")],
        ),
        (
            {"type": "INT64", "valid_values": ["1", "2"]},
            ["01", "+2"],
            "3",
            [("not_in_set", "expected one of 1, 2")],
        ),
        (
            {"type": "NUMERIC", "precision": 9, "scale": 2, "valid_values": ["0.5"]},
            ["0.50"],
            "0.51",
            [("not_in_set", "expected one of 0.5")],
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_a_constraint_is_a_reason_of_its_own(
    column: dict[str, Any], fine: list[str], broken: str, reasons: list[tuple[str, str]]
) -> None:
    outcome = run(contract({"name": "v", **column}, ID), *(f"{text},1" for text in [*fine, broken]))
    assert list(outcome.accepted) == list(range(1, len(fine) + 1))
    value = broken.strip('"')
    assert outcome.rejected[len(fine) + 1][1] == [
        Reason(code, "v", value, detail) for code, detail in reasons
    ]


def test_damage_is_told_where_it_is() -> None:
    outcome = run(contract(ID, COUNT), b"a\xff,1", b"a\0,x", b"1,\xe9", b"\xff,1,2")
    detail = "expected UTF-8 without NUL, found damaged text"
    assert outcome.rejected[1] == ("a\ufffd,1", [Reason("bad_encoding", "id", "a\ufffd", detail)])
    assert outcome.codes(2) == [("bad_encoding", "id"), ("bad_type", "n")]
    assert outcome.codes(3) == [("bad_encoding", "n")]
    assert outcome.codes(4) == [("ragged_row", None), ("bad_encoding", None)]


def test_damage_in_a_column_that_nobody_asks_for_is_damage_of_the_record() -> None:
    outcome = run(contract(ID, unknown_columns="ignore"), b"1,\xff", b"2,x", header=["id", "other"])
    assert outcome.codes(1) == [("bad_encoding", None)]
    assert outcome.accepted == {2: ["2"]}


def test_columns_are_found_by_name_and_missing_ones_are_null() -> None:
    price = {"name": "price", "type": "NUMERIC", "precision": 9, "scale": 2, "header": "Valor (R$)"}
    outcome = run(contract(ID, COUNT, price), "1.5,a", header=["valor (r$) ", "ID"])
    assert outcome.accepted == {1: ["a", None, Decimal("1.50")]}


def test_a_value_in_a_reason_is_bounded() -> None:
    outcome = run(contract(COUNT), "y" * 1500)
    (reason,) = outcome.rejected[1][1]
    assert reason.value == "y" * 1000


def test_quality_is_about_accepted_rows_only() -> None:
    rule = {"operator": "mustBe", "threshold": [0], "unit": "rows", "severity": "warn"}
    pipeline = contract(
        ID,
        COUNT,
        rest={
            "quality": [
                {"rule": "filled", "metric": "nullValues", "columns": ["n"], **rule},
                {
                    "rule": "small",
                    "metric": "invalidValues",
                    "columns": ["n"],
                    "valid_values": ["1", "2"],
                    **rule,
                },
                {"rule": "named", "metric": "invalidValues", "columns": ["id"], "pattern": "[a-z]", **rule},
                {"rule": "some", "metric": "rowCount", "columns": [], **rule},
            ]
        },
    )
    outcome = run(pipeline, "a,1", "b,", ",", "C,3", "d,x", "ee,2")
    assert outcome.found == {
        "filled": [False, True, False, False],
        "small": [False, False, True, False],
        "named": [False, False, True, True],
    }
