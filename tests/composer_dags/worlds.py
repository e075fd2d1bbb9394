"""Cloud Storage as a sender of files sees it, over memory and over the local cloud's storage part."""

from typing import Protocol

from google.cloud import storage

from landfall_dags.identity import split_uri
from landfall_dags.store import CloudStore, Store
from tests.composer_dags.memory_store import MemoryStore


class World(Protocol):
    """A store, and what others can do to its objects."""

    store: Store

    def put(self, uri: str, data: bytes) -> int: ...

    def uris(self, bucket: str) -> list[str]: ...

    def content(self, uri: str) -> bytes: ...

    def remove(self, uri: str) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.memory = memory = MemoryStore()
        self.store: Store = memory
        self.put, self.uris, self.content = memory.put, memory.uris, memory.content

    def remove(self, uri: str) -> None:
        del self.memory.objects[uri]


class CloudWorld:
    def __init__(self, client: storage.Client) -> None:
        self._client = client
        self.store: Store = CloudStore(client)

    def put(self, uri: str, data: bytes) -> int:
        blob = self._blob(uri)
        blob.upload_from_string(data, content_type="text/csv")
        return int(blob.generation)

    def uris(self, bucket: str) -> list[str]:
        return sorted(f"gs://{bucket}/{blob.name}" for blob in self._client.list_blobs(bucket))

    def content(self, uri: str) -> bytes:
        return bytes(self._blob(uri).download_as_bytes())

    def remove(self, uri: str) -> None:
        self._blob(uri).delete()

    def _blob(self, uri: str) -> storage.Blob:
        bucket, name = split_uri(uri)
        return self._client.bucket(bucket).blob(name)
