"""Google's own SQL front end over a catalog made from the rendered schemas, and a local BigQuery."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
import zetasql.core.wasm_client as wasm_client
from wasmtime import Module, WasmtimeError
from zetasql import types
from zetasql.api import Analyzer, CatalogBuilder, Parser, TableBuilder, TypeFactory

from tests.bigquery.world import Warehouse, start

ROOT = Path(__file__).parents[2]

KINDS = {
    "STRING": types.TypeKind.TYPE_STRING,
    "INT64": types.TypeKind.TYPE_INT64,
    "FLOAT64": types.TypeKind.TYPE_DOUBLE,
    "NUMERIC": types.TypeKind.TYPE_NUMERIC,
    "BIGNUMERIC": types.TypeKind.TYPE_BIGNUMERIC,
    "BOOL": types.TypeKind.TYPE_BOOL,
    "DATE": types.TypeKind.TYPE_DATE,
    "DATETIME": types.TypeKind.TYPE_DATETIME,
    "TIMESTAMP": types.TypeKind.TYPE_TIMESTAMP,
}

Schema = list[dict[str, Any]]


@dataclass
class FrontEnd:
    """Parses and resolves SQL as BigQuery would, against JSON schemas of tables by `dataset.table`."""

    tables: Mapping[str, Schema]

    def analyse(self, sql: str, parameters: Mapping[str, str] | None = None) -> None:
        """Raises zetasql's error where a name or a type is wrong, in bodies of procedures too."""
        text = sql.encode()
        script = Parser(_language()).parse_script(sql)
        for statement in script.statement_list_node.statement_list:
            if isinstance(statement, types.ASTCreateProcedureStatement):
                self._analyse_procedure(statement, text)
            else:
                self._analyse_statement(_slice(text, statement), {}, parameters or {})

    def _analyse_procedure(self, procedure: Any, text: bytes) -> None:
        variables = {
            entry.name.id_string: _slice(text, entry.type) for entry in procedure.parameters.parameter_entries
        }
        (block,) = procedure.body.statement_list_node.statement_list
        for statement in block.statement_list_node.statement_list:
            if isinstance(statement, types.ASTVariableDeclaration):
                declared = [name.id_string for name in statement.variable_list.identifier_list]
                variables |= dict.fromkeys(declared, _slice(text, statement.type))
            elif isinstance(statement, types.ASTSingleAssignment):
                kind = variables[statement.variable.id_string]
                # An assignment coerces as an argument of COALESCE does.
                expression = f"SELECT COALESCE({_slice(text, statement.expression)}, CAST(NULL AS {kind}))"
                self._analyse_statement(expression, variables, {})
            else:
                self._analyse_statement(_slice(text, statement), variables, {})

    def _analyse_statement(
        self, sql: str, variables: Mapping[str, str], parameters: Mapping[str, str]
    ) -> None:
        options = types.AnalyzerOptions(language_options=_language(), default_timezone="UTC")
        for name, kind in parameters.items():
            parameter = types.AnalyzerOptions.QueryParameter(name=name, type=_type(kind))
            options.query_parameters.append(parameter)
        Analyzer(options, self._catalog(variables)).analyze_statement(sql)

    def _catalog(self, variables: Mapping[str, str]) -> Any:
        builder = CatalogBuilder("warehouse").with_builtin_functions(
            types.ZetaSQLBuiltinFunctionOptions(language_options=_language())
        )
        catalog = builder.build()
        datasets: dict[str, Any] = {}
        for name, schema in self.tables.items():
            dataset, table = name.split(".")
            held = datasets.setdefault(dataset, CatalogBuilder(dataset))
            held.add_table(_table(table, schema))
        catalog.catalog = [builder.build() for builder in datasets.values()]
        # BigQuery resolves a script's variable as a constant: after every column of that name.
        for name, kind in variables.items():
            constant = types.SimpleConstant(name_path=[name], type=_type(kind), value=types.Value())
            catalog.constant.append(constant)
        return catalog


def _language() -> Any:
    language = types.LanguageOptions.maximum_features()
    language.product_mode = types.ProductMode.PRODUCT_EXTERNAL
    return language


def _slice(text: bytes, node: Any) -> str:
    return text[node.parse_location_range.start : node.parse_location_range.end].decode()


def _table(name: str, schema: Schema) -> Any:
    builder = TableBuilder(name)
    for field in schema:
        builder.add_column(field["name"], _field_type(field))
    return builder.build()


def _field_type(field: Mapping[str, Any]) -> Any:
    if field["type"] == "RECORD":
        kind = TypeFactory.create_struct_type(
            [(inner["name"], _field_type(inner)) for inner in field["fields"]]
        )
    else:
        kind = _type(field["type"])
    return TypeFactory.create_array_type(kind) if field["mode"] == "REPEATED" else kind


