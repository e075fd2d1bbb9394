"""Questions to the ledger and to the trusted tables."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from localcloud.command.datasets import Dataset
from localcloud.deployment.bigquery import BigQuery, Value

# The ledger is partitioned by the time of the claim: a question that knows it reads a day, not all of it.
# By so much may the clock of who claims differ from that of the storage.
SKEW = timedelta(hours=1)
RECENT = timedelta(days=30)
_FILES = """
SELECT dataset, batch_id, source_uri, source_generation, state, reason, detail,
  rows_read, rows_accepted, rows_rejected, claimed_at, recorded_at
FROM ops.files
"""
#: What is told of a batch, unless more is asked for.
BATCH = (
    "dataset",
    "batch_id",
    "state",
    "detail",
    "run_id",
    "files",
    "rows_read",
    "rows_accepted",
    "rows_rejected",
    "rows_merged",
    "claimed_at",
    "recorded_at",
)
_BATCH = ", ".join(BATCH)


def find_batch_of(bigquery: BigQuery, uri: str, generation: int, landed_at: datetime) -> str | None:
    """The batch in which the ledger has one file, or None."""
    sql = """
        SELECT batch_id FROM ops.files
        WHERE claimed_at >= @since AND source_uri = @uri AND source_generation = @generation
        ORDER BY recorded_at DESC LIMIT 1
    """
    rows = bigquery.ask(sql, {"since": landed_at - SKEW, "uri": uri, "generation": generation})
    return next((row["batch_id"] for row in rows), None)


def find_replay(bigquery: BigQuery, dataset: str, asked: str, since: datetime) -> str | None:
    """The batch in which a replay was run that was asked for at `since` or later, or None."""
    sql = """
        SELECT batch_id FROM ops.batches
        WHERE dataset = @dataset AND replay = @asked AND claimed_at >= @since ORDER BY claimed_at DESC LIMIT 1
    """
    rows = bigquery.ask(sql, {"dataset": dataset, "asked": asked, "since": since})
    return next((row["batch_id"] for row in rows), None)


def find_batch(bigquery: BigQuery, batch_id: str) -> dict[str, Any] | None:
    """What the ledger says of one batch, with its steps."""
    return find_batches(bigquery, [batch_id]).get(batch_id)


def find_batches(bigquery: BigQuery, batch_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the ledger says of these batches, by their ids, with their steps; nothing of an unknown one."""
    if not batch_ids:
        return {}
    sql = (
        f"SELECT {_BATCH}, replay, cluster_name, steps FROM ops.batches WHERE batch_id IN UNNEST(SPLIT(@ids))"  # noqa: S608
    )
    return {row["batch_id"]: dict(row) for row in bigquery.ask(sql, {"ids": ",".join(batch_ids)})}


def list_batch_ids(bigquery: BigQuery, dataset: str) -> list[str]:
    """The ids of every batch of a dataset, newest first."""
    sql = "SELECT batch_id FROM ops.batches WHERE dataset = @dataset ORDER BY claimed_at DESC"
    return [row["batch_id"] for row in bigquery.ask(sql, {"dataset": dataset})]


def list_batch_files(bigquery: BigQuery, batch_id: str, claimed_at: datetime) -> list[dict[str, Any]]:
    """What the ledger says of each file of one batch."""
    which = "WHERE claimed_at >= @since AND batch_id = @batch"
    rows = bigquery.ask(f"{_FILES} {which}", {"since": claimed_at - SKEW, "batch": batch_id})
    return [dict(row) for row in rows]


_OF_BATCH = "r.batch_id = @batch"
# Without a batch each row counts once; bigquery/ops/last_readings.sql says of which reading of its file.
_THAT_COUNT = """EXISTS (
  SELECT 1 FROM ops.last_readings AS f
  WHERE f.dataset = @dataset AND f.batch_id = r.batch_id
    AND f.source_uri = r.source_uri AND f.source_generation = r.source_generation
)"""


