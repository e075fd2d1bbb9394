"""Correction "scripts": query parameters reach CALL and every other statement of a script, with their types.

BigQuery: ``@name`` works in scripts as in queries; a procedure's body does not see it. A RAISE that nothing
catches fails the job with ``invalidQuery``.
bqemulator: drops the parameters of a script ("Values were not provided"); an uncaught RAISE is a 500. In
single statements it binds arrays and structs without their declared type, so that a null or an empty array
inside has none.
"""

import re
from typing import Any

import bqemulator.jobs.executor as executor
import bqemulator.sql.parameters as parameters
from bqemulator.api.dependencies import AppContext
from bqemulator.domain.errors import DomainError, InvalidQueryError
from bqemulator.row_access.identity import CallerIdentity
from bqemulator.scripting.ast import SqlStmt
from bqemulator.scripting.exceptions import ScriptRaise
from bqemulator.scripting.interpreter import ScriptInterpreter

from localcloud.bigquery.parsed_once import parse_script
from localcloud.bigquery.seams import replace

#: No column is called so: a parameter @x must not capture a column x.
_PREFIX = "landfall_parameter_"

#: Strings, quoted names and comments are skipped whole; then a system variable, a parameter, or any other
#: character.
_TOKEN = re.compile(
    r"""\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`"""
    r"|--[^\n]*|\#[^\n]*|/\*.*?\*/|@@\w+|@(?P<name>[A-Za-z_]\w*)",
    re.DOTALL,
)


def apply() -> None:
    """Replace the emulator's way to run a query's body, and its placeholders of typed parameters."""
    run_single = executor._run_query_body

    async def run_query_body(**job: Any) -> Any:
        if not job["is_scripted"]:
            return await run_single(**job)
        return await _run_script(
            job["bq_sql"], job["query_params"] or [], job["project_id"], job["ctx"], job["effective_caller"]
        )

    replace(executor, "_run_query_body", run_query_body)
    replace(parameters, "_placeholder_for", _typed_placeholder)


def is_script(sql: str) -> bool:
    """Say whether BigQuery would run this as a script: several statements, or one that is not plain SQL."""
    try:
        statements = parse_script(sql).statements
    except DomainError:
        return False
    return len(statements) != 1 or not isinstance(statements[0], SqlStmt)


def with_variables(sql: str, names: set[str]) -> str:
    """Write each ``@name`` of ``names`` as the script variable that carries it; strings and comments stay."""

    def variable(match: re.Match[str]) -> str:
        name = match["name"]
        return _PREFIX + name if name in names else match[0]

    return _TOKEN.sub(variable, sql)


async def _run_script(
    sql: str,
    query_parameters: list[dict[str, Any]],
    project: str,
    context: AppContext,
    caller: CallerIdentity,
) -> Any:
    interpreter = ScriptInterpreter(context, project, caller=caller)
    names = set()
    for parameter in query_parameters:
        name = parameter.get("name")
        if not name:
            raise InvalidQueryError(
                "expected named parameters in a script, found positional ones, which the local BigQuery "
                "does not run; set parameterMode NAMED and write @name",
                location="query",
            )
        names.add(name)
        interpreter._frames.declare(
            _PREFIX + name, parameter["parameterType"]["type"], parameters._extract_value(parameter)
        )
    try:
        return await executor._run_script(interpreter, with_variables(sql, names), context)
    except ScriptRaise as raised:
        raise raised.error from raised


def duckdb_type(parameter_type: dict[str, Any]) -> str | None:
    """Give the DuckDB type of a query parameter's ``parameterType``, or None where there is none."""
    kind = str(parameter_type.get("type", "STRING")).upper()
    if kind == "ARRAY":
        element = duckdb_type(parameter_type["arrayType"])
        return f"{element}[]" if element else None
    if kind == "STRUCT":
        fields = [(field["name"], duckdb_type(field["type"])) for field in parameter_type["structTypes"]]
        if all(of for _, of in fields):
            return "STRUCT(" + ", ".join(f'"{name}" {of}' for name, of in fields) + ")"
        return None
    return parameters._BQ_SCALAR_TO_DUCKDB.get(kind)


def _typed_placeholder(value: Any, parameter: dict[str, Any]) -> str:
    """Name the type where the value alone does not carry it: nulls, arrays, structs."""
    if value is not None and not isinstance(value, list | dict):
        return "?"
    kind = duckdb_type(parameter.get("parameterType", {}))
    return f"CAST(? AS {kind})" if kind else "?"
