"""What a batch read and wrote, as OpenLineage events: names, counts, the contract; nothing of its rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    OutputDatasetFacet,
    RunFacet,
    job_type_job,
    ownership_job,
)

from landfall_dags import lineage_facets as facets
from landfall_dags.journal import Manifest
from landfall_dags.ledger import Run as LedgerRun
from landfall_dags.lineage_facets import Catalog
from landfall_dags.metrics import Metrics
from landfall_dags.pipeline import Pipeline

# Who says it, as a URI, which OpenLineage demands.
PRODUCER = "urn:landfall:dags"


@dataclass(frozen=True)
class Places:
    """The names that datasets get from where the pipeline runs; `namespace` is that of the jobs."""

    project: str
    landing_bucket: str
    namespace: str


@attr.define
class BatchRunFacet(RunFacet):
    """Custom run facet: the batch and Airflow's run, by which the ledger finds the rest."""

    batchId: str  # noqa: N815 as OpenLineage writes names
    airflowRunId: str  # noqa: N815
    contractVersion: str  # noqa: N815


@dataclass(frozen=True)
class _Dataset:
    namespace: str
    name: str
    about: Mapping[str, DatasetFacet]

    def read(self, **more: InputDatasetFacet) -> InputDataset:
        return InputDataset(self.namespace, self.name, facets=dict(self.about), inputFacets=more)

    def written(self, columns: DatasetFacet | None, statistics: OutputDatasetFacet) -> OutputDataset:
        about = dict(self.about) | ({"columnLineage": columns} if columns else {})
        return OutputDataset(
            self.namespace, self.name, facets=about, outputFacets={"outputStatistics": statistics}
        )


@dataclass(frozen=True)
class _Names:
    """The datasets of a contract."""

    landing: _Dataset
    raw: _Dataset
    trusted: _Dataset
    rejected: _Dataset


@dataclass(frozen=True)
class _Step:
    """A step of the run that moved rows from one dataset into another."""

    task: str
    source: InputDataset
    target: OutputDataset


@dataclass(frozen=True)
class Batch:
    """A recorded batch, as the ledger knows it; `catalog` describes its contract, where it can be had."""

    manifest: Manifest
    metrics: Metrics
    rows_merged: int
    run: LedgerRun
    contract: Pipeline
    catalog: Catalog | None = field(repr=False)


def events(batch: Batch, places: Places) -> Iterator[RunEvent]:
    """A START and a COMPLETE for each step that moved rows, under a run id that a repetition has too.

    The START names its datasets, the COMPLETE describes them.
    """
    times = {step.task: (step.started_at, step.finished_at) for step in batch.run.steps}
    for step in _steps(batch, places):
        started, finished = times.get(step.task, (None, None))
        source = InputDataset(step.source.namespace, step.source.name)
        target = OutputDataset(step.target.namespace, step.target.name)
        for state, time, read, written in (
            (RunState.START, started, source, target),
            (RunState.COMPLETE, finished, step.source, step.target),
        ):
            yield RunEvent(
                eventType=state,
                eventTime=time or batch.run.recorded_at,
                run=_run(step.task, batch, places),
                job=_job(f"{batch.contract.dag_id}.{step.task}", batch.contract, places),
                inputs=[read],
                outputs=[written],
                producer=PRODUCER,
            )


def _steps(batch: Batch, places: Places) -> Iterator[_Step]:
    metrics, names = batch.metrics, _names(batch, places)
    files = names.landing.read(
        inputStatistics=facets.rows_read(metrics.rows.read, batch.manifest.bytes, len(batch.manifest.files))
    )
    if metrics.rows_to_load:
        parsed = facets.parsed_columns(batch.catalog, names.landing.namespace, names.landing.name)
        yield _Step("load_raw", files, names.raw.written(parsed, facets.rows_written(metrics.rows_to_load)))
        accepted = names.raw.read(
            inputStatistics=facets.rows_read(metrics.rows_to_load), **facets.assertions(metrics.quality)
        )
        same = facets.same_columns(batch.catalog, names.raw.namespace, names.raw.name)
        merged = facets.rows_written(batch.rows_merged)
        yield _Step("call_trusted", accepted, names.trusted.written(same, merged))
    if metrics.rows.rejected:
        rejected = facets.rows_written(metrics.rows.rejected)
        yield _Step("load_rejected", files, names.rejected.written(None, rejected))


def _names(batch: Batch, places: Places) -> _Names:
    contract, bucket = batch.contract, f"gs://{places.landing_bucket}"
    about = facets.about(contract, batch.catalog)
    columns = about | facets.table_columns(batch.catalog)
    folder = facets.source(bucket, f"{bucket}/{contract.dataset}/")
    return _Names(
        landing=_Dataset(bucket, contract.dataset, about | facets.file_columns(batch.catalog) | folder),
        raw=_table(contract.raw_table, columns, places),
        trusted=_table(contract.trusted_table, columns, places),
        rejected=_table(
            contract.rejected_table,
            about | facets.documented(f"Rejected rows of {contract.dataset}."),
            places,
        ),
    )


def _table(table: str, about: Mapping[str, DatasetFacet], places: Places) -> _Dataset:
    name = f"{places.project}.{table}"
    return _Dataset("bigquery", name, {**about, **facets.source("bigquery", f"bigquery:{name}")})


def _job(name: str, contract: Pipeline, places: Places) -> Job:
    kind = job_type_job.JobTypeJobFacet("BATCH", "AIRFLOW", jobType="TASK")
    owner = ownership_job.OwnershipJobFacet([ownership_job.Owner(contract.owner)])
    return Job(places.namespace, name, facets={"jobType": kind, "ownership": owner})


def _run(task: str, batch: Batch, places: Places) -> Run:
    entry = batch.manifest.entry
    run_id = uuid5(NAMESPACE_URL, f"landfall:{places.project}/{entry.dataset}/{entry.batch_id}/{task}")
    facet = BatchRunFacet(entry.batch_id, batch.run.run_id, entry.contract_version)
    return Run(str(run_id), facets={"landfall_batch": facet})
