"""The job: manifest and pipeline in, Parquet and metrics.json out. Running it again gives the same rows."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from landfall_spark import (
    duplicates,
    failures,
    inspection,
    logs,
    metrics,
    quality,
    storage,
    survey,
    tables,
    task,
    unknown,
)
from landfall_spark.errors import FileError, JobError, ManifestError, PipelineError, SurroundingsError
from landfall_spark.inspection import Readable
from landfall_spark.manifest import Manifest, SourceFile, parse_manifest
from landfall_spark.metrics import Verdicts
from landfall_spark.packing import Item, pack
from landfall_spark.pipeline import Pipeline, parse_pipeline
from landfall_spark.refusal import Refusal
from landfall_spark.storage import Head
from landfall_spark.survey import Split
from landfall_spark.task import Batch, Done, Range, Task
from landfall_spark.text import is_divisible
from landfall_spark.token_key import TokenKey

# How many times larger a gzip file's text is, as a rule.
_GZIP_FACTOR = 8
# Heads are read one request a file: the time is the network's, not the driver's.
_PARALLEL_READS = 16

_ATTEMPT = re.compile(r"/attempts/[^/]+$")

FetchKey = Callable[[str], TokenKey]
T = TypeVar("T")
R = TypeVar("R")


def run(
    session: SparkSession, manifest_uri: str, pipeline_uri: str, output_uri: str, fetch_key: FetchKey
) -> dict[str, Any]:
    """Turn one batch, write its metrics.json last and return its content.

    `fetch_key` is given the version of a secret, and asked only where the contract tokenises. JobError: the
    inputs are wrong or rows went missing. Spark's own errors pass. What is known of the files that made it
    fail is in failure.json.
    """
    output = output_uri.rstrip("/")
    _expect_attempt(output)
    try:
        return _run(session, manifest_uri, pipeline_uri, output, fetch_key)
    except Exception as problem:
        failures.report(output, problem)
        raise


def _expect_attempt(output: str) -> None:
    if not _ATTEMPT.search(output):
        raise JobError(
            f"--output: expected a URI that ends with /<dataset>/<batch_id>/attempts/<job id>, found {output}"
        )


def _run(
    session: SparkSession, manifest_uri: str, pipeline_uri: str, output: str, fetch_key: FetchKey
) -> dict[str, Any]:
    manifest, contract = _open_batch(manifest_uri, pipeline_uri, output)
    key = _fetch_key(manifest, manifest_uri, fetch_key) if contract.tokenises else None
    metrics_uri = _clear(output)
    readable, refusals = _inspect_files(manifest, contract)
    batch = _describe_batch(manifest, contract, output, readable)
    done = _convert(session, batch, _plan(session, batch, readable), key)
    verdicts = _conclude(session, batch, refusals, done)
    content = metrics.build_metrics(manifest, verdicts, output)
    storage.write_text(metrics_uri, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    _report(manifest, content)
    return content


def _open_batch(manifest_uri: str, pipeline_uri: str, output: str) -> tuple[Manifest, Pipeline]:
    manifest = parse_manifest(storage.read_text(manifest_uri, ManifestError), manifest_uri)
    contract = parse_pipeline(storage.read_text(pipeline_uri, PipelineError), pipeline_uri)
    if contract.dataset != manifest.dataset:
        raise PipelineError(f"{pipeline_uri}: dataset: expected {manifest.dataset}, found {contract.dataset}")
    # What lies in the folder is replaced, so it must be this batch's, and no other attempt's.
    address = f"/{manifest.dataset}/{manifest.batch_id}/attempts"
    if not output.rpartition("/")[0].endswith(address):
        raise JobError(f"--output: expected a URI that ends with {address}/<job id>, found {output}")
    logs.info("batch opened", dataset=manifest.dataset, batch_id=manifest.batch_id, files=len(manifest.files))
    return manifest, contract


def _fetch_key(manifest: Manifest, uri: str, fetch_key: FetchKey) -> TokenKey:
    if manifest.token_key is None:
        raise ManifestError(
            f"{uri}: token_key: expected the version of a secret, for the contract tokenises, found null; "
            "see that the DAGs are configured with a token key"
        )
    return fetch_key(manifest.token_key)


def _clear(output: str) -> str:
    """Delete what the same attempt left when it ran before, and return the URI of metrics.json."""
    # A reader that finds metrics.json may trust what lies beside it, so an earlier one goes first.
    metrics_uri = f"{output}/metrics.json"
    left = (failures.REPORT, failures.FOLDER, task.ACCEPTED, task.REJECTED, task.REPEATS)
    for uri in (metrics_uri, *(f"{output}/{name}" for name in left)):
        storage.delete(uri)
    return metrics_uri


def _inspect_files(manifest: Manifest, contract: Pipeline) -> tuple[dict[int, Readable], dict[int, Refusal]]:
    """Return how files are read, and why the others are not, by their places in the manifest."""
    length = inspection.head_length(contract)
    with ThreadPoolExecutor(_PARALLEL_READS) as threads:
        heads = threads.map(lambda file: _read_head(file, length), manifest.files)
        found = [
            inspection.inspect(file.archive_uri, head.size, head.content, contract)
            for file, head in zip(manifest.files, heads, strict=True)
        ]
    refusals = {index: one for index, one in enumerate(found) if isinstance(one, Refusal)}
    return {index: one for index, one in enumerate(found) if not isinstance(one, Refusal)}, refusals


def _read_head(file: SourceFile, length: int) -> Head:
    try:
        return storage.read_head(file.archive_uri, length)
    except SurroundingsError:
        raise
    except JobError as problem:
        raise FileError(str(problem), [file]) from None


def _describe_batch(
    manifest: Manifest, contract: Pipeline, output: str, readable: Mapping[int, Readable]
) -> Batch:
    layouts = {index: one.layout for index, one in readable.items()}
    new_columns: dict[str, str] = {}
    if contract.format.unknown_columns == unknown.EVOLVE:
        headers = [name for _, layout in sorted(layouts.items()) for _, name in layout.unknown]
        taken = [*(column.name for column in contract.columns), *tables.LINEAGE, unknown.RESCUED]
        new_columns = unknown.name_new_columns(headers, taken)
    return Batch(manifest, contract, output, layouts, new_columns)


def _convert(session: SparkSession, batch: Batch, tasks: Sequence[Task], key: TokenKey | None) -> list[Done]:
    """Write the Parquet; tasks that hold a row with a repeated key are run once more, to reject it."""
    done = _run_tasks(session, tasks, batch, key)
    if batch.contract.duplicate_keys == "reject" and _parts(done.values(), task.ACCEPTED):
        again = _find_repeats(session, tasks, batch)
        done |= _run_tasks(session, again, batch, key)
        storage.delete(f"{batch.output}/{task.REPEATS}")
    return list(done.values())


def _run_tasks(
    session: SparkSession, tasks: Sequence[Task], batch: Batch, key: TokenKey | None
) -> dict[int, Done]:
    return {one.number: one for one in _map(session, functools.partial(task.run, key=key), tasks, batch)}


def _map(session: SparkSession, work: Callable[[T, Batch], R], items: Sequence[T], batch: Batch) -> list[R]:
    """Call `work` on each item in Spark's Python workers, in any order."""
    if not items:
        return []
    context = session.sparkContext
    # PySpark keeps what it broadcasts in a file: the batch may be there. The key may not, and is in `work`.
    shared = context.broadcast(batch)
    found = context.parallelize(items, len(items)).map(lambda item: work(item, shared.value)).collect()
    shared.destroy()
    return found


