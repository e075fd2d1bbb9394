"""Correction "loads": a Parquet load finds its files, fits columns by name, appends once or not at all.

BigQuery: ``*`` in a URI matches any objects; columns go by name, absent ones become null; a file that does
not fit the table fails the job (optional columns do not fit REQUIRED ones unless the job names the
``schema``); ``ALLOW_FIELD_ADDITION`` lets an append add columns; lists need ``enableListInference``, decimals
``decimalTargetTypes``; ``outputRows`` counts this load's rows.
bqemulator: columns go by position; none of these options is read; ``outputRows`` is the table's total.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bqemulator.api.routes.jobs as job_routes
import bqemulator.api.routes.tables as table_routes
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.etag import generate_etag
from bqemulator.catalog.models import JobMeta, TableMeta
from bqemulator.domain.errors import (
    DomainError,
    NotFoundError,
    ResourceRef,
    ValidationError,
    resource_not_found,
)
from bqemulator.jobs.executor import execute_load_job
from bqemulator.storage.sql_identifiers import quoted_table_ref

from localcloud.bigquery.columns import definitions, stored_type
from localcloud.bigquery.parquet import Field, conform, fields_of
from localcloud.bigquery.seams import replace
from localcloud.bigquery.tables import changes

_log = structlog.get_logger("localcloud.bigquery")


def apply() -> None:
    """Let jobs.insert run loads through here."""
    replace(job_routes, "execute_load_job", load)


async def load(project_id: str, job_id: str, config: dict[str, Any], ctx: AppContext) -> JobMeta:
    """Run one load job; a fault of the data or the table ends in the job's ``errorResult``."""
    request = _LoadRequest.read(project_id, config["load"])
    if request.source_format != "PARQUET":
        return await _load_other(request, project_id, job_id, config, ctx)
    try:
        return await _load_parquet(request, project_id, job_id, config, ctx)
    except (DomainError, duckdb.Error, pa.ArrowException) as error:
        reason = error.bq_reason if isinstance(error, DomainError) else "invalid"
        message = error.message if isinstance(error, DomainError) else _reading_failed(error)
        _log.warning("load.failed", job=job_id, table=request.name, reason=reason, message=message)
        result = {"reason": reason, "message": message}
        return job_routes._failed_job_meta(project_id, job_id, "LOAD", config, result, ctx.clock.now())


@dataclass(frozen=True)
class _LoadRequest:
    """The parts of ``configuration.load`` that a load here reads."""

    table: tuple[str, str, str]
    uris: tuple[str, ...]
    source_format: str
    write: str
    create: str
    declared: tuple[Field, ...]
    decimal_targets: tuple[str, ...]
    list_inference: bool
    adds_columns: bool

    @classmethod
    def read(cls, project: str, load: dict[str, Any]) -> "_LoadRequest":
        destination = load.get("destinationTable", {})
        return cls(
            table=(
                destination.get("projectId", project),
                destination.get("datasetId", ""),
                destination.get("tableId", ""),
            ),
            uris=tuple(load.get("sourceUris", ())),
            source_format=load.get("sourceFormat", "CSV").upper(),
            write=load.get("writeDisposition", "WRITE_APPEND"),
            create=load.get("createDisposition", "CREATE_IF_NEEDED"),
            declared=tuple((load.get("schema") or {}).get("fields", ())),
            decimal_targets=tuple(load.get("decimalTargetTypes") or ("NUMERIC",)),
            list_inference=bool(load.get("parquetOptions", {}).get("enableListInference")),
            adds_columns="ALLOW_FIELD_ADDITION" in (load.get("schemaUpdateOptions") or ()),
        )

    @property
    def name(self) -> str:
        project, dataset, table = self.table
        return f"{project}:{dataset}.{table}"


