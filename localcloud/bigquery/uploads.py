"""Correction "uploads": a load whose file comes with the request keeps the job id that the client chose.

BigQuery: ``jobReference`` of an upload is the job's id, and a repeated one is 409 like any other.
bqemulator: ignores it, makes up an id, and loads the file again; it also refuses the ``*/*`` media type that
google-cloud-bigquery sends with a multipart upload.
"""

from typing import Any
from uuid import uuid4

import bqemulator.api.routes.jobs as job_routes
import bqemulator.api.routes.upload as emulator
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import JobMeta

from localcloud.bigquery.jobs import expect_unused
from localcloud.bigquery.seams import replace

#: Where the id travels from the first request of an upload to the load; taken out before anything is
#: answered.
_CARRIER = "landfallJobId"


def apply() -> None:
    """Carry the id through the upload's session and use it when the file is complete."""
    configuration_of = emulator._load_configuration_from_envelope

    def configuration_with_id(envelope: dict[str, Any]) -> dict[str, Any]:
        job_id = envelope.get("jobReference", {}).get("jobId") or uuid4().hex
        return {**configuration_of(envelope), _CARRIER: job_id}

    async def run_load(
        *, project_id: str, configuration: dict[str, Any], media_path: str, ctx: AppContext
    ) -> tuple[str, JobMeta]:
        job_id = configuration[_CARRIER]
        load = {**configuration["load"], "sourceUris": [f"file://{media_path}"]}
        config = {name: value for name, value in configuration.items() if name != _CARRIER} | {"load": load}
        expect_unused(ctx.catalog, project_id, job_id)
        job = await job_routes._handle_load_job_with_async_envelope(project_id, job_id, config, ctx)
        return job_id, ctx.catalog.upsert_job(job)

    replace(emulator, "_PERMITTED_MEDIA_CONTENT_TYPES", (*emulator._PERMITTED_MEDIA_CONTENT_TYPES, "*/*"))
    replace(emulator, "_load_configuration_from_envelope", configuration_with_id)
    replace(emulator, "_run_load", run_load)
