"""The ledger in memory, with the rules of its MERGEs."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from landfall_dags.identity import SourceFile
from landfall_dags.journal import Entry, Manifest
from landfall_dags.ledger import FAILED, SUCCEEDED, Known
from landfall_dags.replay import Replay
from landfall_dags.warehouse import Warehouse


@dataclass
class MemoryLedger:
    """A Warehouse; rows by what their MERGE finds them by."""

    batches: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    files: dict[tuple[str, str, str, str, int], dict[str, Any]] = field(default_factory=dict)

    _lock: threading.Lock = field(default_factory=threading.Lock)

    def as_warehouse(self) -> Warehouse:
        return cast(Warehouse, self)

    def merge_batch(self, row: dict[str, Any]) -> None:
        key = (row["claimed_at"], row["dataset"], row["batch_id"])
        with self._lock:
            ended = key in self.batches and self.batches[key]["state"] != FAILED
            if not (ended and row["state"] == FAILED):
                self.batches[key] = row

    def merge_files(self, rows: Sequence[dict[str, Any]]) -> None:
        names = ("claimed_at", "dataset", "batch_id", "source_uri", "source_generation")
        for row in rows:
            self.files[cast(Any, tuple(row[name] for name in names))] = row

    def find_batch(self, entry: Entry) -> Known | None:
        row = self.batches.get((entry.claimed_at, entry.dataset, entry.batch_id))
        return None if row is None else Known(row["state"], row["detail"])

    def archived_files(self, dataset: str, replay: Replay) -> list[SourceFile]:
        """In no order, as a query gives them."""
        return sorted(
            {
                SourceFile(
                    row["source_uri"],
                    row["source_generation"],
                    row["size"],
                    row["crc32c"],
                    row["md5"],
                    row["source_created_at"],
                )
                for row in self.files.values()
                if row["dataset"] == dataset
                and row.get("archive_uri") is not None
                and (
                    row["batch_id"] == replay.batch_id
                    or (row["source_uri"], row["source_generation"]) == (replay.uri, replay.generation)
                )
            },
            key=lambda file: file.crc32c,
        )

    def end(self, manifest: Manifest) -> None:
        """Have a batch succeed, all of its files loaded."""
        head = {name: getattr(manifest.entry, name) for name in ("claimed_at", "dataset", "batch_id")}
        self.merge_files(
            [
                head
                | {
                    "source_uri": file.source.uri,
                    "source_generation": file.source.generation,
                    "size": file.source.size,
                    "crc32c": file.source.crc32c,
                    "md5": file.source.md5,
                    "source_created_at": file.source.created_at,
                    "archive_uri": file.archive_uri,
                    "state": "loaded",
                }
                for file in manifest.files
            ]
        )
        self.merge_batch(head | {"state": SUCCEEDED, "detail": None})

    def states(self) -> list[str]:
        """The states of all batches, in the order in which they were first written."""
        return [row["state"] for row in self.batches.values()]
