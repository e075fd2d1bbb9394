"""The HTTP application of the local Data Lineage API: routes, who may ask, and errors in Google's form."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcloud.lineage import answers
from localcloud.lineage.answers import Place
from localcloud.lineage.errors import ApiError, denied, invalid, not_found, unauthenticated
from localcloud.lineage.event_file import EventFile
from localcloud.lineage.graph import Graph

#: Google names a resource by its project's number, whatever the request called the project.
PROJECT_NUMBER = "1"
_BEARER = re.compile(r"Bearer +\S+", re.IGNORECASE)
_LOCATION = "/v1/projects/{project}/locations/{location}"
_BELOW = re.compile(r"processes(/[^/]+(/runs(/[^/]+(/lineageEvents(/[^/]+)?)?)?)?)?")
_PERMISSIONS = {"processes": "processes", "runs": "runs", "lineageEvents": "events"}


@dataclass
class Lineage:
    """The events of one project and region; what was appended to their file counts at once."""

    project: str
    region: str
    file: EventFile
    graph: Graph = field(default_factory=Graph)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, location: str, question: Callable[[Graph, Place], dict[str, Any]]) -> dict[str, Any]:
        """Answer from what is known by now; of another location nothing is."""
        with self.lock:
            for event in self.file.read_new():
                self.graph.add(event)
            graph = self.graph if location == self.region else Graph()
            return question(graph, Place(PROJECT_NUMBER, location))


def build_app(project: str, region: str, events: Path) -> Starlette:
    """Return the application over a file of events, which need not be there yet."""
    app = Starlette(
        routes=[
            Route("/healthz", health),
            Route(_LOCATION + ":searchLinks", search_links, methods=["POST"]),
            Route(_LOCATION + ":batchSearchLinkProcesses", link_processes, methods=["POST"]),
            Route(_LOCATION + "/{below:path}", resource, methods=["GET"]),
        ],
        exception_handlers={ApiError: _answer_error, 404: _answer_unknown, 405: _answer_unknown},
    )
    app.state.lineage = Lineage(project, region, EventFile(events))
    return app


async def health(_: Request) -> Response:
    """Answer that the process is ready."""
    return JSONResponse({"status": "ok"})


async def search_links(request: Request) -> Response:
    """Answer POST of `…:searchLinks`."""
    return await _ask_with_body(request, answers.search_links)


async def link_processes(request: Request) -> Response:
    """Answer POST of `…:batchSearchLinkProcesses`."""
    return await _ask_with_body(request, answers.link_processes)


async def resource(request: Request) -> Response:
    """Answer GET of processes, runs and lineage events, one or a list."""
    below = request.path_params["below"]
    if not _BELOW.fullmatch(below):
        raise not_found()
    ids = below.split("/")
    action = "get" if len(ids) % 2 == 0 else "list"
    lineage, location = _admit(request, f"{_PERMISSIONS[ids[(len(ids) - 1) // 2 * 2]]}.{action}")
    query = dict(request.query_params)
    answer = await run_in_threadpool(
        lineage.ask, location, lambda graph, place: answers.resource(graph, place, ids, query)
    )
    return JSONResponse(answer)


async def _ask_with_body(
    request: Request, question: Callable[[Graph, Place, Mapping[str, Any]], dict[str, Any]]
) -> Response:
    lineage, location = _admit(request, "locations.searchLinks")
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. Expected an object.")
    answer = await run_in_threadpool(lineage.ask, location, lambda graph, place: question(graph, place, body))
    return JSONResponse(answer)


def _admit(request: Request, permission: str) -> tuple[Lineage, str]:
    """The lineage and the location that are asked for; any bearer token will do, none will not."""
    if not _BEARER.fullmatch(request.headers.get("Authorization", "").strip()):
        raise unauthenticated()
    lineage: Lineage = request.app.state.lineage
    project, location = request.path_params["project"], request.path_params["location"]
    if project not in (lineage.project, PROJECT_NUMBER):
        raise denied(f"datalineage.{permission}", f"projects/{project}/locations/{location}")
    return lineage, location


async def _answer_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return JSONResponse(error.body(), error.status)


async def _answer_unknown(request: Request, _: Exception) -> Response:
    return await _answer_error(request, not_found())