def _plan(session: SparkSession, batch: Batch, readable: Mapping[int, Readable]) -> list[Task]:
    """Divide the files into ranges, and the ranges into tasks."""
    ranges = _find_ranges(batch, readable)
    surveys = dict(zip(ranges, _map(session, task.survey_range, ranges, batch), strict=True))
    splits: list[Split] = []
    divided = {index: list(mine) for index, mine in itertools.groupby(ranges, lambda one: one.file)}
    for index, one in readable.items():
        if index not in divided:
            splits.append(survey.take_whole(index, one))
            continue
        cuts = [*(place.start for place in divided[index]), divided[index][-1].stop]
        splits += survey.compose(index, one, cuts, [surveys[place] for place in divided[index]])
    items = [Item(number, _weigh(split, batch)) for number, split in enumerate(splits)]
    return [Task(number, tuple(splits[item] for item in packed)) for number, packed in enumerate(pack(items))]


def _find_ranges(batch: Batch, readable: Mapping[int, Readable]) -> list[Range]:
    """Return the ranges that large files are cut into, in order, each without knowing where records begin."""
    ranges: list[Range] = []
    for index, one in readable.items():
        file, format_ = batch.manifest.files[index], batch.contract.format
        if file.size > survey.RANGE_BYTES and is_divisible(file.archive_uri, format_):
            read = functools.partial(storage.read_range, file.archive_uri)
            cuts = survey.find_cuts(read, one, file.size, format_, survey.RANGE_BYTES)
            ranges += [Range(index, start, stop) for start, stop in itertools.pairwise(cuts)]
    return ranges


