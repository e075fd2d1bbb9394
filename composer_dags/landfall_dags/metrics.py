"""What the Spark job says it did, held against what it was given. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from landfall_dags.errors import TerminalError
from landfall_dags.journal import Manifest
from landfall_dags.pipeline import Pipeline
from landfall_dags.quality import RuleResult, parse_result

VERSION = 2
REJECTED = "rejected"
_STATES = ("loaded", REJECTED)


class MetricsError(TerminalError):
    """A metrics.json breaks one of its laws."""


@dataclass(frozen=True)
class Rows:
    """Counts that obey one law: read = accepted + rejected."""

    read: int
    accepted: int
    rejected: int


@dataclass(frozen=True)
class FileResult:
    """What became of one generation of one file.

    `missing_columns` are the contract's that its header lacks, `unknown_columns` the header's beyond those.
    """

    uri: str
    generation: int
    state: str
    reason: str | None
    detail: str | None
    rows: Rows
    missing_columns: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metrics:
    """A metrics.json that was found to agree with itself, with the manifest and with the contract.

    `output` is the folder of the attempt that wrote it, with the Parquet. `new_columns` are unknown
    columns that go to raw. `refusal` says why the batch is rejected as a whole; then each of its files
    is, and no row is loaded.
    """

    rows: Rows
    files: tuple[FileResult, ...]
    quality: tuple[RuleResult, ...] = ()
    new_columns: tuple[str, ...] = ()
    token_key: str | None = None
    refusal: str | None = None
    output: str = ""

    @property
    def rejected_files(self) -> tuple[FileResult, ...]:
        return tuple(file for file in self.files if file.state == REJECTED)

    def broken_rules(self, severity: str) -> tuple[RuleResult, ...]:
        return tuple(rule for rule in self.quality if rule.severity == severity and not rule.passed)

    @property
    def rows_to_load(self) -> int:
        return 0 if self.refusal else self.rows.accepted


def check_metrics(text: str, manifest: Manifest, contract: Pipeline, where: str) -> Metrics:
    """Understand a metrics.json and hold it against the manifest and the contract.

    Rows read equal rows accepted and rejected, for each file and in total; the total is the sum over the
    files; the files are exactly the manifest's; a file rejected as a whole counts no row. The output is the
    folder of the document at `where`, or an attempt's below it. Each quality rule is answered once, tokens
    are made with the manifest's key, and columns added only where the contract says.
    Raises MetricsError for the first law that is broken.
    """
    metrics, head = _parse(text, where)
    entry = manifest.entry
    _expect(where, "version, dataset and batch_id", (VERSION, entry.dataset, entry.batch_id), head)
    _check_output(metrics.output, where)
    _check_files(metrics, manifest, where)
    _check_rows(metrics, where)
    rules = sorted(result.rule for result in metrics.quality)
    _expect(where, "the quality rules that are answered", sorted(contract.quality), rules)
    _expect(where, "token_key", manifest.token_key, metrics.token_key)
    if not contract.evolves:
        _expect(where, "new_columns, under a contract that adds none,", (), metrics.new_columns)
    return metrics


def _check_output(output: str, where: str) -> None:
    folder = where.rpartition("/")[0]
    if output != folder and not output.startswith(f"{folder}/attempts/"):
        raise MetricsError(
            f"{where}: expected output to be {folder} or an attempt's below it, found {output}. {_REMEDY}"
        )


def _check_files(metrics: Metrics, manifest: Manifest, where: str) -> None:
    wanted = sorted((file.source.uri, file.source.generation) for file in manifest.files)
    found = sorted((file.uri, file.generation) for file in metrics.files)
    if wanted != found:
        missing, strange = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        raise MetricsError(
            f"{where}: expected exactly the {len(wanted)} files of the manifest, found {len(found)}: "
            f"missing {missing[:3]}, not in the manifest {strange[:3]}. {_REMEDY}"
        )


def _check_rows(metrics: Metrics, where: str) -> None:
    for file in metrics.files:
        place = f"{where}: {file.uri}#{file.generation}"
        if file.state not in _STATES:
            raise MetricsError(
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
                tuple(map(str, file["missing_columns"])),
                tuple(map(str, file["unknown_columns"])),
            )
            for file in document["files"]
        )
        head = (document["version"], document["dataset"], document["batch_id"])
        return Metrics(
            _rows(document),
            files,
            quality=tuple(parse_result(result) for result in document["quality"]),
            new_columns=tuple(map(str, document["new_columns"])),
            token_key=document["token_key"],
            output=str(document["output"]),
        ), head
    except (KeyError, TypeError, ValueError) as error:
        raise MetricsError(
            f"{where}: expected the Spark job's metrics, found {error!r}. {_REMEDY}"
        ) from error


def _rows(document: dict[str, Any]) -> Rows:
    return Rows(*(int(document[f"rows_{kind}"]) for kind in ("read", "accepted", "rejected")))


def _conserve(where: str, rows: Rows) -> None:
    if min(rows.read, rows.accepted, rows.rejected) < 0 or rows.read != rows.accepted + rows.rejected:
        raise MetricsError(
            f"{where}: expected rows read = accepted + rejected, found {rows.read} = "
            f"{rows.accepted} + {rows.rejected}. {_REMEDY}"
        )


def _expect(where: str, what: str, expected: object, found: object) -> None:
    if expected != found:
        raise MetricsError(f"{where}: expected {what} to be {expected}, found {found}. {_REMEDY}")
