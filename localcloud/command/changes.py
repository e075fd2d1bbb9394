"""What `landfall tail` tells: how two looks at what is open differ. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.command import way
from localcloud.command.datasets import Dataset, why_ignored
from localcloud.command.freshness import LATE, UNREADABLE, judge_freshness
from localcloud.command.journal import OpenBatch
from localcloud.command.landing import Landed
from localcloud.command.query import to_json
from localcloud.command.way import Way
from localcloud.command.world import World

# Of a file; of a batch; of a dataset.
LANDED, IGNORED, RECORDED, DELETED = "landed", "ignored", "recorded", "deleted"
CLAIMED, STEP, FAILED, DIVIDED, GIVEN_UP = "claimed", "step", "failed", "divided", "given up"
IN_TIME = "in time"
_FACTS = ("state", "reason", "detail", "rows_read", "rows_accepted", "rows_rejected")


@dataclass(frozen=True)
class Change:
    """One thing that happened, when, and to what; `facts` are those of `tail --json` that apply."""

    at: datetime
    change: str
    dataset: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The change as a line of JSON has it."""
        return {
            "at": to_json(self.at),
            "change": self.change,
            "dataset": self.dataset,
            **to_json(dict(self.facts)),
        }


def find_landed(
    before: Iterable[tuple[str, int]], world: World, datasets: Mapping[str, Dataset]
) -> list[Change]:
    """The files that came; one that was claimed at once is only in its batch."""
    known, changes = set(before), []
    claimed = [file for batch in world.all_batches if batch.replay is None for file in batch.landed]
    for file in {one.key: one for one in [*claimed, *world.landed]}.values():
        if file.key not in known and file.created_at is not None:
            why, dataset = why_ignored(file.name, datasets), file.name.partition("/")[0]
            facts = {"uri": file.uri, "generation": file.generation, "bytes": file.size}
            facts |= {"detail": why} if why else {}
            known_dataset = dataset if dataset in datasets else None
            changes.append(Change(file.created_at, IGNORED if why else LANDED, known_dataset, facts))
    return changes


def find_claims(before: Mapping[str, OpenBatch], world: World) -> list[Change]:
    """The batches that were opened; the parts of one that was divided were claimed with it, long ago."""
    claims = {(batch.dataset, batch.claimed_at) for batch in before.values() if batch.replay is None}
    return [
        Change(
            batch.claimed_at,
            CLAIMED,
            batch.dataset,
            {
                "batch_id": batch.batch_id,
                "files": len(batch.files),
                "run_id": batch.run_id,
                "replay": batch.replay,
            },
        )
        for batch in world.all_batches
        if batch.batch_id not in before and (batch.replay or (batch.dataset, batch.claimed_at) not in claims)
    ]


def find_failed(before: Mapping[str, OpenBatch], world: World) -> list[OpenBatch]:
    """The open batches with which a run has failed since."""
    return [
        batch
        for batch in world.all_batches
        if batch.failed_run is not None
        and (known := before.get(batch.batch_id)) is not None
        and known.failed_run != batch.failed_run
    ]


def tell_failure(batch: OpenBatch, row: Mapping[str, Any] | None, now: datetime) -> Change:
    """A run that failed with the batch; `row` is what the ledger says of it, if it says so yet."""
    facts = {
        "batch_id": batch.batch_id,
        "run_id": batch.failed_run,
        "failures": batch.failures,
        "retry_at": batch.retry_at,
        "detail": row["detail"] if row else None,
    }
    return Change(row["recorded_at"] if row else now, FAILED, batch.dataset, facts)


def tell_steps(one: Way, batch_id: str, told: set[str]) -> list[Change]:
    """The steps of a batch that were not told yet; they are added to `told`."""
    changes = []
    for step in way.TASKS:
        if step in one.reached and step not in told:
            told.add(step)
            moment, remark = one.reached[step]
            facts = {"batch_id": batch_id, "step": step, "remark": remark}
            changes.append(Change(moment, STEP, one.dataset, facts))
    return changes


def tell_end(batch: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> list[Change]:
    """What became of a batch that is closed: a line for each of its files, or one where it has read none."""
    ends = {"divided": DIVIDED, "failed": GIVEN_UP}
    if batch["state"] in ends:
        facts = {"batch_id": batch["batch_id"], "replay": batch["replay"], "detail": batch["detail"]}
        return [Change(batch["recorded_at"], ends[batch["state"]], batch["dataset"], facts)]
    return [
        Change(
            file["recorded_at"],
            RECORDED,
            file["dataset"],
            {
                "batch_id": file["batch_id"],
                "uri": file["source_uri"],
                "generation": file["source_generation"],
                **{name: file[name] for name in _FACTS},
            },
        )
        for file in files
    ]


def tell_deleted(file: Landed, dataset: str | None, now: datetime) -> Change:
    """A file that left landing, and that no run has claimed."""
    return Change(now, DELETED, dataset, {"uri": file.uri, "generation": file.generation})


def find_troubled(
    before: Mapping[str, str], world: World, datasets: Mapping[str, Dataset], now: datetime
) -> tuple[list[Change], dict[str, str]]:
    """The datasets that became late or unreadable, or are in time again; and those that are not, now."""
    changes, troubled = [], {}
    for name, batches in world.batches.items():
        pending = world.pending(name, datasets)
        fresh = judge_freshness(pending, batches, datasets[name].freshness_seconds, None, now)
        if fresh.state in (LATE, UNREADABLE):
            troubled[name] = fresh.state
        if troubled.get(name) != before.get(name):
            facts = {"waiting_seconds": fresh.waiting_seconds, "promise_seconds": fresh.promise_seconds}
            changes.append(Change(now, troubled.get(name, IN_TIME), name, facts))
    return changes, troubled
