"""`raw.schema.json` and `trusted.schema.json`: table schemas as BigQuery, `bq` and Terraform take them."""

import json
from collections.abc import Sequence

from bigquery.renderer.lineage import LINEAGE, RESCUED
from bigquery.renderer.model import HASH, MASK, TOKENISE, Column, Dataset


def render_raw(dataset: Dataset) -> str:
    """Every column NULLABLE: raw holds what arrived, and in mode rescue what the contract does not name.

    BigQuery refuses to append Parquet whose columns are optional, as the job writes them, to a table whose
    columns are REQUIRED, and to add a REQUIRED column to a table. The procedure's guards find what misses.
    """
    rescued = (RESCUED,) if dataset.format.unknown_columns == "rescue" else ()
    return _text((*dataset.kept, *rescued, *LINEAGE), modes=False)


def render_trusted(dataset: Dataset) -> str:
    """The columns that the contract requires, and the lineage, REQUIRED."""
    return _text((*dataset.kept, *LINEAGE), modes=True)


def _text(columns: Sequence[Column], *, modes: bool) -> str:
    fields = [_field(column, "REQUIRED" if modes and column.required else "NULLABLE") for column in columns]
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def _field(column: Column, mode: str) -> dict[str, str]:
    field = {"name": column.name, "type": column.type, "mode": mode}
    if column.parameterised:
        # BigQuery's API writes these 64-bit integers as strings.
        field |= {"precision": str(column.precision), "scale": str(column.scale)}
    return field | {"description": _description(column)}


def _description(column: Column) -> str:
    """What the column means, and for a personal one what its values have become."""
    protection = column.protection
    if protection is None:
        return column.description
    kept = f" and the last {protection.keep_last} characters, of at most half" if protection.keep_last else ""
    become = {
        MASK: f"Personal: masked, as ***{kept}.",
        HASH: "Personal: the SHA-256 of the value, in hexadecimal digits.",
        TOKENISE: "Personal: the HMAC-SHA-256 of the value with a secret key, in hexadecimal digits.",
    }
    return f"{column.description} {become[protection.method]}"
