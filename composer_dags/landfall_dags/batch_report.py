"""What is said of a batch once it ended, or a run of it failed: the line to count and to alert on. Pure."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from landfall_dags.identity import SourceFile
from landfall_dags.pipeline import Pipeline


def batch_line(row: Mapping[str, Any], files: Iterable[SourceFile], contract: Pipeline) -> str:
    """`landfall.batch` and a JSON object, of the batch's row of the ledger and the files that it claimed.

    `age_seconds` is how long ago the oldest of them landed; null for a replay, whose files landed long ago.
    `freshness_used` and `rejected_used` are parts of what the contract allows, 1 being all of it; null where
    there is nothing to measure. Numbers have at most four decimals and no exponent: a pattern finds them.
    """
    age = None if row["replay"] else _age(files, row["recorded_at"])
    share = _part(row.get("rows_rejected"), row.get("rows_read"))
    is_read = row.get("files_rejected") is not None
    line = {
        "dataset": row["dataset"],
        "batch_id": row["batch_id"],
        "state": row["state"],
        "files_loaded": row["files"] - row["files_rejected"] if is_read else None,
        "files_rejected": row.get("files_rejected"),
        "rows_read": row.get("rows_read"),
        "rows_rejected": row.get("rows_rejected"),
        "rejected_share": _rounded(share),
        "rejected_used": _rounded(_part(share, contract.max_rejected_share)),
        "age_seconds": age,
        "freshness_seconds": contract.freshness_seconds,
        "freshness_used": _rounded(_part(age, contract.freshness_seconds)),
    }
    return f"landfall.batch {json.dumps(line)}"


def _age(files: Iterable[SourceFile], recorded_at: str) -> int | None:
    created = [datetime.fromisoformat(file.created_at) for file in files]
    if not created:
        return None
    return max(0, int((datetime.fromisoformat(recorded_at) - min(created)).total_seconds()))


def _part(value: float | None, whole: float | None) -> float | None:
    return value / whole if value is not None and whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
