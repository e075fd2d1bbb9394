"""What a cloud at rest holds of one scenario, read through its driver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos import datasets
from tests.chaos.driver import Driver
from tests.chaos.oracle import LINEAGE
from tests.chaos.scenario import Scenario

Rows = Sequence[Mapping[str, Any]]

_FILES = (
    "dataset, batch_id, source_uri, CAST(source_generation AS STRING) AS source_generation, state, reason, "
    "archive_uri, rejected_uri, CAST(rows_read AS STRING) AS rows_read, "
    "CAST(rows_accepted AS STRING) AS rows_accepted, CAST(rows_rejected AS STRING) AS rows_rejected"
)
_BATCHES = (
    "dataset, batch_id, state, detail, replay, CAST(rows_read AS STRING) AS rows_read, "
    "CAST(rows_accepted AS STRING) AS rows_accepted, CAST(rows_rejected AS STRING) AS rows_rejected"
)


@dataclass(frozen=True)
class Found:
    """Rows as texts, each table's by its own column names; names of objects; None where a journal is absent.

    `raw`, `trusted` and `rejected_rows` are by dataset. Only what is the scenario's, but for clusters,
    processes and journals: those belong to nobody once the cloud is at rest.
    """

    files: Rows = ()
    batches: Rows = ()
    raw: Mapping[str, Rows] = field(default_factory=dict)
    trusted: Mapping[str, Rows] = field(default_factory=dict)
    rejected_rows: Mapping[str, Rows] = field(default_factory=dict)
    landing: Sequence[str] = ()
    rejected: Sequence[str] = ()
    journals: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    clusters: Sequence[str] = ()
    processes: Sequence[str] = ()


def collect(driver: Driver, scenario: Scenario, since: datetime) -> Found:
    """Read everything that the checks look at; `since` is before the scenario began, and after any other."""
    moment = f"TIMESTAMP '{since.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
    return Found(
        files=driver.query(f"SELECT {_FILES} FROM ops.files WHERE claimed_at >= {moment}"),
        batches=driver.query(f"SELECT {_BATCHES} FROM ops.batches WHERE claimed_at >= {moment}"),
        raw={name: driver.query(_raw(name, moment)) for name in scenario.datasets},
        trusted={name: driver.query(_trusted(name, scenario.tag)) for name in scenario.datasets},
        rejected_rows={name: driver.query(_rejected_rows(name, moment)) for name in scenario.datasets},
        landing=[name for name in driver.landing() if name.partition("/")[2].startswith(scenario.tag)],
        rejected=[name for name in driver.rejected() if f"-{scenario.tag}" in name],
        journals={name: driver.journal(name) for name in datasets.DATASETS},
        clusters=driver.clusters(),
        processes=driver.stray_processes(),
    )


def _columns(dataset: str) -> str:
    names = [column["name"] for column in datasets.read(dataset)["columns"]]
    return ", ".join(f"CAST({name} AS STRING) AS {name}" for name in (*names, *LINEAGE))


def _raw(dataset: str, moment: str) -> str:
    return f"SELECT _batch_id, {_columns(dataset)} FROM raw.{dataset} WHERE _ingested_at >= {moment}"


def _trusted(dataset: str, tag: str) -> str:
    key = datasets.read(dataset)["key"][0]
    return f"SELECT _batch_id, {_columns(dataset)} FROM trusted.{dataset} WHERE STARTS_WITH({key}, '{tag}')"


def _rejected_rows(dataset: str, moment: str) -> str:
    return (
        "SELECT batch_id, source_uri, CAST(source_generation AS STRING) AS source_generation, "
        "CAST(source_row AS STRING) AS source_row FROM ops.rejected_rows "
        f"WHERE dataset = '{dataset}' AND ingested_at >= {moment}"
    )
