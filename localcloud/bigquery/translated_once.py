"""Correction "translated once": a statement is put into DuckDB's words once, as long as it means the same.

BigQuery: plans a statement once.
bqemulator: translates it for each job, which is most of the time of a short query.
Here: what a step made is kept by all that it was made of. Two steps look into the catalog: what they made is
kept with the answers that they got there, and is used again only while the catalog answers the same. The
other steps see no more than their arguments: the text, in which views and row access policies are put in by
then, the columns of the tables that it names, the project and who asks.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import bqemulator.jobs.executor as executor
import bqemulator.scripting.interpreter as interpreter
import bqemulator.sql.inner_query as inner_query
from bqemulator.catalog.repository import CatalogRepository
from bqemulator.domain.result import Ok
from bqemulator.row_access.identity import CallerIdentity
from bqemulator.sql.table_rewriter import rewrite_table_refs
from bqemulator.sql.translator import SQLTranslator

from localcloud.bigquery.parsed_once import LONGEST, MOST_KEPT, once
from localcloud.bigquery.seams import replace

#: Tables with the names and types of their columns, in the order in which a ``*`` gives them.
_Schema = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def apply() -> None:
    """Keep what the steps between a statement and DuckDB make of it."""
    for name in ("rewrite_for_row_access", "build_catalog_schema"):
        replace(inner_query, name, while_catalog_answers_the_same(getattr(inner_query, name)))
    replace(SQLTranslator, "translate", _translate_once(SQLTranslator.translate))
    qualify = once(rewrite_table_refs)
    for module in (executor, interpreter):
        replace(module, "rewrite_table_refs", qualify)


def while_catalog_answers_the_same(step: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a step makes of a statement with a catalog, until one of its look-ups has another answer."""
    kept: OrderedDict[tuple[Any, ...], tuple[_Watched, Any]] = OrderedDict()

    def take_once(sql: str, *, catalog: CatalogRepository, **others: Any) -> Any:
        key = (sql, *sorted(others.items()))
        found = kept.pop(key, None)
        if found is None or not found[0].answers_as(catalog):
            watched = _Watched(catalog)
            found = watched, step(sql, catalog=watched, **others)
        if len(sql) <= LONGEST:
            kept[key] = found
            if len(kept) > MOST_KEPT:
                kept.popitem(last=False)
        return found[1]

    return take_once


class _Watched:
    """A catalog, and what it was asked and answered; entries of a catalog are never changed in place."""

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog
        self._seen: list[tuple[str, tuple[Any, ...], object]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._catalog, name)

        def look_up(*arguments: Any) -> Any:
            # Nothing is equal to this: a look-up that fails is asked again.
            answer: object = object()
            try:
                answer = method(*arguments)
            finally:
                self._seen.append((name, arguments, answer))
            return answer

        return look_up

    def answers_as(self, catalog: Any) -> bool:
        """Say whether a catalog, asked the same, gives the same answers."""
        return all(getattr(catalog, name)(*arguments) == answer for name, arguments, answer in self._seen)


class _RefusedError(Exception):
    """The translator's refusal of a statement, which is not kept."""

    def __init__(self, refusal: Any) -> None:
        super().__init__()
        self.refusal = refusal


def _translate_once(translate: Callable[..., Any]) -> Callable[..., Any]:
    @lru_cache(MOST_KEPT)
    def translate_kept(
        translator: SQLTranslator, sql: str, schema: _Schema | None, caller: CallerIdentity | None
    ) -> str:
        tables = None if schema is None else {table: dict(columns) for table, columns in schema}
        answer = translate(translator, sql, schema=tables, caller=caller)
        if not isinstance(answer, Ok):
            raise _RefusedError(answer)
        return str(answer.value)

    def translate_once(
        translator: SQLTranslator,
        sql: str,
        *,
        schema: dict[str, dict[str, str]] | None = None,
        caller: CallerIdentity | None = None,
    ) -> Any:
        if len(sql) > LONGEST:
            return translate(translator, sql, schema=schema, caller=caller)
        try:
            return Ok(translate_kept(translator, sql, _freeze(schema), caller))
        except _RefusedError as refused:
            return refused.refusal

    return translate_once


def _freeze(schema: dict[str, dict[str, str]] | None) -> _Schema | None:
    if schema is None:
        return None
    return tuple((table, tuple(columns.items())) for table, columns in schema.items())
