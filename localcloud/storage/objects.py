"""Objects: the folder's files and the state file's rows, kept one.

Order of a write: the row is committed with the name of its draft, then the draft is renamed to its place;
both under the database's lock. A process killed between the two is repaired at the next start, because the
draft's name is in the row (`recover`). Order of a delete: the file goes, then the row; a row without its
file is no object, so a process killed between the two has deleted.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from localcloud.storage.checksums import Content, Promise, measure
from localcloud.storage.database import Database, now_us
from localcloud.storage.errors import ApiError, InvalidError, no_such_bucket, no_such_object
from localcloud.storage.folder import Folder, Window, stamp_of
from localcloud.storage.listing import Listing, Page, fold, joined
from localcloud.storage.names import check_object_name
from localcloud.storage.outbox import Outbox
from localcloud.storage.preconditions import Preconditions
from localcloud.storage.resources import Stamp, StoredObject, copied_attributes, patched_object_attributes

MAX_COMPOSE_SOURCES = 32
_ROWS_AT_ONCE = 250
_LOOKS = 3
_FOUND_ATTRIBUTES = {"storageClass": "STANDARD", "contentType": "application/octet-stream"}


@dataclass(frozen=True)
class Target:
    """Where a write goes and what must hold there when it happens."""

    bucket: str
    name: str
    preconditions: Preconditions


@dataclass(frozen=True)
class Source:
    """Which generation (None: the newest) is read and what must hold of it."""

    bucket: str
    name: str
    generation: int | None
    preconditions: Preconditions


class ObjectStore:
    """Objects of all buckets; every method is safe to call from any thread and blocks on the disk."""

    def __init__(self, database: Database, folder: Folder, outbox: Outbox) -> None:
        self._database = database
        self._folder = folder
        self._outbox = outbox

    def get(self, source: Source) -> StoredObject:
        """Return an object. Raises NotFoundError, PreconditionFailedError, NotModifiedError."""
        with self._database.lock:
            return self._require(source)

    def open(self, source: Source) -> tuple[StoredObject, BinaryIO]:
        """Return an object and its content, which stays readable whatever happens to the object.

        Raises as `get`.
        """
        for _ in range(_LOOKS):
            with self._database.lock:
                stored = self.get(source)
                try:
                    file = self._folder.open(stored.bucket, stored.name, is_blob=stored.is_blob)
                except OSError:  # somebody removed the file between the two looks
                    continue
                if stamp_of(os.fstat(file.fileno())) == stored.stamp:
                    return stored, file
                file.close()
        raise _unsteady(f"gs://{source.bucket}/{source.name}")

    def new_draft(self) -> Path:
        """Name a file for content that `put` shall store; the caller removes it if it comes to nothing."""
        return self._folder.new_draft()

    def put(
        self,
        target: Target,
        draft: Path,
        attributes: Mapping[str, Any],
        promise: Promise,
        *,
        within: Callable[[StoredObject], None] | None = None,
    ) -> StoredObject:
        """Make a draft the new generation of an object; nothing is stored unless all holds.

        `within` runs in the transaction that stores the object. Raises InvalidError, NotFoundError,
        PreconditionFailedError, NotModifiedError.
        """
        with draft.open("rb") as file:
            content = measure(file)
        promise.verify(content)
        return self._finalize(target, draft, content, attributes, within=within)

    def patch(self, source: Source, patch: Mapping[str, Any], *, replacing: bool) -> StoredObject:
        """Change an object's attributes; `replacing` starts from none. Raises as `get`, and InvalidError."""
        with self._database.lock:
            stored = self._require(source)
            attributes = patched_object_attributes({} if replacing else stored.attributes, patch)
            patched = replace(
                stored, attributes=attributes, metageneration=stored.metageneration + 1, updated_us=now_us()
            )
            with self._database.writing():
                self._database.rows(
                    "UPDATE objects SET attributes = ?, metageneration = ?, updated_us = ? "
                    "WHERE bucket = ? AND name = ?",
                    (
                        json.dumps(attributes),
                        patched.metageneration,
                        patched.updated_us,
                        stored.bucket,
                        stored.name,
                    ),
                )
            return patched

    def delete(self, source: Source) -> None:
        """Delete an object. Raises as `get`."""
        with self._database.lock:
            stored = self._require(source)
            self._folder.remove(stored.bucket, stored.name, is_blob=stored.is_blob)
            self._forget(stored)

    def copy(self, source: Source, target: Target, body: Mapping[str, Any]) -> StoredObject:
        """Copy a generation; the body's attributes, if any, replace the source's.

        Raises as `get` and `put`.
        """
        stored, file = self.open(source)
        draft = self._folder.new_draft()
        try:
            with file, draft.open("w+b") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
                copy.seek(0)
                content = measure(copy)
            if content.crc32c != stored.content.crc32c:
                raise _unsteady(f"gs://{stored.bucket}/{stored.name}")
            # A composed object has no MD5, nor has its copy.
            content = replace(content, md5=stored.content.md5)
            return self._finalize(
                target,
                draft,
                content,
                copied_attributes(stored, body),
                component_count=stored.component_count,
            )
        finally:
            draft.unlink(missing_ok=True)

    def compose(
        self, sources: Sequence[Source], target: Target, attributes: Mapping[str, Any]
    ) -> StoredObject:
        """Join up to 32 objects of one bucket into one, which has no MD5. Raises as `get` and `put`."""
        if not 1 <= len(sources) <= MAX_COMPOSE_SOURCES:
            raise InvalidError(
                f"Expected 1 to {MAX_COMPOSE_SOURCES} source objects to compose, found {len(sources)}."
            )
        draft, components = self._folder.new_draft(), 0
        try:
            with draft.open("w+b") as joined_file:
                for source in sources:
                    stored, file = self.open(source)
                    components += stored.component_count or 1
                    with file:
                        shutil.copyfileobj(file, joined_file, 1 << 20)
                joined_file.seek(0)
                content = replace(measure(joined_file), md5=None)
            return self._finalize(target, draft, content, attributes, component_count=components)
        finally:
            draft.unlink(missing_ok=True)

    def page(self, bucket: str, listing: Listing) -> Page:
        """List one page of a bucket; files that others wrote, changed or removed are taken in on the way."""
        with self._database.writing():
            self._require_bucket(bucket)
            window = listing.window()
            return fold(self._seen(bucket, window), listing, window)

    def check(self, target: Target) -> None:
        """Raise now what a write would raise later."""
        with self._database.lock:
            self._require_bucket(target.bucket)
            target.preconditions.check(self._current(target.bucket, check_object_name(target.name)))

    def recover(self, *, drafts_in_use: set[str]) -> None:
        """Finish the writes that an earlier process had committed, and remove what belongs to none."""
        for draft in self._folder.drafts():
            row = self._database.row("SELECT * FROM objects WHERE draft = ?", (draft.name,))
            if row:
                self._publish(draft, _stored(row))
            elif draft.name not in drafts_in_use:
                draft.unlink()
        known = {
            self._folder.path(row["bucket"], row["name"], is_blob=True)
            for row in self._database.rows("SELECT bucket, name FROM objects WHERE is_blob")
        }
        for stray in self._folder.blobs() - known:
            stray.unlink()

    def _finalize(
        self,
        target: Target,
        draft: Path,
        content: Content,
        attributes: Mapping[str, Any],
        *,
        component_count: int | None = None,
        within: Callable[[StoredObject], None] | None = None,
    ) -> StoredObject:
        name = check_object_name(target.name)
        with self._database.lock:
            self._require_bucket(target.bucket)
            earlier = self._current(target.bucket, name)
            target.preconditions.check(earlier)
            with self._database.writing():
                generation = self._database.next_generation()
                stored = StoredObject(
                    bucket=target.bucket,
                    name=name,
                    generation=generation,
                    metageneration=1,
                    content=content,
                    stamp=stamp_of(draft.stat()),
                    is_blob=self._folder.place(target.bucket, name),
                    updated_us=generation,
                    component_count=component_count,
                    attributes=dict(attributes),
                )
                self._insert(stored, draft.name)
                if within:
                    within(stored)
            stored = self._publish(draft, stored)
            if earlier and earlier.is_blob and not stored.is_blob:
                self._folder.remove(target.bucket, name, is_blob=True)
            return stored

    def _publish(self, draft: Path, stored: StoredObject) -> StoredObject:
        try:
            self._folder.publish(draft, stored.bucket, stored.name, is_blob=stored.is_blob)
        except OSError:
            if stored.is_blob:
                raise
            # Somebody made a folder or a file in the way since the place was chosen.
            stored = replace(stored, is_blob=True)
            with self._database.writing():
                self._database.rows(
                    "UPDATE objects SET is_blob = 1 WHERE bucket = ? AND name = ?",
                    (stored.bucket, stored.name),
                )
            self._folder.publish(draft, stored.bucket, stored.name, is_blob=True)
        return stored

    def _require_bucket(self, bucket: str) -> None:
        if not self._database.row("SELECT 1 FROM buckets WHERE name = ?", (bucket,)):
            raise no_such_bucket()

    def _require(self, source: Source) -> StoredObject:
        self._require_bucket(source.bucket)
        stored = self._current(source.bucket, check_object_name(source.name))
        if not stored or source.generation not in (None, stored.generation):
            raise no_such_object(source.bucket, source.name)
        source.preconditions.check(stored)
        return stored

    def _current(self, bucket: str, name: str) -> StoredObject | None:
        row = self._database.row("SELECT * FROM objects WHERE bucket = ? AND name = ?", (bucket, name))
        return self._settle(bucket, name, self._folder.stamp(bucket, name), _stored(row) if row else None)

    def _seen(self, bucket: str, window: Window) -> Iterator[StoredObject]:
        for name, stamp, row in joined(self._folder.walk(bucket, window), self._rows(bucket, window)):
            if window.covers(name):
                stored = self._settle(bucket, name, stamp, row)
                if stored:
                    yield stored

    def _rows(self, bucket: str, window: Window) -> Iterator[StoredObject]:
        low = window.low
        while True:
            # A list a time: rows may be written while the generator waits.
            found = self._database.rows(
                "SELECT * FROM objects WHERE bucket = ? AND name >= ? AND (?3 IS NULL OR name < ?3) "
                "ORDER BY name LIMIT ?",
                (bucket, low, window.high, _ROWS_AT_ONCE),
            )
            for row in found:
                yield _stored(row)
            if len(found) < _ROWS_AT_ONCE:
                return
            low = max(window.low, found[-1]["name"] + "\0")

    def _settle(
        self, bucket: str, name: str, stamp: Stamp | None, known: StoredObject | None
    ) -> StoredObject | None:
        """Bring the row of a name in step with its file; None: there is no object (any more)."""
        if stamp:
            return (
                known if known and not known.is_blob and known.stamp == stamp else self._adopt(bucket, name)
            )
        if known and known.is_blob and self._folder.path(bucket, name, is_blob=True).exists():
            return known
        if known:
            self._forget(known)
        return None

    def _adopt(self, bucket: str, name: str) -> StoredObject | None:
        """Take in a file that somebody else wrote; None while it is still changing."""
        try:
            with self._folder.open(bucket, name, is_blob=False) as file:
                before = stamp_of(os.fstat(file.fileno()))
                content = measure(file)
                if stamp_of(os.fstat(file.fileno())) != before:
                    return None
        except OSError:
            return None
        with self._database.writing():
            generation = self._database.next_generation()
            stored = StoredObject(
                bucket=bucket,
                name=name,
                generation=generation,
                metageneration=1,
                content=content,
                stamp=before,
                is_blob=False,
                updated_us=generation,
                attributes=dict(_FOUND_ATTRIBUTES),
            )
            self._insert(stored, None)
        return stored

    def _insert(self, stored: StoredObject, draft: str | None) -> None:
        self._database.rows(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(stored.bucket, stored.name, stored.generation, stored.metageneration),
                *(stored.content.size, stored.content.crc32c, stored.content.md5),
                *(stored.stamp.mtime_ns, stored.stamp.inode, stored.is_blob, stored.updated_us),
                *(stored.component_count, json.dumps(stored.attributes), draft),
            ),
        )
        self._outbox.add(stored)

    def _forget(self, stored: StoredObject) -> None:
        with self._database.writing():
            self._database.rows(
                "DELETE FROM objects WHERE bucket = ? AND name = ?", (stored.bucket, stored.name)
            )


def _stored(row: sqlite3.Row) -> StoredObject:
    return StoredObject(
        bucket=row["bucket"],
        name=row["name"],
        generation=row["generation"],
        metageneration=row["metageneration"],
        content=Content(row["size"], row["crc32c"], row["md5"]),
        stamp=Stamp(row["size"], row["mtime_ns"], row["inode"]),
        is_blob=bool(row["is_blob"]),
        updated_us=row["updated_us"],
        component_count=row["component_count"],
        attributes=json.loads(row["attributes"]),
    )


def _unsteady(uri: str) -> ApiError:
    error = ApiError(f"{uri}: expected a file that stays, found it changing or not readable. Try again.")
    error.status = 503
    return error
