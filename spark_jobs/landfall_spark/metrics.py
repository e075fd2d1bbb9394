"""What became of every file and every row, and the law that nothing gets lost: read = accepted + rejected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landfall_spark.errors import ConservationError
from landfall_spark.inspection import Refusal
from landfall_spark.manifest import Manifest, SourceFile

NO_ROWS = "no_rows"


@dataclass
class FileCounts:
    """Rows of one file, as found in the written Parquet; `last_row` is the highest row number there."""

    accepted: int = 0
    rejected: int = 0
    last_row: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


Counts = Mapping[tuple[str, int], FileCounts]


def build_metrics(
    manifest: Manifest, refusals: Mapping[SourceFile, Refusal], counts: Counts
) -> dict[str, Any]:
    """Return the content of metrics.json. A row with several reasons counts once under each."""
    files = [_describe(file, refusals.get(file), counts) for file in manifest.files]
    reasons: dict[str, int] = {}
    for count in counts.values():
        for code, rows in count.reasons.items():
            reasons[code] = reasons.get(code, 0) + rows
    return {
        "version": 1,
        "dataset": manifest.dataset,
        "batch_id": manifest.batch_id,
        **{
            name: sum(file[name] for file in files)
            for name in ("rows_read", "rows_accepted", "rows_rejected")
        },
        "rejected_rows_by_reason": dict(sorted(reasons.items())),
        "files": files,
    }


def check_conservation(files: Sequence[SourceFile], counts: Counts, rows_read: int, output: str) -> None:
    """Hold what was written against what was read; ConservationError names what does not add up.

    Three independent numbers must agree: the records that Spark counted while it read (`rows_read`), the
    rows found in the Parquet, and the row numbers, which run from 1 within a file, so that its highest one
    is its row count.
    """
    known = {(file.uri, file.generation) for file in files}
    for (uri, generation), count in counts.items():
        if (uri, generation) not in known:
            raise ConservationError(f"{output}: expected rows of the batch's files only, found some of {uri}")
        if count.last_row != count.accepted + count.rejected:
            raise ConservationError(
                f"{uri}#{generation}: expected {count.last_row} rows, its last row's number, found "
                f"{count.accepted} accepted and {count.rejected} rejected in {output}; run the job again"
            )
    written = sum(count.accepted + count.rejected for count in counts.values())
    if written != rows_read:
        raise ConservationError(
            f"{output}: expected the {rows_read} rows that were read, found {written}; run the job again"
        )


def collect_counts(rows: Iterable[tuple[str, int, bool, str | None, int, int]]) -> Counts:
    """Gather by file: (uri, generation, accepted, reason or None for every row, rows, highest row)."""
    counts: dict[tuple[str, int], FileCounts] = {}
    for uri, generation, accepted, code, found, last in rows:
        count = counts.setdefault((uri, generation), FileCounts())
        count.last_row = max(count.last_row, last)
        if code is not None:
            count.reasons[code] = found
        elif accepted:
            count.accepted = found
        else:
            count.rejected = found
    return counts


def _describe(file: SourceFile, refusal: Refusal | None, counts: Counts) -> dict[str, Any]:
    count = counts.get((file.uri, file.generation), FileCounts())
    empty = refusal is None and count.last_row == 0
    return {
        "uri": file.uri,
        "generation": file.generation,
        "state": "rejected" if refusal else "loaded",
        "reason": refusal.reason if refusal else NO_ROWS if empty else None,
        "detail": refusal.detail if refusal else "the file has a header and no rows" if empty else None,
        "rows_read": count.last_row,
        "rows_accepted": count.accepted,
        "rows_rejected": count.rejected,
    }