def _type(name: str) -> Any:
    if name.startswith("ARRAY<"):
        return TypeFactory.create_array_type(_type(name.removeprefix("ARRAY<").removesuffix(">")))
    return TypeFactory.create_simple_type(KINDS[name])


class _CompiledOnce:
    """Stands for wasmtime's Module: compiling the front end takes half a minute, reading it again no time."""

    @staticmethod
    def from_file(engine: Any, path: str) -> Module:
        cached = ROOT / ".cache" / "zetasql" / f"{version('zetasql')}-{version('wasmtime')}.compiled"
        if cached.is_file():
            try:
                return Module.deserialize_file(engine, str(cached))
            except WasmtimeError:
                pass  # compiled on another kind of machine
        module = Module.from_file(engine, path)
        cached.parent.mkdir(parents=True, exist_ok=True)
        # Another test process may be reading or writing the same file.
        unfinished = cached.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(module.serialize())
        unfinished.replace(cached)
        return module


@pytest.fixture(scope="session")
def rendered_tables() -> dict[str, Schema]:
    """Every table of the warehouse by its name in SQL, with its rendered JSON schema."""
    tables: dict[str, Schema] = {}
    for path in (ROOT / "bigquery" / "datasets").glob("*/*.schema.json"):
        tables[f"{path.name.split('.')[0]}.{path.parent.name}"] = json.loads(path.read_text())
    for path in (ROOT / "bigquery" / "ops").glob("*.schema.json"):
        tables[f"ops.{path.name.split('.')[0]}"] = json.loads(path.read_text())
    for dataset in (name.removeprefix("raw.") for name in list(tables) if name.startswith("raw.")):
        tables[f"ops.rejected_rows_{dataset}"] = tables["ops.rejected_rows"]
    return tables


@pytest.fixture(scope="session")
def compiled_front_end() -> Iterator[type[FrontEnd]]:
    """The class of front ends, once its WebAssembly is ready to run."""
    original = wasm_client.Module
    wasm_client.Module = _CompiledOnce
    yield FrontEnd
    wasm_client.Module = original


@pytest.fixture(scope="session")
def front_end(compiled_front_end: type[FrontEnd], rendered_tables: dict[str, Schema]) -> FrontEnd:
    """A front end that knows the tables of the warehouse."""
    return compiled_front_end(rendered_tables)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A local BigQuery with the rendered tables and procedures."""
    with start(tmp_path_factory.mktemp("procedures")) as running:
        yield running


@pytest.fixture(scope="session")
def contract_text() -> Any:
    """Writes a contract of a dataset with the given columns, like those of the project in all else."""

    def write(
        name: str,
        properties: list[dict[str, Any]],
        server: dict[str, Any] | None = None,
        quality: list[dict[str, Any]] | None = None,
        **custom: Any,
    ) -> str:
        contract = yaml.safe_load((ROOT / "bigquery/datasets/comp_boss/contract.yaml").read_text())
        contract["name"] = contract["schema"][0]["name"] = name
        landing = {"path": f"{name}/", "customProperties": _listed({"nullTokens": ["", "NA"]})}
        contract["servers"][0] |= landing | (server or {})
        contract["schema"][0]["customProperties"] = _listed({"mode": "merge"} | custom)
        contract["schema"][0]["quality"] = quality
        contract["schema"][0]["properties"] = [_completed(entry) for entry in properties]
        return yaml.safe_dump(contract, sort_keys=False)

    return write


LOGICAL = {
    "STRING": "string",
    "INT64": "integer",
    "FLOAT64": "number",
    "NUMERIC": "number",
    "BIGNUMERIC": "number",
    "BOOL": "boolean",
    "DATE": "date",
    "DATETIME": "timestamp",
    "TIMESTAMP": "timestamp",
}
CUSTOM = {
    "BOOL": {"trueTokens": ["Yes"], "falseTokens": ["No"]},
    "DATE": {"formats": ["%Y-%m-%d"]},
    "DATETIME": {"formats": ["%Y-%m-%d %H:%M:%S"]},
    "TIMESTAMP": {"formats": ["%Y-%m-%dT%H:%M:%S%z"]},
}


def _completed(entry: dict[str, Any]) -> dict[str, Any]:
    kind = entry["physicalType"].partition("(")[0]
    custom = CUSTOM.get(kind, {}) | entry.get("custom", {})
    usual = {"logicalType": LOGICAL[kind], "classification": "internal", "description": "A column."}
    column = usual | {key: value for key, value in entry.items() if key != "custom"}
    if custom:
        column["customProperties"] = _listed(custom)
    return column


def _listed(custom: dict[str, Any]) -> list[dict[str, Any]]:
    """Custom properties as a contract writes them; None leaves a usual one out."""
    return [{"property": key, "value": value} for key, value in custom.items() if value is not None]
