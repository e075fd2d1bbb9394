"""NUMERIC and BIGNUMERIC: columns through the API, exact values, BigQuery's way to print them."""

from decimal import Decimal
from typing import Any

import pytest
import requests
from google.cloud import bigquery

from localcloud.bigquery.decimals import plain

COST = {"name": "cost", "type": "BIGNUMERIC", "precision": "38", "scale": "18", "mode": "REQUIRED"}


@pytest.mark.parametrize(
    ("value", "text"),
    [("12.000000000", "12"), ("0E-18", "0"), ("100", "100"), ("-0.500", "-0.5"), ("1E+3", "1000")],
)
def test_a_decimal_is_written_plainly(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


def test_sums_are_exact(make: Any, run: Any) -> None:
    table = make("t", [COST, {"name": "price", "type": "NUMERIC"}])
    run(
        f"INSERT INTO {table} (cost, price) VALUES (BIGNUMERIC '405860.816111877671901', 12),"
        f" (CAST('0.000000000000000001' AS BIGNUMERIC), NUMERIC '0.123456789')"
    )
    assert run(f"SELECT SUM(cost) AS cost, SUM(price) AS price FROM {table}") == [
        {
            "cost": Decimal("405860.816111877671901001"),
            "price": Decimal("12.123456789"),
        }
    ]


def test_casts_and_literals_keep_every_digit(run: Any) -> None:
    (row,) = run("""
        SELECT CAST('1.000000000000000001' AS BIGNUMERIC) AS big, CAST('1.000000001' AS NUMERIC) AS small,
          SAFE_CAST('x' AS NUMERIC) AS bad, PARSE_BIGNUMERIC('1.000000000000000001') AS parsed,
          COALESCE(NULL, BIGNUMERIC '405860.816111877671902') AS literal""")
    assert row == {
        "big": Decimal("1.000000000000000001"),
        "small": Decimal("1.000000001"),
        "bad": None,
        "parsed": Decimal("1.000000000000000001"),
        "literal": Decimal("405860.816111877671902"),
    }


def test_a_result_has_no_trailing_zeros(server: Any, make: Any, run: Any) -> None:
    table = make("t", [COST, {"name": "price", "type": "NUMERIC"}])
    run(f"INSERT INTO {table} (cost, price) VALUES (BIGNUMERIC '405860.816111877671902', 12), (0.5, 0.5)")
    answer = requests.post(
        f"{server.endpoint}/bigquery/v2/projects/landfall-test/queries",
        json={"query": f"SELECT cost, price FROM {table} ORDER BY cost DESC", "useLegacySql": False},
        timeout=60,
    ).json()
    assert [[cell["v"] for cell in row["f"]] for row in answer["rows"]] == [
        ["405860.816111877671902", "12"],
        ["0.5", "0.5"],
    ]
    assert [field["type"] for field in answer["schema"]["fields"]] == ["BIGNUMERIC", "NUMERIC"]


def test_precision_and_scale_come_back(make: Any, client: Any) -> None:
    (column,) = client.get_table(make("t", [COST])).schema
    assert (column.field_type, column.precision, column.scale, column.mode) == (
        "BIGNUMERIC",
        38,
        18,
        "REQUIRED",
    )


def test_parameters_and_streamed_rows_are_exact(make: Any, client: Any, run: Any) -> None:
    table, value = make("t", [COST]), Decimal("405860.816111877671902")
    run(f"INSERT INTO {table} (cost) VALUES (@v)", bigquery.ScalarQueryParameter("v", "BIGNUMERIC", value))
    assert client.insert_rows_json(client.get_table(table), [{"cost": str(value)}], timeout=60) == []
    assert run(f"SELECT cost, COUNT(*) AS n FROM {table} GROUP BY cost") == [{"cost": value, "n": 2}]
