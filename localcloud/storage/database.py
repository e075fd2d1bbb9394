"""The state file: one SQLite database, one connection, one writer at a time."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS last_generation (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
INSERT OR IGNORE INTO last_generation VALUES (1, 0);
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, metageneration INTEGER NOT NULL, created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL, attributes TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL, metageneration INTEGER NOT NULL,
    size INTEGER NOT NULL, crc32c TEXT NOT NULL, md5 TEXT, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    is_blob INTEGER NOT NULL, updated_us INTEGER NOT NULL, component_count INTEGER, attributes TEXT NOT NULL,
    draft TEXT,
    PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL,
    created_us INTEGER NOT NULL, result TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, event_id TEXT NOT NULL, bucket TEXT NOT NULL, name TEXT NOT NULL,
    generation INTEGER NOT NULL, subscription INTEGER NOT NULL, resource TEXT NOT NULL,
    created_us INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_us INTEGER NOT NULL, last_status INTEGER, last_error TEXT, delivered_us INTEGER
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (bucket, subscription, next_attempt_us)
    WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_of ON deliveries (bucket, name);
"""


class Database:
    """Every read and write of the state, under one lock.

    Hold `lock` around a transaction and the file operation that belongs to it: then nobody sees the one
    without the other.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing in this mode; only a power cut may lose the last commits.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run a block as one transaction: all of it, or, when it raises, nothing.

        A block within a block joins it.
        """
        with self.lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Run one statement and return all its rows."""
        with self.lock:
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Run one statement and return its first row."""
        return next(iter(self.rows(sql, parameters)), None)

    def next_generation(self) -> int:
        """Return the time in microseconds, or more: always more than ever before, across restarts."""
        found = self.row("SELECT value FROM last_generation")
        last = found["value"] if found else 0
        generation: int = max(last + 1, now_us())
        self.rows("UPDATE last_generation SET value = ?", (generation,))
        return generation

    def close(self) -> None:
        """Close the connection; SQLite folds its log into the state file."""
        with self.lock:
            self._connection.close()


def now_us() -> int:
    """The time in microseconds since the epoch."""
    return time.time_ns() // 1000