def list_rejected(bigquery: BigQuery, dataset: Dataset, batch_id: str) -> Iterator[Any]:
    """The rejected rows of a dataset that count or, where named, all of one batch, file by file in its order.

    Oldest file first: should a key be in it twice, its newer row comes later, and so wins again.
    """
    source, parameters = _rejected(dataset, batch_id)
    sql = f"""
        SELECT r.batch_id, r.source_uri, r.source_generation, r.source_row, r.text_offset, r.text_bytes,
          r.raw, r.reasons
        {source} ORDER BY r.source_generation, r.source_uri, r.batch_id, r.source_row
    """
    return bigquery.ask(sql, parameters)


def count_rejected(bigquery: BigQuery, dataset: Dataset, batch_id: str) -> list[dict[str, Any]]:
    """The files of `list_rejected`, in its order: the rows of each, its original (null while it is open)."""
    source, parameters = _rejected(dataset, batch_id)
    sql = f"""
        SELECT one.*, f.archive_uri
        FROM (
          SELECT r.dataset, r.batch_id, r.source_uri, r.source_generation, COUNT(*) AS row_count
          {source} GROUP BY r.dataset, r.batch_id, r.source_uri, r.source_generation
        ) AS one
        LEFT JOIN ops.files AS f
          ON f.batch_id = one.batch_id AND f.source_uri = one.source_uri
          AND f.source_generation = one.source_generation
        ORDER BY one.source_generation, one.source_uri, one.batch_id
    """  # noqa: S608 constants and a name from the rendered contract
    return [dict(row) for row in bigquery.ask(sql, parameters)]


def _rejected(dataset: Dataset, batch_id: str) -> tuple[str, dict[str, Value]]:
    """What both read, and the parameters. The dataset's own table is less to read than the view."""
    which = _OF_BATCH if batch_id else _THAT_COUNT
    parameters: dict[str, Value] = {"dataset": dataset.name}
    if batch_id:
        parameters["batch"] = batch_id
    return f"FROM {dataset.rejected} AS r WHERE r.dataset = @dataset AND {which}", parameters


def list_archived(bigquery: BigQuery, which: str, given: str) -> list[dict[str, Any]]:
    """The files whose originals are in the archive and for which a condition on `@given` holds."""
    sql = f"""
        SELECT dataset, batch_id, source_uri, source_generation, archive_uri FROM ops.files
        WHERE archive_uri IS NOT NULL AND state != 'superseded' AND {which}
    """  # noqa: S608 the condition is one of the command's own
    return [dict(row) for row in bigquery.ask(sql, {"given": given})]


def list_last_batches(bigquery: BigQuery, now: datetime) -> dict[str, dict[str, Any]]:
    """Of each dataset its last batch, when one last reached trusted, and what today brought.

    Today is the UTC day of `now`; its rows are those of the batches that ended in it, whenever they came.
    """
    # One pass over the table for all of it. BigQuery's grammar wants a WHERE before QUALIFY.
    sql = f"""
        SELECT {_BATCH},
          MAX(IF(state = 'succeeded' AND files > COALESCE(files_rejected, 0), recorded_at, NULL))
            OVER of_dataset AS trusted_at,
          SUM(IF(recorded_at >= @today AND state IN ('succeeded', 'rejected'), 1, 0))
            OVER of_dataset AS batches_today,
          SUM(IF(recorded_at >= @today, COALESCE(files_rejected, 0), 0))
            OVER of_dataset AS files_rejected_today,
          SUM(IF(recorded_at >= @today AND state = 'succeeded', rows_accepted, 0))
            OVER of_dataset AS rows_accepted_today,
          SUM(IF(recorded_at >= @today, COALESCE(rows_rejected, 0), 0))
            OVER of_dataset AS rows_rejected_today
        FROM ops.batches
        WHERE TRUE
        QUALIFY ROW_NUMBER() OVER (PARTITION BY dataset ORDER BY recorded_at DESC) = 1
        WINDOW of_dataset AS (PARTITION BY dataset)
    """  # noqa: S608 names of columns
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {row["dataset"]: dict(row) for row in bigquery.ask(sql, {"today": today})}


