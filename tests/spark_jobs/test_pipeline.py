"""What pipeline.json may say, and how it is told where it is wrong."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from landfall_spark.errors import PipelineError
from landfall_spark.pipeline import Protection, Rule, fold_name, parse_pipeline
from tests.spark_jobs.judging import URI, contract

TEXT = {"name": "a", "type": "STRING"}
RULE = {"rule": "r", "operator": "mustBe", "threshold": [0], "unit": "rows", "severity": "warn"}


def test_a_column_has_all_that_the_contract_says() -> None:
    pipeline = contract(
        {
            "name": "id",
            "type": "STRING",
            "header": "Nº",
            "min_length": 1,
            "protection": {"method": "tokenise"},
        },
        {
            "name": "v",
            "type": "NUMERIC",
            "precision": 9,
            "scale": 2,
            "decimal_separator": ",",
            "minimum": "-0.5",
        },
        {"name": "d", "type": "DATE", "formats": ["%d/%m/%Y"], "valid_values": ["2024-12-31"]},
        rest={
            "key": ["id"],
            "duplicate_keys": "reject",
            "quality": [{**RULE, "metric": "rowCount", "operator": "mustBeBetween", "threshold": [1, 2.5]}],
        },
        escape="\\",
        encoding="windows-1252",
        header=False,
    )
    identity, amount, day = pipeline.columns
    assert (identity.header, identity.protection) == ("Nº", Protection("tokenise"))
    assert (amount.minimum, amount.decimal_separator, amount.group_separator) == (Decimal("-0.5"), ",", "")
    assert day.valid_values == (date(2024, 12, 31),)
    assert (pipeline.header, pipeline.key, pipeline.duplicate_keys) == (["Nº", "v", "d"], ("id",), "reject")
    assert pipeline.quality == (Rule("r", "rowCount", (), "mustBeBetween", (1, 2.5), "rows", "warn"),)
    assert (pipeline.format.escape, pipeline.format.header) == ("\\", False)
    assert (pipeline.personal, pipeline.tokenises) == (True, True)


def test_names_compare_without_regard_to_case_space_and_composition() -> None:
    assert fold_name(" Histo\u0301rico\u00a0") == fold_name("HISTÓRICO")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"name": "_id"}, "name: expected a letter, then"),
        ({"type": "JSON"}, "type: expected one of STRING, BOOL, INT64"),
        ({"type": "DATE"}, "formats: expected at least one format"),
        ({"type": "DATE", "formats": ["%x"]}, "formats: expected a DATE format with"),
        ({"type": "BOOL", "true_tokens": ["Y"]}, "true_tokens, false_tokens: expected at least one"),
        ({"type": "BOOL", "true_tokens": ["Y"], "false_tokens": ["N", "Y"]}, "expected no token in both"),
        ({"type": "NUMERIC", "precision": 76, "scale": 38}, "precision <= 38, found 76, 38"),
        ({"required": "yes"}, "required: expected bool, found"),
        ({"decimal_separator": ","}, "decimal_separator: expected one of INT64, FLOAT64"),
        (
            {"type": "FLOAT64", "decimal_separator": "3"},
            "decimal_separator: expected one character, no letter",
        ),
        ({"type": "FLOAT64", "group_separator": ", "}, "group_separator: expected one character"),
        ({"type": "FLOAT64", "group_separator": "."}, "group_separator: expected another character"),
        ({"minimum": "1"}, "minimum: expected a number or time"),
        ({"type": "INT64", "maximum": "1.5"}, "maximum: expected an integer such as 12"),
        ({"type": "INT64", "maximum": "9223372036854775808"}, "such that the column can hold it"),
        (
            {"type": "NUMERIC", "scale": 2, "minimum": "0.005"},
            "minimum: expected a number such as 12.5, such",
        ),
        ({"type": "FLOAT64", "minimum": "nan"}, "minimum: expected a number such as"),
        (
            {"type": "DATE", "formats": ["%Y%m%d"], "minimum": "31/12/2024"},
            "minimum: expected a date such as",
        ),
        ({"type": "TIMESTAMP", "formats": ["%Y%m%d"], "minimum": "2024-12-31"}, "with its zone"),
        ({"type": "DATETIME", "formats": ["%Y%m%d"], "minimum": "2024-12-31T00:00Z"}, "without a zone"),
        (
            {"type": "BOOL", "true_tokens": ["Y"], "false_tokens": ["N"], "valid_values": ["Y"]},
            "expected none: a BOOL",
        ),
        ({"type": "INT64", "max_length": 3}, "max_length: expected a column of type STRING"),
        ({"min_length": 4, "max_length": 3}, "min_length, max_length: expected 0 <="),
        ({"pattern": "(?=a)"}, "pattern: expected a regular expression that RE2 takes"),
        ({"pattern": "a)|(b"}, "pattern: expected a regular expression that RE2 takes"),
        ({"protection": {"method": "encrypt"}}, "protection: method: expected one of drop, mask"),
        (
            {"protection": {"method": "hash", "keep_last": 4}},
            "keep_last: expected 0 or more, with method mask",
        ),
        ({"type": "INT64", "protection": {"method": "hash"}}, "protection: expected type STRING"),
    ],
)
def test_columns_that_are_not_taken(column: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        contract({**TEXT, **column})
    assert str(caught.value).startswith(f"{URI}: columns[0]: ")


@pytest.mark.parametrize(
    ("dialect", "message"),
    [
        ({"type": "json"}, "type: expected csv"),
        ({"delimiter": ",,"}, "delimiter: expected one ASCII character"),
        ({"delimiter": '"'}, "delimiter: expected another character than the quote"),
        ({"escape": '"'}, "escape: expected another character than delimiter and quote"),
        ({"encoding": "latin-1"}, "encoding: expected one of UTF-8, UTF-16"),
        ({"header": 1}, "header: expected bool"),
        ({"null_tokens": ["", 1]}, "null_tokens: expected a list of strings"),
        ({"unknown_columns": "keep"}, "unknown_columns: expected one of reject, ignore"),
        (
            {"unknown_columns": "ignore", "header": False},
            "unknown_columns: expected reject, for files without",
        ),
        ({"max_text_bytes": 0}, "max_text_bytes: expected at least 1"),
    ],
)
def test_dialects_that_are_not_taken(dialect: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        contract(TEXT, **dialect)
    assert str(caught.value).startswith(f"{URI}: format: ")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"metric": "rowcount"}, "metric: expected one of rowCount"),
        ({"metric": "rowCount", "columns": ["a"]}, "columns: expected none for rowCount"),
        ({"metric": "nullValues"}, "columns: expected none for rowCount, at least one"),
        ({"metric": "nullValues", "columns": ["b"]}, "columns: expected columns of the contract, found b"),
        ({"metric": "rowCount", "threshold": [1, 2]}, "threshold: expected 1 numbers for mustBe"),
        ({"metric": "rowCount", "threshold": ["1"]}, "threshold: expected a list of numbers"),
        ({"metric": "rowCount", "severity": "error"}, "severity: expected one of fail, warn"),
        ({"metric": "invalidValues", "columns": ["a"]}, "valid_values, pattern: expected one column"),
        (
            {"metric": "nullValues", "columns": ["a"], "pattern": "a"},
            "pattern: expected metric invalidValues",
        ),
        (
            {"metric": "invalidValues", "columns": ["a"], "pattern": "("},
            "pattern: expected a regular expression",
        ),
    ],
)
def test_rules_that_are_not_taken(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        contract(TEXT, rest={"quality": [{**RULE, **rule}]})
    assert str(caught.value).startswith(f"{URI}: quality[0]: ")


@pytest.mark.parametrize(
    ("columns", "rest", "dialect", "message"),
    [
        ([TEXT, {**TEXT, "name": "A"}], {}, {}, "columns: expected names that differ in more than case"),
        ([TEXT, {**TEXT, "name": "b", "header": " A"}], {}, {}, "columns: expected headers that differ"),
        ([], {}, {}, "columns: expected at least one column"),
        ([{**TEXT, "protection": {"method": "drop"}}], {}, {}, "columns: expected at least one column"),
        ([TEXT], {"key": ["b"]}, {}, "key: expected columns of the contract, found b"),
        ([TEXT], {"duplicate_keys": "first"}, {}, "duplicate_keys: expected one of keep_last, reject"),
        (
            [{**TEXT, "protection": {"method": "mask"}}],
            {"key": ["a"]},
            {},
            "key: expected a hashed or tokenised",
        ),
        (
            [{**TEXT, "protection": {"method": "hash"}}],
            {},
            {"unknown_columns": "rescue"},
            "beside a personal column",
        ),
        ([TEXT], {"version": 1}, {}, "version: expected 2 \\(render the contracts again\\), found 1"),
    ],
)
def test_contracts_that_are_not_taken(
    columns: list[dict[str, Any]], rest: dict[str, Any], dialect: dict[str, Any], message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        contract(*columns, rest=rest, **dialect)


def test_every_rendered_contract_is_taken() -> None:
    for path in sorted(Path("bigquery/datasets").glob("*/pipeline.json")):
        assert parse_pipeline(path.read_text(encoding="utf-8"), str(path)).dataset == path.parent.name
