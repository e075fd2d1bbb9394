"""`catalog.json`: what a reader of the data wants to know of a dataset, for the catalogue and for lineage."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bigquery.renderer.model import MASK, Column, Dataset, QualityRule, Role


def render(dataset: Dataset) -> str:
    """The text of `catalog.json`: fixed key order, two spaces of indent, a line break at the end."""
    return json.dumps(_document(dataset), indent=2, ensure_ascii=False) + "\n"


def _document(dataset: Dataset) -> dict[str, Any]:
    said = dataset.documentation
    return {
        "dataset": dataset.name,
        "version": dataset.version,
        "status": said.status,
        "domain": said.domain,
        "owner": {"name": dataset.owner, "description": said.owner},
        "description": {"purpose": said.purpose, "usage": said.usage, "limitations": said.limitations},
        "summary": dataset.description,
        "granularity": said.granularity,
        "mode": dataset.mode,
        "freshness_seconds": dataset.freshness_seconds,
        "source": _source(dataset),
        "columns": [_column(column, dataset) for column in dataset.columns],
        "rules": [*(_rule(rule, dataset) for rule in dataset.quality), *_sentences(dataset)],
        "policies": _policies(dataset),
        "layout": _layout(dataset),
        "roles": [_role(role) for role in dataset.roles],
        "tables": {
            "raw": dataset.raw_table,
            "live": dataset.live_view,
            "trusted": dataset.trusted_table,
            "rejected": dataset.rejected_table,
        },
    }


def _source(dataset: Dataset) -> dict[str, Any]:
    csv = dataset.format
    return {
        "path": f"{dataset.name}/",
        "format": "csv",
        "description": dataset.documentation.source,
        "encoding": csv.encoding,
        "delimiter": csv.delimiter,
        "quote": csv.quote,
        "escape": csv.escape or None,
        "header": csv.header,
        "null_tokens": list(csv.null_tokens),
        "unknown_columns": csv.unknown_columns,
        "max_text_bytes": csv.max_text_bytes,
    }


def _column(column: Column, dataset: Dataset) -> dict[str, Any]:
    partitioned = dataset.partitioning is not None and dataset.partitioning.field == column.name
    values = dataset.documentation.values.get(column.name, {})
    rules = _said(asdict(column.constraints))
    return {
        "name": column.name,
        "header": column.header,
        "type": _type(column),
        "description": column.description,
        "required": column.required,
        "key_position": dataset.key.index(column.name) + 1 if column.name in dataset.key else None,
        "partition": partitioned,
        "classification": column.classification,
        "protection": _protection(column),
        "written": _said(asdict(column.notation)),
        "rules": [rule | {"meanings": values} if rule["rule"] == "valid_values" else rule for rule in rules],
    }


def _type(column: Column) -> str:
    """The type as SQL writes it."""
    return f"{column.type}({column.precision}, {column.scale})" if column.parameterised else column.type


def _protection(column: Column) -> dict[str, Any] | None:
    if column.protection is None:
        return None
    kept = {"keep_last": column.protection.keep_last} if column.protection.method == MASK else {}
    return {"method": column.protection.method, **kept}


def _said(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of the fields that say something, each value a text or a list of texts; a length of 0 does."""
    return [
        {"rule": name, "value": list(value) if isinstance(value, tuple) else str(value)}
        for name, value in fields.items()
        if value is not None and value not in ("", ())
    ]


def _rule(rule: QualityRule, dataset: Dataset) -> dict[str, Any]:
    return {
        "name": rule.name,
        "description": dataset.documentation.rules.get(rule.name, ""),
        "severity": rule.severity,
        "metric": rule.metric,
        "columns": list(rule.columns),
        "operator": rule.operator,
        "threshold": list(rule.threshold),
        "unit": rule.unit,
        "valid_values": list(rule.valid_values),
        "pattern": rule.pattern,
    }


def _sentences(dataset: Dataset) -> list[dict[str, Any]]:
    """Rules that nothing measures, in the shape of those that are."""
    return [
        {
            "name": sentence.name,
            "description": sentence.description,
            "severity": None,
            "metric": None,
            "columns": [sentence.column] if sentence.column else [],
            "operator": None,
            "threshold": [],
            "unit": None,
            "valid_values": [],
            "pattern": None,
        }
        for sentence in dataset.documentation.sentences
    ]


def _policies(dataset: Dataset) -> dict[str, Any]:
    reasons = dataset.documentation.reasons
    return {
        "duplicate_keys": dataset.duplicate_keys,
        "unknown_columns": dataset.format.unknown_columns,
        "max_rejected_share": dataset.operation.max_rejected_share,
        "retention": asdict(dataset.operation.retention),
        "isolation": asdict(dataset.operation.isolation),
        # Why it is so, where the contract says why, by the same names.
        "reasons": {
            name: reasons[written]
            for name, written in {
                "duplicate_keys": "duplicateKeys",
                "unknown_columns": "unknownColumns",
                "max_rejected_share": "maxRejectedShare",
                "retention": "retention",
                "isolation": "isolation",
            }.items()
            if written in reasons
        },
    }


def _layout(dataset: Dataset) -> dict[str, Any]:
    return {
        "key": list(dataset.key),
        "partitioning": asdict(dataset.partitioning) if dataset.partitioning else None,
        "clustering": list(dataset.clustering),
    }


def _role(role: Role) -> dict[str, Any]:
    return {
        "role": role.name,
        "description": role.description,
        "row_filter": role.row_filter or None,
        "classifications": list(role.classifications),
    }
