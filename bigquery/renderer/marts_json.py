"""`catalog.json` of the marts: what each view answers, what it reads and what its columns mean."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bigquery.renderer.problem import Problems

FILE = "catalog.json"
#: Beside `<name>.sql`, the columns as BigQuery's API takes them.
COLUMNS = ".schema.json"

# Terraform (bigquery.tf) reads a view's file in the same shape.
_VIEW = re.compile(
    r"-- (?P<question>.+)\n(?:--.*\n)*CREATE OR REPLACE VIEW (?P<table>marts\.\w+)\n"
    r"OPTIONS \(\n  description = '(?P<description>[^']+)'\n\) AS\n(?P<query>(?s:.+));\n"
)
_READ = re.compile(r"\b(?:FROM|JOIN) ((?:raw|trusted|ops|marts)\.\w+)")
_FIELDS = ("name", "type", "mode", "description")


@dataclass(frozen=True)
class MartFiles:
    """The texts of a mart's two files; `columns` is None where the second is absent."""

    sql: str
    columns: str | None


def render(marts: Mapping[str, MartFiles], problems: Mapping[str, Problems]) -> str:
    """The text of `catalog.json`, of marts by their names: two spaces of indent, a line break at the end.

    What is wrong with a mart is added to its problems; the text then is of no use.
    """
    described = [_mart(name, marts[name], problems[name]) for name in sorted(marts)]
    return json.dumps({"marts": described}, indent=2, ensure_ascii=False) + "\n"


def _mart(name: str, files: MartFiles, problems: Problems) -> dict[str, Any]:
    view = _VIEW.fullmatch(files.sql)
    if view is None:
        problems.add(
            f"{name}.sql",
            "a comment that begins with the question, and one CREATE OR REPLACE VIEW with a description",
            "another shape",
            "write it as the other files here are written",
        )
        return {}
    if view["table"] != f"marts.{name}":
        problems.add(f"{name}.sql", f"the view marts.{name}", view["table"], "rename one of the two")
    return {
        "name": name,
        "table": view["table"],
        "question": view["question"],
        "description": view["description"],
        "reads": list(dict.fromkeys(_READ.findall(view["query"]))),
        "columns": _columns(f"{name}{COLUMNS}", files.columns, problems),
    }


def _columns(file: str, text: str | None, problems: Problems) -> list[dict[str, str]]:
    try:
        columns = None if text is None else json.loads(text)
    except ValueError as error:
        columns = f"no JSON ({error})"
    if not isinstance(columns, list) or not columns:
        problems.add(
            file, "a list of the view's columns", columns, "describe each column of the view, in order"
        )
        return []
    for place, column in enumerate(columns):
        if not _is_column(column):
            expected = f"an object of texts: {', '.join(_FIELDS)}, the mode NULLABLE"
            problems.add(f"{file}[{place}]", expected, column, "write all four, as in a schema of a table")
            return []
    return [{key: column[key] for key in ("name", "type", "description")} for column in columns]


def _is_column(column: object) -> bool:
    return (
        isinstance(column, dict)
        and tuple(column) == _FIELDS
        and all(isinstance(value, str) and value for value in column.values())
        and column["mode"] == "NULLABLE"
    )
