"""The questions of the commands to the ledger, on a ledger that has seen a replay."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from localcloud.command import ledger
from localcloud.command.datasets import Dataset
from localcloud.command.replay import _batches, _files
from localcloud.deployment.bigquery import BigQuery
from localcloud.warehouse import connect

LAST_READINGS = Path(__file__).parents[3] / "bigquery" / "ops" / "last_readings.sql"
FIRST, AGAIN, FAILED = "a" * 32, "b" * 32, "c" * 32
URI, OTHER = "gs://landing/orders/a.csv", "gs://landing/orders/b.csv"
ORDERS = Dataset("orders", ("id",), "raw.orders", "trusted.orders", "ops.rejected_rows_orders")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def client(server: Any) -> BigQuery:
    """A project of its own: one file was read, rejecting rows 2 and 4, and again, rejecting row 4 alone.

    A third reading of it, rejecting row 6, failed. One of another file, rejecting row 1, still runs.
    """
    made = connect(server.endpoint, f"project-{uuid4().hex[:8]}", "us-central1")
    for name in ("ops", "raw", "trusted"):
        made.create_dataset(name)
    statements = f"""
        CREATE TABLE ops.batches (dataset STRING, batch_id STRING, claimed_at TIMESTAMP, state STRING,
          replay STRING);
        CREATE TABLE ops.files (dataset STRING, batch_id STRING, source_uri STRING, source_generation INT64,
          archive_uri STRING, state STRING, reason STRING, detail STRING, rows_read INT64,
          rows_accepted INT64, rows_rejected INT64, claimed_at TIMESTAMP, recorded_at TIMESTAMP);
        CREATE TABLE raw.orders (id STRING, day DATE, _batch_id STRING, _source_uri STRING,
          _source_generation INT64, _ingested_at TIMESTAMP);
        CREATE TABLE trusted.orders (id STRING, day DATE);
        CREATE TABLE ops.rejected_rows_orders (dataset STRING, batch_id STRING, source_uri STRING,
          source_generation INT64, source_row INT64, text_offset INT64, text_bytes INT64, raw STRING,
          reasons ARRAY<STRUCT<code STRING, column_name STRING>>, ingested_at TIMESTAMP);
        INSERT INTO ops.batches (dataset, batch_id, claimed_at, state, replay) VALUES
          ('orders', '{FIRST}', '2026-11-21 12:00:00+00', 'succeeded', NULL),
          ('orders', '{AGAIN}', '2026-11-21 13:00:00+00', 'succeeded', '{FIRST}'),
          ('orders', '{FAILED}', '2026-11-21 14:00:00+00', 'failed', '{URI}');
        INSERT INTO ops.files
          (dataset, batch_id, source_uri, source_generation, archive_uri, state, claimed_at)
        VALUES ('orders', '{FIRST}', '{URI}', 7, 'gs://archive/a', 'loaded', '2026-11-21 12:00:00+00'),
          ('orders', '{FIRST}', '{OTHER}', 8, NULL, 'superseded', '2026-11-21 12:00:00+00'),
          ('orders', '{AGAIN}', '{URI}', 7, 'gs://archive/a', 'loaded', '2026-11-21 13:00:00+00');
        INSERT INTO ops.rejected_rows_orders
          (dataset, batch_id, source_uri, source_generation, source_row, text_offset, text_bytes, ingested_at)
        VALUES ('orders', '{FIRST}', '{URI}', 7, 4, 40, 5, '2026-11-21 12:00:00+00'),
          ('orders', '{FIRST}', '{URI}', 7, 2, 20, 5, '2026-11-21 12:00:00+00'),
          ('orders', '{AGAIN}', '{URI}', 7, 4, 40, 5, '2026-11-21 13:00:00+00'),
          ('orders', '{FAILED}', '{URI}', 7, 6, 60, 5, '2026-11-21 14:00:00+00'),
          ('orders', 'open', '{OTHER}', 9, 1, 9, 5, '2026-11-21 14:00:00+00');
        UPDATE ops.files SET recorded_at = TIMESTAMP_ADD(claimed_at, INTERVAL 5 MINUTE) WHERE TRUE;
        INSERT INTO raw.orders (id, day, _batch_id, _source_uri, _source_generation, _ingested_at) VALUES
          ('1', '2026-01-02', '{FIRST}', '{URI}', 7, '2026-11-21 12:00:00+00'),
          ('2', '2026-03-04', '{FIRST}', '{URI}', 7, '2026-11-21 12:00:00+00'),
          ('3', '2026-02-02', '{FIRST}', '{OTHER}', 8, '2026-11-21 12:00:00+00'),
          ('9', '2020-01-01', '{AGAIN}', '{URI}', 7, '2026-11-21 13:00:00+00');
        INSERT INTO trusted.orders (id, day) VALUES
          ('1', '2026-01-02'), ('3', '2026-02-02'), ('9', '2020-01-01')
    """
    for statement in (*statements.split(";\n"), LAST_READINGS.read_text()):
        made.query(statement, job_retry=None).result(timeout=30, job_retry=None)
    return BigQuery(made, patience=30)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [("", [(AGAIN, 4)]), ("open", [("open", 1)]), (FIRST, [(FIRST, 2), (FIRST, 4)]), ("none", [])],
)
def test_a_row_that_a_later_reading_judged_is_not_told_again(
    client: Any, batch: str, expected: list[tuple[str, int]]
) -> None:
    rows = list(ledger.list_rejected(client, ORDERS, batch))
    assert [(row["batch_id"], row["source_row"]) for row in rows] == expected
    assert [row["text_offset"] for row in rows] == [{4: 40, 2: 20, 1: 9}[number] for _, number in expected]
    files = ledger.count_rejected(client, ORDERS, batch)
    counted = {(file["batch_id"], file["row_count"], file["archive_uri"]) for file in files}
    originals = {AGAIN: "gs://archive/a", FIRST: "gs://archive/a", "open": None}
    batches = [name for name, _ in expected]
    assert counted == {(name, batches.count(name), originals[name]) for name in batches}
    assert list(ledger.list_rejected(client, replace(ORDERS, name="other"), batch)) == []


def test_the_batch_of_a_replay_is_found_by_what_was_asked(client: Any) -> None:
    assert ledger.find_replay(client, "orders", FIRST, NOON) == AGAIN
    assert ledger.find_replay(client, "orders", FIRST, datetime(2026, 11, 22, tzinfo=UTC)) is None
    assert ledger.find_replay(client, "orders", AGAIN, NOON) is None


def test_a_file_is_found_in_its_newest_batch_if_it_was_claimed_after_it_landed(client: Any) -> None:
    assert ledger.find_batch_of(client, URI, 7, NOON) == AGAIN
    assert ledger.find_batch_of(client, URI, 7, datetime(2026, 11, 21, 15, tzinfo=UTC)) is None
    assert ledger.find_batch_of(client, URI, 8, NOON) is None
    files = ledger.list_batch_files(client, FIRST, NOON)
    assert sorted((file["source_uri"], file["state"]) for file in files) == [
        (URI, "loaded"),
        (OTHER, "superseded"),
    ]


@pytest.mark.parametrize("days", [0, 29, 40])
@pytest.mark.parametrize("most", [2, 3, 9])
def test_the_newest_files_are_listed_however_old_they_are(client: Any, most: int, days: int) -> None:
    files = ledger.list_files(client, most, NOON + timedelta(days=days))
    assert [(file["batch_id"], file["source_uri"]) for file in files] == [
        (AGAIN, URI),
        (FIRST, URI),
        (FIRST, OTHER),
    ][:most]


@pytest.mark.parametrize("partition", ["day", None])
def test_rows_whose_key_trusted_lacks_are_counted_by_file(client: Any, partition: str | None) -> None:
    orders = replace(ORDERS, key=("id", "day"), partition=partition)
    counted = ledger.count_missing(client, orders, FIRST, NOON)
    assert counted == {(URI, 7): (2, 1), (OTHER, 8): (1, 0)}
    assert ledger.count_in_raw(client, orders, FIRST, NOON) == {(URI, 7): 2, (OTHER, 8): 1}
    assert ledger.count_missing(client, orders, "none", NOON) == {}
    assert ledger.count_missing(client, orders, FIRST, NOON + timedelta(days=1)) == {}


def test_what_can_be_replayed_is_in_the_archive(client: Any) -> None:
    found = ledger.list_archived(client, "STARTS_WITH(batch_id, @given)", "aaaa")
    assert [(file["source_uri"], file["source_generation"]) for file in found] == [(URI, 7)]
    assert set(_batches(client, "bbbb")) == {AGAIN}
    for given in ("a.csv", "orders/a.csv", URI, f"{URI}#7"):
        assert {file["batch_id"] for file in _files(client, given)} == {FIRST, AGAIN}
    for given in ("b.csv", ".csv", f"{URI}#8", "%", ""):
        assert _files(client, given) == []