def find_files(uris: tuple[str, ...], buckets: Path) -> list[Path]:
    """Give the files of ``gs://`` URIs below the buckets folder, sorted; ``file://`` stands for an upload.

    One ``*`` a URI matches any characters, ``/`` included, but not in the bucket's name. A URI that matches
    nothing is a ``NotFoundError``.
    """
    found: list[Path] = []
    for uri in uris:
        matched = [Path(uri.removeprefix("file://"))] if uri.startswith("file://") else _objects(uri, buckets)
        if not matched:
            raise NotFoundError(f"Not found: URI {uri}")
        found += matched
    return sorted(set(found))


def _objects(uri: str, buckets: Path) -> list[Path]:
    bucket, _, pattern = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not pattern or "*" in bucket or pattern.count("*") > 1:
        raise ValidationError(
            f"expected gs://bucket/object with at most one '*' in the object's name, found {uri}"
        )
    root = buckets / bucket
    if "*" not in pattern:
        path = root / pattern
        return [path] if path.is_file() and path.resolve().is_relative_to(root.resolve()) else []
    wanted = re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and wanted.fullmatch(path.relative_to(root).as_posix())
    ]


async def _load_parquet(
    request: _LoadRequest, project_id: str, job_id: str, config: dict[str, Any], ctx: AppContext
) -> JobMeta:
    started = ctx.clock.now()
    buckets = ctx.settings.gcs_local_root
    files = find_files(request.uris, Path() if buckets is None else buckets)
    in_files = fields_of(
        _common_schema(files), request.decimal_targets, list_inference=request.list_inference
    )
    async with ctx.engine.write_lock():
        table = _destination(request, in_files, ctx)
        if request.declared:
            conform(request.name, list(request.declared), in_files, modes=False)
        columns, statements = _grow(request, table, list(request.declared) or in_files)
        conform(request.name, columns, list(request.declared) or in_files)
        if statements:
            _alter(table, columns, statements, ctx)
        rows = _append(request, columns, {field["name"].lower() for field in in_files}, files, ctx)
    return _finished(project_id, job_id, config, rows, files, started, ctx)


def _grow(request: _LoadRequest, table: TableMeta, incoming: list[Field]) -> tuple[list[Field], list[str]]:
    """Give the table's columns as the load may leave them, and how to alter the stored ones into them."""
    present = [table_routes._field_to_rest(field) for field in table.schema_.fields]
    if not request.adds_columns:
        return present, []
    if request.write != "WRITE_APPEND":
        raise ValidationError(
            "Schema update options should only be specified with WRITE_APPEND disposition, "
            "or with WRITE_TRUNCATE disposition on a table partition."
        )
    known = {field["name"].lower() for field in present}
    columns = [*present, *(field for field in incoming if field["name"].lower() not in known)]
    return columns, changes(request.name, table.schema_.fields, columns)


def _alter(table: TableMeta, columns: list[Field], statements: list[str], ctx: AppContext) -> None:
    target = quoted_table_ref(table.project_id, table.dataset_id, table.table_id)
    for statement in statements:
        ctx.engine.execute(f"ALTER TABLE {target} {statement}")
    body = {"tableReference": {"tableId": table.table_id}, "schema": {"fields": columns}}
    ctx.catalog.update_table(
        table_routes._rest_to_table_meta(table.project_id, table.dataset_id, body, ctx.clock, table)
    )


def _common_schema(files: list[Path]) -> pa.Schema:
    first, *others = files
    schema = pq.read_schema(first)
    for other in others:
        if not pq.read_schema(other).equals(schema):
            raise ValidationError(
                f"expected one schema in all files of a load, found two: in {first.name} and in {other.name}"
            )
    return schema


