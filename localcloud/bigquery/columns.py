"""Correction "columns": a column is stored under any name that BigQuery allows, and REQUIRED means it.

BigQuery: a field of a RECORD may be called ``column``, ``end`` or ``order``; a REQUIRED column refuses
nulls; a REPEATED one is empty, never null.
bqemulator: does not quote names inside a RECORD, so that DuckDB's reserved words are a syntax error; forgets
REQUIRED.
"""

from typing import Any

import bqemulator.api.routes.tables as table_routes
import bqemulator.storage.type_map as type_map
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns

from localcloud.bigquery.seams import replace


def apply() -> None:
    """Let tables.insert, and loads that make their table, define columns through here."""
    replace(type_map, "bq_schema_to_duckdb_columns", definitions)
    replace(table_routes, "bq_schema_to_duckdb_columns", definitions)


def definitions(fields: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Give (name, definition) pairs for CREATE TABLE."""
    return [(field["name"], definition(field)) for field in fields]


def definition(field: dict[str, Any]) -> str:
    """Give what follows a column's name in DDL: its type, NOT NULL if REQUIRED, an empty default."""
    more = {"REQUIRED": " NOT NULL", "REPEATED": " DEFAULT []"}
    return stored_type(field) + more.get(field.get("mode") or "NULLABLE", "")


def stored_type(field: dict[str, Any]) -> str:
    """Give the DuckDB type of one field of a BigQuery JSON schema, without its nullability."""
    if field["type"].upper() in {"RECORD", "STRUCT"}:
        inner = ", ".join(f'"{one["name"]}" {stored_type(one)}' for one in field["fields"])
        kind = f"STRUCT({inner})"
    else:
        ((_, kind),) = bq_schema_to_duckdb_columns([{**field, "mode": "NULLABLE"}])
    return f"{kind}[]" if field.get("mode") == "REPEATED" else kind
