"""`pipeline.json`: the compact form of a contract that the DAGs, the Spark job and the local cloud read."""

import json
from dataclasses import asdict
from typing import Any

from bigquery.renderer.model import MASK, Column, Dataset, Protection, QualityRule

VERSION = 2


def render(dataset: Dataset) -> str:
    """The text of `pipeline.json`: fixed key order, two spaces of indent, a line break at the end."""
    return json.dumps(_document(dataset), indent=2, ensure_ascii=False) + "\n"


def _document(dataset: Dataset) -> dict[str, Any]:
    operation = dataset.operation
    return {
        "version": VERSION,
        "dataset": dataset.name,
        "contract_version": dataset.version,
        "description": dataset.description,
        "owner": dataset.owner,
        "freshness_seconds": dataset.freshness_seconds,
        "format": _format(dataset),
        "mode": dataset.mode,
        "columns": [_column(column) for column in dataset.columns],
        "key": list(dataset.key),
        "duplicate_keys": dataset.duplicate_keys,
        "raw": {"table": dataset.raw_table},
        "trusted": {"table": dataset.trusted_table},
        "rejected": {"table": dataset.rejected_table},
        "procedure": dataset.procedure,
        "replay_procedure": dataset.replay_procedure,
        "max_rejected_share": operation.max_rejected_share,
        "quality": [_quality(rule) for rule in dataset.quality],
        "compute": asdict(operation.compute),
        "retries": asdict(operation.retries),
        "isolation": asdict(operation.isolation),
        "retention": asdict(operation.retention),
    }


def _format(dataset: Dataset) -> dict[str, Any]:
    csv = dataset.format
    return {
        "type": "csv",
        "delimiter": csv.delimiter,
        "quote": csv.quote,
        **({"escape": csv.escape} if csv.escape else {}),
        "encoding": csv.encoding,
        "header": csv.header,
        "null_tokens": list(csv.null_tokens),
        "unknown_columns": csv.unknown_columns,
        "max_text_bytes": csv.max_text_bytes,
    }


def _column(column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": column.name}
    if column.header != column.name:
        entry["header"] = column.header
    entry["type"] = column.type
    if column.precision is not None:
        entry |= {"precision": column.precision, "scale": column.scale}
    entry["required"] = column.required
    entry |= _set(asdict(column.notation))
    entry |= _set(asdict(column.constraints))
    if column.protection:
        entry["protection"] = _protection(column.protection)
    return entry


def _set(fields: dict[str, Any]) -> dict[str, Any]:
    """Those of the fields that say something; a length of 0 does."""
    return {name: value for name, value in fields.items() if value is not None and value not in ("", ())}


def _protection(protection: Protection) -> dict[str, Any]:
    kept = {"keep_last": protection.keep_last} if protection.method == MASK else {}
    return {"method": protection.method, **kept}


def _quality(rule: QualityRule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "metric": rule.metric,
        "columns": list(rule.columns),
        **_set({"valid_values": rule.valid_values, "pattern": rule.pattern}),
        "operator": rule.operator,
        "threshold": list(rule.threshold),
        "unit": rule.unit,
        "severity": rule.severity,
    }
