"""Questions to the ledger and to the trusted tables."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from localcloud.command.datasets import Dataset
from localcloud.launcher.errors import CommandError

# A local server answers soon or has a fault, given as 500 each time, for which the default tries ten minutes.
RETRY = DEFAULT_RETRY.with_timeout(5)
_FILES = """
SELECT dataset, batch_id, source_uri, source_generation, state, reason, detail,
  rows_read, rows_accepted, rows_rejected, claimed_at, recorded_at
FROM ops.files
"""
_BATCHES = """
SELECT dataset, batch_id, state, detail, run_id, files, rows_read, rows_accepted, rows_rejected, rows_merged,
  claimed_at, recorded_at
FROM ops.batches
"""


def ask(client: bigquery.Client, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """Rows of a query, as the client gives them; raises CommandError with BigQuery's own words."""
    types: dict[type, str] = {str: "STRING", int: "INT64", datetime: "TIMESTAMP"}
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter(name, types[type(value)], value)
            for name, value in (parameters or {}).items()
        ]
    )
    try:
        job = client.query(sql, job_config=config, retry=RETRY, job_retry=None, timeout=60)
        yield from job.result(retry=RETRY, job_retry=None)
    except GoogleAPICallError as error:
        raise CommandError(f"BigQuery says: {describe(error)}") from error


def describe(error: Any) -> str:
    """The reasons in an API error, without the address and the verb that the client puts around them."""
    texts = [
        str(detail["message"])
        for detail in error.errors or ()
        if isinstance(detail, dict) and "message" in detail
    ]
    return "; ".join(dict.fromkeys(texts)) or str(error.message)


def find_batch_of(client: bigquery.Client, uri: str, generation: int) -> str | None:
    """The batch in which the ledger has one file, or None."""
    which = "WHERE source_uri = @uri AND source_generation = @generation ORDER BY recorded_at DESC LIMIT 1"
    rows = ask(client, f"{_FILES} {which}", {"uri": uri, "generation": generation})
    return next((row["batch_id"] for row in rows), None)


def find_replay(client: bigquery.Client, dataset: str, asked: str, since: datetime) -> str | None:
    """The batch in which a replay was run that was asked for at `since` or later, or None."""
    sql = """
        SELECT batch_id FROM ops.batches
        WHERE dataset = @dataset AND replay = @asked AND claimed_at >= @since ORDER BY claimed_at DESC LIMIT 1
    """
    rows = ask(client, sql, {"dataset": dataset, "asked": asked, "since": since})
    return next((row["batch_id"] for row in rows), None)


def find_batch(client: bigquery.Client, batch_id: str) -> dict[str, Any] | None:
    """What the ledger says of one batch."""
    which = "WHERE batch_id = @batch ORDER BY recorded_at DESC LIMIT 1"
    return next((dict(row) for row in ask(client, f"{_BATCHES} {which}", {"batch": batch_id})), None)


def list_batch_ids(client: bigquery.Client, dataset: str) -> list[str]:
    """The ids of every batch of a dataset, newest first."""
    sql = "SELECT batch_id FROM ops.batches WHERE dataset = @dataset ORDER BY claimed_at DESC"
    return [row["batch_id"] for row in ask(client, sql, {"dataset": dataset})]


def list_batch_files(client: bigquery.Client, batch_id: str) -> list[dict[str, Any]]:
    """What the ledger says of each file of one batch."""
    return [dict(row) for row in ask(client, f"{_FILES} WHERE batch_id = @batch", {"batch": batch_id})]


# Without a batch: what a file's newest reading rejected, for a replay judges all of it again.
_REJECTED = """
FROM ops.rejected_rows AS r
WHERE r.dataset = @dataset AND (
  r.batch_id = @batch
  OR (@batch = '' AND NOT EXISTS (
    SELECT 1 FROM ops.files AS f
    WHERE f.source_uri = r.source_uri AND f.source_generation = r.source_generation
      AND f.batch_id != r.batch_id AND f.claimed_at > r.ingested_at
  ))
)
"""


