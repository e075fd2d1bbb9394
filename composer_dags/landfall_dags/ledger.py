"""The rows of the ledger: what became of a batch and of every file in it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from landfall_dags.cost import Cost
from landfall_dags.identity import SourceFile, timestamp
from landfall_dags.journal import Entry, Manifest, Open
from landfall_dags.metrics import FileResult, Metrics, Rows

SUCCEEDED, REJECTED, FAILED, SUPERSEDED, DIVIDED = "succeeded", "rejected", "failed", "superseded", "divided"
FAILED_REPEATEDLY = "failed_repeatedly"
_MOST_DETAIL = 2000  # characters
_SUPERSEDED_DETAIL = (
    "Overwritten or deleted in landing before it could be archived; "
    "a newer generation is taken as a file of its own."
)


@dataclass(frozen=True)
class Step:
    """One finished task of the run: times in UTC, None where Airflow does not say.

    `resource` is the cloud's name of the cluster or job that it started, None where it started nothing.
    """

    task: str
    started_at: str | None
    finished_at: str | None
    seconds: float | None
    state: str
    resource: str | None = None


@dataclass(frozen=True)
class Run:
    """The run that records the batch, and what its cluster cost."""

    run_id: str
    recorded_at: str
    cluster_name: str | None
    cost: Cost
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Known:
    """What the ledger has of a batch: its state, and why."""

    state: str
    detail: str | None

    @property
    def is_end(self) -> bool:
        return self.state != FAILED


def unattended(run_id: str, recorded_at: str) -> Run:
    """The run that ends a batch without a cluster of its own."""
    return Run(run_id, recorded_at, None, Cost(0.0, 0.0), ())


def steps_of(
    breadcrumbs: Iterable[Mapping[str, Any]],
    started: Mapping[str, datetime],
    resources: Mapping[str, str | None],
) -> tuple[Step, ...]:
    """The finished tasks that ran, in the order in which they started.

    Airflow gives a task its state and duration (seconds); when each started, and what it started in the
    cloud, the tasks said themselves.
    """
    ran = [crumb for crumb in breadcrumbs if has_run(crumb)]
    steps = (_step(crumb, started.get(crumb["task_id"]), resources.get(crumb["task_id"])) for crumb in ran)
    return tuple(sorted(steps, key=lambda step: (step.started_at or "", step.task)))


def has_run(crumb: Mapping[str, Any]) -> bool:
    """Whether Airflow's breadcrumb is that of a task that ran to its end, well or not."""
    return crumb["state"] in ("success", "failed") and crumb["duration"] is not None


def file_rows(
    manifest: Manifest, metrics: Metrics | None, rejected_uris: Mapping[str, str], recorded_at: str
) -> list[dict[str, Any]]:
    """The rows of ops.files; `rejected_uris` says by file identity where a rejected file's copy lies."""
    entry = manifest.entry
    results = {(file.uri, file.generation): file for file in (metrics.files if metrics else ())}
    rows = []
    for file in manifest.files:
        result = results[file.source.uri, file.source.generation]
        rows.append(
            _file_row(
                entry, file.source, recorded_at, result.state, result.reason, result.detail, result.rows
            )
            | {
                "archive_uri": file.archive_uri,
                "rejected_uri": rejected_uris.get(file.source.identity),
                "missing_columns": result.missing_columns,
                "unknown_columns": result.unknown_columns,
            }
        )
    nothing = Rows(0, 0, 0)
    return rows + [
        _file_row(entry, source, recorded_at, SUPERSEDED, SUPERSEDED, _SUPERSEDED_DETAIL, nothing)
        for source in manifest.superseded
    ]


def closed_row(manifest: Manifest, metrics: Metrics | None, rows_merged: int, run: Run) -> dict[str, Any]:
    """The row of ops.batches for a batch that went all the way, to trusted or to the rejected bucket."""
    rows = metrics.rows if metrics else Rows(0, 0, 0)
    refusal = metrics.refusal if metrics else None
    gone = None if manifest.files else "Every file was overwritten or deleted before it could be archived."
    return _batch_row(manifest.entry, REJECTED if refusal else SUCCEEDED, refusal or gone, run) | {
        "files": len(manifest.files),
        "files_rejected": len(metrics.rejected_files) if metrics else 0,
        "files_superseded": len(manifest.superseded),
        "bytes": manifest.bytes,
        "rows_read": rows.read,
        "rows_accepted": rows.accepted,
        "rows_rejected": rows.rejected,
        "rows_merged": rows_merged,
        "quality": [asdict(rule) for rule in metrics.quality] if metrics else [],
        "new_columns": metrics.new_columns if metrics else (),
        "token_key": manifest.token_key,
    }


