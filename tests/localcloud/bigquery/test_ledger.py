"""The questions of the commands to the ledger, on a ledger that has seen a replay."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from google.cloud import bigquery

from localcloud.command import ledger
from localcloud.command.replay import _batches, _files
from localcloud.warehouse import connect

FIRST, AGAIN = "a" * 32, "b" * 32
URI, OTHER = "gs://landing/orders/a.csv", "gs://landing/orders/b.csv"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def client(server: Any) -> bigquery.Client:
    """A project of its own: one file was read, rejecting rows 2 and 4, and again, rejecting row 4 alone."""
    made = connect(server.endpoint, f"project-{uuid4().hex[:8]}", "us-central1")
    made.create_dataset("ops")
    statements = f"""
        CREATE TABLE ops.batches (dataset STRING, batch_id STRING, claimed_at TIMESTAMP, replay STRING);
        CREATE TABLE ops.files (dataset STRING, batch_id STRING, source_uri STRING, source_generation INT64,
          archive_uri STRING, state STRING, claimed_at TIMESTAMP);
        CREATE TABLE ops.rejected_rows (dataset STRING, batch_id STRING, source_uri STRING,
          source_generation INT64, source_row INT64, text_offset INT64, text_bytes INT64, raw STRING,
          reasons ARRAY<STRUCT<code STRING, column_name STRING>>, ingested_at TIMESTAMP);
        INSERT INTO ops.batches (dataset, batch_id, claimed_at, replay) VALUES
          ('orders', '{FIRST}', '2026-11-21 12:00:00+00', NULL),
          ('orders', '{AGAIN}', '2026-11-21 13:00:00+00', '{FIRST}');
        INSERT INTO ops.files
          (dataset, batch_id, source_uri, source_generation, archive_uri, state, claimed_at)
        VALUES ('orders', '{FIRST}', '{URI}', 7, 'gs://archive/a', 'loaded', '2026-11-21 12:00:00+00'),
          ('orders', '{FIRST}', '{OTHER}', 8, NULL, 'superseded', '2026-11-21 12:00:00+00'),
          ('orders', '{AGAIN}', '{URI}', 7, 'gs://archive/a', 'loaded', '2026-11-21 13:00:00+00');
        INSERT INTO ops.rejected_rows
          (dataset, batch_id, source_uri, source_generation, source_row, text_offset, text_bytes, ingested_at)
        VALUES ('orders', '{FIRST}', '{URI}', 7, 4, 40, 5, '2026-11-21 12:00:00+00'),
          ('orders', '{FIRST}', '{URI}', 7, 2, 20, 5, '2026-11-21 12:00:00+00'),
          ('orders', '{AGAIN}', '{URI}', 7, 4, 40, 5, '2026-11-21 13:00:00+00'),
          ('orders', 'open', '{OTHER}', 9, 1, 9, 5, '2026-11-21 14:00:00+00')
    """
    for statement in statements.split(";\n"):
        made.query(statement, job_retry=None).result(timeout=30, job_retry=None)
    return made


@pytest.mark.parametrize(
    ("batch", "expected"), [("", [(AGAIN, 4), ("open", 1)]), (FIRST, [(FIRST, 2), (FIRST, 4)]), ("none", [])]
)
def test_a_row_that_a_later_reading_judged_is_not_told_again(
    client: Any, batch: str, expected: list[tuple[str, int]]
) -> None:
    rows = list(ledger.list_rejected(client, "orders", batch))
    assert [(row["batch_id"], row["source_row"]) for row in rows] == expected
    assert [row["text_offset"] for row in rows] == [{4: 40, 2: 20, 1: 9}[number] for _, number in expected]
    files = ledger.count_rejected(client, "orders", batch)
    counted = {(file["batch_id"], file["row_count"], file["archive_uri"]) for file in files}
    originals = {AGAIN: "gs://archive/a", FIRST: "gs://archive/a", "open": None}
    batches = [name for name, _ in expected]
    assert counted == {(name, batches.count(name), originals[name]) for name in batches}
    assert list(ledger.list_rejected(client, "other", batch)) == []


def test_the_batch_of_a_replay_is_found_by_what_was_asked(client: Any) -> None:
    assert ledger.find_replay(client, "orders", FIRST, NOON) == AGAIN
    assert ledger.find_replay(client, "orders", FIRST, datetime(2026, 11, 22, tzinfo=UTC)) is None
    assert ledger.find_replay(client, "orders", AGAIN, NOON) is None


def test_what_can_be_replayed_is_in_the_archive(client: Any) -> None:
    found = ledger.list_archived(client, "STARTS_WITH(batch_id, @given)", "aaaa")
    assert [(file["source_uri"], file["source_generation"]) for file in found] == [(URI, 7)]
    assert set(_batches(client, "bbbb")) == {AGAIN}
    for given in ("a.csv", "orders/a.csv", URI, f"{URI}#7"):
        assert {file["batch_id"] for file in _files(client, given)} == {FIRST, AGAIN}
    for given in ("b.csv", ".csv", f"{URI}#8", "%", ""):
        assert _files(client, given) == []
