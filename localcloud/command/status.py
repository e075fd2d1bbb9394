"""`landfall status`: what runs, what is pending, and what became of the files."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from localcloud.command import ledger
from localcloud.command.console import make_console
from localcloud.command.datasets import Dataset, why_ignored
from localcloud.command.freshness import judge_freshness
from localcloud.command.journal import OpenBatch
from localcloud.command.landing import Landed
from localcloud.command.output import print_document
from localcloud.command.query import to_json
from localcloud.command.status_view import show
from localcloud.command.world import World, find_airflow, find_step, look_around
from localcloud.deployment.deployment import Deployment

VERSION = 1
PENDING, IGNORED, RUNNING, WAITING, FAILED = "pending", "ignored", "running", "waiting", "failed"
_FILES = 1000
_TODAY = ("batches", "files_rejected", "rows_accepted", "rows_rejected")


def status(deployment: Deployment, as_json: bool) -> int:
    """Show the state; 1 when something is down that should run."""
    look, now = deployment.look(), datetime.now(UTC)
    document: dict[str, Any] = {
        "version": VERSION,
        **look.head,
        "at": now.isoformat(),
        "datasets": [],
        "files": [],
    }
    if not look.blind:
        document |= observe(deployment, now)
    if as_json:
        print_document(document)
    else:
        show(make_console(), look, document, deployment.command)
    return 0 if look.sound else 1


def observe(deployment: Deployment, now: datetime) -> dict[str, Any]:
    """What `status --json` says of datasets and files."""
    datasets, bigquery = deployment.datasets, deployment.bigquery()
    world = look_around(deployment)
    recorded = ledger.list_files(bigquery, _FILES, now)
    last = ledger.list_last_batches(bigquery, now)
    seen = [dataset for dataset in datasets.values() if not deployment.hides(dataset)]
    counts = ledger.count_trusted(bigquery, seen)
    described = describe_batches(deployment, world)
    files = describe_files(world.landed, world.all_batches, recorded, datasets, described)
    return {
        "datasets": [
            describe_dataset(dataset, world, datasets, described, last.get(name), counts.get(name), now)
            for name, dataset in datasets.items()
        ],
        "files": files,
    }


def describe_dataset(
    dataset: Dataset,
    world: World,
    datasets: Collection[str],
    described: Mapping[str, Mapping[str, Any]],
    last: Mapping[str, Any] | None,
    trusted_rows: int | None,
    now: datetime,
) -> dict[str, Any]:
    """One entry for a dataset; `described` are the open batches by id, `last` what the ledger says of it."""
    pending, batches = world.pending(dataset.name, datasets), world.batches[dataset.name]
    opened = [described[batch.batch_id] for batch in batches or ()]
    trusted_at = last["trusted_at"] if last else None
    fresh = judge_freshness(pending, batches, dataset.freshness_seconds, trusted_at, now)
    return {
        "dataset": dataset.name,
        "freshness": to_json(asdict(fresh)),
        "pending": len(pending),
        "running": next((one for one in opened if one["state"] != WAITING), None),
        "waiting": [one for one in opened if one["state"] == WAITING],
        "today": {name: last[f"{name}_today"] if last else 0 for name in _TODAY},
        "last_batch": to_json({name: last[name] for name in ledger.BATCH}) if last else None,
        "trusted_rows": trusted_rows,
    }


def describe_batches(deployment: Deployment, world: World) -> dict[str, dict[str, Any]]:
    """The open batches by their ids: what works on each, and why it failed last."""
    opened, working = world.all_batches, world.working
    known = ledger.find_batches(deployment.bigquery(), [batch.batch_id for batch in opened])
    airflow = find_airflow(deployment) if opened else None
    return {
        batch.batch_id: describe_open(
            batch,
            find_step(airflow, batch) if batch.batch_id in working else None,
            known.get(batch.batch_id),
        )
        for batch in opened
    }


def describe_files(
    landed: Iterable[Landed],
    batches: Iterable[OpenBatch],
    recorded: Iterable[Mapping[str, Any]],
    datasets: Collection[str],
    described: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """One entry for each known file: those under way first, then the ledger's, newest first.

    States: pending, ignored; of an open batch, `described` by its id, running, waiting, failed; of the ledger
    loaded, rejected, superseded.
    """
    recorded = list(recorded)
    claimed = {file: batch for batch in batches for file in batch.files}
    known = {(file["source_uri"], file["source_generation"], file["batch_id"]) for file in recorded}
    entries = [_describe_landed(item, datasets) for item in landed if item.key not in claimed]
    for (uri, generation), batch in sorted(claimed.items()):
        if (uri, generation, batch.batch_id) not in known:
            one = described[batch.batch_id]
            facts = {"dataset": batch.dataset, "batch_id": batch.batch_id, "at": batch.claimed_at}
            entries.append(_entry(uri, generation, state=one["state"], detail=one["detail"], **facts))
    kept = ("dataset", "batch_id", "state", "reason", "detail", "rows_read", "rows_accepted", "rows_rejected")
    for file in recorded:
        facts = {name: file[name] for name in kept}
        entries.append(_entry(file["source_uri"], file["source_generation"], **facts, at=file["recorded_at"]))
    return entries


def _describe_landed(item: Landed, datasets: Collection[str]) -> dict[str, Any]:
    why, dataset = why_ignored(item.name, datasets), item.name.partition("/")[0]
    return _entry(
        item.uri,
        item.generation,
        dataset=dataset if dataset in datasets else None,
        state=IGNORED if why else PENDING,
        reason="outside_grammar" if why else None,
        detail=why,
        at=item.created_at,
    )


def _entry(uri: str, generation: int, **facts: Any) -> dict[str, Any]:
    names = (
        "dataset",
        "batch_id",
        "state",
        "reason",
        "detail",
        "rows_read",
        "rows_accepted",
        "rows_rejected",
        "at",
    )
    return {"uri": uri, "generation": generation, **{name: to_json(facts.get(name)) for name in names}}


def describe_open(batch: OpenBatch, step: str | None, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The open batch, and why it failed last, if it did; `known` is its row of the ledger.

    `waiting` for its next try, or `failed` when its run ended before and no other works on it yet.
    """
    failed = step is None and known is not None and known["state"] == "failed"
    facts = {name: value for name, value in asdict(batch).items() if name not in ("files", "landed")}
    return {
        **to_json(facts),
        "files": len(batch.files),
        "state": WAITING if batch.retry_at else FAILED if failed else RUNNING,
        "step": step,
        "detail": known["detail"] if known and failed else None,
    }
