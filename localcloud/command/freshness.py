"""Whether a dataset keeps its contract's promise of freshness, by the rule of the alerts. Pure.

A dataset is late while something waits for longer than the promise: a file in landing, since it landed, or an
open batch, since it was claimed. Where nothing waits it is fresh, however long ago its last file came.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from localcloud.command.journal import OpenBatch
from localcloud.command.landing import Landed

FRESH, LATE, EMPTY, UNREADABLE = "fresh", "late", "empty", "unreadable"


@dataclass(frozen=True)
class Freshness:
    """`state` is fresh, late, empty (nothing has ever come) or unreadable (its journal is).

    `waiting_seconds` is the age of the oldest that waits, None where nothing does; `trusted_at` when a batch
    was last brought into trusted.
    """

    state: str
    promise_seconds: int
    waiting_seconds: int | None
    trusted_at: datetime | None


def judge_freshness(
    pending: Iterable[Landed],
    batches: Iterable[OpenBatch] | None,
    promise_seconds: int,
    trusted_at: datetime | None,
    now: datetime,
) -> Freshness:
    """The freshness of a dataset by what waits; `batches` is None where its journal cannot be read."""
    since = [file.created_at for file in pending if file.created_at]
    since += [batch.claimed_at for batch in batches or ()]
    # Clocks differ: what landed this moment is 0 seconds old.
    ages = [max(0, int((now - moment).total_seconds())) for moment in since]
    oldest = max(ages, default=None)
    if batches is None:
        state = UNREADABLE
    elif oldest is not None and oldest > promise_seconds:
        state = LATE
    else:
        state = EMPTY if oldest is None and trusted_at is None else FRESH
    return Freshness(state, promise_seconds, oldest, trusted_at)
