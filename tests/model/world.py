"""The shared state of the model: buckets, clusters, jobs and tables. Every operation is atomic.

Files are tiny: a line `key value` for each row, and `poison` for a row that no Spark job survives.
"""

import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from landfall_dags.identity import split_uri
from landfall_dags.journal import Entry, Manifest, parse_manifest
from landfall_dags.ledger import Known
from tests.composer_dags.memory_store import MemoryStore, _Object

LANDING, ARCHIVE, REJECTED, LAKE = "landing", "archive", "rejected", "lake"
POISON = "poison"


class CallRefusedError(Exception):
    """A guard of the procedure found the batch in raw to be otherwise than it was told."""


@dataclass
class World(MemoryStore):
    """Cloud Storage, and beside it as much of Dataproc and BigQuery as a batch passes through.

    `sent` is what senders ever put into landing, by identity; `withdrawn` what they took back themselves,
    by overwriting or deleting it.
    """

    sent: dict[str, bytes] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    loads: dict[str, str] = field(default_factory=dict)
    raw: list[tuple[str, str, str, str]] = field(default_factory=list)
    trusted: dict[str, tuple[int, str]] = field(default_factory=dict)
    batches: dict[str, str] = field(default_factory=dict)
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)

    def fingerprint(self) -> object:
        objects = ((uri, stored.generation, stored.data) for uri, stored in self.objects.items())
        return hash(
            (
                frozenset(objects),
                frozenset(self.loads.items()),
                tuple(sorted(self.raw)),
                frozenset(self.trusted.items()),
                frozenset(self.batches.items()),
                frozenset(self.files.items()),
            )
        )

    def put(self, uri: str, data: bytes) -> int:
        """Generations grow in landing as senders write, elsewhere name by name: fewer states, same order."""
        if split_uri(uri)[0] == LANDING:
            return super().put(uri, data)
        generation = self.written.get(uri, 0) + 1
        self.written[uri] = generation
        self.objects[uri] = _Object(data, generation)
        return generation

    def copy_of(self) -> "World":
        """This state once more, to be gone on with apart."""
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | set | list):
                setattr(other, name, value.copy())
        # Objects are changed in one place only: their mark, when they are made.
        other._generations = copy(self._generations)
        return other

    def is_settled(self, operation: str, *arguments: Any) -> bool:
        """Objects of a name that is written once never change; a generation that is gone never comes back."""
        match operation, arguments:
            case (("read" | "find"), (uri,)):
                return uri in self.objects and _is_written_once(uri)
            case "create", (uri, _):
                return uri in self.objects and _is_written_once(uri)
            case "copy", (_, _, to_uri, *_):
                return to_uri in self.objects
            case (("replace" | "delete" | "is_live"), (uri, *_, generation)):
                return not self.is_live(uri, generation)
            case (("find_load" | "insert_load"), (job_id, *_)):
                return job_id in self.loads
            case "run_spark", _:
                return True  # it reads what is written once, and nobody else writes where it does
        return False

    # What a sender does.

    def send(self, name: str, text: str) -> None:
        uri = f"gs://{LANDING}/{name}"
        self._withdraw(uri)
        generation = self.put(uri, text.encode())
        self.sent[f"{uri}#{generation}"] = text.encode()

    def take_back(self, name: str) -> None:
        uri = f"gs://{LANDING}/{name}"
        self._withdraw(uri)
        self.objects.pop(uri, None)

    def _withdraw(self, uri: str) -> None:
        if stored := self.objects.get(uri):
            self.withdrawn.add(f"{uri}#{stored.generation}")

    # Dataproc.

    def run_spark(self, folder: str, attempt: str) -> str:
        """Run one attempt of the job to its end: the state of the job."""
        manifest = self._manifest(folder)
        results = []
        for file in manifest.files:
            lines = self.content(file.archive_uri).decode().split("\n")
            if POISON in lines:
                return "ERROR"
            results.append((file.source, len(lines)))
        counted = {"rows_read": 0, "rows_accepted": 0, "rows_rejected": 0}
        files = [
            {
                "uri": source.uri,
                "generation": source.generation,
                "state": "loaded",
                "reason": None,
                "detail": None,
            }
            | {"rows_read": rows, "rows_accepted": rows, "rows_rejected": 0}
            | {"missing_columns": [], "unknown_columns": []}
            for source, rows in results
        ]
        total = sum(rows for _, rows in results)
        output = f"{folder}/attempts/{attempt}"
        document = {
            "version": 2,
            "dataset": manifest.entry.dataset,
            "batch_id": manifest.entry.batch_id,
            **counted,
            "rows_read": total,
            "rows_accepted": total,
            "quality": [],
            "new_columns": [],
            "token_key": None,
            "output": output,
            "files": files,
        }
        self.put(f"{output}/metrics.json", json.dumps(document).encode())
        return "DONE"

    # BigQuery.

    def find_load(self, job_id: str) -> str | None:
        return self.loads.get(job_id)

    def insert_load(self, job_id: str, folder: str) -> bool:
        """Load every row of a batch under an id that must be free; False, and no row, when it is taken."""
        if job_id in self.loads:
            return False
        self.loads[job_id] = "DONE"
        manifest = self._manifest(folder)
        for file in manifest.files:
            for line in self.content(file.archive_uri).decode().split("\n"):
                key, _, value = line.partition(" ")
                self.raw.append((manifest.entry.batch_id, file.source.identity, key, value))
        return True

    def call_trusted(self, batch_id: str, expected_rows: int) -> int:
        """Merge a batch of raw into trusted: the newest source of a key wins."""
        rows = [row for row in self.raw if row[0] == batch_id]
        if len(rows) != expected_rows:
            raise CallRefusedError(f"{batch_id}: expected {expected_rows} rows, found {len(rows)}")
        for _, identity, key, value in rows:
            generation = int(identity.rpartition("#")[2])
            if key not in self.trusted or self.trusted[key][0] < generation:
                self.trusted[key] = (generation, value)
        return len(rows)

    # The ledger, as record.py writes it.

    def find_batch(self, entry: Entry) -> Known | None:
        state = self.batches.get(entry.batch_id)
        return None if state is None else Known(state, "the last failure")

    def merge_files(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            identity = f"{row['source_uri']}#{row['source_generation']}"
            self.files[row["batch_id"], identity] = row["state"]

    def merge_batch(self, row: dict[str, Any]) -> None:
        known = self.batches.get(row["batch_id"], "failed")
        if known == "failed" or row["state"] != "failed":
            self.batches[row["batch_id"]] = row["state"]

    def _manifest(self, folder: str) -> Manifest:
        where = f"{folder}/manifest.json"
        return parse_manifest(self.content(where).decode(), where)


def _is_written_once(uri: str) -> bool:
    bucket, name = split_uri(uri)
    return bucket in (ARCHIVE, REJECTED) or (bucket == LAKE and not name.startswith("journal/"))
