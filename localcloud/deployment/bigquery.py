"""Questions to BigQuery, asked once, with an end to trying."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from localcloud.deployment.words import describe
from localcloud.launcher.errors import CommandError

Value = str | int | date | datetime


class BigQuery:
    """A client whose every request is tried for `patience` seconds at most; how long a query runs is free."""

    def __init__(self, client: bigquery.Client, patience: float) -> None:
        self._client = client
        self._retry = DEFAULT_RETRY.with_timeout(patience)

    def run(self, sql: str, parameters: Mapping[str, Value] | None = None) -> Any:
        """The rows of a statement or script, with their schema; raises GoogleAPICallError or RetryError.

        A job that fails is not run again: what it should change may be changed.
        """
        config = bigquery.QueryJobConfig(
            query_parameters=[
                bigquery.ScalarQueryParameter(name, kind_of(value), value)
                for name, value in (parameters or {}).items()
            ]
        )
        job = self._client.query(sql, job_config=config, retry=self._retry, job_retry=None, timeout=60)
        return job.result(retry=self._retry, job_retry=None)

    def ask(self, sql: str, parameters: Mapping[str, Value] | None = None) -> Iterator[Any]:
        """The rows of a query, as they come; raises CommandError as `in_its_words` does."""
        with in_its_words():
            yield from self.run(sql, parameters)


@contextmanager
def in_its_words() -> Iterator[None]:
    """Turn an error of BigQuery into CommandError with its own words, and silence into one that says so."""
    try:
        yield
    except GoogleAPICallError as error:
        raise CommandError(f"BigQuery says: {describe(error)}") from error
    except RetryError as error:
        raise CommandError(f"BigQuery gave no answer: {error.cause}") from error


def kind_of(value: Value) -> str:
    """The type that BigQuery gives a parameter of this value."""
    match value:
        case datetime():
            return "TIMESTAMP" if value.tzinfo else "DATETIME"
        case date():
            return "DATE"
        case int():
            return "INT64"
        case str():
            return "STRING"