def _destination(request: _LoadRequest, in_files: list[Field], ctx: AppContext) -> TableMeta:
    project, dataset, table = request.table
    present = ctx.catalog.get_table(project, dataset, table)
    if present is not None:
        return present
    if request.create == "CREATE_NEVER" or ctx.catalog.get_dataset(project, dataset) is None:
        raise resource_not_found(ResourceRef("table", project, dataset, table))
    body = {"tableReference": {"tableId": table}, "schema": {"fields": list(request.declared) or in_files}}
    meta = table_routes._rest_to_table_meta(project, dataset, body, ctx.clock)
    fields = [table_routes._field_to_rest(field) for field in meta.schema_.fields]
    columns = ", ".join(f'"{name}" {kind}' for name, kind in definitions(fields))
    ctx.engine.execute(f"CREATE TABLE {quoted_table_ref(project, dataset, table)} ({columns})")
    return ctx.catalog.create_table(meta)


def _append(
    request: _LoadRequest, present: list[Field], given: set[str], files: list[Path], ctx: AppContext
) -> int:
    """Insert the files' rows in one statement, columns by name; the number of rows."""
    target = quoted_table_ref(*request.table)
    if request.write == "WRITE_TRUNCATE":
        ctx.engine.execute(f"DELETE FROM {target}")  # noqa: S608 -- quoted_table_ref checks the names
    elif request.write == "WRITE_EMPTY" and _count(target, ctx):
        raise ValidationError(
            f"Already Exists: Table {request.name} is not empty and writeDisposition is WRITE_EMPTY"
        )
    values = ", ".join(_value(field, given) for field in present)
    names = ", ".join(f'"{field["name"]}"' for field in present)
    literal = [re.sub(r"([*?\[])", r"[\1]", str(path)) for path in files]  # DuckDB takes paths for patterns
    insert = f"INSERT INTO {target} ({names}) SELECT {values} FROM read_parquet(?)"  # noqa: S608 -- names checked
    return _number(ctx, insert, [literal])


def _value(field: Field, given: set[str]) -> str:
    kind = stored_type(field)
    value = (
        f'CAST("{field["name"]}" AS {kind})' if field["name"].lower() in given else f"CAST(NULL AS {kind})"
    )
    # A REPEATED column is never null in BigQuery, only empty.
    return f"COALESCE({value}, [])" if field.get("mode") == "REPEATED" else value


def _count(target: str, ctx: AppContext) -> int:
    return _number(ctx, f"SELECT COUNT(*) FROM {target}")  # noqa: S608 -- quoted_table_ref checks the names


def _number(ctx: AppContext, sql: str, parameters: list[Any] | None = None) -> int:
    row = ctx.engine.execute(sql, parameters).fetchone()
    return int(row[0]) if row else 0


def _finished(
    project_id: str,
    job_id: str,
    config: dict[str, Any],
    rows: int,
    files: list[Path],
    started: Any,
    ctx: AppContext,
) -> JobMeta:
    size = str(sum(path.stat().st_size for path in files))
    statistics = {
        "inputFiles": str(len(files)),
        "inputFileBytes": size,
        "outputRows": str(rows),
        "outputBytes": size,
        "badRecords": "0",
    }
    return JobMeta(
        project_id=project_id,
        job_id=job_id,
        job_type="LOAD",
        state="DONE",
        configuration=config,
        statistics={"load": statistics},
        creation_time=started,
        start_time=started,
        end_time=ctx.clock.now(),
        etag=generate_etag(project_id, job_id, str(started)),
    )


async def _load_other(
    request: _LoadRequest, project_id: str, job_id: str, config: dict[str, Any], ctx: AppContext
) -> JobMeta:
    """Leave CSV and JSON to the emulator; count only the rows that came in."""
    target = quoted_table_ref(*request.table)
    kept = 0
    if request.write == "WRITE_APPEND" and ctx.catalog.get_table(*request.table) is not None:
        kept = _count(target, ctx)
    job = await execute_load_job(project_id, job_id, config, ctx)
    rows = _count(target, ctx) - kept
    return job.model_copy(
        update={"statistics": {"load": {**job.statistics["load"], "outputRows": str(rows)}}}
    )


def _reading_failed(error: Exception) -> str:
    return f"Error while reading data, error message: {error}"
