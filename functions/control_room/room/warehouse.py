"""Questions to BigQuery: bounded in bytes and time, kept for some seconds, several at once."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from google.api_core.exceptions import BadRequest, GoogleAPICallError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests.exceptions import RequestException

from room.cache import Cache

Value = str | int | float | bool | date | datetime | Decimal | None | list[str] | list[int]
Row = dict[str, Any]

# What one question may read. The ledger of a year with a thousand batches a day is a tenth of it.
MOST_BYTES = 2 * 2**30
#: Seconds for which an answer about the ledger is shown again: what is live is at most so old.
LIVE = 10.0
#: Seconds for answers that a new batch changes, and nobody waits for.
SLOW = 60.0
_TIMEOUT = 25.0
_MOST_KEPT = 500
_AT_ONCE = 8
_KINDS: dict[type, str] = {
    bool: "BOOL",
    int: "INT64",
    float: "FLOAT64",
    Decimal: "BIGNUMERIC",
    datetime: "TIMESTAMP",
    date: "DATE",
}


class WarehouseAwayError(Exception):
    """BigQuery did not answer, or not in time; the same question may succeed later."""


class TooMuchError(Exception):
    """The question would read more than it may."""


@dataclass(frozen=True)
class Question:
    """SQL with named parameters, and for how many seconds its answer may be shown again."""

    sql: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    seconds: float = LIVE


class Warehouse:
    """BigQuery as the control room asks it; raises WarehouseAwayError and TooMuchError."""

    def __init__(self, client: bigquery.Client, cache: Cache | None = None) -> None:
        self._client = client
        self._cache = cache or Cache(_MOST_KEPT)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="question")

    def ask(self, question: Question) -> list[Row]:
        """All rows of the answer; callers share them and must not change them."""
        key = (question.sql, tuple(sorted((name, str(value)) for name, value in question.parameters.items())))
        rows: list[Row] = self._cache.get(key, question.seconds, lambda: list(self.stream(question)))
        return rows

    def ask_all(self, *questions: Question) -> list[list[Row]]:
        """The answers of several questions, asked at the same time."""
        return list(self._pool.map(self.ask, questions))

    def stream(self, question: Question) -> Iterator[Row]:
        """The rows as they come, not kept: for what may be long."""
        config = bigquery.QueryJobConfig(
            query_parameters=[_parameter(name, value) for name, value in question.parameters.items()],
            maximum_bytes_billed=MOST_BYTES,
            labels={"landfall_part": "control_room"},
        )
        try:
            rows = self._client.query_and_wait(
                question.sql,
                job_config=config,
                api_timeout=_TIMEOUT,
                wait_timeout=_TIMEOUT,
                retry=None,  # type: ignore[arg-type]
                job_retry=None,  # type: ignore[arg-type]
            )
            for row in rows:
                yield dict(row)
        except (GoogleAPICallError, RetryError, GoogleAuthError, RequestException, TimeoutError) as error:
            raise _named(error) from error


def _named(error: Exception) -> Exception:
    """The error as the pages know it; a question that is wrong in itself stays what it is."""
    if isinstance(error, GoogleAPICallError) and _is_too_much(error):
        return TooMuchError()
    return error if isinstance(error, BadRequest | NotFound) else WarehouseAwayError(str(error))


def _is_too_much(error: GoogleAPICallError) -> bool:
    # BigQuery answers 400 or 500 with this reason, https://cloud.google.com/bigquery/docs/error-messages.
    return any(one.get("reason") == "bytesBilledLimitExceeded" for one in error.errors or [])


def _parameter(name: str, value: Value) -> Any:
    if isinstance(value, list):
        kind = _kind(value[0]) if value else "STRING"
        return bigquery.ArrayQueryParameter(name, kind, value)
    return bigquery.ScalarQueryParameter(name, _kind(value), value)


def _kind(value: object) -> str:
    return next((kind for one, kind in _KINDS.items() if isinstance(value, one)), "STRING")
