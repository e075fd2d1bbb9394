"""Correction "job ids": an id is used once, whoever sends it and however often.

BigQuery: a job id is unique in its project for ever, also when its job failed; sending it again is 409
*Already Exists*, reason ``duplicate``. A dry run takes no id and does nothing. ``jobs.query`` answers a
failed query with 4xx.
bqemulator: runs the job again (a load appends twice); stores dry runs, and executes the procedure of a
dry-run CALL; answers a failed ``jobs.query`` with 200 and no rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import uuid4

import bqemulator.api.routes.jobs as emulator
from bqemulator.api.dependencies import AppContext, get_caller, get_context
from bqemulator.catalog.repository import CatalogRepository
from bqemulator.domain.errors import AlreadyExistsError
from bqemulator.jobs.executor import JOB_RESULTS, JOB_SCHEMAS, classify_statement_type
from bqemulator.row_access.identity import CallerIdentity
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from localcloud.bigquery import errors, timestamps
from localcloud.bigquery.scripts import is_script
from localcloud.bigquery.seams import replace

#: Results that clients may still page through; older ones are forgotten, since nothing else ever frees them.
KEPT_RESULTS = 500


class JobIds:
    """The ids that jobs of this server have taken, in this run of the server or an earlier one."""

    def __init__(self, catalog: CatalogRepository) -> None:
        self._catalog = catalog
        self._running: set[tuple[str, str]] = set()

    @contextmanager
    def claim(self, project: str, job_id: str) -> Iterator[None]:
        """Hold an id while its job runs; ``AlreadyExistsError`` (409) if it is held or was ever used.

        Nothing is awaited between the question and the answer, so of two submissions at once only one passes.
        An id whose submission is refused before a job exists is free again, as in BigQuery.
        """
        key = (project, job_id)
        if key in self._running or self._catalog.get_job(project, job_id) is not None:
            raise AlreadyExistsError(f"Already Exists: Job {project}:US.{job_id}")
        self._running.add(key)
        try:
            yield
        finally:
            self._running.discard(key)


def router(job_ids: JobIds) -> APIRouter:
    """Answer jobs.insert and jobs.query in front of the emulator's routes."""
    routes = APIRouter(prefix="/bigquery/v2")
    context_type = Annotated[AppContext, Depends(get_context)]
    caller_type = Annotated[CallerIdentity, Depends(get_caller)]
    replace(emulator, "classify_statement_type", _classify)
    replace(emulator, "_DESTRUCTIVE_STATEMENT_TYPES", emulator._DESTRUCTIVE_STATEMENT_TYPES | {"SCRIPT"})

    @routes.post("/projects/{project_id}/jobs")
    async def insert(
        project_id: str, request: Request, ctx: context_type, caller: caller_type
    ) -> dict[str, Any]:
        # Starlette keeps the parsed body: what is changed in it here, the emulator's own route sees.
        body = await request.json()
        reference = body.setdefault("jobReference", {})
        if body.get("configuration", {}).get("dryRun"):
            reference["jobId"] = uuid4().hex
            answer = await emulator.insert_job(project_id, request, ctx, caller)
            ctx.catalog.delete_job(project_id, reference["jobId"], not_found_ok=True)
            return answer
        job_id = reference.setdefault("jobId", uuid4().hex) or uuid4().hex
        with job_ids.claim(project_id, job_id):
            answer = await emulator.insert_job(project_id, request, ctx, caller)
        _forget_old_results()
        return answer

    @routes.post("/projects/{project_id}/queries", response_model=None)
    async def query(
        project_id: str, request: Request, ctx: context_type, caller: caller_type
    ) -> dict[str, Any] | Response:
        options = (await request.json()).get("formatOptions") or {}
        timestamps.wants_integers.set(bool(options.get("useInt64Timestamp")))
        answer = await emulator.query(project_id, request, ctx, caller)
        _forget_old_results()
        return errors.from_job(answer["errors"][0]) if answer.get("errors") else answer

    return routes


def _classify(sql: str) -> str:
    return "SCRIPT" if is_script(sql) else classify_statement_type(sql)


def _forget_old_results() -> None:
    for job_id in list(JOB_RESULTS)[:-KEPT_RESULTS]:
        JOB_RESULTS.pop(job_id, None)
        JOB_SCHEMAS.pop(job_id, None)
