"""The ledger's SQL, as Google's own analyzer resolves it against the rendered tables."""

import json
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
STATEMENTS = sorted(path.name for path in warehouse._SQL.iterdir())


def type_of(field: dict[str, Any]) -> Type:
    if field["type"] in ("RECORD", "STRUCT"):
        kind = TypeFactory.create_struct_type([(part["name"], type_of(part)) for part in field["fields"]])
    else:
        kind = TypeFactory.create_simple_type(TypeKind[_KINDS.get(field["type"], f"TYPE_{field['type']}")])
    return TypeFactory.create_array_type(kind) if field.get("mode") == "REPEATED" else kind


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
        for name, kind in (("rows", TypeKind.TYPE_STRING), ("claimed_at", TypeKind.TYPE_TIMESTAMP))
    ]
    return Analyzer(AnalyzerOptions(language_options=language, query_parameters=parameters), catalog.build())


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_resolves_and_writes_every_column(analyzer: Analyzer, statement: str) -> None:
    table = statement.removeprefix("merge_").removesuffix(".sql")
    text = (warehouse._SQL / statement).read_text().rstrip().removesuffix(";")
    # To the analyzer a table's name is one identifier.
    resolved = analyzer.analyze_statement(text.replace(f"ops.{table}", f"`ops.{table}`", 1))
    assert isinstance(resolved, ResolvedMergeStmt)
    schema = json.loads((ROOT / "bigquery" / "ops" / f"{table}.schema.json").read_text())
    (insert,) = (clause for clause in resolved.when_clause_list if clause.insert_column_list)
    written = {column.name for column in insert.insert_column_list}
    assert written == {field["name"] for field in schema}
