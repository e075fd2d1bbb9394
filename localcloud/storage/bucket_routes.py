"""Routes of buckets."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from localcloud.storage.cloud import cloud_of
from localcloud.storage.listing import MAX_RESULTS, decode_token, encode_token
from localcloud.storage.parsing import json_body, required, segment
from localcloud.storage.preconditions import Preconditions, from_query, integer
from localcloud.storage.resources import Bucket, bucket_resource


async def insert(request: Request) -> Response:
    cloud, body = cloud_of(request), await json_body(request)
    name = required(body, "name", "bucket's resource")
    return _answer(request, await run_in_threadpool(cloud.buckets.create, name, body))


async def list_(request: Request) -> Response:
    cloud, query = cloud_of(request), request.query_params
    token = query.get("pageToken")
    found, following = await run_in_threadpool(
        cloud.buckets.list,
        query.get("prefix", ""),
        decode_token(token) if token else "",
        min(integer(query, "maxResults") or MAX_RESULTS, MAX_RESULTS),
    )
    page: dict[str, Any] = {"kind": "storage#buckets"}
    page["items"] = [bucket_resource(bucket, cloud.settings.endpoint) for bucket in found]
    if following:
        page["nextPageToken"] = encode_token(following)
    return JSONResponse(page)


async def get(request: Request) -> Response:
    cloud, conditions = cloud_of(request), from_query(request.query_params, request.headers)
    return _answer(
        request, await run_in_threadpool(cloud.buckets.get, segment(request, "bucket"), conditions)
    )


async def patch(request: Request) -> Response:
    return await _patch(request, replacing=False)


async def update(request: Request) -> Response:
    return await _patch(request, replacing=True)


async def delete(request: Request) -> Response:
    cloud, conditions = cloud_of(request), from_query(request.query_params, request.headers)
    await run_in_threadpool(cloud.buckets.delete, segment(request, "bucket"), conditions)
    return Response(status_code=204)


async def storage_layout(request: Request) -> Response:
    """Answer that a bucket has no folders of its own; gcloud asks before it copies."""
    bucket = await _existing(request)
    location = bucket.attributes["location"]
    return JSONResponse(
        {
            "kind": "storage#storageLayout",
            "bucket": bucket.name,
            "location": location,
            "locationType": bucket_resource(bucket, "")["locationType"],
            "hierarchicalNamespace": {"enabled": False},
        }
    )


async def managed_folders(request: Request) -> Response:
    """Answer that a bucket has none; gcloud asks before it removes a bucket."""
    await _existing(request)
    return JSONResponse({"kind": "storage#managedFolders", "items": []})


async def iam_policy(request: Request) -> Response:
    """Answer with an empty policy: locally everybody may do everything."""
    bucket = await _existing(request)
    return JSONResponse(
        {
            "kind": "storage#policy",
            "resourceId": f"projects/_/buckets/{bucket.name}",
            "version": 1,
            "etag": "CAE=",
            "bindings": [],
        }
    )


async def test_iam_permissions(request: Request) -> Response:
    """Answer that every permission asked for is granted."""
    await _existing(request)
    return JSONResponse(
        {
            "kind": "storage#testIamPermissionsResponse",
            "permissions": request.query_params.getlist("permissions"),
        }
    )


async def _patch(request: Request, *, replacing: bool) -> Response:
    cloud, body = cloud_of(request), await json_body(request)
    conditions = from_query(request.query_params, request.headers)
    bucket = await run_in_threadpool(
        cloud.buckets.patch, segment(request, "bucket"), body, conditions, replacing=replacing
    )
    return _answer(request, bucket)


async def _existing(request: Request) -> Bucket:
    return await run_in_threadpool(cloud_of(request).buckets.get, segment(request, "bucket"), Preconditions())


def _answer(request: Request, bucket: Bucket) -> Response:
    return JSONResponse(bucket_resource(bucket, cloud_of(request).settings.endpoint))
