"""The one module that talks to BigQuery outside an operator: the ledger's tables and a job's result."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from google.api_core.retry import Retry
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, timestamp
from landfall_dags.journal import Entry
from landfall_dags.ledger import Known
from landfall_dags.replay import Replay
from landfall_dags.settings import Settings

CONNECTION = "google_cloud_default"
# The rows travel in a query parameter, as JSON in the request's JSON; BigQuery takes requests of at most
# 10 MB. A row of ops.files is well below 5 KB, unless its file has hundreds of unknown columns.
ROWS_A_MERGE = 1000
BYTES_A_MERGE = 4 * 10**6
# Airflow tries a task again, with longer pauses than these calls could wait for.
_RETRY = DEFAULT_RETRY.with_timeout(120)
_TIMEOUT = 60  # seconds, of one request
# Why BigQuery ends a job that is worth another. What it calls an invalid query may be one that changed a
# table at the same time as another: these statements are constants, so nothing else is meant.
_WORTH_ANOTHER = {
    "backendError",
    "internalError",
    "invalidQuery",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "quotaExceeded",
    "rateLimitExceeded",
}
_SQL = Path(__file__).parent / "sql"


class Warehouse:
    """The ledger's statements over a BigQuery client."""

    def __init__(self, client: bigquery.Client) -> None:
        self._client = client

    def merge_files(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows of ops.files, all of one batch; writing them again replaces them."""
        for part in parts(rows):
            self._merge("merge_files.sql", part)

    def merge_batch(self, row: dict[str, Any]) -> None:
        """Write a row of ops.batches; writing it again replaces it, but a failure never hides an end."""
        self._merge("merge_batches.sql", [row])

    def find_batch(self, entry: Entry) -> Known | None:
        """What ops.batches says of a batch; None when it says nothing yet."""
        parameters = [
            bigquery.ScalarQueryParameter("dataset", "STRING", entry.dataset),
            bigquery.ScalarQueryParameter("batch_id", "STRING", entry.batch_id),
            bigquery.ScalarQueryParameter(
                "claimed_at", "TIMESTAMP", datetime.fromisoformat(entry.claimed_at)
            ),
        ]
        rows = [Known(row["state"], row["detail"]) for row in self._query("find_batch.sql", parameters)]
        return rows[0] if rows else None

    def archived_files(self, dataset: str, replay: Replay) -> list[SourceFile]:
        """The archived files of a replay, as the ledger knows them; none when it is not of the dataset."""
        values = (
            ("dataset", "STRING", dataset),
            ("batch_id", "STRING", replay.batch_id),
            ("source_uri", "STRING", replay.uri),
            ("source_generation", "INT64", replay.generation),
        )
        parameters = [bigquery.ScalarQueryParameter(*value) for value in values]
        return [
            SourceFile(
                uri=row["source_uri"],
                generation=row["source_generation"],
                size=row["size"],
                crc32c=row["crc32c"],
                md5=row["md5"],
                created_at=timestamp(row["source_created_at"]),
            )
            for row in self._query("archived_files.sql", parameters)
        ]

    def rows_merged(self, job_id: str, batch_id: str) -> int:
        """What the call of a trusted procedure returned: how many of the batch's rows are current.

        Raises TerminalError when the job was not the call for this batch.
        """
        if batch_id not in job_id:
            raise TerminalError(
                f"expected the call of the trusted procedure for batch {batch_id}, its id in the job's; "
                f"found {job_id}. The batch stays open: the next run of the dataset calls for it."
            )
        job = self._client.get_job(job_id, retry=_RETRY, timeout=_TIMEOUT)
        if not isinstance(job, bigquery.QueryJob):
            raise TypeError(f"expected {job_id} to be a query job, found {type(job).__name__}")
        (row,) = job.result(retry=_RETRY)
        return int(row["rows_merged"])

    def _merge(self, statement: str, rows: Sequence[dict[str, Any]]) -> None:
        claimed_at = datetime.fromisoformat(rows[0]["claimed_at"])
        parameters = [
            bigquery.ScalarQueryParameter("rows", "STRING", json.dumps(rows)),
            bigquery.ScalarQueryParameter("claimed_at", "TIMESTAMP", claimed_at),
        ]
        self._query(statement, parameters)

    def _query(self, statement: str, parameters: Sequence[bigquery.ScalarQueryParameter]) -> Any:
        return self._client.query_and_wait(
            (_SQL / statement).read_text(encoding="utf-8"),
            job_config=bigquery.QueryJobConfig(query_parameters=parameters),
            api_timeout=_TIMEOUT,
            retry=_RETRY,
            job_retry=_JOB_RETRY,
        )


def _is_worth_another(error: BaseException) -> bool:
    return any(one.get("reason") in _WORTH_ANOTHER for one in getattr(error, "errors", ()))


# Repeating a statement changes nothing more. A hundred datasets end their batches at the same moment.
_JOB_RETRY = Retry(predicate=_is_worth_another, initial=1, maximum=20, multiplier=2, timeout=120)


def parts(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The rows in their order, in parts that a request has room for."""
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        row_size = len(json.dumps(row))
        if part and (len(part) == ROWS_A_MERGE or size + row_size > BYTES_A_MERGE):
            yield part
            part, size = [], 0
        part.append(row)
        size += row_size
    if part:
        yield part


def connect(settings: Settings) -> Warehouse:
    """The warehouse that Airflow's Google connection and the environment point at."""
    from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook

    hook = BigQueryHook(gcp_conn_id=CONNECTION, use_legacy_sql=False, location=settings.bigquery_location)
    return Warehouse(hook.get_client(project_id=settings.project, location=settings.bigquery_location))
