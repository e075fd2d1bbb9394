"""`warehouse.json`: the tables and procedures of a dataset and who reads it, for what makes them."""

import json
import unicodedata
from typing import Any

from bigquery.renderer.batch_sql import PARAMETERS, REPLAY_PARAMETERS
from bigquery.renderer.model import Dataset, Role

_LONGEST_LABEL = 63


def render(dataset: Dataset) -> str:
    """The text of `warehouse.json`: fixed key order, two spaces of indent, a line break at the end."""
    return json.dumps(_document(dataset), indent=2, ensure_ascii=False) + "\n"


def _document(dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "labels": {"owner": label(dataset.owner), "contract_version": label(dataset.version)},
        "restricted_columns": list(dataset.restricted),
        "roles": [_role(role) for role in dataset.roles],
        "tables": {"raw": _raw(dataset), "trusted": _trusted(dataset), "rejected": _rejected(dataset)},
        "procedures": [
            {
                "name": dataset.procedure,
                "file": "procedure.sql",
                "description": f"Brings one batch of {dataset.raw_table} into {dataset.trusted_table}.",
                "arguments": _arguments(PARAMETERS),
            },
            {
                "name": dataset.replay_procedure,
                "file": "replay.sql",
                "description": f"Replaces what files read again gave to {dataset.trusted_table}.",
                "arguments": _arguments(REPLAY_PARAMETERS),
            },
        ],
    }


def _role(role: Role) -> dict[str, Any]:
    return {
        "role": role.name,
        "row_filter": role.row_filter or None,
        "classifications": list(role.classifications),
    }


def _raw(dataset: Dataset) -> dict[str, Any]:
    return {
        "table": dataset.raw_table,
        "description": f"Rows as they arrived, every batch: {dataset.description}",
        "partitioning": _partitioning(
            "_ingested_at", days=dataset.operation.retention.raw_days, filtered=True
        ),
        "clustering": ["_batch_id"],
    }


def _trusted(dataset: Dataset) -> dict[str, Any]:
    partitions = dataset.partitioning
    return {
        "table": dataset.trusted_table,
        "description": f"The newest row of each key: {dataset.description}",
        "partitioning": _partitioning(partitions.field, partitions.granularity) if partitions else None,
        "clustering": list(dataset.clustering),
        "primary_key": list(dataset.key),
    }


def _rejected(dataset: Dataset) -> dict[str, Any]:
    return {
        "table": dataset.rejected_table,
        "description": f"Rows that break the contract, with the reasons: {dataset.description}",
        "partitioning": _partitioning("ingested_at", days=dataset.operation.retention.rejected_days),
        "clustering": ["batch_id"],
    }


def _partitioning(
    field: str, granularity: str = "DAY", *, days: int | None = None, filtered: bool = False
) -> dict[str, Any]:
    return {"field": field, "type": granularity, "require_filter": filtered, "expiration_days": days}


def _arguments(parameters: dict[str, str]) -> list[dict[str, Any]]:
    """The parameters as BigQuery's API writes them."""
    return [{"name": name, "data_type": _data_type(kind)} for name, kind in parameters.items()]


def _data_type(kind: str) -> dict[str, Any]:
    if kind.startswith("ARRAY<"):
        return {"typeKind": "ARRAY", "arrayElementType": _data_type(kind[6:-1])}
    return {"typeKind": kind}


def label(text: str) -> str:
    """The text as the value of a label: at most 63 lower-case letters, digits, underscores and hyphens."""
    words = unicodedata.normalize("NFC", text).lower()
    kept = "".join(sign if sign.isalnum() or sign in "_-" else " " for sign in words)
    return "-".join(kept.split())[:_LONGEST_LABEL].rstrip("-")
