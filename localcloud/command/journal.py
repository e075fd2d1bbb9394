"""The journal of open batches, as the lake bucket holds it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.airflow.api import parse_time
from localcloud.command.landing import Landed
from localcloud.launcher.errors import CommandError

if TYPE_CHECKING:
    from google.cloud import storage  # type: ignore[attr-defined]


class UnreadableJournalError(CommandError):
    """A journal that is not one: its dataset stands still until someone looks into it."""


@dataclass(frozen=True)
class OpenBatch:
    """An open batch of a dataset; `files` are (uri, generation), `replay` is what it reads again.

    `failures` counts the runs that it made fail; `retry_at` is when it is tried again, None while in work;
    `failed_run` is the last run that failed with it, for whatever reason. `landed` are its files as they
    came.
    """

    dataset: str
    batch_id: str
    run_id: str
    claimed_at: datetime
    files: frozenset[tuple[str, int]]
    replay: str | None = None
    failures: int = 0
    retry_at: datetime | None = None
    failed_run: str | None = None
    landed: tuple[Landed, ...] = ()


def read_open_batches(lake: "storage.Bucket", dataset: str) -> tuple[OpenBatch, ...]:
    """The open batches of a dataset, in the order in which its runs look at them."""
    from google.api_core.exceptions import NotFound

    blob = lake.blob(f"journal/{dataset}/open.json")
    try:
        text = blob.download_as_bytes(timeout=10)
    except NotFound:
        return ()
    try:
        return tuple(parse_open_batch(batch) for batch in json.loads(text)["batches"])
    except (ValueError, LookupError, TypeError) as error:
        raise UnreadableJournalError(
            f"gs://{lake.name}/{blob.name}: expected a journal, found one that cannot be read ({error!r}). "
            "The runs of its dataset stand still: docs/runbook.md, What holds a dataset, says how to put its "
            "batches aside."
        ) from error


def parse_open_batch(document: dict[str, Any]) -> OpenBatch:
    claimed_at = parse_time(document["claimed_at"])
    assert claimed_at is not None  # noqa: S101 the journal always has it
    landed = tuple(_parse_file(file) for file in document["files"])
    return OpenBatch(
        document["dataset"],
        document["batch_id"],
        document["run_id"],
        claimed_at,
        frozenset(file.key for file in landed),
        document["replay"],
        document["failures"],
        parse_time(document["retry_at"]),
        document["failed_run"],
        landed,
    )


def _parse_file(document: dict[str, Any]) -> Landed:
    return Landed(
        document["uri"],
        int(document["generation"]),
        parse_time(document.get("created_at")),
        document.get("size"),
        document.get("crc32c"),
        document.get("md5"),
    )
