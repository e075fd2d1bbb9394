"""`pipeline.json`: the compact form of a contract that the DAGs, the Spark job and the local cloud read."""

import json
from dataclasses import asdict
from typing import Any

from bigquery.renderer.model import Column, Dataset

VERSION = 1


def render(dataset: Dataset) -> str:
    """The text of `pipeline.json`: fixed key order, two spaces of indent, a line break at the end."""
    return json.dumps(_document(dataset), indent=2, ensure_ascii=False) + "\n"


def _document(dataset: Dataset) -> dict[str, Any]:
    return {
        "version": VERSION,
        "dataset": dataset.name,
        "contract_version": dataset.version,
        "description": dataset.description,
        "owner": dataset.owner,
        "format": _format(dataset),
        "mode": dataset.mode,
        "columns": [_column(column) for column in dataset.columns],
        "key": list(dataset.key),
        "raw": {
            "table": dataset.raw_table,
            "description": f"Rows as they arrived, every batch: {dataset.description}",
            "partitioning": {"field": "_ingested_at", "type": "DAY", "require_filter": True},
            "clustering": ["_batch_id"],
        },
        "trusted": {
            "table": dataset.trusted_table,
            "description": f"The newest row of each key: {dataset.description}",
            "partitioning": _partitioning(dataset),
            "clustering": list(dataset.clustering),
        },
        "procedure": dataset.procedure,
        "max_rejected_share": dataset.max_rejected_share,
        "compute": asdict(dataset.compute),
        "retries": asdict(dataset.retries),
    }


def _format(dataset: Dataset) -> dict[str, Any]:
    csv = dataset.format
    return {
        "type": "csv",
        "delimiter": csv.delimiter,
        "quote": csv.quote,
        # RFC 4180: a quote within a field is doubled.
        "escape": csv.quote,
        "encoding": csv.encoding,
        "header": True,
        "null_tokens": list(csv.null_tokens),
    }


def _column(column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": column.name, "type": column.type}
    if column.precision is not None:
        entry |= {"precision": column.precision, "scale": column.scale}
    entry["required"] = column.required
    if column.formats:
        entry["formats"] = list(column.formats)
    if column.true_tokens:
        entry |= {"true_tokens": list(column.true_tokens), "false_tokens": list(column.false_tokens)}
    return entry


def _partitioning(dataset: Dataset) -> dict[str, Any] | None:
    partitioning = dataset.partitioning
    if partitioning is None:
        return None
    return {"field": partitioning.field, "type": partitioning.granularity, "require_filter": False}
