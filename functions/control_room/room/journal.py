"""The journal of a dataset: its open batches, as the lake bucket holds them. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: Where the journals lie; what follows is `<dataset>/open.json`.
JOURNALS = "journal/"


@dataclass(frozen=True)
class Landed:
    """A file as it landed: one generation of one object; size in bytes, crc32c and md5 in base64."""

    uri: str
    generation: int
    created_at: datetime
    size: int | None = None
    crc32c: str | None = None
    md5: str | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.uri, self.generation

    @property
    def name(self) -> str:
        """The object's name, without its bucket."""
        return self.uri.split("/", 3)[3]


@dataclass(frozen=True)
class OpenBatch:
    """An open batch of a dataset, in work or, since it failed, waiting until `retry_at`.

    `failures` counts the runs that failed because of it; one that failed for another reason is in work again
    from `rests_until` on. `replay` is what it reads again, None for files that came through landing; `claim`
    is the batch that first claimed its files.
    """

    dataset: str
    batch_id: str
    claim: str
    run_id: str
    contract_version: str
    claimed_at: datetime
    replay: str | None
    failures: int
    retry_at: datetime | None
    rests_until: datetime | None
    files: tuple[Landed, ...]

    def state(self, now: datetime) -> str:
        """Whether it is waiting, running, or failed and not taken up again yet."""
        if self.retry_at:
            return "waiting"
        return "failed" if self.rests_until and now < self.rests_until else "running"


def parse_journal(text: bytes) -> tuple[OpenBatch, ...]:
    """The open batches, in the order in which runs look at them; ValueError for what is no journal."""
    try:
        journal = json.loads(text)
        not_before = _moment(journal["not_before"])
        return tuple(_open_batch(document, not_before) for document in journal["batches"])
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a journal, found one that cannot be read: {error!r}") from error


def _open_batch(document: dict[str, Any], not_before: datetime | None) -> OpenBatch:
    return OpenBatch(
        dataset=document["dataset"],
        batch_id=document["batch_id"],
        claim=document["claim"],
        run_id=document["run_id"],
        contract_version=document["contract_version"],
        claimed_at=datetime.fromisoformat(document["claimed_at"]),
        replay=document["replay"],
        failures=int(document["failures"]),
        retry_at=_moment(document["retry_at"]),
        rests_until=not_before if document["failed_run"] else None,
        files=tuple(_landed(file) for file in document["files"]),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _landed(document: dict[str, Any]) -> Landed:
    return Landed(
        document["uri"],
        int(document["generation"]),
        datetime.fromisoformat(document["created_at"]),
        document["size"],
        document["crc32c"],
        document["md5"],
    )
