"""Correction "parsed once": a statement is taken apart once, however many steps look at it.

BigQuery: plans a statement once.
bqemulator: each of some fifteen steps between a query and DuckDB parses its text anew, which is two fifths of
the time of a short query.
Here: the parsed statement is kept by its text, and each step gets a copy of its own to change. Steps that do
nothing for a query are left out for one.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import bqemulator.catalog.ddl_sync as ddl_sync
import bqemulator.jobs.executor as executor
import bqemulator.scripting.interpreter as interpreter
import bqemulator.scripting.parser as parser
import sqlglot
from bqemulator.jobs.routine_ddl import detect_drop_routine
from bqemulator.scripting.ast import Script, SqlStmt

from localcloud.bigquery.seams import replace

#: Statements of which something is kept.
MOST_KEPT = 256
#: Characters; a longer statement is rare, and would be kept for nothing.
LONGEST = 50_000
_parse_one = sqlglot.parse_one
_parse_script = parser.parse_script


def apply() -> None:
    """Let everything that asks for a parsed statement get it from here."""
    replace(sqlglot, "parse_one", _parse)
    replace(executor, "classify_statement_type", once(executor.classify_statement_type))
    for module in (executor, interpreter):
        replace(module, "parse_script", parse_script)
    _pass_by_queries()


def once(step: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a step makes of a statement; it sees only its arguments, and nobody changes its answer."""
    kept = lru_cache(MOST_KEPT)(step)

    def take_once(sql: str, *others: Any) -> Any:
        return (step if len(sql) > LONGEST else kept)(sql, *others)

    return take_once


def parse_script(sql: str) -> Script:
    """The statements of a script; what is one plain statement, which cannot be changed, is kept."""
    return _parse_script(sql) if len(sql) > LONGEST else _plain_script(sql) or _parse_script(sql)


@lru_cache(MOST_KEPT)
def _plain_script(sql: str) -> Script | None:
    script = _parse_script(sql)
    plain = len(script.statements) == 1 and isinstance(script.statements[0], SqlStmt)
    return script if plain else None


def _pass_by_queries() -> None:
    """Leave out, for a query, the steps that look for another kind of statement and would find none."""
    for name, nothing in (
        ("_detect_create_schema", None),
        ("_detect_plain_create_table", None),
        ("_detect_plain_create_view", (None, None)),
        ("_detect_catalog_drop", None),
    ):
        replace(ddl_sync, name, _unless_query(getattr(ddl_sync, name), nothing))
    replace(executor, "detect_drop_routine", _unless_query(detect_drop_routine, None))
    reject, capture = executor._reject_dml_on_immutable, executor._capture_dml_snapshots

    def reject_dml(project: str, sql: str, context: Any) -> None:
        if not _is_query(sql):
            reject(project, sql, context)

    async def capture_dml(project: str, sql: str, context: Any) -> None:
        if not _is_query(sql):
            await capture(project, sql, context)

    replace(executor, "_reject_dml_on_immutable", reject_dml)
    replace(executor, "_capture_dml_snapshots", capture_dml)


def _unless_query(detect: Callable[..., Any], nothing: Any) -> Callable[..., Any]:
    def look(sql: str, *others: Any) -> Any:
        return nothing if _is_query(sql) else detect(sql, *others)

    return look


def _is_query(sql: str) -> bool:
    """Say whether the text is a SELECT or a combination of such; of a long one nothing is said."""
    try:
        return len(sql) <= LONGEST and isinstance(_parse_kept(sql, "bigquery"), sqlglot.exp.Query)
    except Exception:
        # Whatever it is, a step that parses the text finds it too, and knows what to do.
        return False


def _parse(sql: str, read: Any = None, **options: Any) -> Any:
    if options or not isinstance(read, str) or len(sql) > LONGEST:
        return _parse_one(sql, read=read, **options)
    return _parse_kept(sql, read).copy()


@lru_cache(MOST_KEPT)
def _parse_kept(sql: str, read: str) -> Any:
    """The tree of a statement, which nobody changes; a ParseError is raised and not kept."""
    return _parse_one(sql, read=read)
