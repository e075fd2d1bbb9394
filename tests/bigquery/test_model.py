"""What a contract's words become in the files that are rendered from it."""

import json
from typing import Any

import pytest
import yaml

from bigquery.renderer import column_type
from bigquery.renderer.problem import Problems
from bigquery.renderer.rendering import render

KEY = {"name": "id", "physicalType": "INT64", "required": True, "primaryKey": True, "primaryKeyPosition": 1}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("STRING", ("STRING", None, None, False)),
        ("NUMERIC", ("NUMERIC", 38, 9, False)),
        ("NUMERIC(12)", ("NUMERIC", 12, 0, True)),
        ("NUMERIC(38, 9)", ("NUMERIC", 38, 9, True)),
        ("NUMERIC(9,9)", ("NUMERIC", 9, 9, True)),
        ("BIGNUMERIC(38, 38)", ("BIGNUMERIC", 38, 38, True)),
        ("BIGNUMERIC( 38 , 18 )", ("BIGNUMERIC", 38, 18, True)),
    ],
)
def test_a_type_is_read_with_its_digits(written: str, read: tuple[Any, ...]) -> None:
    problems = Problems()
    assert column_type.read(written, "here", problems) == column_type.ColumnType(*read)
    assert problems.found == []


@pytest.mark.parametrize(
    "written",
    [
        *(None, "", "string", "STRING ", "ARRAY<STRING>", "INT64(3)"),
        *("NUMERIC()", "NUMERIC(0)", "NUMERIC(8, 9)", "NUMERIC(39, 10)", "NUMERIC(30)"),
        *("BIGNUMERIC", "BIGNUMERIC(39)", "BIGNUMERIC(39, 39)"),
    ],
)
def test_a_type_that_bigquery_or_spark_does_not_hold_is_refused(written: str | None) -> None:
    problems = Problems()
    assert column_type.read(written, "here", problems) is None
    assert [problem.path for problem in problems.found] == ["here"]


def test_the_pipeline_says_what_a_reader_of_files_needs(contract_text: Any) -> None:
    columns = [
        {"name": "day", "physicalType": "DATE", "required": True, "primaryKey": True, "primaryKeyPosition": 1}
        | {"partitioned": True, "custom": {"partitionGranularity": "YEAR"}},
        KEY | {"primaryKeyPosition": 2},
        {"name": "price", "physicalType": "NUMERIC(12, 2)"},
        {"name": "paid", "physicalType": "BOOL"},
    ]
    files = render(contract_text("orders", columns, clustering=["id"]), "orders")

    pipeline = json.loads(files["pipeline.json"])
    assert list(pipeline) == [
        *(
            "version",
            "dataset",
            "contract_version",
            "description",
            "owner",
            "format",
            "mode",
            "columns",
            "key",
        ),
        *("raw", "trusted", "procedure", "max_rejected_share", "compute", "retries"),
    ]
    assert pipeline["columns"] == [
        {"name": "day", "type": "DATE", "required": True, "formats": ["%Y-%m-%d"]},
        {"name": "id", "type": "INT64", "required": True},
        {"name": "price", "type": "NUMERIC", "precision": 12, "scale": 2, "required": False},
        {"name": "paid", "type": "BOOL", "required": False, "true_tokens": ["Yes"], "false_tokens": ["No"]},
    ]
    assert pipeline["key"] == ["day", "id"]
    assert pipeline["trusted"]["partitioning"] == {"field": "day", "type": "YEAR", "require_filter": False}
    assert files["pipeline.json"].endswith("}\n")


@pytest.mark.parametrize(("written", "rendered"), [([], 1.0), ([0], 0.0), ([0.1], 0.1), ([1], 1.0)])
def test_the_limit_of_rejected_rows_is_the_contracts_and_none_where_it_is_absent(
    written: list[float], rendered: float, contract_text: Any
) -> None:
    contract = yaml.safe_load(contract_text("orders", [KEY]))
    others = [entry for entry in contract["customProperties"] if entry["property"] != "maxRejectedShare"]
    limits = [{"property": "maxRejectedShare", "value": value} for value in written]
    contract["customProperties"] = others + limits
    pipeline = json.loads(render(yaml.safe_dump(contract), "orders")["pipeline.json"])
    assert pipeline["max_rejected_share"] == rendered


def test_the_key_follows_its_positions_and_not_the_order_of_the_columns(contract_text: Any) -> None:
    columns = [KEY | {"primaryKeyPosition": 2}, KEY | {"name": "shop"}]
    pipeline = json.loads(render(contract_text("orders", columns), "orders")["pipeline.json"])
    assert pipeline["key"] == ["shop", "id"]


def test_trusted_requires_what_the_contract_requires_and_raw_takes_what_arrives(contract_text: Any) -> None:
    columns = [
        KEY,
        {"name": "price", "physicalType": "NUMERIC"},
        {"name": "cost", "physicalType": "NUMERIC(9, 2)"},
    ]
    files = render(contract_text("orders", columns), "orders")
    raw, trusted = (json.loads(files[f"{layer}.schema.json"]) for layer in ("raw", "trusted"))

    assert {field["mode"] for field in raw} == {"NULLABLE"}
    assert [field["name"] for field in trusted if field["mode"] == "NULLABLE"] == ["price", "cost"]
    assert [field["name"] for field in raw] == [field["name"] for field in trusted]
    assert [field["name"] for field in raw[3:]] == [
        *(
            "_batch_id",
            "_source_uri",
            "_source_generation",
            "_source_row",
            "_source_created_at",
            "_ingested_at",
        )
    ]
    assert "precision" not in trusted[1]
    assert (trusted[2]["precision"], trusted[2]["scale"]) == ("9", "2")


def test_an_unpartitioned_table_is_merged_without_bounds(contract_text: Any) -> None:
    procedure = render(contract_text("orders", [KEY]), "orders")["procedure.sql"]
    assert "BETWEEN" not in procedure
    assert "_lowest" not in procedure


@pytest.mark.parametrize(("name", "written"), [("order", "`order`"), ("Current_Date", "`Current_Date`")])
def test_a_column_named_by_a_word_of_sql_is_quoted(name: str, written: str, contract_text: Any) -> None:
    columns = [KEY, {"name": name, "physicalType": "STRING", "required": True}]
    procedure = render(contract_text("orders", columns), "orders")["procedure.sql"]
    assert f"{written} = _new.{written}" in procedure
    assert f"OR {written} IS NULL" in procedure
