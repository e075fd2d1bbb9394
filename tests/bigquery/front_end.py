"""Google's own SQL front end over a catalog made from table schemas."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import zetasql.core.wasm_client as wasm_client
from wasmtime import Module, WasmtimeError
from zetasql import types
from zetasql.api import Analyzer, CatalogBuilder, Parser, TableBuilder, TypeFactory

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
    """Parses and resolves SQL as BigQuery would, against JSON schemas of tables by `dataset.table`, or with
    the project before."""

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

    def columns(self, view: str) -> list[tuple[str, str]]:
        """Name and type of each column of the view that a statement makes, in order."""
        options = types.AnalyzerOptions(language_options=_language(), default_timezone="UTC")
        made = Analyzer(options, self._catalog({})).analyze_statement(view)
        names = {kind: name for name, kind in KINDS.items()}
        return [(entry.name, names[entry.column.type.type_kind]) for entry in made.output_column_list]

    def with_ledger_views(self) -> "FrontEnd":
        """One that also knows the views over the ledger."""
        views = {
            f"ops.{path.stem}": [
                {"name": name, "type": kind, "mode": "NULLABLE"}
                for name, kind in self.columns(path.read_text())
            ]
            for path in (ROOT / "bigquery" / "ops").glob("*.sql")
        }
        return FrontEnd({**self.tables, **views})

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
        catalog.catalog = _catalogs(self.tables)
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


def _catalogs(tables: Mapping[str, Schema]) -> list[Any]:
    """A catalog for each first part of the names, and within it those of the other parts."""
    parts: dict[str, dict[str, Schema]] = {}
    for name, schema in tables.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = schema
    catalogs = []
    for part, held in parts.items():
        builder = CatalogBuilder(part)
        for name, schema in held.items():
            if "." not in name:
                builder.add_table(_table(name, schema))
        catalog = builder.build()
        catalog.catalog = _catalogs({name: schema for name, schema in held.items() if "." in name})
        catalogs.append(catalog)
    return catalogs


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


@contextmanager
def compiled() -> Iterator[type[FrontEnd]]:
    """The class of front ends, once its WebAssembly is ready to run."""
    original = wasm_client.Module
    wasm_client.Module = _CompiledOnce
    yield FrontEnd
    wasm_client.Module = original
