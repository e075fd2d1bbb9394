"""Correction "discovery": the ``bq`` command finds the API description that it asks its endpoint for.

BigQuery: serves it at ``/$discovery/rest`` and ``/discovery/v1/apis/bigquery/v2/rest``.
bqemulator: answers 404, and ``bq`` gives up.
"""

import json
from importlib import resources
from typing import Any

from fastapi import APIRouter, Request


def router() -> APIRouter:
    """Serve the document that google-api-python-client ships, pointed at this server."""
    routes = APIRouter()

    @routes.get("/$discovery/rest")
    @routes.get("/discovery/v1/apis/bigquery/v2/rest")
    async def describe(request: Request) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(_document())
        root = str(request.base_url)
        return {**document, "rootUrl": root, "baseUrl": root + document["servicePath"]}

    return routes


def _document() -> str:
    shipped = resources.files("googleapiclient.discovery_cache") / "documents" / "bigquery.v2.json"
    return shipped.read_text(encoding="utf-8")
