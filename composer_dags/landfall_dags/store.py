"""The one module that talks to Cloud Storage: objects by URI, and preconditions on every change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from landfall_dags.identity import SourceFile, split_uri, timestamp

CONNECTION = "google_cloud_default"
# What a listing needs of each object; a full listing of a thousand objects is some ten times as long.
_LISTED = "items(name,generation,size,crc32c,md5Hash,timeCreated),nextPageToken"
# The client sends a description of the copy, and then Cloud Storage takes nothing over by itself.
_KEPT = (
    *("cache_control", "content_disposition", "content_encoding", "content_language", "content_type"),
    "metadata",
)
# 408, 429, 500, 502, 503, 504 and connections that break: every call is a read or has a precondition, so a
# repetition of one that had its effect is refused, and the caller looks at what is there.
_PATIENCE: dict[str, Any] = {
    "retry": DEFAULT_RETRY.with_delay(initial=0.5, maximum=20, multiplier=2).with_timeout(120),
    "timeout": (10, 60),  # seconds to connect, and between two bytes of an answer
}


@dataclass(frozen=True)
class Stored:
    """The text of an object and the generation that it was read from."""

    text: str
    generation: int


@dataclass(frozen=True)
class Content:
    """What an object holds: its size in bytes, its checksum in base64."""

    size: int
    crc32c: str

    def __str__(self) -> str:
        return f"{self.size} bytes and crc32c {self.crc32c}"


class Store(Protocol):
    """Objects as the claim and the ledger use them."""

    def list(self, bucket: str, prefix: str) -> Iterator[SourceFile]: ...

    def folders(self, bucket: str) -> tuple[str, ...]:
        """The first parts of the bucket's object names, without their slash."""

    def read(self, uri: str) -> Stored | None:
        """The object's text, or None when there is no such object."""

    def create(self, uri: str, text: str) -> bool:
        """Write an object that must not exist yet; False, and nothing written, when it does."""

    def replace(self, uri: str, text: str, generation: int) -> bool:
        """Write over the live object if it is this generation; False, and nothing written, when it is not.

        False also when it was written although the answer was lost: read it again.
        """

    def copy(self, source_uri: str, generation: int | None, destination_uri: str) -> Content | None:
        """Copy one generation (None: the live one) to a name that must be free, and say what was written.

        The copy is described as the source is. None, and nothing copied, when the name is taken or the
        generation is gone.
        """

    def find(self, uri: str) -> Content | None:
        """What the live object holds, or None when there is no such object."""

    def is_live(self, uri: str, generation: int) -> bool:
        """Whether the live object is this generation."""

    def delete(self, uri: str, generation: int) -> bool:
        """Delete the live object if it is this generation; False, and anything else left alone, if not."""


class CloudStore:
    """Store over Google's client."""

    def __init__(self, client: storage.Client) -> None:
        self._client = client

    def list(self, bucket: str, prefix: str) -> Iterator[SourceFile]:
        for blob in self._client.list_blobs(bucket, prefix=prefix, fields=_LISTED, **_PATIENCE):
            yield SourceFile(
                uri=f"gs://{bucket}/{blob.name}",
                generation=int(blob.generation),
                size=int(blob.size),
                crc32c=blob.crc32c,
                md5=blob.md5_hash,
                created_at=timestamp(blob.time_created),
            )

    def folders(self, bucket: str) -> tuple[str, ...]:
        # The prefixes are known once the pages have been read.
        listing = self._client.list_blobs(bucket, delimiter="/", fields="prefixes,nextPageToken", **_PATIENCE)
        for _ in listing.pages:
            continue
        return tuple(sorted(prefix.rstrip("/") for prefix in listing.prefixes))

    def read(self, uri: str) -> Stored | None:
        blob = self._blob(uri)
        try:
            text = blob.download_as_bytes(**_PATIENCE).decode("utf-8")
        except NotFound:
            return None
        return Stored(text, int(blob.generation))

    def create(self, uri: str, text: str) -> bool:
        return self.replace(uri, text, 0)

    def replace(self, uri: str, text: str, generation: int) -> bool:
        try:
            self._blob(uri).upload_from_string(
                text.encode("utf-8"),
                content_type="application/json",
                if_generation_match=generation,
                **_PATIENCE,
            )
        except PreconditionFailed:
            return False
        return True

    def copy(self, source_uri: str, generation: int | None, destination_uri: str) -> Content | None:
        source, destination = self._blob(source_uri, generation), self._blob(destination_uri)
        token = None
        try:
            source.reload(**_PATIENCE)
            _keep(source, destination)
            while True:
                token, _, _ = destination.rewrite(source, token=token, if_generation_match=0, **_PATIENCE)
                if token is None:
                    return _content(destination)
        except (NotFound, PreconditionFailed):
            return None

    def find(self, uri: str) -> Content | None:
        blob = self._blob(uri)
        try:
            blob.reload(**_PATIENCE)
        except NotFound:
            return None
        return _content(blob)

    def is_live(self, uri: str, generation: int) -> bool:
        try:
            self._blob(uri).reload(if_generation_match=generation, **_PATIENCE)
        except (NotFound, PreconditionFailed):
            return False
        return True

    def delete(self, uri: str, generation: int) -> bool:
        try:
            self._blob(uri).delete(if_generation_match=generation, **_PATIENCE)
        except (NotFound, PreconditionFailed):
            return False
        return True

    def _blob(self, uri: str, generation: int | None = None) -> Any:
        bucket, name = split_uri(uri)
        return self._client.bucket(bucket).blob(name, generation=generation)


def _keep(source: Any, copy: Any) -> None:
    for attribute in _KEPT:
        if (value := getattr(source, attribute)) is not None:
            setattr(copy, attribute, value)


def _content(blob: Any) -> Content:
    return Content(int(blob.size), blob.crc32c)


def connect() -> CloudStore:
    """The store that Airflow's Google connection and the environment point at."""
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    return CloudStore(GCSHook(gcp_conn_id=CONNECTION).get_conn())
