"""Buckets: a row each, and a folder each."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localcloud.storage.database import Database, now_us
from localcloud.storage.errors import ConflictError, no_such_bucket
from localcloud.storage.folder import Folder
from localcloud.storage.listing import Listing
from localcloud.storage.names import check_bucket_name
from localcloud.storage.objects import ObjectStore
from localcloud.storage.preconditions import Preconditions
from localcloud.storage.resources import Bucket, new_bucket_attributes, patched_bucket_attributes


class BucketStore:
    """All buckets; every method is safe to call from any thread and blocks on the disk."""

    def __init__(self, database: Database, folder: Folder, objects: ObjectStore) -> None:
        self._database = database
        self._folder = folder
        self._objects = objects

    def create(self, name: str, body: Mapping[str, Any]) -> Bucket:
        """Make a bucket; files that its folder holds already become objects.

        Raises InvalidError, ConflictError, UnsupportedError.
        """
        check_bucket_name(name)
        attributes, now = new_bucket_attributes(body), now_us()
        with self._database.writing():
            if self._find(name):
                raise ConflictError(
                    "Your previous request to create the named bucket succeeded and you already own it."
                )
            bucket = Bucket(name, 1, now, now, attributes)
            self._database.rows(
                "INSERT INTO buckets VALUES (?, 1, ?, ?, ?)", (name, now, now, json.dumps(attributes))
            )
            self._folder.make_bucket(name)
            return bucket

    def get(self, name: str, preconditions: Preconditions) -> Bucket:
        """Return a bucket. Raises NotFoundError, PreconditionFailedError, NotModifiedError."""
        bucket = self._find(name)
        if not bucket:
            raise no_such_bucket()
        preconditions.check(bucket)
        return bucket

    def list(self, prefix: str, start: str, limit: int) -> tuple[list[Bucket], str | None]:
        """Return at most `limit` buckets from the name `start` on, and where the next page starts."""
        rows = self._database.rows(
            "SELECT * FROM buckets WHERE name >= ? AND substr(name, 1, length(?2)) = ?2 "
            "ORDER BY name LIMIT ?",
            (start, prefix, limit + 1),
        )
        following = rows[limit]["name"] if len(rows) > limit else None
        return [_bucket(row) for row in rows[:limit]], following

    def patch(
        self, name: str, patch: Mapping[str, Any], preconditions: Preconditions, *, replacing: bool
    ) -> Bucket:
        """Change a bucket's attributes; `replacing` starts from none.

        Raises as `get`, and UnsupportedError.
        """
        with self._database.writing():
            bucket = self.get(name, preconditions)
            attributes = patched_bucket_attributes({} if replacing else bucket.attributes, patch)
            patched = replace(
                bucket, attributes=attributes, metageneration=bucket.metageneration + 1, updated_us=now_us()
            )
            self._database.rows(
                "UPDATE buckets SET attributes = ?, metageneration = ?, updated_us = ? WHERE name = ?",
                (json.dumps(attributes), patched.metageneration, patched.updated_us, name),
            )
            return patched

    def delete(self, name: str, preconditions: Preconditions) -> None:
        """Delete an empty bucket. Raises as `get`, and ConflictError."""
        with self._database.lock:
            self.get(name, preconditions)
            if self._objects.page(name, Listing(limit=1)).items:
                raise ConflictError("The bucket you tried to delete is not empty.")
            with self._database.writing():
                self._database.rows("DELETE FROM buckets WHERE name = ?", (name,))
            self._folder.remove_bucket(name)

    def recover(self) -> None:
        """Make the folders again that somebody removed: the state file says which buckets there are."""
        for row in self._database.rows("SELECT name FROM buckets"):
            self._folder.make_bucket(row["name"])

    def _find(self, name: str) -> Bucket | None:
        row = self._database.row("SELECT * FROM buckets WHERE name = ?", (name,))
        return _bucket(row) if row else None


def _bucket(row: sqlite3.Row) -> Bucket:
    return Bucket(
        row["name"],
        row["metageneration"],
        row["created_us"],
        row["updated_us"],
        json.loads(row["attributes"]),
    )
