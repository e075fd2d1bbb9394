"""What the sweep says of a dataset: its counts, and a line for whatever is older than it may be. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from landfall_dags.identity import SourceFile
from landfall_dags.journal import Journal

MOST_LINES = 20  # a dataset and sweep
PENDING, OPEN, WAITING = "pending", "open", "waiting"


@dataclass(frozen=True)
class Found:
    """What a dataset has in landing and in its journal; `journal` is None when it cannot be understood."""

    dataset: str
    pending: tuple[SourceFile, ...]
    journal: Journal | None

    @property
    def counts(self) -> dict[str, int]:
        """How many files are pending, and how many batches are in work (`open`) or wait for another try."""
        batches = self.journal.batches if self.journal else ()
        waiting = sum(batch.retry_at is not None for batch in batches)
        return {PENDING: len(self.pending), OPEN: len(batches) - waiting, WAITING: waiting}


@dataclass(frozen=True)
class Stuck:
    """A pending file (`uri`) or an open batch (`batch_id`), whichever is not None, that is too old."""

    state: str
    uri: str | None
    batch_id: str | None
    age_seconds: int


def is_stuck(found: Found, freshness_seconds: int, now: datetime) -> list[Stuck]:
    """The files that are pending, and the batches that were claimed, for longer than that; oldest first."""
    batches = found.journal.batches if found.journal else ()
    all_of_them = [
        *(Stuck(PENDING, file.uri, None, _age(file.created_at, now)) for file in found.pending),
        *(
            Stuck(
                WAITING if batch.retry_at else OPEN, None, batch.batch_id, _age(batch.entry.claimed_at, now)
            )
            for batch in batches
        ),
    ]
    too_old = (one for one in all_of_them if one.age_seconds > freshness_seconds)
    return sorted(too_old, key=lambda one: -one.age_seconds)


def stuck_lines(found: Found, freshness_seconds: int, now: datetime) -> list[str]:
    """`landfall.stuck` and a JSON object for each of the oldest, and one with the count where more are."""
    stuck = is_stuck(found, freshness_seconds, now)
    lines: list[dict[str, Any]] = [
        {
            "dataset": found.dataset,
            **({"uri": one.uri} if one.uri is not None else {"batch_id": one.batch_id}),
            "age_seconds": one.age_seconds,
            "freshness_seconds": freshness_seconds,
            "state": one.state,
        }
        for one in stuck[:MOST_LINES]
    ]
    if len(stuck) > MOST_LINES:
        lines.append({"dataset": found.dataset, "count": len(stuck), "freshness_seconds": freshness_seconds})
    return [f"landfall.stuck {json.dumps(line)}" for line in lines]


def sweep_line(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """`landfall.sweep` and a JSON object of counts by dataset: a sweep that ends says this once."""
    return f"landfall.sweep {json.dumps({'datasets': counts})}"


def _age(moment: str, now: datetime) -> int:
    return int((now - datetime.fromisoformat(moment)).total_seconds())
