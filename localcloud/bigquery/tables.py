"""Correction "tables": a table is what its definition says, and says what it is.

BigQuery: precision and scale of a column and ``requirePartitionFilter`` come back as they were sent;
``numRows`` counts what DML wrote too; a view says its query; a patched schema adds its new columns to the
stored rows; a table in an absent dataset is 404.
bqemulator: drops all of that; after a patch its own schema and its data disagree.
"""

from typing import Annotated, Any

import bqemulator.api.routes.tables as emulator
from bqemulator.api.dependencies import AppContext, get_context
from bqemulator.catalog.models import TableFieldSchema, TableMeta
from bqemulator.domain.errors import ResourceRef, ValidationError, resource_not_found
from bqemulator.storage.sql_identifiers import quoted_table_ref
from fastapi import APIRouter, Depends, Request

from localcloud.bigquery.columns import definition, stored_type
from localcloud.bigquery.seams import replace


def apply(context: AppContext) -> None:
    """Correct the readers and writers of table resources; row counts are read from ``context``'s engine."""
    parse_fields, field_to_rest = emulator._parse_schema_fields, emulator._field_to_rest
    table_to_rest, meta_from_rest = emulator._table_to_rest, emulator._rest_to_table_meta
    list_item = emulator._table_to_list_item

    def parse_with_precision(raw_fields: list[dict[str, Any]]) -> tuple[TableFieldSchema, ...]:
        return tuple(
            field.model_copy(
                update={"precision": _integer(raw, "precision"), "scale": _integer(raw, "scale")}
            )
            for field, raw in zip(parse_fields(raw_fields), raw_fields, strict=True)
        )

    def field_with_precision(field: TableFieldSchema) -> dict[str, Any]:
        kept = {"precision": field.precision, "scale": field.scale}
        return field_to_rest(field) | {name: str(value) for name, value in kept.items() if value is not None}

    def table_with_rows(table: TableMeta) -> dict[str, Any]:
        body = table_to_rest(table)
        if table.table_type == "TABLE":
            body["numRows"] = str(_count(table, context))
        if table.time_partitioning and table.time_partitioning.require_partition_filter:
            body["requirePartitionFilter"] = True
        if table.view_query:
            body["view"] = {"query": table.view_query, "useLegacySql": table.use_legacy_sql}
        return body

    def item_with_layout(table: TableMeta) -> dict[str, Any]:
        whole = table_to_rest(table)
        return list_item(table) | {
            name: whole[name] for name in ("timePartitioning", "clustering", "labels") if name in whole
        }

    def meta_with_filter(
        project: str, dataset: str, body: dict[str, Any], clock: Any, existing: TableMeta | None = None
    ) -> TableMeta:
        meta = meta_from_rest(project, dataset, body, clock, existing)
        wanted = body.get("requirePartitionFilter")
        if wanted is None or meta.time_partitioning is None:
            return meta
        partitioning = meta.time_partitioning.model_copy(update={"require_partition_filter": bool(wanted)})
        return meta.model_copy(update={"time_partitioning": partitioning})

    replace(emulator, "_parse_schema_fields", parse_with_precision)
    replace(emulator, "_field_to_rest", field_with_precision)
    replace(emulator, "_table_to_rest", table_with_rows)
    replace(emulator, "_table_to_list_item", item_with_layout)
    replace(emulator, "_rest_to_table_meta", meta_with_filter)


def router() -> APIRouter:
    """Answer tables.insert, tables.patch and tables.update in front of the emulator's routes."""
    routes = APIRouter(prefix="/bigquery/v2")
    path = "/projects/{project_id}/datasets/{dataset_id}/tables"
    context_type = Annotated[AppContext, Depends(get_context)]

    @routes.post(path)
    async def insert(project_id: str, dataset_id: str, request: Request, ctx: context_type) -> dict[str, Any]:
        if ctx.catalog.get_dataset(project_id, dataset_id) is None:
            raise resource_not_found(ResourceRef("dataset", project_id, dataset_id))
        return await emulator.insert_table(project_id, dataset_id, request, ctx)

    @routes.patch(path + "/{table_id}")
    @routes.put(path + "/{table_id}")
    async def change(
        project_id: str, dataset_id: str, table_id: str, request: Request, ctx: context_type
    ) -> dict[str, Any]:
        table = ctx.catalog.get_table(project_id, dataset_id, table_id)
        if table is None:
            raise resource_not_found(ResourceRef("table", project_id, dataset_id, table_id))
        wanted = (await request.json()).get("schema", {}).get("fields", [])
        statements = changes(f"{project_id}:{dataset_id}.{table_id}", table.schema_.fields, wanted)
        target = quoted_table_ref(project_id, dataset_id, table_id)
        async with ctx.engine.write_lock():
            for statement in statements:
                ctx.engine.execute(f"ALTER TABLE {target} {statement}")
        return await emulator.patch_table(project_id, dataset_id, table_id, request, ctx)

    return routes


