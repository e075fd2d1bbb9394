"""The job: manifest and pipeline in, Parquet and metrics.json out. Running it again gives the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from landfall_spark import inspection, logs, metrics, parquet
from landfall_spark.errors import JobError, ManifestError, PipelineError
from landfall_spark.inspection import Refusal
from landfall_spark.manifest import SourceFile, parse_manifest
from landfall_spark.parquet import Batch, Observed
from landfall_spark.pipeline import parse_pipeline
from landfall_spark.storage import Storage
from landfall_spark.unreadable import find_unreadable

# Heads are read one request a file: the time is the network's, not the driver's.
_PARALLEL_READS = 16


def run(session: SparkSession, manifest_uri: str, pipeline_uri: str, output_uri: str) -> dict[str, Any]:
    """Turn one batch, write its metrics.json last and return its content.

    JobError: the inputs are wrong or rows went missing. Spark's own errors pass.
    """
    storage = Storage(session)
    batch = _open_batch(storage, manifest_uri, pipeline_uri, output_uri.rstrip("/"))
    # A reader that finds metrics.json may trust what lies beside it, so an earlier one goes before anything
    # changes.
    metrics_uri = f"{batch.output}/metrics.json"
    for uri in (metrics_uri, batch.accepted, batch.rejected):
        storage.delete(uri)
    files, refusals = _inspect_files(storage, batch)
    observed = _convert(session, storage, batch, files, refusals)
    counts = parquet.count(session, batch, observed) if files else {}
    metrics.check_conservation(batch.manifest.files, counts, observed.read, batch.output)
    content = metrics.build_metrics(batch.manifest, refusals, counts)
    storage.write_text(metrics_uri, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    _report(batch, content)
    return content


def _open_batch(storage: Storage, manifest_uri: str, pipeline_uri: str, output_uri: str) -> Batch:
    manifest = parse_manifest(storage.read_text(manifest_uri, ManifestError), manifest_uri)
    contract = parse_pipeline(storage.read_text(pipeline_uri, PipelineError), pipeline_uri)
    if contract.dataset != manifest.dataset:
        raise PipelineError(f"{pipeline_uri}: dataset: expected {manifest.dataset}, found {contract.dataset}")
    address = f"{manifest.dataset}/{manifest.batch_id}"
    # What lies in the folder is replaced, so it must be this batch's.
    if not output_uri.endswith(f"/{address}"):
        raise JobError(f"--output: expected a URI that ends with /{address}, found {output_uri}")
    logs.info("batch opened", dataset=manifest.dataset, batch_id=manifest.batch_id, files=len(manifest.files))
    return Batch(manifest, contract, output_uri)


def _inspect_files(storage: Storage, batch: Batch) -> tuple[dict[str, SourceFile], dict[SourceFile, Refusal]]:
    """Return the files for Spark to read, by the path that it will report, and the others' refusals."""
    length = inspection.head_length(batch.contract)
    with ThreadPoolExecutor(_PARALLEL_READS) as threads:
        heads = list(
            threads.map(lambda file: storage.read_head(file.archive_uri, length), batch.manifest.files)
        )
    files: dict[str, SourceFile] = {}
    refusals: dict[SourceFile, Refusal] = {}
    for file, head in zip(batch.manifest.files, heads, strict=True):
        refusal = inspection.inspect(file.archive_uri, head.size, head.content, batch.contract)
        if refusal:
            _refuse(refusals, file, refusal)
        else:
            files[head.path] = file
    return files, refusals


def _convert(
    session: SparkSession,
    storage: Storage,
    batch: Batch,
    files: dict[str, SourceFile],
    refusals: dict[SourceFile, Refusal],
) -> Observed:
    """Write the Parquet. A file that cannot be read to its end joins the refusals; the others go again."""
    while files:
        try:
            return parquet.write(session, batch, files)
        except (Py4JJavaError, PySparkException) as problem:
            found = find_unreadable(problem, files, storage)
            if found is None:
                raise
            path, refusal = found
            _refuse(refusals, files.pop(path), refusal)
            for uri in (batch.accepted, batch.rejected):
                storage.delete(uri)
    return Observed(read=0, rejected=0)


def _refuse(refusals: dict[SourceFile, Refusal], file: SourceFile, refusal: Refusal) -> None:
    refusals[file] = refusal
    logs.info("file rejected", uri=file.uri, generation=file.generation, reason=refusal.reason)


def _report(batch: Batch, content: Mapping[str, Any]) -> None:
    numbers = {name: content[name] for name in ("rows_read", "rows_accepted", "rows_rejected")}
    labels = {"dataset": batch.manifest.dataset, "batch_id": batch.manifest.batch_id}
    logs.info(
        "batch written", **labels, **numbers, rejected_rows_by_reason=content["rejected_rows_by_reason"]
    )
