"""What is told of batches: what the ledger has, and of open ones what the journal has. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from room.journal import OpenBatch

BATCH_ID = re.compile(r"[0-9a-f]{32}")
#: The states of batches, those of the journal first.
STATES = ("running", "waiting", "succeeded", "rejected", "divided", "failed")
_OPEN = ("running", "waiting")
_JOB_LINKS = {
    "csv_to_parquet": "dataproc_job",
    "load_raw": "bigquery_job",
    "load_rejected": "bigquery_job",
    "call_trusted": "bigquery_job",
}


def open_row(batch: OpenBatch, now: datetime) -> dict[str, Any]:
    """An open batch as a row of the list: what the ledger will only know once it ends."""
    return {
        "dataset": batch.dataset,
        "batch_id": batch.batch_id,
        "state": batch.state(now),
        "replay": batch.replay,
        "files": len(batch.files),
        "rows_read": None,
        "rows_accepted": None,
        "rows_rejected": None,
        "estimated_cost_usd": None,
        "claimed_at": batch.claimed_at,
        "recorded_at": None,
    }


def open_batch(batch: OpenBatch, now: datetime) -> dict[str, Any]:
    """An open batch of which the ledger has nothing yet, as a row of the ledger."""
    return open_row(batch, now) | {
        "detail": None,
        "run_id": batch.run_id,
        "contract_version": batch.contract_version,
        "files_rejected": None,
        "files_superseded": None,
        "bytes": sum(file.size or 0 for file in batch.files),
        "rows_merged": None,
        "cluster_name": None,
        "vcpu_seconds": None,
        "steps": [],
        "quality": [],
        "new_columns": [],
    }


def still_open(batch: OpenBatch | None, row: Mapping[str, Any] | None) -> OpenBatch | None:
    """The open batch, unless the ledger, which was asked later, knows that it has ended."""
    return None if row and row["state"] != "failed" else batch


def open_files(batch: OpenBatch, now: datetime) -> list[dict[str, Any]]:
    """The files of an open batch, as rows of the ledger."""
    nothing = dict.fromkeys(("reason", "detail", "rows_read", "rows_accepted", "rows_rejected"))
    return [
        {
            "source_uri": file.uri,
            "source_generation": file.generation,
            "size": file.size,
            "state": batch.state(now),
            "source_created_at": file.created_at,
            **nothing,
        }
        for file in batch.files
    ]


def first_landed(files: Iterable[Mapping[str, Any]]) -> datetime | None:
    """When the first of these files landed, None where nobody knows of any."""
    return min((file["source_created_at"] for file in files if file["source_created_at"]), default=None)


def merge_open(
    rows: list[dict[str, Any]],
    opened: list[OpenBatch],
    dataset: str,
    state: str,
    page: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """A page of the ledger's batches, with the open ones that it filters for before those of the first page.

    An open batch that failed before is in the ledger too: it is shown once, as what it is now.
    """
    known = {batch.batch_id for batch in opened if batch.state(now) != "failed"}
    ended = [row for row in rows if row["batch_id"] not in known or row["state"] != "failed"]
    done = {row["batch_id"] for row in ended}
    wanted = [
        batch
        for batch in opened
        if batch.batch_id not in done
        and dataset in ("", batch.dataset)
        and state in ("", batch.state(now))
        and page == 1
    ]
    wanted.sort(key=lambda batch: batch.claimed_at, reverse=True)
    return [open_row(batch, now) for batch in wanted] + ended


def is_open_state(state: str) -> bool:
    """Whether only the journal knows batches of this state."""
    return state in _OPEN


def link_kind(task: str) -> str | None:
    """The kind of link to what a step started."""
    return _JOB_LINKS.get(task)


def split_ids(text: str) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it is the id of a batch."""
    pieces, end = [], 0
    for match in re.finditer(rf"(?<![0-9a-zA-Z]){BATCH_ID.pattern}(?![0-9a-zA-Z])", text):
        pieces += [(text[end : match.start()], False), (match[0], True)]
        end = match.end()
    return [piece for piece in [*pieces, (text[end:], False)] if piece[0]]


def tell_replay(replay: str | None) -> Mapping[str, str] | None:
    """What a batch read again: `batch`, or `uri` and `generation` of a file."""
    if not replay:
        return None
    uri, sign, generation = replay.rpartition("#")
    if sign and uri.startswith("gs://") and generation.isdecimal():
        return {"uri": uri, "generation": generation}
    return {"batch": replay} if BATCH_ID.fullmatch(replay) else {"text": replay}
