"""The journal of open batches, as the lake bucket holds it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.airflow.api import parse_time

if TYPE_CHECKING:
    from google.cloud import storage  # type: ignore[attr-defined]


@dataclass(frozen=True)
class OpenBatch:
    """An open batch of a dataset; `files` are (uri, generation), `replay` is what it reads again.

    `failures` counts the runs that failed with it; `retry_at` is when it is tried again, None while in work.
    """

    dataset: str
    batch_id: str
    run_id: str
    claimed_at: datetime
    files: frozenset[tuple[str, int]]
    replay: str | None = None
    failures: int = 0
    retry_at: datetime | None = None


def read_open_batches(lake: "storage.Bucket", dataset: str) -> tuple[OpenBatch, ...]:
    """The open batches of a dataset, in the order in which its runs look at them."""
    from google.api_core.exceptions import NotFound

    blob = lake.blob(f"journal/{dataset}/open.json")
    try:
        document = json.loads(blob.download_as_bytes(timeout=10))
    except NotFound:
        return ()
    return tuple(parse_open_batch(batch) for batch in document["batches"])


def parse_open_batch(document: dict[str, Any]) -> OpenBatch:
    claimed_at = parse_time(document["claimed_at"])
    assert claimed_at is not None  # noqa: S101 the journal always has it
    return OpenBatch(
        document["dataset"],
        document["batch_id"],
        document["run_id"],
        claimed_at,
        frozenset((file["uri"], int(file["generation"])) for file in document["files"]),
        document["replay"],
        document["failures"],
        parse_time(document["retry_at"]),
    )