def list_files(bigquery: BigQuery, most: int, now: datetime) -> list[dict[str, Any]]:
    """The files that were recorded last, newest first; where a month has enough of them, of that month."""
    order = "ORDER BY recorded_at DESC, source_uri LIMIT @most"
    recent: dict[str, Value] = {"most": most, "since": now - RECENT}
    found = list(bigquery.ask(f"{_FILES} WHERE claimed_at >= @since {order}", recent))
    if len(found) < most:
        found = list(bigquery.ask(f"{_FILES} {order}", {"most": most}))
    return [dict(row) for row in found]


def count_trusted(bigquery: BigQuery, datasets: Iterable[Dataset]) -> dict[str, int]:
    """Rows in trusted, of each dataset."""
    counts = [
        f"SELECT '{dataset.name}' AS dataset, COUNT(*) AS row_count FROM {dataset.trusted}"  # noqa: S608 contract names
        for dataset in datasets
    ]
    return (
        {row["dataset"]: row["row_count"] for row in bigquery.ask("\nUNION ALL\n".join(counts))}
        if counts
        else {}
    )


_ARRIVED = "DATE(r._ingested_at) = DATE(@claimed_at) AND r._batch_id = @batch"


def count_in_raw(
    bigquery: BigQuery, dataset: Dataset, batch_id: str, claimed_at: datetime
) -> dict[tuple[str, int], int]:
    """By file (uri, generation) of a batch: its rows in raw."""
    sql = f"""
        SELECT r._source_uri AS uri, r._source_generation AS generation, COUNT(*) AS in_raw
        FROM {dataset.raw} AS r WHERE {_ARRIVED} GROUP BY uri, generation
    """  # noqa: S608 a name from the rendered contract
    rows = bigquery.ask(sql, {"claimed_at": claimed_at, "batch": batch_id})
    return {(row["uri"], row["generation"]): row["in_raw"] for row in rows}


def count_missing(
    bigquery: BigQuery, dataset: Dataset, batch_id: str, claimed_at: datetime
) -> dict[tuple[str, int], tuple[int, int]]:
    """By file (uri, generation) of a batch: its rows in raw, and those whose key has no row in trusted."""
    matches = " AND ".join(f"t.{column} = r.{column}" for column in dataset.key)
    parameters: dict[str, Value] = {"claimed_at": claimed_at, "batch": batch_id}
    if dataset.partition:
        # BigQuery prunes partitions by parameters, not by the other side of a join.
        column = dataset.partition
        span = f"""
            SELECT MIN(r.{column}) AS lowest, MAX(r.{column}) AS highest
            FROM {dataset.raw} AS r WHERE {_ARRIVED}
        """  # noqa: S608 names from the rendered contract
        (row,) = bigquery.ask(span, parameters)
        if row["lowest"] is None:
            return {}
        matches += f" AND t.{column} BETWEEN @lowest AND @highest"
        parameters |= {"lowest": row["lowest"], "highest": row["highest"]}
    sql = f"""
        SELECT r._source_uri AS uri, r._source_generation AS generation,
          COUNT(*) AS in_raw, COUNTIF(t.{dataset.key[0]} IS NULL) AS missing
        FROM {dataset.raw} AS r
        LEFT JOIN {dataset.trusted} AS t ON {matches}
        WHERE {_ARRIVED}
        GROUP BY uri, generation
    """  # noqa: S608 names from the rendered contract
    rows = bigquery.ask(sql, parameters)
    return {(row["uri"], row["generation"]): (row["in_raw"], row["missing"]) for row in rows}
