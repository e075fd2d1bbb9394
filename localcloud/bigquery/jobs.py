"""Correction "job ids": an id is used once, whoever sends it and however often.

BigQuery: a job id is unique in its project for ever, also when its job failed; sending it again is 409
*Already Exists*, reason ``duplicate``. A dry run takes no id and does nothing. ``jobs.query`` answers a
failed query with 4xx.
bqemulator: runs the job again (a load appends twice); stores dry runs, and executes the procedure of a
dry-run CALL; answers a failed ``jobs.query`` with 200 and no rows.
"""

from typing import Annotated, Any
from uuid import uuid4

import bqemulator.api.routes.jobs as emulator
from bqemulator.api.dependencies import AppContext, get_caller, get_context
from bqemulator.catalog.repository import CatalogRepository
from bqemulator.domain.errors import AlreadyExistsError
from bqemulator.jobs.executor import classify_statement_type
from bqemulator.row_access.identity import CallerIdentity
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from localcloud.bigquery import errors, timestamps
from localcloud.bigquery.results import Results
from localcloud.bigquery.scripts import is_script
from localcloud.bigquery.seams import replace


def expect_unused(catalog: CatalogRepository, project: str, job_id: str) -> None:
    """Raise ``AlreadyExistsError`` (409) for an id that a job of this server took, in whichever run of it.

    Requests run one after the other (``transactions.py``), so of two submissions at once only one passes. An
    id whose submission is refused before a job exists stays free, as in BigQuery.
    """
    if catalog.get_job(project, job_id) is not None:
        raise AlreadyExistsError(f"Already Exists: Job {project}:US.{job_id}")


def router(results: Results) -> APIRouter:
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
        job_id = reference["jobId"] = reference.get("jobId") or uuid4().hex
        expect_unused(ctx.catalog, project_id, job_id)
        answer = await emulator.insert_job(project_id, request, ctx, caller)
        results.keep(job_id, answer["statistics"])
        return answer

    @routes.post("/projects/{project_id}/queries")
    async def query(project_id: str, request: Request, ctx: context_type, caller: caller_type) -> Response:
        options = (await request.json()).get("formatOptions") or {}
        timestamps.wants_integers.set(bool(options.get("useInt64Timestamp")))
        answer = await emulator.query(project_id, request, ctx, caller)
        results.forget_old()
        # It is JSON already; FastAPI would look at each cell of each row to find that out.
        return errors.from_job(answer["errors"][0]) if answer.get("errors") else JSONResponse(answer)

    return routes


def _classify(sql: str) -> str:
    return "SCRIPT" if is_script(sql) else classify_statement_type(sql)
