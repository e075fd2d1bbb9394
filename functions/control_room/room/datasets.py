"""What the first page says of each dataset, and in which order. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from room.freshness import LATE, UNKNOWN, UNREADABLE, Freshness, judge_freshness
from room.journal import Landed, OpenBatch
from room.pending import Progress, Waiting

_BAD_ENDS = ("failed", "rejected")
_UNREAD_FILES = "files_rejected"


@dataclass(frozen=True)
class Standing:
    """How a dataset stands.

    Attributes:
        pending: how many files a next batch would claim, at least, where `has_more` says so.
        running: the batch in work, and how far it has come.
        waiting: open batches that failed and are tried again.
        last: the batch that was recorded last, as the ledger has it; None where there never was one.
        today: files, rows accepted and rows rejected of the batches that ended today.
    """

    name: str
    contract: Mapping[str, Any]
    freshness: Freshness
    pending: int
    has_more: bool
    oldest: datetime | None
    running: OpenBatch | None
    progress: Progress | None
    waiting: Sequence[OpenBatch]
    last: Mapping[str, Any] | None
    today: Mapping[str, int]

    @property
    def trouble(self) -> str | None:
        """What someone should look at first, None where nothing is wrong."""
        if self.freshness.state in (LATE, UNREADABLE):
            return self.freshness.state
        if self.waiting:
            return "waiting"
        if self.last and self.last["state"] in _BAD_ENDS:
            return str(self.last["state"])
        return _UNREAD_FILES if self.last and self.last["files_rejected"] else None

    @property
    def retry_at(self) -> datetime | None:
        return min((batch.retry_at for batch in self.waiting if batch.retry_at), default=None)


_GRAVEST = (UNREADABLE, LATE, "waiting", *_BAD_ENDS, _UNREAD_FILES, None)


def describe_datasets(
    contracts: Mapping[str, Mapping[str, Any]],
    waiting: Waiting,
    last: Iterable[Mapping[str, Any]],
    now: datetime,
) -> list[Standing]:
    """Every dataset of the catalogue, those in trouble first."""
    ends = {row["dataset"]: row for row in last}
    found = [_describe(name, contract, waiting, ends.get(name), now) for name, contract in contracts.items()]
    return sorted(found, key=lambda one: (_GRAVEST.index(one.trouble), one.name))


def _describe(
    name: str, contract: Mapping[str, Any], waiting: Waiting, last: Mapping[str, Any] | None, now: datetime
) -> Standing:
    pending = waiting.pending_of(name)
    # A dataset without a journal has never had a batch.
    batches = waiting.batches.get(name, ())
    in_work = next((batch for batch in batches or () if batch.retry_at is None), None)
    running = in_work if in_work and in_work.state(now) == "running" else None
    return Standing(
        name,
        contract,
        _judge(contract, waiting, pending, batches, last, now),
        len(pending),
        name in waiting.more,
        min((file.created_at for file in pending), default=None),
        running,
        waiting.progress.get(running.batch_id) if running else None,
        [batch for batch in batches or () if batch.retry_at],
        last,
        _today(last),
    )


def _judge(
    contract: Mapping[str, Any],
    waiting: Waiting,
    pending: list[Landed],
    batches: tuple[OpenBatch, ...] | None,
    last: Mapping[str, Any] | None,
    now: datetime,
) -> Freshness:
    promise, trusted_at = contract["freshness_seconds"], last["trusted_at"] if last else None
    if waiting.is_away:
        return Freshness(UNKNOWN, promise, None, trusted_at)
    return judge_freshness(pending, batches, promise, trusted_at, now)


def _today(last: Mapping[str, Any] | None) -> dict[str, int]:
    # The emulator's sums of INT64 are decimals.
    return {name: int(last[f"{name}_today"]) if last else 0 for name in ("files", "accepted", "rejected")}


def count_today(standings: Iterable[Standing]) -> dict[str, int]:
    """What today brought to all datasets, and what is pending."""
    standings = list(standings)
    totals = {name: sum(one.today[name] for one in standings) for name in ("files", "accepted", "rejected")}
    return totals | {"pending": sum(one.pending for one in standings)}