def _weigh(split: Split, batch: Batch) -> int:
    """Estimate the bytes of text in a split."""
    if split.stop is not None:
        return split.stop - split.start
    file = batch.manifest.files[split.file]
    return file.size * (_GZIP_FACTOR if file.archive_uri.endswith(".gz") else 1)


def _find_repeats(session: SparkSession, tasks: Sequence[Task], batch: Batch) -> list[Task]:
    folder = f"{batch.output}/{task.REPEATS}"
    duplicates.find(session, f"{batch.output}/{task.ACCEPTED}", batch.contract.key, folder)
    places: dict[tuple[str, int], duplicates.Places] = {}
    for one in tasks:
        for split in one.splits:
            file = batch.manifest.files[split.file]
            starts, numbers = places.setdefault((file.uri, file.generation), ([], []))
            starts.append(split.first_row)
            numbers.append(one.number)
    affected = duplicates.affected(folder, places)
    return [replace(one, repeats=folder) for one in tasks if one.number in affected]


def _conclude(
    session: SparkSession, batch: Batch, refusals: Mapping[int, Refusal], done: Sequence[Done]
) -> Verdicts:
    """Hold the counts against each other, measure what only the whole batch shows, and sum up."""
    counts = metrics.gather(one.counts for one in done)
    metrics.check_conservation(batch.manifest.files, counts, batch.output)
    for kind in (task.ACCEPTED, task.REJECTED):
        folder = f"{batch.output}/{kind}"
        metrics.check_parts(_parts(done, kind), storage.list_names(folder), folder)
    found_later = {index: refusal for one in done for index, refusal in one.refusals.items()}
    for index, refusal in (all_refusals := {**refusals, **found_later}).items():
        file = batch.manifest.files[index]
        logs.info("file rejected", uri=file.uri, generation=file.generation, reason=refusal.reason)
    return Verdicts(
        layouts=batch.layouts,
        refusals=all_refusals,
        counts=counts,
        quality=_measure(session, batch, done),
        new_columns=tuple(batch.new_columns.values()),
    )


def _measure(session: SparkSession, batch: Batch, done: Sequence[Done]) -> list[dict[str, Any]]:
    rules = batch.contract.quality
    folder = f"{batch.output}/{task.ACCEPTED}"
    repeated = quality.count_duplicates(session, folder, rules) if _parts(done, task.ACCEPTED) else {}
    total = sum(count.accepted for one in done for count in one.counts.values())
    return quality.evaluate(rules, total, sum((one.quality for one in done), Counter[str]()), repeated)


def _parts(done: Iterable[Done], kind: str) -> list[str]:
    return [one.part for one in done if kind in one.kinds]


def _report(manifest: Manifest, content: Mapping[str, Any]) -> None:
    numbers = {name: content[name] for name in ("rows_read", "rows_accepted", "rows_rejected")}
    labels = {"dataset": manifest.dataset, "batch_id": manifest.batch_id}
    logs.info(
        "batch written", **labels, **numbers, rejected_rows_by_reason=content["rejected_rows_by_reason"]
    )
