"""Parquet columns as BigQuery fields, and which of them fit a table."""

from typing import Any

import pyarrow as pa
import pytest
from bqemulator.domain.errors import ValidationError

from localcloud.bigquery.parquet import conform, fields_of

SCALARS = [
    (pa.int32(), "INTEGER"),
    (pa.float32(), "FLOAT"),
    (pa.bool_(), "BOOLEAN"),
    (pa.string(), "STRING"),
    (pa.binary(), "BYTES"),
    (pa.date32(), "DATE"),
    (pa.timestamp("us", tz="UTC"), "TIMESTAMP"),
    (pa.timestamp("us"), "DATETIME"),
    (pa.timestamp("ns"), "TIMESTAMP"),
    (pa.decimal128(38, 9), "NUMERIC"),
    (pa.decimal128(38, 10), "BIGNUMERIC"),
]


@pytest.mark.parametrize(("kind", "bigquery_type"), SCALARS, ids=[str(kind) for kind, _ in SCALARS])
def test_scalars(kind: pa.DataType, bigquery_type: str) -> None:
    schema = pa.schema([pa.field("x", kind, nullable=False)])
    assert fields_of(schema, ("NUMERIC", "BIGNUMERIC"), list_inference=True) == [
        {"name": "x", "type": bigquery_type, "mode": "REQUIRED"}
    ]


def test_without_inference_a_list_is_a_record() -> None:
    (field,) = fields_of(pa.schema([pa.field("x", pa.list_(pa.int64()))]), ("NUMERIC",), list_inference=False)
    assert (field["type"], field["mode"]) == ("RECORD", "NULLABLE")
    assert field["fields"][0]["name"] == "list"


def test_a_type_that_bigquery_cannot_load_is_named() -> None:
    with pytest.raises(ValidationError, match=r"found null in column x"):
        fields_of(pa.schema([pa.field("x", pa.null())]), ("NUMERIC",), list_inference=True)


TABLE: list[dict[str, Any]] = [
    {"name": "k", "type": "STRING", "mode": "REQUIRED"},
    {"name": "r", "type": "RECORD", "fields": [{"name": "n", "type": "INT64"}]},
]
K = {"name": "K", "type": "STRING", "mode": "REQUIRED"}


def test_names_match_in_any_case_and_types_by_any_name() -> None:
    conform(
        "p:d.t", TABLE, [K, {"name": "r", "type": "STRUCT", "fields": [{"name": "n", "type": "INTEGER"}]}]
    )


@pytest.mark.parametrize(
    ("incoming", "found"),
    [
        ([], "Field k is missing in new schema"),
        ([{**K, "type": "BYTES"}], "Field K has changed type from STRING to BYTES"),
        ([{**K, "mode": "REPEATED"}], "Field K has changed mode from REQUIRED to REPEATED"),
        ([K, {**TABLE[1], "fields": [{"name": "m", "type": "INT64"}]}], r"Cannot add fields \(field: r.m\)"),
    ],
)
def test_what_does_not_fit_is_named(incoming: list[dict[str, Any]], found: str) -> None:
    with pytest.raises(ValidationError, match=f"Provided Schema does not match Table p:d.t. {found}"):
        conform("p:d.t", TABLE, incoming)
