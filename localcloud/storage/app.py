"""The HTTP application: one table of routes, and errors in Google's form."""

import contextlib
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from localcloud.faults.middleware import with_faults
from localcloud.storage import bucket_routes, object_routes, upload_routes
from localcloud.storage.batch_routes import batch
from localcloud.storage.cloud import Cloud, cloud_of
from localcloud.storage.dispatcher import dispatching
from localcloud.storage.errors import ApiError, NotFoundError, NotModifiedError, RangeNotSatisfiableError
from localcloud.storage.preconditions import integer

_log = logging.getLogger("uvicorn.error")

_BUCKET = "/storage/v1/b/{bucket}"
_OBJECT = _BUCKET + "/o/{object}"
_UPLOAD = "/upload" + _BUCKET + "/o"
_GCLOUD_UPLOAD = "/resumable" + _UPLOAD  # where gcloud starts a resumable upload


async def health(request: Request) -> Response:
    """Answer that the process is ready."""
    return JSONResponse({"status": "ok"})


async def deliveries(request: Request) -> Response:
    """Tell what became of events; `bucket`, `name` and `generation` narrow the answer."""
    query, outbox = request.query_params, cloud_of(request).outbox
    bucket, name = query.get("bucket") or None, query.get("name") or None
    return JSONResponse(await run_in_threadpool(outbox.report, bucket, name, integer(query, "generation")))


ROUTES = [
    Route("/healthz", health),
    Route("/_landfall/deliveries", deliveries),
    Route("/_landfall/text/{bucket}", object_routes.show, methods=["GET"]),
    Route("/storage/v1/b", bucket_routes.list_, methods=["GET"]),
    Route("/storage/v1/b", bucket_routes.insert, methods=["POST"]),
    Route(_BUCKET, bucket_routes.get, methods=["GET"]),
    Route(_BUCKET, bucket_routes.patch, methods=["PATCH"]),
    Route(_BUCKET, bucket_routes.update, methods=["PUT"]),
    Route(_BUCKET, bucket_routes.delete, methods=["DELETE"]),
    Route(_BUCKET + "/storageLayout", bucket_routes.storage_layout, methods=["GET"]),
    Route(_BUCKET + "/managedFolders", bucket_routes.managed_folders, methods=["GET"]),
    Route(_BUCKET + "/iam", bucket_routes.iam_policy, methods=["GET"]),
    Route(_BUCKET + "/iam/testPermissions", bucket_routes.test_iam_permissions, methods=["GET"]),
    Route(_BUCKET + "/o", object_routes.list_, methods=["GET"]),
    Route(_OBJECT, object_routes.get, methods=["GET"]),
    Route(_OBJECT, object_routes.patch, methods=["PATCH"]),
    Route(_OBJECT, object_routes.update, methods=["PUT"]),
    Route(_OBJECT, object_routes.delete, methods=["DELETE"]),
    Route(_OBJECT + "/compose", object_routes.compose, methods=["POST"]),
    Route(_OBJECT + "/copyTo/b/{to_bucket}/o/{to_object}", object_routes.copy, methods=["POST"]),
    Route(_OBJECT + "/rewriteTo/b/{to_bucket}/o/{to_object}", object_routes.rewrite, methods=["POST"]),
    Route("/download" + _OBJECT, object_routes.download, methods=["GET"]),
    Route(_UPLOAD, upload_routes.insert, methods=["POST"]),
    Route(_GCLOUD_UPLOAD, upload_routes.insert, methods=["POST"]),
    Route(_UPLOAD, upload_routes.resume, methods=["PUT"]),
    Route(_UPLOAD, upload_routes.cancel, methods=["DELETE"]),
    Route("/batch/storage/v1", batch, methods=["POST"]),
]


def build_app(cloud: Cloud) -> ASGIApp:
    """Return the application over an opened state; deliveries run as long as it does."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with dispatching(cloud.outbox, cloud.faults):
            yield
        cloud.database.close()

    handlers = {
        ApiError: _api_error,
        ClientDisconnect: _client_gone,
        HTTPException: _http_error,
        Exception: _unexpected,
    }
    app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers=handlers)
    app.state.cloud = cloud
    app.state.entry = _with_raw_paths(app)
    entry: ASGIApp = app.state.entry
    return with_faults(entry, cloud.faults, "storage") if cloud.settings.faults else entry


def _with_raw_paths(app: ASGIApp) -> ASGIApp:
    """Route by the path as it was sent: `%2F` belongs to an object's name, `/` does not."""

    async def entry(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].split(b"?")[0].decode("ascii", "replace")}
        await app(scope, receive, send)

    return entry


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for nothing else
    if isinstance(error, NotModifiedError):
        return Response(status_code=304)
    headers = (
        {"Content-Range": f"bytes */{error.size}"} if isinstance(error, RangeNotSatisfiableError) else None
    )
    return JSONResponse(error.body(), error.status, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    answer = NotFoundError(
        f"Expected a path of the Cloud Storage JSON API, found {request.method} {request.url.path}."
    )
    answer.status = status
    return JSONResponse(answer.body(), status)


async def _client_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=upload_routes.CLIENT_CLOSED_REQUEST)  # nobody reads it


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("unexpected failure of %s %s", request.method, request.url.path, exc_info=error)
    return JSONResponse(ApiError(f"{type(error).__name__}: see the log of the storage part.").body(), 500)
