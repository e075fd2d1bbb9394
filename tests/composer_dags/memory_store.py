"""Cloud Storage in memory, generations and preconditions included, and a store that dies midway."""

import base64
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import google_crc32c

from landfall_dags.identity import SourceFile, split_uri
from landfall_dags.store import Content, Store, Stored


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


@dataclass
class _Object:
    data: bytes
    generation: int

    @property
    def crc32c(self) -> str:
        return crc32c(self.data)


@dataclass
class MemoryStore:
    """A Store; `put` is what a sender of files does."""

    objects: dict[str, _Object] = field(default_factory=dict)
    _generations: Iterator[int] = field(default_factory=lambda: count(1763688362000001))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, uri: str, data: bytes) -> int:
        with self._lock:
            self.objects[uri] = _Object(data, next(self._generations))
            return self.objects[uri].generation

    def uris(self, bucket: str) -> list[str]:
        return sorted(uri for uri in self.objects if split_uri(uri)[0] == bucket)

    def content(self, uri: str) -> bytes:
        return self.objects[uri].data

    def list(self, bucket: str, prefix: str) -> Iterator[SourceFile]:
        with self._lock:
            found = [(uri, self.objects[uri]) for uri in self.uris(bucket)]
        for uri, stored in found:
            if split_uri(uri)[1].startswith(prefix):
                # A generation is the microsecond in which it was made.
                created = f"2025-11-21T01:26:02.{stored.generation % 1_000_000:06d}Z"
                yield SourceFile(uri, stored.generation, len(stored.data), stored.crc32c, None, created)

    def folders(self, bucket: str) -> tuple[str, ...]:
        names = (split_uri(uri)[1] for uri in self.uris(bucket))
        return tuple(sorted({name.partition("/")[0] for name in names if "/" in name}))

    def read(self, uri: str) -> Stored | None:
        with self._lock:
            stored = self.objects.get(uri)
            return None if stored is None else Stored(stored.data.decode(), stored.generation)

    def create(self, uri: str, text: str) -> bool:
        with self._lock:
            if uri in self.objects:
                return False
            self.put(uri, text.encode())
            return True

    def replace(self, uri: str, text: str, generation: int) -> bool:
        with self._lock:
            if not self.is_live(uri, generation):
                return False
            self.put(uri, text.encode())
            return True

    def copy(self, source_uri: str, generation: int | None, destination_uri: str) -> Content | None:
        with self._lock:
            source = self.objects.get(source_uri)
            if (
                source is None
                or generation not in (None, source.generation)
                or destination_uri in self.objects
            ):
                return None
            self.put(destination_uri, source.data)
            return self.find(destination_uri)

    def find(self, uri: str) -> Content | None:
        with self._lock:
            stored = self.objects.get(uri)
            return None if stored is None else Content(len(stored.data), stored.crc32c)

    def is_live(self, uri: str, generation: int) -> bool:
        with self._lock:
            return uri in self.objects and self.objects[uri].generation == generation

    def delete(self, uri: str, generation: int) -> bool:
        with self._lock:
            if not self.is_live(uri, generation):
                return False
            del self.objects[uri]
            return True


class PowerCutError(Exception):
    """The process died here."""


class Interrupted:
    """A store whose process dies at one of its calls, before the call is made or after it took effect."""

    def __init__(
        self, store: Store, dies_at: int, after: bool, meanwhile: Callable[[int], None] | None = None
    ):
        self._store, self._dies_at, self._after, self._meanwhile = store, dies_at, after, meanwhile
        self._calls = 0
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: object) -> object:
            with self._lock:
                self._calls += 1
                if self._meanwhile is not None:
                    self._meanwhile(self._calls)
                if self._calls > self._dies_at or (self._calls == self._dies_at and not self._after):
                    raise PowerCutError(f"before call {self._calls}: {name}")
                result = method(*arguments)
                if self._calls == self._dies_at:
                    raise PowerCutError(f"after call {self._calls}: {name}")
                return result

        return call