def changes(table: str, present: tuple[TableFieldSchema, ...], wanted: list[dict[str, Any]]) -> list[str]:
    """Say how to alter a stored table into a wanted schema; empty if nothing changes or no schema is given.

    Allowed, as in BigQuery: new NULLABLE or REPEATED columns, also within a RECORD, and REQUIRED made
    NULLABLE. Anything else is a ``ValidationError`` (400) that names the column.
    """
    return _changes(table, [emulator._field_to_rest(field) for field in present], wanted) if wanted else []


def _changes(
    table: str, present: list[dict[str, Any]], wanted: list[dict[str, Any]], path: tuple[str, ...] = ()
) -> list[str]:
    """The same of the columns, or of the fields of the RECORD to which a path of DuckDB's leads."""
    new = {field["name"].lower(): field for field in wanted}
    old = {field["name"].lower(): field for field in present}
    statements = []
    for key, field in old.items():
        if key not in new:
            raise _mismatch(table, f"Field {_dotted(path, field)} is missing in new schema")
        statements += _change(table, field, new[key], path)
    for key, added in new.items():
        if key not in old:
            if added.get("mode") == "REQUIRED":
                raise _mismatch(
                    table,
                    f"Cannot add required fields to an existing schema. (field: {_dotted(path, added)})",
                )
            # Within a RECORD DuckDB takes no default; there a missing array reads as an empty one anyway.
            kind = stored_type(added) if path else definition(added)
            statements.append(f"ADD COLUMN IF NOT EXISTS {_quoted(*path, added['name'])} {kind}")
    return statements


def _change(table: str, old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    name, before, after = old["name"], old.get("mode") or "NULLABLE", new.get("mode") or "NULLABLE"
    if (before, after) == ("NULLABLE", "REQUIRED"):
        raise _mismatch(table, f"Field {_dotted(path, old)} has changed mode from NULLABLE to REQUIRED")
    if _is_record(old) and _is_record(new) and (before == "REPEATED") == (after == "REPEATED"):
        inside = (*path, name, "element") if before == "REPEATED" else (*path, name)
        statements = _changes(table, old["fields"], new["fields"], inside)
    elif stored_type(new) == stored_type(old):
        statements = []
    else:
        raise _mismatch(
            table, f"Field {_dotted(path, old)} has changed type from {old['type']} to {new['type']}"
        )
    # A field of a RECORD is not held to REQUIRED here.
    if (before, after) == ("REQUIRED", "NULLABLE") and not path:
        statements.append(f"ALTER COLUMN {_quoted(name)} DROP NOT NULL")
    return statements


def _is_record(field: dict[str, Any]) -> bool:
    return str(field["type"]).upper() in {"RECORD", "STRUCT"}


def _quoted(*names: str) -> str:
    return ".".join(f'"{name}"' for name in names)


def _dotted(path: tuple[str, ...], field: dict[str, Any]) -> str:
    return ".".join([*(name for name in path if name != "element"), field["name"]])


def _mismatch(table: str, found: str) -> ValidationError:
    return ValidationError(f"Provided Schema does not match Table {table}. {found}")


def _integer(raw: dict[str, Any], name: str) -> int | None:
    return int(raw[name]) if raw.get(name) is not None else None


def _count(table: TableMeta, context: AppContext) -> int:
    target = quoted_table_ref(table.project_id, table.dataset_id, table.table_id)
    row = context.engine.execute(f"SELECT COUNT(*) FROM {target}").fetchone()  # noqa: S608 -- quoted above
    return int(row[0]) if row else 0
