"""What BigQuery makes of a Parquet file: its columns as BigQuery fields, and whether they fit a table."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from bqemulator.domain.errors import ValidationError

Field = dict[str, Any]

#: One name a type: a schema may use the names of GoogleSQL or those of the REST API.
_REST_NAMES = {
    "INT64": "INTEGER",
    "FLOAT64": "FLOAT",
    "BOOL": "BOOLEAN",
    "STRUCT": "RECORD",
    "BIGDECIMAL": "BIGNUMERIC",
}
_DECIMALS = frozenset({"NUMERIC", "BIGNUMERIC"})

_SCALARS = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_string, "STRING"),
    (pa.types.is_large_string, "STRING"),
    (pa.types.is_binary, "BYTES"),
    (pa.types.is_large_binary, "BYTES"),
    (pa.types.is_fixed_size_binary, "BYTES"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME"),
)


def fields_of(schema: pa.Schema, decimal_targets: Iterable[str], *, list_inference: bool) -> list[Field]:
    """Give the BigQuery fields that a load without a ``schema`` sees in a Parquet file.

    ``decimal_targets`` is ``decimalTargetTypes`` (BigQuery's default is NUMERIC alone). Without list
    inference a list is a RECORD that holds a repeated ``list``, as BigQuery reads it. A type that BigQuery
    cannot load is a ``ValidationError``.
    """
    targets = tuple(decimal_targets)
    return [_field(column, targets, list_inference) for column in schema]


def conform(
    table: str, present: list[Field], incoming: list[Field], *, modes: bool = True, path: str = ""
) -> None:
    """Raise BigQuery's ``ValidationError`` unless ``incoming`` columns can be appended to ``present`` ones.

    With ``modes`` a REQUIRED column needs an incoming REQUIRED one: Spark marks every column of its Parquet
    files as optional, so such a load must name the table's schema. Without, a decimal fits either decimal
    type.
    """
    known = {field["name"].lower(): field for field in present}
    given = {field["name"].lower() for field in incoming}
    for field in incoming:
        name = path + field["name"]
        old = known.get(field["name"].lower())
        if old is None:
            raise _mismatch(table, f"Cannot add fields (field: {name})")
        old_type, new_type = rest_type(old), rest_type(field)
        if old_type != new_type and (modes or not {old_type, new_type} <= _DECIMALS):
            raise _mismatch(table, f"Field {name} has changed type from {old_type} to {new_type}")
        old_mode, new_mode = _mode(old), _mode(field)
        if "REPEATED" in {old_mode, new_mode} and old_mode != new_mode:
            raise _mismatch(table, f"Field {name} has changed mode from {old_mode} to {new_mode}")
        if modes and (old_mode, new_mode) == ("REQUIRED", "NULLABLE"):
            raise _mismatch(table, f"Field {name} has changed mode from REQUIRED to NULLABLE")
        conform(table, old.get("fields", []), field.get("fields", []), modes=modes, path=f"{name}.")
    for field in present:
        if _mode(field) == "REQUIRED" and field["name"].lower() not in given:
            raise _mismatch(table, f"Field {path}{field['name']} is missing in new schema")


def rest_type(field: Field) -> str:
    """Give a field's type by its name in the REST API (INTEGER, not INT64)."""
    kind = str(field["type"]).upper()
    return _REST_NAMES.get(kind, kind)


def _mode(field: Field) -> str:
    return field.get("mode") or "NULLABLE"


def _field(column: pa.Field, targets: tuple[str, ...], list_inference: bool) -> Field:
    kind = column.type
    mode = "NULLABLE" if column.nullable else "REQUIRED"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        element = _field(kind.value_field, targets, list_inference)
        if list_inference:
            return {**element, "name": column.name, "mode": "REPEATED"}
        repeated = {
            "name": "list",
            "type": "RECORD",
            "mode": "REPEATED",
            "fields": [{**element, "name": "element"}],
        }
        return {"name": column.name, "type": "RECORD", "mode": mode, "fields": [repeated]}
    if pa.types.is_struct(kind):
        fields = [_field(kind.field(index), targets, list_inference) for index in range(kind.num_fields)]
        return {"name": column.name, "type": "RECORD", "mode": mode, "fields": fields}
    return {"name": column.name, "type": _scalar(column.name, kind, targets), "mode": mode}


def _scalar(name: str, kind: pa.DataType, targets: tuple[str, ...]) -> str:
    if pa.types.is_decimal(kind):
        return _decimal(kind, targets)
    if pa.types.is_timestamp(kind):
        # Nanoseconds without a zone are what Arrow makes of INT96, which BigQuery loads as TIMESTAMP.
        return "TIMESTAMP" if kind.tz or kind.unit == "ns" else "DATETIME"
    for is_kind, bigquery_type in _SCALARS:
        if is_kind(kind):
            return bigquery_type
    raise ValidationError(f"expected a Parquet type that BigQuery loads, found {kind} in column {name}")


def _decimal(kind: pa.DataType, targets: tuple[str, ...]) -> str:
    """Pick the first of NUMERIC, BIGNUMERIC, STRING that is wanted and holds it, else the last wanted."""
    integer_digits = kind.precision - kind.scale
    holds = {
        "NUMERIC": kind.scale <= 9 and integer_digits <= 29,
        "BIGNUMERIC": kind.scale <= 38 and integer_digits <= 38,
        "STRING": True,
    }
    wanted = [target for target in holds if target in targets] or ["NUMERIC"]
    return next((target for target in wanted if holds[target]), wanted[-1])


def _mismatch(table: str, found: str) -> ValidationError:
    return ValidationError(f"Provided Schema does not match Table {table}. {found}")
