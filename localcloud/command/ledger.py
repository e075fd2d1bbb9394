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
