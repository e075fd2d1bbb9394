"""Resumable uploads: sessions whose bytes are a draft and whose rest is a row, so both survive a restart.

Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localcloud.storage.checksums import Promise
from localcloud.storage.database import Database, now_us
from localcloud.storage.errors import ApiError, InvalidError, NotFoundError
from localcloud.storage.folder import Folder
from localcloud.storage.objects import ObjectStore, Target
from localcloud.storage.preconditions import Preconditions
from localcloud.storage.ranges import UploadRange
from localcloud.storage.resources import StoredObject, object_resource

GRANULE_BYTES = 256 * 1024
LIFE_US = 7 * 24 * 3600 * 1_000_000


@dataclass(frozen=True)
class Session:
    """A resumable upload under way, or, once `result` holds the object's resource, complete."""

    id: str
    target: Target
    attributes: dict[str, Any]
    promise: Promise
    total: int | None
    draft: Path
    result: dict[str, Any] | None

    @property
    def received(self) -> int:
        """Bytes that are kept; the client goes on behind them."""
        return self.draft.stat().st_size if self.draft.exists() else 0


class UploadStore:
    """All sessions; every method blocks on the disk. One request a session at a time."""

    def __init__(self, database: Database, folder: Folder, objects: ObjectStore, endpoint: str) -> None:
        self._database = database
        self._folder = folder
        self._objects = objects
        self._endpoint = endpoint

    def start(
        self, target: Target, attributes: Mapping[str, Any], promise: Promise, total: int | None
    ) -> str:
        """Open a session and return its id. Raises what the finished upload would raise now."""
        self._objects.check(target)
        draft = self._folder.new_draft()
        request = {
            "attributes": dict(attributes),
            "preconditions": asdict(target.preconditions),
            "promise": asdict(promise),
            "total": total,
        }
        with self._database.writing():
            self._database.rows(
                "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, NULL)",
                (draft.name, target.bucket, target.name, json.dumps(request), now_us()),
            )
        draft.touch()
        return draft.name

    def get(self, bucket: str, upload_id: str) -> Session:
        """Return a session of a bucket. Raises NotFoundError."""
        row = self._database.row("SELECT * FROM uploads WHERE id = ? AND bucket = ?", (upload_id, bucket))
        if not row:
            raise NotFoundError(
                f"Expected a resumable upload under way in gs://{bucket}, found none. Start a new one."
            )
        request = json.loads(row["request"])
        return Session(
            id=upload_id,
            target=Target(bucket, row["name"], _preconditions(request["preconditions"])),
            attributes=request["attributes"],
            promise=Promise(**request["promise"]),
            total=request["total"],
            draft=self._folder.draft(upload_id),
            result=json.loads(row["result"]) if row["result"] else None,
        )

    def finish(self, session: Session, promise: Promise) -> dict[str, Any]:
        """Make the received bytes an object and return its resource; a failure ends the session.

        Raises as `put`.
        """
        both = Promise(session.promise.crc32c or promise.crc32c, session.promise.md5 or promise.md5)
        result: dict[str, Any] = {}

        def note(stored: StoredObject) -> None:
            result.update(object_resource(stored, self._endpoint))
            self._database.rows(
                "UPDATE uploads SET result = ? WHERE id = ?", (json.dumps(result), session.id)
            )

        try:
            self._objects.put(session.target, session.draft, session.attributes, both, within=note)
        except ApiError:
            self.cancel(session)
            raise
        return result

    def cancel(self, session: Session) -> None:
        """End a session and drop its bytes."""
        with self._database.writing():
            self._database.rows("DELETE FROM uploads WHERE id = ?", (session.id,))
        session.draft.unlink(missing_ok=True)

    def forget_old(self) -> None:
        """Drop sessions a week after their start."""
        with self._database.writing():
            self._database.rows("DELETE FROM uploads WHERE created_us < ?", (now_us() - LIFE_US,))

    def drafts_in_use(self) -> set[str]:
        """Names of the drafts that sessions under way still need."""
        return {row["id"] for row in self._database.rows("SELECT id FROM uploads WHERE result IS NULL")}


def bytes_to_skip(asked: UploadRange, received: int) -> int:
    """How many of a chunk's first bytes are here already.

    Raises InvalidError where bytes before it are missing.
    """
    if asked.span is None:
        return 0
    if asked.span.first > received:
        raise InvalidError(
            f"Invalid Content-Range header: expected an offset of {received} bytes or less, which are here, "
            f"found {asked.span.first}. Ask for the status and go on from there."
        )
    return received - asked.span.first


def kept_bytes(size: int) -> int:
    """How much of an unfinished upload is kept: whole granules of 256 KiB."""
    return size - size % GRANULE_BYTES


def _preconditions(values: Mapping[str, Any]) -> Preconditions:
    tags = {key: tuple(values[key]) for key in ("etag_match", "etag_not_match")}
    return Preconditions(**{**values, **tags})
