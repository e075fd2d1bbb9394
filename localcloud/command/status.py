"""`landfall status`: what runs, what is pending, and what became of the files."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localcloud.airflow.api import Airflow
from localcloud.command import ledger
from localcloud.command.console import make_console, print_table
from localcloud.command.datasets import Dataset, why_ignored
from localcloud.command.journal import OpenBatch, read_open_batches
from localcloud.command.query import to_json
from localcloud.deployment.deployment import Deployment, Look
from localcloud.launcher.errors import CommandError
from localcloud.launcher.web import WebError

VERSION = 1
WAITING = "waiting"
_FILES, _SHOWN = 1000, 15
_WIDEST = 120  # of a reason; `--json` has it whole


@dataclass(frozen=True)
class Landed:
    """An object in the landing bucket."""

    uri: str
    generation: int
    created_at: datetime | None


def status(deployment: Deployment, as_json: bool) -> int:
    """Show the state; 1 when something is down that should run."""
    look = deployment.look()
    document: dict[str, Any] = {"version": VERSION, **look.head, "datasets": [], "files": []}
    if not look.blind:
        document |= observe(deployment)
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=sys.stdout.isatty()))
    else:
        show(make_console(), look, document, deployment.command)
    return 0 if look.sound else 1


def observe(deployment: Deployment) -> dict[str, Any]:
    """What `status --json` says of datasets and files."""
    datasets, bigquery, storage = deployment.datasets, deployment.bigquery(), deployment.storage()
    landed = [
        Landed(f"gs://{blob.bucket.name}/{blob.name}", int(blob.generation), blob.time_created)
        for blob in storage.list_blobs(deployment.buckets["landing"], timeout=20)
    ]
    lake = storage.bucket(deployment.buckets["lake"])
    batches = {name: read_open_batches(lake, name) for name in datasets}
    recorded = ledger.list_files(bigquery, _FILES, datetime.now(UTC))
    last = ledger.list_last_batches(bigquery)
    seen = [dataset for dataset in datasets.values() if not deployment.hides(dataset)]
    counts = ledger.count_trusted(bigquery, seen)
    airflow = _find_airflow(deployment)
    described = {
        name: [
            describe_open(batch, find_step(airflow, batch), ledger.find_batch(bigquery, batch.batch_id))
            for batch in opened
        ]
        for name, opened in batches.items()
    }
    everyone = [batch for opened in batches.values() for batch in opened]
    known = {one["batch_id"]: one for opened in described.values() for one in opened}
    files = describe_files(landed, everyone, recorded, datasets, known)
    return {
        "datasets": [
            {
                "dataset": name,
                "pending": sum(f["dataset"] == name and f["state"] == "pending" for f in files),
                "running": next((one for one in described[name] if one["state"] != WAITING), None),
                "waiting": [one for one in described[name] if one["state"] == WAITING],
                "last_batch": to_json(last.get(name)),
                "trusted_rows": counts.get(name),
            }
            for name in datasets
        ],
        "files": files,
    }


def describe_files(
    landed: Sequence[Landed],
    batches: Sequence[OpenBatch],
    recorded: Sequence[Mapping[str, Any]],
    datasets: Mapping[str, Dataset],
    described: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """One entry for each known file: those under way first, then the ledger's, newest first.

    States: pending, ignored; of an open batch, `described` by its id, running, waiting, failed; of the ledger
    loaded, rejected, superseded.
    """
    claimed = {file: batch for batch in batches for file in batch.files}
    known = {(file["source_uri"], file["source_generation"], file["batch_id"]) for file in recorded}
    entries = []
    for item in landed:
        if (item.uri, item.generation) not in claimed:
            name = item.uri.split("/", 3)[3]
            why = why_ignored(name, datasets)
            dataset = name.partition("/")[0]
            entries.append(
                _entry(
                    item.uri,
                    item.generation,
                    dataset=dataset if dataset in datasets else None,
                    state="ignored" if why else "pending",
                    reason="outside_grammar" if why else None,
                    detail=why,
                    at=item.created_at,
                )
            )
    for (uri, generation), batch in sorted(claimed.items()):
        if (uri, generation, batch.batch_id) not in known:
            entries.append(
                _entry(
                    uri,
                    generation,
                    dataset=batch.dataset,
                    state=described[batch.batch_id]["state"],
                    detail=described[batch.batch_id]["detail"],
                    batch_id=batch.batch_id,
                    at=batch.claimed_at,
                )
            )
    kept = ("dataset", "batch_id", "state", "reason", "detail", "rows_read", "rows_accepted", "rows_rejected")
    for file in recorded:
        facts = {name: file[name] for name in kept}
        entries.append(_entry(file["source_uri"], file["source_generation"], **facts, at=file["recorded_at"]))
    return entries


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


def _find_airflow(deployment: Deployment) -> Airflow | None:
    try:
        return deployment.airflow()
    except CommandError:
        return None


def find_step(airflow: Airflow | None, batch: OpenBatch) -> str | None:
    """The tasks that work on the open batch now; None when none does, or Airflow does not say."""
    if airflow is None or batch.retry_at is not None:
        return None
    dag = f"ingest_{batch.dataset}"
    try:
        run = next((run for run in airflow.runs(dag) if run["state"] == "running"), None)
        tasks = airflow.tasks(dag, run["dag_run_id"]) if run else []
    except WebError:
        return None
    return (
        ", ".join(task["task_id"] for task in tasks if task["state"] in ("running", "up_for_retry")) or None
    )


def describe_open(batch: OpenBatch, step: str | None, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The open batch, and why it failed last, if it did; `known` is its row of the ledger.

    `waiting` for its next try, or `failed` when its run ended before and no other works on it yet.
    """
    failed = step is None and known is not None and known["state"] == "failed"
    facts = {name: value for name, value in asdict(batch).items() if name != "files"}
    return {
        **to_json(facts),
        "files": len(batch.files),
        "state": WAITING if batch.retry_at else "failed" if failed else "running",
        "step": step,
        "detail": known["detail"] if known and failed else None,
    }


