"""Reads how trusted is keyed, partitioned and clustered, and checks it against the columns."""

from collections.abc import Mapping, Sequence

from open_data_contract_standard.model import SchemaProperty

from bigquery.renderer import custom_properties, protection
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import Column, Partitioning
from bigquery.renderer.problem import Problems

MODES = ("merge",)
DUPLICATE_KEYS = ("keep_last", "reject")

_MOST_CLUSTERING = 4
_MOST_KEY_COLUMNS = 16
_GRANULARITIES = {
    "DATE": ("DAY", "MONTH", "YEAR"),
    "DATETIME": ("HOUR", "DAY", "MONTH", "YEAR"),
    "TIMESTAMP": ("HOUR", "DAY", "MONTH", "YEAR"),
}


def read_mode(found: Found | None, path: str, problems: Problems) -> str:
    """How trusted is kept: `merge`, the newest source of a key wins."""
    value = found.value if found else None
    if value not in MODES:
        place = found.path if found else f"{path}.customProperties"
        problems.add(place, "the property mode, one of " + ", ".join(MODES), value, "write merge")
    return MODES[0]


def read_duplicate_keys(found: Found | None, problems: Problems) -> str:
    """What becomes of a key that a file holds more than once: `keep_last` where the property is absent."""
    return custom_properties.choice(found, DUPLICATE_KEYS[0], DUPLICATE_KEYS, problems)


def read_key(
    properties: Sequence[SchemaProperty], columns: Mapping[str, Column], path: str, problems: Problems
) -> tuple[str, ...]:
    """Names of the key's columns in the order of their positions."""
    keyed = [(index, entry) for index, entry in enumerate(properties) if entry.primaryKey]
    for index, entry in enumerate(properties):
        if not entry.primaryKey and entry.primaryKeyPosition not in (None, -1):
            here = f"{path}[{index}].primaryKeyPosition"
            problems.add(
                here, "primaryKey: true beside it", entry.primaryKeyPosition, "add primaryKey or remove it"
            )
    if not keyed:
        expected = "at least one column with primaryKey: true, for mode merge"
        problems.add(path, expected, None, "mark the columns that identify a row with primaryKey: true")
    if len(keyed) > _MOST_KEY_COLUMNS:
        expected = f"at most {_MOST_KEY_COLUMNS} columns, as BigQuery allows in a primary key"
        problems.add(path, expected, f"{len(keyed)} columns", "leave out what the others determine")
    positions = [entry.primaryKeyPosition for _, entry in keyed]
    for index, entry in keyed:
        _check_key_column(entry, columns.get(entry.name or ""), f"{path}[{index}]", problems)
        position = entry.primaryKeyPosition
        if position not in range(1, len(keyed) + 1) or positions.count(position) > 1:
            expected = f"a position of its own from 1 to {len(keyed)}"
            problems.add(
                f"{path}[{index}].primaryKeyPosition", expected, position, "number the key's columns in order"
            )
    ordered = sorted(keyed, key=lambda pair: pair[1].primaryKeyPosition or 0)
    return tuple(entry.name or "" for _, entry in ordered)


def _check_key_column(entry: SchemaProperty, column: Column | None, path: str, problems: Problems) -> None:
    if not entry.required:
        problems.add(
            f"{path}.required", "true, for a column of the key", entry.required, "write required: true"
        )
    if column and column.type == "FLOAT64":
        expected = "a type with exact equality, for a column of the key"
        problems.add(
            f"{path}.physicalType", expected, "FLOAT64", "write NUMERIC, or leave the column out of the key"
        )
    if column:
        protection.check_key(column, path, problems)


def read_partitioning(
    properties: Sequence[SchemaProperty], columns: Mapping[str, Column], path: str, problems: Problems
) -> Partitioning | None:
    """The one column that trusted is partitioned by; None where there is none."""
    partitioned = [(index, entry) for index, entry in enumerate(properties) if entry.partitioned]
    granularities = {
        index: Found(custom.value, f"{path}[{index}].customProperties[{place}].value")
        for index, entry in enumerate(properties)
        for place, custom in enumerate(entry.customProperties or [])
        if custom.property == "partitionGranularity"
    }
    for index, found in granularities.items():
        if not properties[index].partitioned:
            problems.add(
                found.path, "partitioned: true on that column", found.value, "add partitioned or remove it"
            )
    for index, entry in partitioned[1:]:
        here = f"{path}[{index}].partitioned"
        problems.add(
            here,
            "one partitioned column, as BigQuery allows",
            f"{entry.name} too",
            "partition by one of them",
        )
    if not partitioned:
        return None
    index, entry = partitioned[0]
    column = columns.get(entry.name or "")
    _check_partition_column(entry, column, f"{path}[{index}]", problems)
    granularity = _granularity(column, granularities.get(index), f"{path}[{index}]", problems)
    return Partitioning(entry.name or "", granularity)


def _check_partition_column(
    entry: SchemaProperty, column: Column | None, path: str, problems: Problems
) -> None:
    if column and column.type not in _GRANULARITIES:
        expected = f"a column of type {', '.join(_GRANULARITIES)}"
        remedy = "partition by a date of the row, or remove partitioned and cluster by this column"
        problems.add(f"{path}.partitioned", expected, f"{entry.name} {column.type}", remedy)
    if not entry.primaryKey:
        # A newer row of a key could lie in another partition than the older one; the MERGE, pruned to the
        # partitions of the batch, would not see the older one and would keep both.
        expected = "a column of the key, so that all rows of a key lie in one partition"
        remedy = "add it to the key if it identifies the row, or cluster by it instead"
        problems.add(f"{path}.partitioned", expected, f"{entry.name}, which is not in the key", remedy)
    if entry.partitionKeyPosition not in (None, -1, 1):
        problems.add(f"{path}.partitionKeyPosition", "1", entry.partitionKeyPosition, "write 1")


def _granularity(column: Column | None, found: Found | None, path: str, problems: Problems) -> str:
    allowed = _GRANULARITIES.get(column.type if column else "")
    value = found.value if found else None
    if allowed and value not in allowed:
        place = found.path if found else f"{path}.customProperties"
        expected = f"partitionGranularity, one of {', '.join(allowed)}"
        problems.add(
            place, expected, value, "write MONTH, or the width that keeps a table below 10,000 partitions"
        )
    return str(value)


def read_clustering(
    found: Found | None,
    properties: Sequence[SchemaProperty],
    columns: Mapping[str, Column],
    problems: Problems,
) -> tuple[str, ...]:
    """Names of the columns that trusted is clustered by, in order; none where the property is absent."""
    if found is None:
        return ()
    names = custom_properties.texts(found, problems)
    if len(names) > _MOST_CLUSTERING:
        expected = f"at most {_MOST_CLUSTERING} columns, as BigQuery allows"
        problems.add(found.path, expected, f"{len(names)} columns", "keep those that queries filter by")
    written = [entry.name or "" for entry in properties]
    for index, name in enumerate(names):
        here = f"{found.path}[{index}]"
        if name not in written:
            problems.add(here, "the name of a column", name, f"write one of {', '.join(written)}")
        elif name in columns and columns[name].type == "FLOAT64":
            problems.add(
                here, "a column that BigQuery can cluster by", f"{name} FLOAT64", "make it a NUMERIC"
            )
        elif name in columns:
            protection.check_clustering(columns[name], here, problems)
    return names
