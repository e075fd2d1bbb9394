"""What the sweep says of a dataset: what waits, and a line for whatever is older than it may be. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from landfall_dags.identity import SourceFile
from landfall_dags.journal import Journal

MOST_LINES = 20  # a dataset and sweep
PENDING, OPEN, WAITING, UNREADABLE, ALL = "pending", "open", "waiting", "unreadable", "all"


@dataclass(frozen=True)
class Found:
    """What a dataset has in landing and in its journal; `journal` is None when it cannot be understood."""

    dataset: str
    pending: tuple[SourceFile, ...]
    journal: Journal | None
    journal_uri: str

    @property
    def counts(self) -> dict[str, int]:
        """How many files are pending, and how many batches are in work (`open`) or wait for another try."""
        batches = self.journal.batches if self.journal else ()
        waiting = sum(batch.retry_at is not None for batch in batches)
        return {PENDING: len(self.pending), OPEN: len(batches) - waiting, WAITING: waiting}


@dataclass(frozen=True)
class Stuck:
    """A pending file (`uri`) or an open batch (`batch_id`), whichever is not None, and how old it is.

    Or a journal (`uri`) that cannot be understood: it stops its dataset, however old what it holds.
    """

    state: str
    uri: str | None
    batch_id: str | None
    age_seconds: int


def is_stuck(found: Found, freshness_seconds: int, now: datetime) -> list[Stuck]:
    """The files that are pending, and the batches that were claimed, for longer than that; oldest first."""
    unreadable = [] if found.journal else [Stuck(UNREADABLE, found.journal_uri, None, 0)]
    too_old = (one for one in _waiting(found, now) if one.age_seconds > freshness_seconds)
    return unreadable + sorted(too_old, key=lambda one: -one.age_seconds)


def stuck_lines(found: Found, freshness_seconds: int, now: datetime) -> list[str]:
    """`landfall.stuck` and a JSON object for each of the oldest, and one with the count where more are."""
    stuck = is_stuck(found, freshness_seconds, now)
    lines: list[dict[str, Any]] = [
        {
            "dataset": found.dataset,
            "state": one.state,
            "age_seconds": one.age_seconds,
            "freshness_seconds": freshness_seconds,
            # Last, for a sender chose the name: nothing of it stands before what is found by pattern.
            **({"uri": one.uri} if one.uri is not None else {"batch_id": one.batch_id}),
        }
        for one in stuck[:MOST_LINES]
    ]
    if len(stuck) > MOST_LINES:
        lines.append({"dataset": found.dataset, "state": ALL, "count": len(stuck)})
    return [f"landfall.stuck {json.dumps(line)}" for line in lines]


def dataset_line(found: Found, freshness_seconds: int, asked: bool, now: datetime) -> str:
    """`landfall.dataset` and a JSON object: what waits, and how old the oldest of it is (0: nothing waits).

    `freshness_used` is that age as a part of the freshness, with at most four decimals.
    """
    age = max((one.age_seconds for one in _waiting(found, now)), default=0)
    line = {
        "dataset": found.dataset,
        **found.counts,
        "stuck": len(is_stuck(found, freshness_seconds, now)),
        "asked": asked,
        "age_seconds": age,
        "freshness_seconds": freshness_seconds,
        "freshness_used": round(age / freshness_seconds, 4),
    }
    return f"landfall.dataset {json.dumps(line)}"


def sweep_line(datasets: int, asked: int) -> str:
    """`landfall.sweep` and a JSON object: a sweep that ends says this once."""
    return f"landfall.sweep {json.dumps({'datasets': datasets, 'asked': asked})}"


def _waiting(found: Found, now: datetime) -> list[Stuck]:
    batches = found.journal.batches if found.journal else ()
    return [
        *(Stuck(PENDING, file.uri, None, _age(file.created_at, now)) for file in found.pending),
        *(
            Stuck(
                WAITING if batch.retry_at else OPEN, None, batch.batch_id, _age(batch.entry.claimed_at, now)
            )
            for batch in batches
        ),
    ]


def _age(moment: str, now: datetime) -> int:
    # Clocks differ: what landed this moment is 0 seconds old.
    return max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
