"""Deliveries that are due: rows in the state file, written together with the object that they tell of."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.storage.database import Database, now_us
from localcloud.storage.resources import StoredObject, object_resource, timestamp

RETENTION_US = 24 * 3600 * 1_000_000
KEEP_DELIVERED_US = 7 * RETENTION_US
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 30.0


@dataclass(frozen=True)
class Subscription:
    """A target of a bucket's events.

    Deliveries know it by `position` among the bucket's targets, so its URL may change.
    """

    bucket: str
    position: int
    url: str


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one target; `attempts` are those already made."""

    id: int
    event_id: str
    resource: Mapping[str, Any]
    attempts: int
    created_us: int


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to: a status, or an error where none was answered."""

    status: int | None
    error: str | None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Outbox:
    """The deliveries of all subscriptions. `on_new` is called, from any thread, when some are added."""

    def __init__(self, database: Database, subscriptions: Sequence[Subscription], endpoint: str) -> None:
        self.subscriptions = subscriptions
        self.on_new: Callable[[], object] = lambda: None
        self._database = database
        self._endpoint = endpoint

    def add(self, stored: StoredObject) -> None:
        """Note that a generation was finalized; call it within the transaction that stores the object."""
        targets = [target for target in self.subscriptions if target.bucket == stored.bucket]
        if not targets:
            return
        resource, now = json.dumps(object_resource(stored, self._endpoint)), now_us()
        for target in targets:
            self._database.rows(
                "INSERT INTO deliveries (event_id, bucket, name, generation, subscription, resource, "
                "created_us, next_attempt_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    str(stored.generation),
                    *(stored.bucket, stored.name, stored.generation, target.position),
                    *(resource, now, now),
                ),
            )
        self.on_new()

    def due(self, target: Subscription, limit: int) -> tuple[list[Delivery], float | None]:
        """Return the next deliveries to try, and the seconds until the one after them, if there is one."""
        now = now_us()
        rows = self._database.rows(
            "SELECT * FROM deliveries WHERE state = 'pending' AND bucket = ? AND subscription = ? "
            "ORDER BY next_attempt_us LIMIT ?",
            (target.bucket, target.position, limit + 1),
        )
        ready = [row for row in rows[:limit] if row["next_attempt_us"] <= now]
        later = rows[len(ready)]["next_attempt_us"] if len(rows) > len(ready) else None
        deliveries = [
            Delivery(
                row["id"], row["event_id"], json.loads(row["resource"]), row["attempts"], row["created_us"]
            )
            for row in ready
        ]
        return deliveries, None if later is None else max(0.0, (later - now) / 1_000_000)

    def record(self, delivery: Delivery, outcome: Outcome) -> None:
        """Note an attempt: delivered, due again after a longer wait, or, after 24 hours, expired."""
        now, attempts = now_us(), delivery.attempts + 1
        state = "pending"
        if outcome.is_success:
            state = "delivered"
        elif now - delivery.created_us > RETENTION_US:
            state = "expired"
        with self._database.writing():
            self._database.rows(
                "UPDATE deliveries SET state = ?, attempts = ?, last_status = ?, last_error = ?, "
                "next_attempt_us = ?, delivered_us = ? WHERE id = ?",
                (
                    *(state, attempts, outcome.status, outcome.error),
                    *(now + int(retry_delay(attempts) * 1_000_000), now if state == "delivered" else None),
                    delivery.id,
                ),
            )

    def lose(self, delivery: Delivery) -> None:
        """Give a delivery up before it was tried; its state becomes `lost`."""
        with self._database.writing():
            self._database.rows("UPDATE deliveries SET state = 'lost' WHERE id = ?", (delivery.id,))

    def postpone(self, delivery: Delivery, seconds: float) -> None:
        """Let a delivery be due so many seconds from now."""
        with self._database.writing():
            self._database.rows(
                "UPDATE deliveries SET next_attempt_us = ? WHERE id = ?",
                (now_us() + int(seconds * 1_000_000), delivery.id),
            )

    def hurry(self, ids: Collection[int]) -> None:
        """Let deliveries be due now."""
        with self._database.writing():
            for number in ids:
                self._database.rows(
                    "UPDATE deliveries SET next_attempt_us = ? WHERE id = ?", (now_us(), number)
                )

    def repeat(self, delivery: Delivery, copies: int, seconds: float) -> set[int]:
        """Add deliveries of the same event, due so many seconds apart from now on; returns their ids."""
        ids = set()
        with self._database.writing():
            for copy in range(copies):
                (row,) = self._database.rows(
                    "INSERT INTO deliveries (event_id, bucket, name, generation, subscription, resource, "
                    "created_us, next_attempt_us) SELECT event_id, bucket, name, generation, subscription, "
                    "resource, created_us, ? FROM deliveries WHERE id = ? RETURNING id",
                    (now_us() + int(copy * seconds * 1_000_000), delivery.id),
                )
                ids.add(row["id"])
        return ids

    def forget_old(self) -> None:
        """Remove what was delivered, or given up, a week ago."""
        with self._database.writing():
            self._database.rows(
                "DELETE FROM deliveries WHERE state != 'pending' AND created_us < ?",
                (now_us() - KEEP_DELIVERED_US,),
            )

    def report(self, bucket: str | None, name: str | None, generation: int | None) -> list[dict[str, Any]]:
        """Describe deliveries, oldest first, at most 1000; None asks for all."""
        rows = self._database.rows(
            "SELECT * FROM deliveries WHERE (?1 IS NULL OR bucket = ?1) AND (?2 IS NULL OR name = ?2) "
            "AND (?3 IS NULL OR generation = ?3) ORDER BY id LIMIT 1000",
            (bucket, name, generation),
        )
        urls = {(target.bucket, target.position): target.url for target in self.subscriptions}
        return [
            {
                "event_id": row["event_id"],
                "bucket": row["bucket"],
                "name": row["name"],
                "generation": row["generation"],
                "url": urls.get((row["bucket"], row["subscription"])),
                "state": row["state"],
                "attempts": row["attempts"],
                "last_status": row["last_status"],
                "last_error": row["last_error"],
                "created_at": timestamp(row["created_us"]),
                "next_attempt_at": timestamp(row["next_attempt_us"]) if row["state"] == "pending" else None,
                "delivered_at": timestamp(row["delivered_us"]) if row["delivered_us"] else None,
            }
            for row in rows
        ]


def retry_delay(attempts: int) -> float:
    """Seconds to wait after the n-th failed attempt: 0.2, doubled each time, at most 30."""
    return float(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 30)))
