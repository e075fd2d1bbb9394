"""Make a batch of files as the claim leaves it, run the job on it, and read what it wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from landfall_spark import job
from landfall_spark.token_key import TokenKey

ARCHIVE, LAKE = "test-archive", "test-lake"
# The version of a secret that every batch names, and what it holds.
TOKEN_KEY_NAME, TOKEN_KEY = "projects/test/secrets/token-key/versions/1", bytes(range(32))
LINEAGE = [
    "_batch_id",
    "_source_uri",
    "_source_generation",
    "_source_row",
    "_source_created_at",
    "_ingested_at",
]
CLAIMED_AT, CREATED_AT = "2026-11-21T01:26:02.123456Z", "2026-11-21T01:26:00.654321Z"
FIRST_GENERATION = 1763688362123456


@dataclass(frozen=True)
class Place:
    """A session, and the folder under which the buckets are folders."""

    session: SparkSession
    root: Path

    def uri(self, bucket: str, name: str) -> str:
        """The URI of an object."""
        return f"file://{self.root}/{bucket}/{name}"

    def path(self, uri: str) -> Path:
        """The local path of a URI."""
        return Path(uri.removeprefix("file://"))


@dataclass(frozen=True)
class Outcome:
    """What a run left in its output folder."""

    folder: Path
    metrics: dict[str, Any]

    def accepted(self) -> list[dict[str, Any]]:
        """The accepted rows by file and row number; no rows where no Parquet was written."""
        return _read(self.folder / "accepted", ("_source_uri", "_source_row"))

    def rejected(self) -> list[dict[str, Any]]:
        """The rejected rows by file and row number."""
        return _read(self.folder / "rejected", ("source_uri", "source_row"))


@dataclass(frozen=True)
class Batch:
    """A batch that can be run."""

    place: Place
    manifest: str
    pipeline: str
    output: str

    def run(self) -> Outcome:
        """Run the job as its main does."""
        content = job.run(self.place.session, self.manifest, self.pipeline, self.output, _fetch_key)
        folder = self.place.path(self.output)
        assert json.loads((folder / "metrics.json").read_text()) == content
        return Outcome(folder, content)


def stage(place: Place, pipeline: Mapping[str, Any], files: Mapping[str, bytes], batch: str) -> Batch:
    """Archive the files under their names and write manifest and pipeline beside the output."""
    dataset = pipeline["dataset"]
    batch_id = hashlib.sha256(batch.encode()).hexdigest()[:32]
    lake = place.uri(LAKE, f"{dataset}/{batch_id}")
    entries = []
    for index, (name, content) in enumerate(files.items()):
        uri = place.uri(ARCHIVE, f"{dataset}/{batch_id}/{name}")
        path = place.path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        entries.append(
            {
                "uri": f"gs://landing/{dataset}/{name}",
                "generation": FIRST_GENERATION + index,
                "size": len(content),
                "crc32c": "AAAAAA==",
                "md5": None,
                "created_at": CREATED_AT,
                "archive_uri": uri,
            }
        )
    manifest = {
        "version": 2,
        "dataset": dataset,
        "batch_id": batch_id,
        "run_id": f"{dataset}__2026-11-21T01:26:00Z",
        "contract_version": "1.0.0",
        "claimed_at": CLAIMED_AT,
        "arrived_on": "2026-11-21",
        "files": entries,
        "superseded": [],
        "replay": None,
        "token_key": TOKEN_KEY_NAME,
    }
    folder = place.path(lake)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "pipeline.json").write_text(json.dumps(pipeline))
    return Batch(place, f"{lake}/manifest.json", f"{lake}/pipeline.json", f"{lake}/attempts/job-1")


def plain(value: object) -> object:
    """A value of a Parquet file as JSON would hold it: exact, decimals without trailing zeros."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _fetch_key(resource: str) -> TokenKey:
    assert resource == TOKEN_KEY_NAME
    return TokenKey(resource, TOKEN_KEY)


def _read(folder: Path, order: tuple[str, ...]) -> list[dict[str, Any]]:
    if not folder.exists():
        return []
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.parquet")):
        rows += pq.ParquetFile(path).read().to_pylist()
    return sorted(rows, key=lambda row: [row[name] for name in order])
