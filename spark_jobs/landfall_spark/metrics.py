"""What became of every file and every row, and the law that nothing gets lost: read = accepted + rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landfall_spark.errors import ConservationError
from landfall_spark.header import Layout
from landfall_spark.manifest import Manifest, SourceFile
from landfall_spark.parquet import FileRows
from landfall_spark.refusal import Refusal

VERSION = 2
NO_ROWS = "no_rows"


@dataclass
class FileCounts:
    """Rows of one file, counted in three places that do not know of each other.

    `numbered` is the number that the reader gave its last record; `accepted` and `rejected` are the judge's;
    `written` is what the Parquet holds, accepted and rejected together. `reasons` counts rows by code.
    """

    numbered: int = 0
    accepted: int = 0
    rejected: int = 0
    written: FileRows = field(default_factory=FileRows)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: FileCounts) -> None:
        """Add the counts of another range of the same file."""
        self.numbered = max(self.numbered, other.numbered)
        self.accepted += other.accepted
        self.rejected += other.rejected
        self.written += other.written
        self.reasons += other.reasons


# By the file's place in the manifest.
Counts = Mapping[int, FileCounts]


@dataclass(frozen=True)
class Verdicts:
    """What was decided of the batch's files, by their places in the manifest, and of its rows as a whole."""

    layouts: Mapping[int, Layout]
    refusals: Mapping[int, Refusal]
    counts: Counts
    quality: Sequence[Mapping[str, Any]] = ()
    new_columns: Sequence[str] = ()


def build_metrics(manifest: Manifest, verdicts: Verdicts, output: str) -> dict[str, Any]:
    """Return the content of metrics.json, for the folder `output`.

    A row with several reasons counts once under each.
    """
    files = [_describe(index, file, verdicts) for index, file in enumerate(manifest.files)]
    reasons = sum((count.reasons for count in verdicts.counts.values()), Counter[str]())
    return {
        "version": VERSION,
        "dataset": manifest.dataset,
        "batch_id": manifest.batch_id,
        "output": output,
        **{
            name: sum(file[name] for file in files)
            for name in ("rows_read", "rows_accepted", "rows_rejected")
        },
        "rejected_rows_by_reason": dict(sorted(reasons.items())),
        "quality": list(verdicts.quality),
        "new_columns": list(verdicts.new_columns),
        "token_key": manifest.token_key,
        "files": files,
    }


def gather(parts: Iterable[Counts]) -> dict[int, FileCounts]:
    """Add up the counts that the tasks answered."""
    total: dict[int, FileCounts] = {}
    for part in parts:
        for index, count in part.items():
            total.setdefault(index, FileCounts()).add(count)
    return total


def check_conservation(files: Sequence[SourceFile], counts: Counts, output: str) -> None:
    """Hold what was written against what was read; ConservationError names what does not add up.

    The rows of a file are numbered from 1, so the highest number is their count, and what was written must
    have each number once: as many rows, and the sum of the numbers.
    """
    for index, count in counts.items():
        file, read = files[index], count.numbered
        place = f"{file.uri}#{file.generation}"
        if count.accepted + count.rejected != read:
            raise ConservationError(
                f"{place}: expected {read} rows, its last row's number, found {count.accepted} accepted and "
                f"{count.rejected} rejected; run the job again",
                [file],
            )
        if count.written != FileRows(read, read * (read + 1) // 2):
            raise ConservationError(
                f"{place}: expected rows 1 to {read}, each once, in {output}, found {count.written.rows} "
                f"rows whose numbers add up to {count.written.numbers}; run the job again",
                [file],
            )


def check_parts(expected: Iterable[str], found: Iterable[str], folder: str) -> None:
    """Hold the files in an output folder against those that the tasks wrote."""
    wrong = sorted(set(expected) ^ set(found))
    if wrong:
        raise ConservationError(
            f"{folder}: expected exactly the files that this run wrote, found a difference in "
            f"{', '.join(wrong[:3])}; run the job again"
        )


def _describe(index: int, file: SourceFile, verdicts: Verdicts) -> dict[str, Any]:
    refusal, layout = verdicts.refusals.get(index), verdicts.layouts.get(index)
    count = verdicts.counts.get(index, FileCounts())
    empty = refusal is None and count.numbered == 0
    known = layout if refusal is None else None
    return {
        "uri": file.uri,
        "generation": file.generation,
        "state": "rejected" if refusal else "loaded",
        "reason": refusal.reason if refusal else NO_ROWS if empty else None,
        "detail": refusal.detail if refusal else "the file has no rows" if empty else None,
        "rows_read": count.numbered,
        "rows_accepted": count.accepted,
        "rows_rejected": count.rejected,
        "missing_columns": list(known.missing) if known else [],
        "unknown_columns": [name for _, name in known.unknown] if known else [],
    }
