"""The rendered procedures at work on the local BigQuery: what trusted holds after batches in any order."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest

from tests.bigquery.world import (
    NOON,
    TODAY,
    Row,
    Warehouse,
    arrow_schema,
    component,
    in_order,
    quote,
    source,
)


@pytest.fixture
def bq(started: Warehouse) -> Warehouse:
    """The warehouse, empty."""
    started.empty("price_quote", "comp_boss")
    return started


def refusal(bq: Warehouse, batch: str, expected: int, arrived_on: date = TODAY) -> str:
    with pytest.raises(BadRequest) as error:
        bq.call("price_quote", batch, expected, arrived_on)
    return str(error.value)


def test_a_first_batch_arrives_whole_with_its_lineage(bq: Warehouse) -> None:
    rows = [quote("1.5", source("a", row=row), quantity=row) for row in (1, 2, 3)]
    assert bq.arrive("price_quote", rows) == 3
    assert in_order(bq.trusted("price_quote")) == in_order(rows)


def test_calling_it_again_changes_nothing(bq: Warehouse) -> None:
    rows = [quote("1.5", source("a", row=row), quantity=row) for row in (1, 2)]
    bq.arrive("price_quote", rows)
    bq.arrive("price_quote", [quote("2.5", source("b", generation=2, minutes=1), quantity=2)])
    before = in_order(bq.trusted("price_quote"))

    assert bq.call("price_quote", "a", 2) == 1, "one of its two rows is still the current one"
    assert in_order(bq.trusted("price_quote")) == before


def test_a_corrected_row_wins(bq: Warehouse) -> None:
    bq.arrive("price_quote", [quote("1", source("a")), quote("7", source("a", row=2), quantity=2)])
    corrected = quote("2", source("b", generation=5, minutes=1))
    assert bq.arrive("price_quote", [corrected]) == 1
    rows = bq.trusted("price_quote")
    assert len(rows) == 2
    assert corrected in rows


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"minutes": 5, "generation": 1}, {"minutes": 4, "generation": 9}),
        ({"minutes": 5, "generation": 9}, {"minutes": 5, "generation": 8}),
        ({"minutes": 5, "generation": 9, "row": 3}, {"minutes": 5, "generation": 9, "row": 2}),
    ],
    ids=["created later", "of a later generation", "further down in the file"],
)
@pytest.mark.parametrize("first", ["newer", "older"])
def test_the_newer_source_wins_whichever_arrives_first(
    bq: Warehouse, first: str, newer: dict[str, Any], older: dict[str, Any]
) -> None:
    rows = [quote("2", source("n", **newer)), quote("1", source("o", **older))]
    for row in rows if first == "newer" else reversed(rows):
        bq.arrive("price_quote", [row])
    assert bq.trusted("price_quote") == [rows[0]]


def test_of_a_key_that_a_batch_holds_more_than_once_the_last_row_of_the_newest_file_is_kept(
    bq: Warehouse,
) -> None:
    last = quote("4", source("a", generation=2, row=2, minutes=1))
    rows = [
        quote("1", source("a", row=1)),
        last,
        quote("3", source("a", generation=2, row=1, minutes=1)),
        quote("2", source("a", row=9)),
    ]
    assert bq.arrive("price_quote", rows) == 1
    assert bq.trusted("price_quote") == [last]


@pytest.mark.parametrize("expected", [1, 3])
def test_a_batch_of_another_size_is_refused_and_trusted_is_untouched(bq: Warehouse, expected: int) -> None:
    kept = quote("1", source("a"))
    bq.arrive("price_quote", [kept])
    bq.load("price_quote", [quote("2", source("b", 2, row=row, minutes=1), quantity=row) for row in (1, 2)])

    told = refusal(bq, "b", expected)

    assert (
        f"batch b of 2026-11-21 in raw.price_quote: expected {expected} rows, found 2; load the whole batch"
        in told
    )
    assert bq.trusted("price_quote") == [kept]


@pytest.mark.parametrize("column", ["supplier", "quote_date", "cost", "_source_row"])
def test_a_row_without_a_required_value_is_refused_and_trusted_is_untouched(
    bq: Warehouse, column: str
) -> None:
    kept = quote("1", source("a"))
    bq.arrive("price_quote", [kept])
    bq.load(
        "price_quote",
        [quote("2", source("b", 2, minutes=1)), quote("3", source("b", 2, row=2)) | {column: None}],
    )

    assert "expected a value in every column that the contract requires, found 1 rows without" in refusal(
        bq, "b", 2
    )
    assert bq.trusted("price_quote") == [kept]


def test_an_empty_batch_merges_nothing(bq: Warehouse) -> None:
    kept = quote("1", source("a"))
    bq.arrive("price_quote", [kept])
    assert bq.call("price_quote", "b", 0) == 0
    assert bq.trusted("price_quote") == [kept]


def test_a_batch_is_looked_for_on_the_day_of_its_claim_in_utc(bq: Warehouse) -> None:
    late = datetime(2026, 11, 21, 23, 59, 59, 999999, tzinfo=UTC)
    bq.load("price_quote", [quote("1", source("a", claimed=late))])
    assert "found 0" in refusal(bq, "a", 1, date(2026, 11, 22))
    assert bq.call("price_quote", "a", 1, date(2026, 11, 21)) == 1


def test_keys_that_differ_in_one_column_or_one_letter_are_different_rows(bq: Warehouse) -> None:
    keys: list[Row] = [
        {},
        {"tube_assembly_id": "ta-1"},
        {"tube_assembly_id": "TA-1 "},
        {"supplier": "S-2"},
        {"quote_date": date(2024, 6, 6)},
        {"annual_usage": 11},
        {"min_order_quantity": 1},
        {"bracket_pricing": False},
        {"quantity": 2},
    ]
    rows = [quote("1", source("a", row=row), **key) for row, key in enumerate(keys)]
    assert bq.arrive("price_quote", rows) == len(keys)
    assert in_order(bq.trusted("price_quote")) == in_order(rows)


def test_a_cost_is_kept_to_its_last_digit(bq: Warehouse) -> None:
    costs = ["12345678901234567890.123456789012345678", "0.000000000000000001", "-0.503552689416491"]
    bq.arrive(
        "price_quote", [quote(cost, source("a", row=row), quantity=row) for row, cost in enumerate(costs)]
    )
    assert {row["cost"] for row in bq.trusted("price_quote")} == {Decimal(cost) for cost in costs}
    (total,) = bq.run("SELECT SUM(cost) AS cost FROM trusted.price_quote")
    assert total["cost"] == Decimal("12345678901234567889.619904099595854679")


def test_a_table_without_partitions_is_merged_too_and_a_newer_null_wins(bq: Warehouse) -> None:
    first = component(source("a"), weight=Decimal("0.032"), groove=False, outside_shape="Hex")
    other = component(source("a", row=2), component_id="C-2")
    assert bq.arrive("comp_boss", [first, other]) == 2
    corrected = component(source("b", 2, minutes=1), weight=Decimal("4.034"), groove=True)
    assert bq.arrive("comp_boss", [corrected]) == 1
    assert in_order(bq.trusted("comp_boss")) == in_order([corrected, other])


@pytest.mark.parametrize("seed", range(4))
def test_any_history_ends_as_the_newest_row_of_each_key(bq: Warehouse, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a history that can be repeated
    batches = [history_batch(chance, number) for number in range(6)]
    merged: list[Row] = []
    for batch in batches:
        bq.load("price_quote", batch)
    for number in [*chance.sample(range(6), 6), *chance.choices(range(6), k=2)]:
        batch = batches[number]
        merged += batch
        current = newest(merged)

        told = bq.call("price_quote", f"batch{number}", len(batch), TODAY + timedelta(days=number % 2))

        assert in_order(bq.trusted("price_quote")) == in_order(current)
        assert told == sum(row["_batch_id"] == f"batch{number}" for row in current)


def history_batch(chance: random.Random, number: int) -> list[Row]:
    """Files of one batch, their generations unlike those of other batches, with few keys over many months."""
    rows = []
    for file in range(chance.randint(1, 3)):
        minutes = chance.randint(0, 5)
        for row in range(1, chance.randint(2, 12)):
            lineage = source(
                f"batch{number}", number * 10 + file, row, minutes, NOON + timedelta(days=number % 2)
            )
            key = {
                "supplier": chance.choice(["S-1", "s-1"]),
                "quote_date": date(2024, chance.randint(1, 4), 1),
                "quantity": chance.randint(1, 2),
            }
            rows.append(quote(f"{chance.randint(-(10**30), 10**30)}e-18", lineage, **key))
    return rows


def newest(rows: Sequence[Row]) -> list[Row]:
    """The oracle: of each key the row that sorts last."""
    key = [name for name in arrow_schema("price_quote").names if not name.startswith("_") and name != "cost"]
    order = ("_source_created_at", "_source_generation", "_source_row")
    by_age = sorted(rows, key=lambda row: [row[name] for name in order])
    return list({tuple(row[name] for name in key): row for row in by_age}.values())
