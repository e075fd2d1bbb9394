"""Buckets and objects as values, and as the JSON resources of the API."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from localcloud.storage.checksums import Content
from localcloud.storage.errors import InvalidError, UnsupportedError

OBJECT_ATTRIBUTES = frozenset(
    (
        "cacheControl",
        "contentDisposition",
        "contentEncoding",
        "contentLanguage",
        "contentType",
        "contexts",
        "customTime",
        "metadata",
        "storageClass",
    )
)
_BUCKET_OUTPUT_ONLY = frozenset(
    (
        "etag",
        "generation",
        "id",
        "kind",
        "locationType",
        "metageneration",
        "name",
        "projectNumber",
        "selfLink",
        "timeCreated",
        "updated",
    )
)
_BUCKET_DEFAULTS = {
    "location": "US",
    "storageClass": "STANDARD",
    "iamConfiguration": {
        "uniformBucketLevelAccess": {"enabled": True},
        "publicAccessPrevention": "inherited",
    },
}
_SEMANTIC_SWITCHES = ("versioning", "hierarchicalNamespace", "autoclass")


class Stamp(NamedTuple):
    """What tells that a file is still the one seen: size in bytes, modification time in ns, inode."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Bucket:
    """A bucket; times are microseconds since the epoch, `attributes` are what a client may set."""

    name: str
    metageneration: int
    created_us: int
    updated_us: int
    attributes: dict[str, Any]

    @property
    def generation(self) -> int:
        return self.created_us

    @property
    def etag(self) -> str:
        return _etag(self.created_us, self.metageneration)


@dataclass(frozen=True)
class StoredObject:
    """One generation of an object; times are microseconds since the epoch.

    `is_blob` says that the content lies in the blob folder because the name cannot be a path; `attributes`
    are what a client may set.
    """

    bucket: str
    name: str
    generation: int
    metageneration: int
    content: Content
    stamp: Stamp
    is_blob: bool
    updated_us: int
    component_count: int | None = None
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return _etag(self.generation, self.metageneration)


def bucket_resource(bucket: Bucket, endpoint: str) -> dict[str, Any]:
    """Render `storage#bucket`."""
    return {
        **bucket.attributes,
        "kind": "storage#bucket",
        "id": bucket.name,
        "name": bucket.name,
        "selfLink": f"{endpoint}/storage/v1/b/{bucket.name}",
        "projectNumber": "1",
        "locationType": "region" if "-" in str(bucket.attributes.get("location")) else "multi-region",
        "timeCreated": timestamp(bucket.created_us),
        "updated": timestamp(bucket.updated_us),
        "metageneration": str(bucket.metageneration),
        "etag": bucket.etag,
    }


def object_resource(stored: StoredObject, endpoint: str) -> dict[str, Any]:
    """Render `storage#object`; int64 values are text, as in every Google API."""
    path = f"/b/{stored.bucket}/o/{quote(stored.name, safe='')}"
    created = timestamp(stored.generation)
    resource = {
        **stored.attributes,
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"{endpoint}/storage/v1{path}",
        "mediaLink": f"{endpoint}/download/storage/v1{path}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "size": str(stored.content.size),
        "crc32c": stored.content.crc32c,
        "etag": stored.etag,
        "timeCreated": created,
        "timeFinalized": created,
        "timeStorageClassUpdated": created,
        "updated": timestamp(stored.updated_us),
    }
    if stored.content.md5 is not None:
        resource["md5Hash"] = stored.content.md5
    if stored.component_count is not None:
        resource["componentCount"] = stored.component_count
    return resource


def new_object_attributes(body: Mapping[str, Any], content_type: str | None = None) -> dict[str, Any]:
    """Pick what a client may set on a new object; `content_type` serves where the body names none."""
    attributes = {key: value for key, value in body.items() if key in OBJECT_ATTRIBUTES and value is not None}
    if content_type and "contentType" not in attributes:
        attributes["contentType"] = content_type
    _check_metadata(attributes)
    return {"storageClass": "STANDARD", **attributes}


def copied_attributes(source: StoredObject, body: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a copy: the source's, or, when the request's body sets any, only those."""
    if any(key in OBJECT_ATTRIBUTES and value is not None for key, value in body.items()):
        return new_object_attributes(body)
    return dict(source.attributes)


def patched_object_attributes(attributes: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a patch: null removes, `metadata` merges key by key, whatever else is not settable is ignored."""
    merged = _merged(attributes, {key: value for key, value in patch.items() if key in OBJECT_ATTRIBUTES})
    _check_metadata(merged)
    return {"storageClass": "STANDARD", **merged}


def new_bucket_attributes(body: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what a client may set on a bucket, with the API's defaults. Raises UnsupportedError."""
    attributes = {
        key: value for key, value in body.items() if key not in _BUCKET_OUTPUT_ONLY and value is not None
    }
    return _checked_bucket({**_BUCKET_DEFAULTS, **attributes})


def patched_bucket_attributes(attributes: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a patch into a bucket's attributes: null removes, `labels` merge key by key.

    Raises UnsupportedError.
    """
    settable = {key: value for key, value in patch.items() if key not in _BUCKET_OUTPUT_ONLY}
    return _checked_bucket({**_BUCKET_DEFAULTS, **_merged(attributes, settable)})


def timestamp(microseconds: int) -> str:
    """Write a time as the API does: RFC 3339, UTC, milliseconds."""
    moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000 // 1000:03d}Z"


def _merged(attributes: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(attributes)
    for key, value in patch.items():
        if key in ("metadata", "labels") and isinstance(value, dict):
            entries = {**merged.get(key, {}), **value}
            value = {name: entry for name, entry in entries.items() if entry is not None} or None
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _check_metadata(attributes: Mapping[str, Any]) -> None:
    metadata = attributes.get("metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InvalidError(f"Invalid metadata: expected an object whose values are text, found {metadata!r}.")


def _checked_bucket(attributes: dict[str, Any]) -> dict[str, Any]:
    for switch in _SEMANTIC_SWITCHES:
        if isinstance(attributes.get(switch), dict) and attributes[switch].get("enabled"):
            raise UnsupportedError(f"The local Cloud Storage has no {switch}: expected it off, found it on.")
    return attributes


def _etag(generation: int, metageneration: int) -> str:
    return base64.urlsafe_b64encode(f"{generation}/{metageneration}".encode()).decode().rstrip("=")