def show(console: Console, look: Look, document: Mapping[str, Any], command: str) -> None:
    """Show the document; `command` is how the user calls the command for what it tells of."""
    for line in look.lines:
        console.print(line)
    if look.blind:
        console.print(look.blind)
        return
    console.print()
    table = _table("dataset", "pending", "running", "last batch", "rows trusted")
    for one in document["datasets"]:
        last = one["last_batch"]
        table.add_row(
            one["dataset"],
            str(one["pending"]),
            _under_way(one["running"], one["waiting"]),
            _last(last) if last else "–",
            "–" if one["trusted_rows"] is None else str(one["trusted_rows"]),
        )
    print_table(console, table)
    if not document["files"]:
        console.print(f"\nNo file has landed yet: {command} drop --wait FILE.csv")
        return
    console.print()
    files = _table("file", "state", "rows", "rejected", "when", "why")
    for file in document["files"][:_SHOWN]:
        files.add_row(
            file["uri"].split("/", 3)[3],
            _coloured(file["state"]),
            "" if file["rows_read"] is None else str(file["rows_read"]),
            "" if file["rows_rejected"] is None else str(file["rows_rejected"]),
            _moment(file["at"]),
            (file["detail"] or file["reason"] or "").partition("\n")[0][:_WIDEST],
        )
    print_table(console, files)
    more = len(document["files"]) - _SHOWN
    if more > 0:
        console.print(f"… and {more} more: {command} status --json")


def _under_way(running: Mapping[str, Any] | None, waiting: Sequence[Mapping[str, Any]]) -> str:
    words = [f"{running['batch_id'][:12]} {running['step'] or running['state']}"] if running else []
    if waiting:
        soonest = min(batch["retry_at"] for batch in waiting)
        words.append(f"{len(waiting)} failed, tried again at {_moment(soonest)[-8:]}")
    return ", ".join(words) or "–"


def _last(batch: Mapping[str, Any]) -> str:
    rows = "" if batch["state"] != "succeeded" else f", {batch['rows_accepted']} rows"
    return f"{batch['state']}{rows}, {_moment(batch['recorded_at'])}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column, justify="right" if column in ("pending", "rows", "rejected", "rows trusted") else "left"
        )
    return table


def _coloured(state: str) -> Text:
    return Text(
        state,
        {
            "loaded": "green",
            "rejected": "red",
            "failed": "red",
            WAITING: "yellow",
            "ignored": "yellow",
            "superseded": "yellow",
        }.get(state, "cyan"),
    )


def _moment(text: str | None) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else ""
