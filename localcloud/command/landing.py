"""What lies in the landing bucket."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud import storage  # type: ignore[attr-defined]

_FIELDS = "items(bucket,name,generation,timeCreated,size,crc32c,md5Hash),nextPageToken"


@dataclass(frozen=True)
class Landed:
    """A file as it came: one generation of one landing object; size in bytes, crc32c and md5 in base64."""

    uri: str
    generation: int
    created_at: datetime | None
    size: int | None = None
    crc32c: str | None = None
    md5: str | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.uri, self.generation

    @property
    def name(self) -> str:
        """The object's name, without its bucket."""
        return name_of(self.uri)


def name_of(uri: str) -> str:
    """`gs://bucket/name` without the bucket."""
    return uri.split("/", 3)[3]


def list_landed(client: "storage.Client", bucket: str, prefix: str | None = None) -> Iterator[Landed]:
    """The objects of the landing bucket, or of a folder: what no run has claimed yet, and what none will."""
    for blob in client.list_blobs(bucket, prefix=prefix, fields=_FIELDS, timeout=20):
        yield Landed(
            f"gs://{bucket}/{blob.name}",
            int(blob.generation),
            blob.time_created,
            blob.size,
            blob.crc32c,
            blob.md5_hash,
        )
