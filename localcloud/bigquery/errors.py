"""Correction "errors": the user's fault is a 4xx, never a 500 that Google's clients retry for ten minutes.

BigQuery: bad SQL is 400 ``invalidQuery``, a missing dataset 404 ``notFound``.
bqemulator: an error of DuckDB, SQLGlot or Arrow outside the query path ends in its catch-all 500.
"""

import duckdb
import pyarrow as pa
import sqlglot.errors
import structlog
from bqemulator.domain.errors import DomainError, InvalidQueryError
from bqemulator.jobs.error_mapper import translate_runtime_error
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

_log = structlog.get_logger("localcloud.bigquery")

#: DuckDB's own failures: a full disk or a bug is not the user's fault and stays a 500.
NOT_THE_USERS = (duckdb.InternalException, duckdb.IOException, duckdb.FatalException)
THE_USERS = (duckdb.Error, sqlglot.errors.SqlglotError, pa.ArrowInvalid)

_STATUS_OF_REASON = {"notFound": 404, "duplicate": 409, "accessDenied": 403}
_NAME_OF_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS"}


def apply(app: FastAPI) -> None:
    """Answer engine errors that reach the edge of the application as BigQuery would."""
    for kind in THE_USERS:
        app.add_exception_handler(kind, _answer)


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, NOT_THE_USERS):
        _log.error("engine.failed", error=str(error))
        raise error
    translated = translate_runtime_error(error)
    known = translated if isinstance(translated, DomainError) else InvalidQueryError(str(error))
    return JSONResponse(status_code=known.http_status, content=known.to_bigquery_error())


def from_job(error_result: dict[str, str]) -> JSONResponse:
    """Turn the ``errorResult`` of a failed job into the HTTP error of a synchronous call."""
    status = _STATUS_OF_REASON.get(error_result["reason"], 400)
    body = {
        "code": status,
        "message": error_result["message"],
        "errors": [{"domain": "global", **error_result}],
        "status": _NAME_OF_STATUS[status],
    }
    return JSONResponse(status_code=status, content={"error": body})
