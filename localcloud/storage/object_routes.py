"""Routes of objects, but for uploads."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from localcloud.storage.checksums import CHUNK_BYTES
from localcloud.storage.cloud import cloud_of
from localcloud.storage.errors import InvalidError, NotFoundError, RangeNotSatisfiableError, UnsupportedError
from localcloud.storage.listing import Page, from_query
from localcloud.storage.objects import Source
from localcloud.storage.parsing import copy_source, json_body, required, segment, source, target
from localcloud.storage.preconditions import Preconditions, integer, is_true
from localcloud.storage.ranges import Span, requested_span
from localcloud.storage.resources import StoredObject, new_object_attributes, object_resource


async def list_(request: Request) -> Response:
    cloud, query = cloud_of(request), request.query_params
    if is_true(query, "softDeleted"):
        return JSONResponse({"kind": "storage#objects"})
    page: Page = await run_in_threadpool(cloud.objects.page, segment(request, "bucket"), from_query(query))
    body: dict[str, Any] = {"kind": "storage#objects"}
    if page.items:
        body["items"] = [object_resource(stored, cloud.settings.endpoint) for stored in page.items]
    if page.prefixes:
        body["prefixes"] = page.prefixes
    if page.token:
        body["nextPageToken"] = page.token
    return JSONResponse(body)


async def get(request: Request) -> Response:
    if request.query_params.get("alt") == "media":
        return await download(request)
    stored = await run_in_threadpool(cloud_of(request).objects.get, source(request))
    return _answer(request, stored, headers={"ETag": stored.etag})


async def download(request: Request) -> Response:
    """Answer with the content as it is stored, whole or one range of it."""
    stored, file = await run_in_threadpool(cloud_of(request).objects.open, source(request))
    try:
        span = requested_span(request.headers.get("range"), stored.content.size)
    except RangeNotSatisfiableError:
        file.close()
        raise
    headers = _content_headers(stored)
    if span:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{stored.content.size}"
    asked = span or Span(0, stored.content.size - 1)
    status = 206 if span else 200
    if asked.length <= CHUNK_BYTES:
        with file:
            file.seek(asked.first)
            return Response(file.read(asked.length), status, headers)
    return StreamingResponse(_chunks(file, asked), status, {**headers, "Content-Length": str(asked.length)})


async def show(request: Request) -> Response:
    """Answer with the objects that a listing finds as one text, in the order of their names.

    For a browser, which saves what has the type of no text, as a file in the folder has. Raises NotFoundError
    where the listing is empty.
    """
    objects, bucket = cloud_of(request).objects, segment(request, "bucket")
    page: Page = await run_in_threadpool(objects.page, bucket, from_query(request.query_params))
    if not page.items:
        raise NotFoundError(
            f"No such objects: expected some of {bucket} for {request.url.query!r}, found none."
        )
    sources = [Source(bucket, stored.name, stored.generation, Preconditions()) for stored in page.items]
    # All of them before the answer begins: what is gone by now is an error, not half a text.
    opened = [await run_in_threadpool(objects.open, one) for one in sources]
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(_joined_chunks(opened), headers=headers)


async def patch(request: Request) -> Response:
    return await _patch(request, replacing=False)


async def update(request: Request) -> Response:
    return await _patch(request, replacing=True)


async def delete(request: Request) -> Response:
    await run_in_threadpool(cloud_of(request).objects.delete, source(request))
    return Response(status_code=204)


async def copy(request: Request) -> Response:
    return _answer(request, await _copied(request))


async def rewrite(request: Request) -> Response:
    """Copy in one call: locally a rewrite is always done at once."""
    stored = await _copied(request)
    size = str(stored.content.size)
    return JSONResponse(
        {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": size,
            "objectSize": size,
            "done": True,
            "resource": object_resource(stored, cloud_of(request).settings.endpoint),
        }
    )


async def compose(request: Request) -> Response:
    cloud, body, bucket = cloud_of(request), await json_body(request), segment(request, "bucket")
    entries = body.get("sourceObjects")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidError(f"Required parameter: expected a list of sourceObjects, found {entries!r}.")
    if body.get("deleteSourceObjects"):
        raise UnsupportedError(
            "The local Cloud Storage keeps the sources of a compose: expected no deleteSourceObjects."
        )
    attributes = new_object_attributes(body.get("destination") or {})
    stored = await run_in_threadpool(
        cloud.objects.compose,
        [_compose_source(bucket, entry) for entry in entries],
        target(request, bucket, segment(request, "object")),
        attributes,
    )
    return _answer(request, stored)


async def _patch(request: Request, *, replacing: bool) -> Response:
    cloud, body = cloud_of(request), await json_body(request)
    stored = await run_in_threadpool(cloud.objects.patch, source(request), body, replacing=replacing)
    return _answer(request, stored)


async def _copied(request: Request) -> StoredObject:
    cloud, body = cloud_of(request), await json_body(request)
    destination = target(request, segment(request, "to_bucket"), segment(request, "to_object"))
    return await run_in_threadpool(cloud.objects.copy, copy_source(request), destination, body)


def _compose_source(bucket: str, entry: Mapping[str, Any]) -> Source:
    conditions = entry.get("objectPreconditions") or {}
    return Source(
        bucket,
        required(entry, "name", "source object"),
        integer(entry, "generation"),
        Preconditions(generation_match=integer(conditions, "ifGenerationMatch")),
    )


def _content_headers(stored: StoredObject) -> dict[str, str]:
    content, attributes = stored.content, stored.attributes
    hashes = [f"crc32c={content.crc32c}"] + ([f"md5={content.md5}"] if content.md5 else [])
    headers = {
        "Content-Type": attributes.get("contentType", "application/octet-stream"),
        "Accept-Ranges": "bytes",
        "ETag": stored.etag,
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": str(stored.metageneration),
        "x-goog-hash": ",".join(hashes),
        "x-goog-storage-class": attributes.get("storageClass", "STANDARD"),
        "x-goog-stored-content-encoding": attributes.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(content.size),
    }
    optional = {
        "Cache-Control": "cacheControl",
        "Content-Disposition": "contentDisposition",
        "Content-Encoding": "contentEncoding",
        "Content-Language": "contentLanguage",
    }
    headers |= {name: attributes[key] for name, key in optional.items() if attributes.get(key)}
    return {name: _header_value(value) for name, value in headers.items()}


def _header_value(text: str) -> str:
    # A client may have set anything; a line break here would be a header of its own.
    return "".join(filter(str.isprintable, text)).encode().decode("latin-1")


async def _joined_chunks(opened: Iterable[tuple[StoredObject, BinaryIO]]) -> AsyncIterator[bytes]:
    for stored, file in opened:
        async for chunk in _chunks(file, Span(0, stored.content.size - 1)):
            yield chunk


async def _chunks(file: BinaryIO, span: Span) -> AsyncIterator[bytes]:
    with file:
        file.seek(span.first)
        left = span.length
        while left and (chunk := await run_in_threadpool(file.read, min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def _answer(request: Request, stored: StoredObject, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(object_resource(stored, cloud_of(request).settings.endpoint), headers=headers)
