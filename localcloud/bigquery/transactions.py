"""Correction "transactions": a request changes all that it has to change or nothing, also when it is killed.

BigQuery: rows and the record of the job that wrote them are never apart, nor a table and its definition.
bqemulator: commits every statement by itself; killed in between, it has rows of a job that it does not know,
or a table that it can neither describe nor make.
"""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import bqemulator.api.routes.jobs as job_routes
import duckdb
import fastapi.routing
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import JobMeta
from fastapi import Request

from localcloud.bigquery.scripts import is_script
from localcloud.bigquery.seams import replace

#: What the emulator's catalog keeps in memory of its own tables.
_KEPT = ("_datasets", "_tables", "_routines", "_models", "_jobs", "_snapshots", "_mviews", "_row_access")


class Transaction:
    """The transaction of DuckDB's one connection, together with the catalog in memory."""

    def __init__(self, context: AppContext) -> None:
        self._engine = context.engine
        self._memory: Any = context.catalog._cache  # type: ignore[attr-defined]
        self._before: dict[str, dict[Any, Any]] = {}

    def begin(self) -> None:
        """Start one; none may be open."""
        self._engine.execute("BEGIN TRANSACTION")
        self._before = {name: dict(getattr(self._memory, name)) for name in _KEPT}

    def commit(self) -> None:
        """Make what was done since the start durable, all at once."""
        self._engine.execute("COMMIT")

    def undo(self) -> None:
        """Take back what was done since the start, in memory too."""
        with suppress(duckdb.TransactionException):  # a COMMIT that fails has ended it already
            self._engine.execute("ROLLBACK")
        for name, entries in self._before.items():
            setattr(self._memory, name, entries)

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Undo what a block did before it raised; the transaction goes on, for the record of the failure."""
        try:
            yield
        except Exception:
            self.undo()
            self.begin()
            raise

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Commit what was done and let each statement of a block commit by itself."""
        self.commit()
        try:
            yield
        finally:
            self.begin()


def apply(context: AppContext) -> None:
    """Run each request in one transaction, and take back what a failed job did before it is recorded."""
    transaction = Transaction(context)
    run_endpoint = fastapi.routing.run_endpoint_function
    query = job_routes.execute_query_job  # type: ignore[attr-defined]
    load = job_routes.execute_load_job  # type: ignore[attr-defined]

    async def run_whole(*, dependant: Any, values: dict[str, Any], is_coroutine: bool) -> Any:
        if isinstance(values.get("request"), Request):
            await _receive(values["request"])
        transaction.begin()
        try:
            answer = _at_once(run_endpoint(dependant=dependant, values=values, is_coroutine=is_coroutine))
            transaction.commit()
        except BaseException:
            transaction.undo()
            raise
        return answer

    async def run_query(project: str, job_id: str, sql: str, *others: Any, **named: Any) -> JobMeta:
        # As in BigQuery, what a script did stays done when a later statement of it fails.
        with transaction.suspended() if is_script(sql) else transaction.undone_on_failure():
            return await query(project, job_id, sql, *others, **named)

    async def run_load(*arguments: Any) -> JobMeta:
        with transaction.undone_on_failure():
            job = await load(*arguments)
        if job.error_result:
            transaction.undo()
            transaction.begin()
        return job

    replace(fastapi.routing, "run_endpoint_function", run_whole)
    replace(job_routes, "execute_query_job", run_query)
    replace(job_routes, "execute_load_job", run_load)


async def _receive(request: Request) -> None:
    """Read the whole body, so that nothing is left to wait for once the transaction is open."""
    body = await request.body()

    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    request._receive = again


def _at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing: another request would get into its transaction."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise RuntimeError("expected a request that waits for nothing once it is read, found one that does")