def failed_row(entry: Entry, failures: Mapping[str, str | None], run: Run) -> dict[str, Any]:
    """The row of ops.batches for a batch that is still open; `failures` says by task why, if known."""
    reasons = [f"{task}: {reason or 'see its log'}" for task, reason in failures.items()]
    return _unread_row(entry, FAILED, "; ".join(reasons) or "see the log of the run", run)


def divided_row(batch: Open, parts: Iterable[Open], failure: str, run: Run) -> dict[str, Any]:
    """The row of ops.batches for a batch that goes on as its parts."""
    names = " and ".join(f"{part.batch_id} ({len(part.entry.files)} files)" for part in parts)
    detail = f"divided into {names} after {batch.failures} failed runs; the last failure: {failure}"
    return _unread_row(batch.entry, DIVIDED, detail, run)


def given_up_row(batch: Open, failure: str, run: Run) -> dict[str, Any]:
    """The row of ops.batches for a replay that failed too often: trusted stays as it was."""
    return _unread_row(batch.entry, FAILED, given_up(batch, failure), run)


def given_up(batch: Open, failure: str) -> str:
    """Why a batch is not tried any more."""
    return f"given up after {batch.failures} failed runs; the last failure: {failure}"[:_MOST_DETAIL]


def error_report(file: FileResult, entry: Entry, archive_uri: str) -> dict[str, Any]:
    """What lies beside a rejected file: why it was rejected and what its sender can do."""
    return {
        "uri": file.uri,
        "generation": file.generation,
        "dataset": entry.dataset,
        "batch_id": entry.batch_id,
        "contract_version": entry.contract_version,
        "reason": file.reason,
        "detail": file.detail,
        "archive_uri": archive_uri,
        "what_to_do": _REMEDIES.get(file.reason or "", "Correct the file and drop it again, under any name."),
    }


_REMEDIES = {
    "empty_file": "The file has no byte: have the sender write it again, then drop it again.",
    "header_mismatch": "Write the header that the contract names and drop it again; or change the contract, "
    "then replay it.",
    "too_many_rejected_rows": "Correct the rows that ops.rejected_rows names and drop the whole file again; "
    "one of which no row was rejected, as it is.",
    "quality_failed": "Correct the files of the batch by the rule that `detail` names and drop them again; "
    "or change the contract, then replay the batch.",
    "too_large": "Split the file and drop its parts; or raise the contract's maxTextBytes, then replay it.",
    FAILED_REPEATEDLY: "Look into `detail`, which is the last failure of the file alone; mend what it "
    "names and replay the file, or have its sender correct it and drop it again.",
    "not_text": "Write CSV in the contract's encoding (.csv.gz: under gzip), then drop it again.",
    "unreadable": "Check that the file is whole (for .csv.gz: that gzip -t accepts it), then drop it again.",
}


def _step(crumb: Mapping[str, Any], started: datetime | None, resource: str | None) -> Step:
    seconds = float(crumb["duration"])
    finished = started + timedelta(seconds=seconds) if started else None
    return Step(
        crumb["task_id"],
        timestamp(started) if started else None,
        timestamp(finished) if finished else None,
        round(seconds, 3),
        str(crumb["state"]),
        resource,
    )


def _batch_row(entry: Entry, state: str, detail: str | None, run: Run) -> dict[str, Any]:
    return {
        "dataset": entry.dataset,
        "batch_id": entry.batch_id,
        "state": state,
        "detail": detail,
        "run_id": run.run_id,
        "contract_version": entry.contract_version,
        "replay": entry.replay,
        "claimed_at": entry.claimed_at,
        "recorded_at": run.recorded_at,
        "cluster_name": run.cluster_name,
        "vcpu_seconds": run.cost.vcpu_seconds,
        "estimated_cost_usd": run.cost.dollars,
        "steps": [asdict(step) for step in run.steps],
    }


def _unread_row(entry: Entry, state: str, detail: str, run: Run) -> dict[str, Any]:
    return _batch_row(entry, state, detail[:_MOST_DETAIL], run) | {
        "files": len(entry.files),
        "bytes": sum(file.size for file in entry.files),
    }


def _file_row(
    entry: Entry,
    file: SourceFile,
    recorded_at: str,
    state: str,
    reason: str | None,
    detail: str | None,
    rows: Rows,
) -> dict[str, Any]:
    return {
        "dataset": entry.dataset,
        "batch_id": entry.batch_id,
        "source_uri": file.uri,
        "source_generation": file.generation,
        "size": file.size,
        "crc32c": file.crc32c,
        "md5": file.md5,
        "source_created_at": file.created_at,
        "state": state,
        "reason": reason,
        "detail": detail,
        "rows_read": rows.read,
        "rows_accepted": rows.accepted,
        "rows_rejected": rows.rejected,
        "claimed_at": entry.claimed_at,
        "recorded_at": recorded_at,
    }