def list_rejected(client: bigquery.Client, dataset: str, batch_id: str) -> Iterator[Any]:
    """The rejected rows of a dataset or, where named, of one batch; those of a file together, in its order.

    Oldest file first: should a key be in it twice, its newer row comes later, and so wins again.
    """
    sql = f"""
        SELECT r.batch_id, r.source_uri, r.source_generation, r.source_row, r.text_offset, r.text_bytes,
          r.raw, r.reasons
        {_REJECTED} ORDER BY r.source_generation, r.source_uri, r.batch_id, r.source_row
    """
    return ask(client, sql, {"dataset": dataset, "batch": batch_id})


def count_rejected(client: bigquery.Client, dataset: str, batch_id: str) -> list[dict[str, Any]]:
    """The files of `list_rejected`, in its order: the rows of each, its original (null while it is open)."""
    sql = f"""
        SELECT one.*, f.archive_uri
        FROM (
          SELECT r.dataset, r.batch_id, r.source_uri, r.source_generation, COUNT(*) AS row_count
          {_REJECTED} GROUP BY r.dataset, r.batch_id, r.source_uri, r.source_generation
        ) AS one
        LEFT JOIN ops.files AS f
          ON f.batch_id = one.batch_id AND f.source_uri = one.source_uri
          AND f.source_generation = one.source_generation
        ORDER BY one.source_generation, one.source_uri, one.batch_id
    """  # noqa: S608 a constant
    return [dict(row) for row in ask(client, sql, {"dataset": dataset, "batch": batch_id})]


def list_archived(client: bigquery.Client, which: str, given: str) -> list[dict[str, Any]]:
    """The files whose originals are in the archive and for which a condition on `@given` holds."""
    sql = f"""
        SELECT dataset, batch_id, source_uri, source_generation, archive_uri FROM ops.files
        WHERE archive_uri IS NOT NULL AND state != 'superseded' AND {which}
    """  # noqa: S608 the condition is one of the command's own
    return [dict(row) for row in ask(client, sql, {"given": given})]


def list_last_batches(client: bigquery.Client) -> dict[str, dict[str, Any]]:
    """The batch that was recorded last, of each dataset."""
    rows = ask(
        client,
        f"{_BATCHES} QUALIFY ROW_NUMBER() OVER (PARTITION BY dataset ORDER BY recorded_at DESC) = 1",
    )
    return {row["dataset"]: dict(row) for row in rows}


def list_files(client: bigquery.Client, most: int) -> list[dict[str, Any]]:
    """The files that were recorded last, newest first."""
    rows = ask(client, f"{_FILES} ORDER BY recorded_at DESC, source_uri LIMIT @most", {"most": most})
    return [dict(row) for row in rows]


def count_trusted(client: bigquery.Client, datasets: Iterable[Dataset]) -> dict[str, int]:
    """Rows in trusted, of each dataset."""
    counts = [
        f"SELECT '{dataset.name}' AS dataset, COUNT(*) AS row_count FROM {dataset.trusted}"  # noqa: S608 contract names
        for dataset in datasets
    ]
    return (
        {row["dataset"]: row["row_count"] for row in ask(client, "\nUNION ALL\n".join(counts))}
        if counts
        else {}
    )


def count_missing(
    client: bigquery.Client, dataset: Dataset, batch_id: str, claimed_at: datetime
) -> dict[tuple[str, int], tuple[int, int]]:
    """By file (uri, generation) of a batch: its rows in raw, and those whose key has no row in trusted."""
    matches = " AND ".join(f"t.{column} = r.{column}" for column in dataset.key)
    sql = f"""
        SELECT r._source_uri AS uri, r._source_generation AS generation,
          COUNT(*) AS in_raw, COUNTIF(t._batch_id IS NULL) AS missing
        FROM {dataset.raw} AS r
        LEFT JOIN {dataset.trusted} AS t ON {matches}
        WHERE DATE(r._ingested_at) = DATE(@claimed_at) AND r._batch_id = @batch
        GROUP BY uri, generation
    """  # noqa: S608 names from the rendered contract
    rows = ask(client, sql, {"claimed_at": claimed_at, "batch": batch_id})
    return {(row["uri"], row["generation"]): (row["in_raw"], row["missing"]) for row in rows}
