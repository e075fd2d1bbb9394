"""What the Spark job says it did, held against what it was given. Pure."""

import json
from dataclasses import dataclass, replace
from typing import Any

from landfall_dags.errors import TerminalError
from landfall_dags.journal import Manifest

VERSION = 1
REJECTED = "rejected"
TOO_MANY_REJECTED_ROWS = "too_many_rejected_rows"
_STATES = ("loaded", REJECTED)


@dataclass(frozen=True)
class Rows:
    """Counts that obey one law: read = accepted + rejected."""

    read: int
    accepted: int
    rejected: int


@dataclass(frozen=True)
class FileResult:
    """What became of one generation of one file."""

    uri: str
    generation: int
    state: str
    reason: str | None
    detail: str | None
    rows: Rows


@dataclass(frozen=True)
class Metrics:
    """A metrics.json that was found to agree with itself and with the manifest.

    `refusal` says why the batch is rejected as a whole; then each of its files is, and no row is loaded.
    """

    rows: Rows
    files: tuple[FileResult, ...]
    refusal: str | None = None

    @property
    def rejected_files(self) -> tuple[FileResult, ...]:
        return tuple(file for file in self.files if file.state == REJECTED)

    @property
    def rows_to_load(self) -> int:
        return 0 if self.refusal else self.rows.accepted


def check_metrics(text: str, manifest: Manifest, where: str) -> Metrics:
    """Understand a metrics.json and hold it against the manifest.

    Rows read equal rows accepted and rejected, for each file and in total; the total is the sum over the
    files; the files are exactly the manifest's; a file rejected as a whole counts no row. Raises
    TerminalError for the first law that is broken.
    """
    metrics, head = _parse(text, where)
    entry = manifest.entry
    _expect(where, "version, dataset and batch_id", (VERSION, entry.dataset, entry.batch_id), head)
    wanted = sorted((file.source.uri, file.source.generation) for file in manifest.files)
    found = sorted((file.uri, file.generation) for file in metrics.files)
    if wanted != found:
        missing, strange = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        raise TerminalError(
            f"{where}: expected exactly the {len(wanted)} files of the manifest, found {len(found)}: "
            f"missing {missing[:3]}, not in the manifest {strange[:3]}. {_REMEDY}"
        )
    for file in metrics.files:
        place = f"{where}: {file.uri}#{file.generation}"
        if file.state not in _STATES:
            raise TerminalError(
                f"{place}: expected state {' or '.join(_STATES)}, found {file.state!r}. {_REMEDY}"
            )
        _conserve(place, file.rows)
        if file.state == REJECTED:
            _expect(place, "rows of a rejected file", Rows(0, 0, 0), file.rows)
    _conserve(where, metrics.rows)
    totals = (
        sum(file.rows.read for file in metrics.files),
        sum(file.rows.accepted for file in metrics.files),
        sum(file.rows.rejected for file in metrics.files),
    )
    _expect(where, "totals as the sum over the files", Rows(*totals), metrics.rows)
    return metrics


def refuse_above(metrics: Metrics, most: float, where: str) -> Metrics:
    """Refuse a batch of which a greater share of rows than `most` (0 to 1) is rejected.

    Then every file that was loaded is rejected too, with the reason; its counts stay what Spark found.
    """
    rows = metrics.rows
    if rows.read == 0 or rows.rejected / rows.read <= most:
        return metrics
    refusal = (
        f"{where}: expected a share of at most {most:g} of the batch's rows to be rejected, the contract's "
        f"maxRejectedShare; found {rows.rejected} of {rows.read}. No row of the batch was loaded: look into "
        "ops.rejected_rows, then correct the files, which are in the rejected bucket, and drop them again."
    )
    files = tuple(
        file
        if file.state == REJECTED
        else replace(
            file,
            state=REJECTED,
            reason=TOO_MANY_REJECTED_ROWS,
            detail=f"{rows.rejected} of {rows.read} rows of the batch were rejected, of this file "
            f"{file.rows.rejected} of {file.rows.read}; the contract allows a share of {most:g}.",
        )
        for file in metrics.files
    )
    return Metrics(rows, files, refusal)


_REMEDY = "The Spark job and the manifest disagree: keep the batch's folder and look into the driver's log."


def _parse(text: str, where: str) -> tuple[Metrics, tuple[Any, ...]]:
    try:
        document = json.loads(text)
        files = tuple(
            FileResult(
                file["uri"],
                int(file["generation"]),
                file["state"],
                file["reason"],
                file["detail"],
                _rows(file),
            )
            for file in document["files"]
        )
        head = (document["version"], document["dataset"], document["batch_id"])
        return Metrics(_rows(document), files), head
    except (KeyError, TypeError, ValueError) as error:
        raise TerminalError(
            f"{where}: expected the Spark job's metrics, found {error!r}. {_REMEDY}"
        ) from error


def _rows(document: dict[str, Any]) -> Rows:
    return Rows(*(int(document[f"rows_{kind}"]) for kind in ("read", "accepted", "rejected")))


def _conserve(where: str, rows: Rows) -> None:
    if min(rows.read, rows.accepted, rows.rejected) < 0 or rows.read != rows.accepted + rows.rejected:
        raise TerminalError(
            f"{where}: expected rows read = accepted + rejected, found {rows.read} = "
            f"{rows.accepted} + {rows.rejected}. {_REMEDY}"
        )


def _expect(where: str, what: str, expected: object, found: object) -> None:
    if expected != found:
        raise TerminalError(f"{where}: expected {what} to be {expected}, found {found}. {_REMEDY}")
