"""The ledger's SQL, as Google's own analyzer resolves it against the rendered tables."""

import json
import re
from typing import Any

import pytest
from zetasql.api import Analyzer, CatalogBuilder, TableBuilder, TypeFactory
from zetasql.types import (
    AnalyzerOptions,
    LanguageOptions,
    ResolvedMergeStmt,
    Type,
    TypeKind,
    ZetaSQLBuiltinFunctionOptions,
)

from landfall_dags import warehouse
from tests.composer_dags.parts import ROOT

_KINDS = {"INTEGER": "TYPE_INT64", "FLOAT64": "TYPE_DOUBLE", "FLOAT": "TYPE_DOUBLE"}
# What a row without a cluster leaves as it was.
KEPT = {
    "cluster_name": "COALESCE(s.cluster_name, t.cluster_name)",
    "vcpu_seconds": "IF(s.cluster_name IS NULL, t.vcpu_seconds, s.vcpu_seconds)",
    "estimated_cost_usd": "IF(s.cluster_name IS NULL, t.estimated_cost_usd, s.estimated_cost_usd)",
}
MERGES = sorted(path.name for path in warehouse._SQL.glob("merge_*.sql"))


def type_of(field: dict[str, Any]) -> Type:
    if field["type"] in ("RECORD", "STRUCT"):
        kind = TypeFactory.create_struct_type([(part["name"], type_of(part)) for part in field["fields"]])
    else:
        kind = TypeFactory.create_simple_type(TypeKind[_KINDS.get(field["type"], f"TYPE_{field['type']}")])
    return TypeFactory.create_array_type(kind) if field.get("mode") == "REPEATED" else kind


PARAMETERS = {
    "rows": TypeKind.TYPE_STRING,
    "claimed_at": TypeKind.TYPE_TIMESTAMP,
    "dataset": TypeKind.TYPE_STRING,
    "batch_id": TypeKind.TYPE_STRING,
    "source_uri": TypeKind.TYPE_STRING,
    "source_generation": TypeKind.TYPE_INT64,
}


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    language = LanguageOptions.maximum_features()
    catalog = CatalogBuilder("landfall")
    for name in ("batches", "files"):
        table = TableBuilder(f"ops.{name}")
        for field in json.loads((ROOT / "bigquery" / "ops" / f"{name}.schema.json").read_text()):
            table.add_column(field["name"], type_of(field))
        catalog.add_table(table.build())
    catalog.with_builtin_functions(ZetaSQLBuiltinFunctionOptions(language_options=language))
    parameters = [
        AnalyzerOptions.QueryParameter(name=name, type=TypeFactory.create_simple_type(kind))
        for name, kind in PARAMETERS.items()
    ]
    return Analyzer(AnalyzerOptions(language_options=language, query_parameters=parameters), catalog.build())


def read(statement: str, table: str) -> str:
    text = (warehouse._SQL / statement).read_text().rstrip().removesuffix(";")
    # To the analyzer a table's name is one identifier.
    return re.sub(rf"(FROM|MERGE) ops\.{table}\b", rf"\1 `ops.{table}`", text)


@pytest.mark.parametrize("statement", MERGES)
def test_a_merge_resolves_and_writes_every_column(analyzer: Analyzer, statement: str) -> None:
    table = statement.removeprefix("merge_").removesuffix(".sql")
    resolved = analyzer.analyze_statement(read(statement, table))
    assert isinstance(resolved, ResolvedMergeStmt)
    schema = json.loads((ROOT / "bigquery" / "ops" / f"{table}.schema.json").read_text())
    (insert,) = (clause for clause in resolved.when_clause_list if clause.insert_column_list)
    written = {column.name for column in insert.insert_column_list}
    assert written == {field["name"] for field in schema}


@pytest.mark.parametrize("statement", MERGES)
def test_a_merge_puts_every_value_into_its_own_column(statement: str) -> None:
    """Of a row that is there already, too; what it was found by stays."""
    table = statement.removeprefix("merge_").removesuffix(".sql")
    text = (warehouse._SQL / statement).read_text()
    schema = json.loads((ROOT / "bigquery" / "ops" / f"{table}.schema.json").read_text())
    columns = {field["name"] for field in schema}
    key = {"claimed_at", *re.findall(r"\bt\.(\w+) = s\.\1\b", text)}
    updated = re.findall(r"^  (\w+) = (.+?),?$", text, re.MULTILINE)
    kept = {column: value for column, value in KEPT.items() if column in columns}
    assert dict(updated) == {column: f"s.{column}" for column in columns - key} | kept
    inserted, values = re.search(r"INSERT \((.+?)\) VALUES \((.+?)\)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    assert re.findall(r"s\.(\w+)", values) == re.findall(r"\w+", inserted)


def test_the_files_of_a_replay_are_asked_for_as_the_ledger_has_them(analyzer: Analyzer) -> None:
    resolved = analyzer.analyze_statement(read("archived_files.sql", "files"))
    assert [column.name for column in resolved.output_column_list] == [
        "source_uri",
        "source_generation",
        "size",
        "crc32c",
        "md5",
        "source_created_at",
    ]


def test_what_is_known_of_a_batch_is_asked_for_by_its_key(analyzer: Analyzer) -> None:
    resolved = analyzer.analyze_statement(read("find_batch.sql", "batches"))
    assert [column.name for column in resolved.output_column_list] == ["state", "detail"]
