"""Routes of uploads: simple, multipart and resumable."""

import asyncio
import weakref
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from localcloud.storage.checksums import Promise, promised
from localcloud.storage.cloud import Cloud, cloud_of
from localcloud.storage.errors import InvalidError
from localcloud.storage.multipart import parse_related
from localcloud.storage.names import check_object_name
from localcloud.storage.parsing import json_body, json_object, required, segment, target
from localcloud.storage.preconditions import integer
from localcloud.storage.ranges import UploadRange, upload_range
from localcloud.storage.resources import new_object_attributes, object_resource
from localcloud.storage.uploads import GRANULE_BYTES, Session, bytes_to_skip, kept_bytes

CLIENT_CLOSED_REQUEST = 499

# One request a session at a time: the bytes of a session are one file.
_session_locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()


async def insert(request: Request) -> Response:
    """Start, or make whole, an upload of the asked type."""
    kinds = {"media": _simple, "multipart": _multipart, "resumable": _start_resumable}
    kind = request.query_params.get("uploadType", "")
    if kind not in kinds:
        raise InvalidError(f"Invalid uploadType: expected one of {', '.join(kinds)}, found {kind!r}.")
    return await kinds[kind](request)


async def resume(request: Request) -> Response:
    """Take a chunk of a resumable upload, tell its status, or finish it."""
    cloud, upload_id = cloud_of(request), required(request.query_params, "upload_id", "query")
    async with _session_locks.setdefault(upload_id, asyncio.Lock()):
        session = await run_in_threadpool(cloud.uploads.get, segment(request, "bucket"), upload_id)
        if session.result:
            return JSONResponse(session.result)
        asked = _asked_range(request)
        total = session.total if asked.total is None else asked.total
        await _take(request, session, asked, total)
        received = session.received
        if total is not None and received > total:
            raise InvalidError(f"Expected an upload of {total} bytes, found {received}. Start a new one.")
        if received == total or (not asked.span and asked.total == received):
            promise = promised({}, request.headers)
            return JSONResponse(await run_in_threadpool(cloud.uploads.finish, session, promise))
        return _incomplete(session)


async def cancel(request: Request) -> Response:
    """Give a resumable upload up."""
    cloud, upload_id = cloud_of(request), required(request.query_params, "upload_id", "query")
    async with _session_locks.setdefault(upload_id, asyncio.Lock()):
        session = await run_in_threadpool(cloud.uploads.get, segment(request, "bucket"), upload_id)
        await run_in_threadpool(cloud.uploads.cancel, session)
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _simple(request: Request) -> Response:
    cloud, name = cloud_of(request), required(request.query_params, "name", "query")
    attributes = new_object_attributes({}, request.headers.get("content-type"))
    if "contentEncoding" in request.query_params:
        attributes["contentEncoding"] = request.query_params["contentEncoding"]
    draft = cloud.objects.new_draft()
    try:
        with draft.open("wb") as file:
            async for chunk in request.stream():
                file.write(chunk)
        return await _stored(request, cloud, name, draft, attributes, promised({}, request.headers))
    finally:
        draft.unlink(missing_ok=True)


async def _multipart(request: Request) -> Response:
    cloud, body = cloud_of(request), b"".join([chunk async for chunk in _unzipped(request)])
    related = parse_related(request.headers.get("content-type", ""), body)
    metadata = json_object(related.metadata)
    name = _name(request, metadata)
    attributes = new_object_attributes(metadata, related.media_type)
    draft = cloud.objects.new_draft()
    try:
        draft.write_bytes(related.media)
        return await _stored(request, cloud, name, draft, attributes, promised(metadata, request.headers))
    finally:
        draft.unlink(missing_ok=True)


async def _start_resumable(request: Request) -> Response:
    cloud, metadata = cloud_of(request), await json_body(request)
    bucket, name = segment(request, "bucket"), _name(request, metadata)
    attributes = new_object_attributes(metadata, request.headers.get("x-upload-content-type"))
    upload_id = await run_in_threadpool(
        cloud.uploads.start,
        target(request, bucket, name),
        attributes,
        promised(metadata, request.headers),
        integer(request.headers, "x-upload-content-length"),
    )
    path = f"/upload/storage/v1/b/{quote(bucket)}/o?uploadType=resumable&name={quote(name, safe='')}"
    location = f"{request.url.scheme}://{request.url.netloc}{path}&upload_id={upload_id}"
    return Response(headers={"Location": location, "X-GUploader-UploadID": upload_id})


async def _stored(
    request: Request, cloud: Cloud, name: str, draft: Path, attributes: dict[str, Any], promise: Promise
) -> Response:
    destination = target(request, segment(request, "bucket"), name)
    stored = await run_in_threadpool(cloud.objects.put, destination, draft, attributes, promise)
    return JSONResponse(object_resource(stored, cloud.settings.endpoint))


async def _take(request: Request, session: Session, asked: UploadRange, total: int | None) -> None:
    """Append a chunk's new bytes to the session; unless it is the last and whole, whole granules are kept."""
    if not asked.span:
        return
    skip = bytes_to_skip(asked, session.received)
    is_last, is_whole = asked.span.last + 1 == total, False
    if not is_last and asked.span.length < GRANULE_BYTES:
        raise InvalidError(
            f"Invalid chunk: expected {GRANULE_BYTES} bytes or more, except in the final request, "
            f"found {asked.span.length}. Send larger chunks."
        )
    try:
        with session.draft.open("ab") as file:
            async for chunk in _unzipped(request):
                file.write(chunk[skip:] if skip else chunk)
                skip = max(0, skip - len(chunk))
        is_whole = session.received == asked.span.last + 1
    except ClientDisconnect:
        return
    finally:
        if not (is_whole and is_last):
            _cut(session.draft, kept_bytes(session.received))


def _cut(draft: Path, size: int) -> None:
    with draft.open("r+b") as file:
        file.truncate(size)


def _asked_range(request: Request) -> UploadRange:
    header = request.headers.get("content-range")
    if header:
        return upload_range(header)
    length = integer(request.headers, "content-length")
    if length is None:
        raise InvalidError(
            "Expected a Content-Range or a Content-Length header on a resumable upload, found neither."
        )
    return upload_range(f"bytes 0-{length - 1}/{length}" if length else "bytes */0")


def _incomplete(session: Session) -> Response:
    headers = {"X-GUploader-UploadID": session.id}
    if session.received:
        headers["Range"] = f"bytes=0-{session.received - 1}"
    return Response(status_code=308, headers=headers)


def _name(request: Request, metadata: dict[str, Any]) -> str:
    return check_object_name(
        metadata.get("name") or required(request.query_params, "name", "query or the resource")
    )


async def _unzipped(request: Request) -> AsyncIterator[bytes]:
    """Undo gzip in flight (`gcloud storage cp -J`): the object is stored as it was before."""
    if request.headers.get("content-encoding") != "gzip":
        async for chunk in request.stream():
            yield chunk
        return
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        async for chunk in request.stream():
            yield inflater.decompress(chunk)
        yield inflater.flush()
    except zlib.error as error:
        raise InvalidError(f"Expected a gzip body, as Content-Encoding says, found {error}.") from error
