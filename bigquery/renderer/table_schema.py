"""`raw.schema.json` and `trusted.schema.json`: table schemas as BigQuery, `bq` and Terraform take them."""

import json
from collections.abc import Sequence

from bigquery.renderer.lineage import LINEAGE
from bigquery.renderer.model import Column, Dataset


def render_raw(dataset: Dataset) -> str:
    """Every column NULLABLE: raw holds what arrived.

    BigQuery refuses to append Parquet whose columns are optional, as Spark writes them, to a table whose
    columns are REQUIRED, and to add a REQUIRED column to a table. The procedure's guards find what misses.
    """
    return _text(dataset.columns, modes=False)


def render_trusted(dataset: Dataset) -> str:
    """The columns that the contract requires, and the lineage, REQUIRED."""
    return _text(dataset.columns, modes=True)


def _text(columns: Sequence[Column], *, modes: bool) -> str:
    fields = [
        _field(column, "REQUIRED" if modes and column.required else "NULLABLE")
        for column in (*columns, *LINEAGE)
    ]
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def _field(column: Column, mode: str) -> dict[str, str]:
    field = {"name": column.name, "type": column.type, "mode": mode}
    if column.parameterised:
        # BigQuery's API writes these 64-bit integers as strings.
        field |= {"precision": str(column.precision), "scale": str(column.scale)}
    return field | {"description": column.description}
